"""What a first reader of the page stumbled over, so that nobody does again."""

from dataclasses import replace

import pytest

from crossgap.report.page.answers import answers, joined
from crossgap.report.page.blocks import Code, Paragraph, Ranking, Sentences, Table
from crossgap.report.page.closer_words import CLOSER_WORDS
from crossgap.report.page.detail_entries import missing_entry
from crossgap.report.page.measurement_table import measurement_table
from crossgap.report.page.sections.closers import closers
from crossgap.report.page.sections.health import health
from crossgap.report.page.sections.location import location
from crossgap.report.page.sections.ranking import ranking
from crossgap.report.page.sections.retrieval import retrieval
from crossgap.report.page.sections.verdict import task_cards, verdict

PAIR = "image text"
GAP = (("centroid_distance", PAIR, 0.85, (0.84, 0.86)), ("centroid_distance_floor", PAIR, 0.03))
NO_GAP = (
    ("centroid_distance", PAIR, 0.05, (0.0, 0.08)),
    ("centroid_distance_floor", PAIR, 0.05),
    ("centroid_distance_p_value", PAIR, 0.6),
)
ERROR = {
    "severity": "error",
    "name": "shuffled-pairs",
    "groups": ["image", "text"],
    "sentence": "No.",
    "mend": "Sort them.",
}


def _shares(value: float, corpus=(500, 500)):
    options = {"k": 10, "corpus_share": 0.5, "corpus": dict(zip(("image", "text"), corpus, strict=True))}
    for queries, other in (("image", "text"), ("text", "image")):
        yield ("modality_share_at_k", f"{queries} {other}", value, (value, value), options)
        yield ("modality_share_excess", f"{queries} {other}", value - 0.5, (value - 0.5, value - 0.5), options)
        yield ("modality_share_at_k", f"{queries} {queries}", 1 - value, (1 - value, 1 - value), options)
        yield ("modality_share_excess", f"{queries} {queries}", 0.5 - value, (0.5 - value, 0.5 - value), options)


def _gain(**facts):
    entry = {"task": "mixed search", "groups": ["image"], "verdict": "close it", "quantity": "ndcg_at_k"}
    return {**entry, "before": 0.0, "after": 0.7, "interval": [0.6, 0.8], "sentence": "It gains.", **facts}


def _closers(*verdicts, **facts):
    entry = {"groups": ["image", "text"], "chosen": "mean-removal", "judged": "mean-removal", "why": "it gains"}
    return {"closers": [{**entry, "verdicts": list(verdicts), "candidates": [], "settings": {"folds": 2}, **facts}]}


def _answers(report):
    return {one.question: one for one in answers(report, task_cards(report))}


def _words(section) -> str:
    return " ".join(getattr(block, "text", "") for block in section.blocks)


# what to type


def test_the_command_has_the_source_and_what_was_chosen(made_up):
    report = replace(made_up(*GAP, *_shares(0.0), command="crossgap measure a.npz"), details=_closers(_gain()))
    command = "crossgap close a.npz --method mean-removal -o closer.safetensors"
    todo = _answers(report)["What to do"]
    assert todo.command == command
    assert "With mean-removal, NDCG@10 of a mixed search goes from 0.00 to 0.70 for image" in " ".join(todo.sentences)
    assert [block.text for block in verdict(report).blocks if isinstance(block, Code)] == [command]


def test_the_sample_has_a_closer_beside_its_page(made_up):
    report = replace(made_up(*GAP, *_shares(0.0), command="crossgap demo"), details=_closers(_gain()))
    assert _answers(report)["What to do"].command == ""
    (code,) = [block for block in verdict(report).blocks if isinstance(block, Code)]
    assert "beside this page" in code.caption
    assert code.text == "crossgap close image=images.npy text=texts.npy -o closer.safetensors"


def test_one_group_says_how_to_measure_a_second(made_up):
    (missing,) = verdict(made_up(("uniformity", "image", -1.0), groups="image")).missing
    assert missing.endswith("crossgap measure image=images.npy text=texts.npy --html gap.html.")
    (missing,) = verdict(made_up(("uniformity", "audio", -1.0), groups="audio")).missing
    assert "audio=FILE text=FILE" in missing


def test_item_ids_are_asked_for_where_they_would_help(made_up):
    row = ("recall_at_k", PAIR, None, {"reason": "needs pairs: image and text share no item id."})
    card = next(one for one in task_cards(made_up(*GAP, row)) if one.task == "Cross-modal search")
    assert "Give both groups item ids" in card.certainty


# decisions that the data do not bear


def test_errors_take_the_decisions_away(made_up):
    details = {"health": [ERROR], **_closers(_gain())}
    report = replace(made_up(*GAP, *_shares(0.0), command="crossgap measure a.npz"), details=details)
    todo = _answers(report)["What to do"]
    assert todo.short == "Mend the data first"
    assert todo.sentences[0] == "Sort them."
    assert todo.command == "crossgap doctor a.npz"
    assert {card.decision for card in task_cards(report)} <= {"check the data", "not measured"}
    assert not any(isinstance(block, Code) for block in verdict(report).blocks)


def test_doubtful_pairs_make_no_sure_decision(made_up):
    details = {"health": [{**ERROR, "severity": "warning"}], **_closers(_gain())}
    report = replace(made_up(*GAP, *_shares(0.0)), details=details)
    assert all(card.certainty.startswith("Only if the pairs are right") for card in task_cards(report))
    found = _answers(report)
    assert found["How sure this is"].short == "Sure of the gap, not of every task"
    assert found["What to do"].sentences[0] == "First look at what data health warns of: shuffled-pairs."


@pytest.mark.parametrize(
    ("quantity", "after", "words"),
    [("ndcg_at_k", 0.02, "few right answers"), ("match_auroc", 0.5, "more than guessing"), ("ndcg_at_k", 0.5, "")],
)
def test_a_clear_gain_of_little_use_says_so(made_up, quantity, after, words):
    details = _closers(_gain(quantity=quantity, after=after))
    card = task_cards(replace(made_up(*GAP), details=details))[0]
    assert card.certainty.endswith("held-out rows." if not words else f"{words}.")


def test_without_a_gap_there_is_nothing_to_close(made_up):
    found = _answers(made_up(*NO_GAP, *_shares(0.5)))
    assert found["What to do"].short == "Nothing: no gap was found"
    sure = found["How sure this is"]
    assert sure.short == "No gap was found in these rows"
    assert "95% sure, it is at most 0.080" in " ".join(sure.sentences)
    assert "is chance too" in _words(location(made_up(*NO_GAP)))
    assert "is chance too" not in _words(location(made_up(*GAP)))


def test_a_corpus_too_short_has_no_winner(made_up):
    cost = _answers(made_up(*GAP, *_shares(0.0, corpus=(12, 12))))["What it costs in a search over everything"]
    assert cost.short == "Too few rows to say"


def test_why_no_closer_was_judged_is_on_the_card(made_up):
    details = {"closers": [{"groups": ["image", "text"], "reason": "needs at least 10 items; give more items."}]}
    card = task_cards(replace(made_up(*GAP, *_shares(0.0)), details=details))[0]
    assert card.certainty.endswith("what closing gains was not measured (needs at least 10 items).")


# words


def test_a_closer_is_explained_where_it_is_named(made_up):
    row = {"name": "score-standardisation", "outcome": "better", "sentence": "x", "score": 0.5, "overlap": 1.0}
    details = _closers(_gain(), chosen="score-standardisation", judged="score-standardisation", candidates=[row])
    report = replace(made_up(*GAP), details=details)
    assert CLOSER_WORDS["score-standardisation"] in _words(verdict(report))
    section = closers(report)
    assert "leaves the vectors" in " ".join(
        block.text for block in section.blocks if isinstance(block, Paragraph) and block.tone == "caution"
    )
    table = next(block for block in section.blocks if isinstance(block, Table))
    assert not table.folded
    items = [item for block in section.blocks if isinstance(block, Sentences) for item in block.items]
    assert items == [f"score-standardisation {CLOSER_WORDS['score-standardisation']}."]


def test_every_closer_that_the_details_compare_has_words():
    from crossgap.report.details.closers import closer_candidates

    assert set(closer_candidates()) == set(CLOSER_WORDS)


def test_a_finding_is_a_sentence_with_what_to_do(made_up):
    section = health(replace(made_up(), details={"health": [ERROR]}))
    items = [item for block in section.blocks if isinstance(block, Sentences) for item in block.items]
    assert items == ["Error, shuffled-pairs (image and text): No. What to do: Sort them."]


def test_no_better_than_guessing(made_up):
    row = ("recall_at_k", PAIR, 0.02, (0.0, 0.05), {"k": 1, "n": 50, "m": 50})
    assert "no better than guessing" in _words(retrieval(made_up(row)))
    row = ("recall_at_k", PAIR, 0.5, (0.4, 0.6), {"k": 1, "n": 50, "m": 50})
    assert "no better than guessing" not in _words(retrieval(made_up(row)))


def test_a_reason_of_both_directions_is_told_once(made_up):
    both = [{"groups": [*way], "reason": "needs pairs"} for way in (("image", "text"), ("text", "image"))]
    other = {"groups": ["image", "audio"], "reason": "needs pairs"}
    report = replace(made_up(), details={"score_cuts": [*both, other]})
    assert missing_entry(report, "score_cuts", "Cuts", ("image", "text")) == ("Cuts, image and text: needs pairs.",)
    assert len(missing_entry(report, "score_cuts", "Cuts")) == 2


def test_lists_of_words():
    assert joined(["a", "b", "a"]) == "a and b"


# tables


def test_a_value_has_the_digits_of_its_interval(made_up):
    rows = [
        ("effective_dimension", "image", 296.0, (294.0, 298.0), {"quantile": 0.99}),
        ("median_rank", PAIR, 23.5, (18.5, 28.5)),
        ("participation_ratio", "image", 42.7012, (39.9, 45.8)),
        ("uniformity", "image", -1.7945, (-1.83, -1.75)),
    ]
    table = measurement_table(made_up(*rows).measurements, "x")
    assert [row[2:4] for row in table.rows] == [
        ("296", "[294, 298]"),
        ("23.5", "[18.5, 28.5]"),
        ("42.7", "[39.9, 45.8]"),
        (-1.7945, "[-1.830, -1.750]"),
    ]
    assert table.names == ("effective_dimension", "median_rank", "participation_ratio", "uniformity")


def test_a_column_without_intervals_is_left_out(made_up):
    table = measurement_table(made_up(("modality_silhouette", PAIR, 0.25)).measurements, "x")
    assert table.columns == ("quantity", "groups", "value")


# real queries


def _examples(*, closer="mean-removal", text=None):
    answer = {"group": "text", "row": 1, "score": 0.5, "right": True, **({"text": text} if text else {})}
    wrong = {**answer, "right": False}
    example = {
        "query": {"group": "image", "row": 0},
        "before": [wrong, wrong],
        "after": [wrong, answer] if closer else None,
        "first_right": {"before": 500, "after": 2 if closer else None},
    }
    return {
        "queries": "image",
        "corpus": {"image": 500, "text": 500},
        "k": 5,
        "closer": closer,
        "scores": {"before": "cosine", "after": "standardised cosine" if closer else None},
        "how": "drawn at random",
        "notes": [],
        "examples": [example],
    }


def _ranking(made_up, **facts) -> Ranking:
    report = replace(made_up(*GAP), details={"ranking_examples": [_examples(**facts)]})
    return next(block for block in ranking(report).blocks if isinstance(block, Ranking))


def test_queries_are_counted_and_not_their_answers(made_up):
    summary = _ranking(made_up, text="a dog").summary
    assert "A right answer is among the first 2 for 0 of 1 queries before, for 1 of 1 queries after." in summary
    assert "Median place of the first right answer in 1,000 rows: 500 before, 2 after." in summary
    assert "a cosine before, a standardised cosine after" in summary


def test_queries_that_say_nothing_are_folded(made_up):
    bare = _ranking(made_up)
    assert bare.folded
    assert "shown by their number" in bare.summary
    assert not _ranking(made_up, text="a dog").folded


def test_without_a_closer_there_is_no_column_for_it(made_up):
    report = replace(made_up(*GAP), details={"ranking_examples": [_examples(closer=None, text="a dog")]})
    html = report.to_html()
    assert "After closing was not measured, since no closer was judged." in html
    assert "<h5>After" not in html


def test_one_group_has_no_mixed_search(made_up):
    report = replace(made_up(groups="image"), details={"ranking_examples": [_examples(closer=None)]})
    section = ranking(report)
    assert section.blocks == ()
    assert "needs two groups" in section.missing[0]
