"""What a page says first: the decision for each task, what the gap costs, how sure that is."""

from dataclasses import replace

import pytest

from crossgap.report.page.answers import answers, lead_reading
from crossgap.report.page.sections.health import health
from crossgap.report.page.sections.verdict import task_cards, verdict
from crossgap.report.verdict import gap_kind, tasks, verdicts

PAIR = "image text"
GAP = (("centroid_distance", PAIR, 0.85, (0.84, 0.86)), ("centroid_distance_floor", PAIR, 0.03))
CORPUS = {"k": 10, "corpus_share": 0.5, "corpus": {"image": 500, "text": 500}}


def _shares(value: float, spread: float = 0.01, queries: str = "image"):
    own, other = (queries, "text" if queries == "image" else "image")
    for group, share in ((own, 1 - value), (other, value)):
        bounds = (share - spread, share + spread)
        yield ("modality_share_at_k", f"{queries} {group}", share, bounds, CORPUS)
        yield (
            "modality_share_excess",
            f"{queries} {group}",
            share - 0.5,
            (bounds[0] - 0.5, bounds[1] - 0.5),
            CORPUS,
        )


SCORES = (
    ("matched_cosine", PAIR, 0.31, (0.3, 0.32)),
    ("unmatched_cosine", PAIR, 0.16),
    ("within_cosine", "image", 0.53),
    ("within_cosine", "text", 0.52),
)
RECALL = (("recall_at_k", PAIR, 0.55, (0.5, 0.6), {"k": 1}), ("recall_at_k", "text image", 0.51, {"k": 1}))


def _judged(verdict: str, task: str = "mixed search", groups=("image",), **facts):
    entry = {"quantity": "ndcg_at_k", "before": 0.1, "after": 0.6, "interval": [0.4, 0.55], "sentence": "It -> gains."}
    return {"task": task, "verdict": verdict, "groups": list(groups), **entry, **facts}


def _with_closers(report, *verdicts, **facts):
    entry = {"groups": ["image", "text"], "chosen": "mean-removal", "judged": "mean-removal", "why": "it gains"}
    return replace(report, details={"closers": [{**entry, "verdicts": list(verdicts), "candidates": [], **facts}]})


def _answers(report) -> dict[str, str]:
    return {one.question: f"{one.short}. {' '.join(one.sentences)}" for one in answers(report, task_cards(report))}


# tasks


def test_sentences_are_those_of_the_tasks(made_up):
    report = made_up(*GAP, *_shares(0.0), *SCORES, *RECALL, ("gap_energy_ratio", PAIR, 0.5))
    found = list(tasks(report, "image", "text"))
    assert [task.sentence for task in found] == list(verdicts(report, "image", "text"))
    assert [(task.task, task.decision) for task in found] == [
        ("one threshold", "close it"),
        ("mixed search", "close it"),
        ("retrieval across", "leave it"),
        ("nature", None),
    ]
    assert all(task.numbers for task in found)


@pytest.mark.parametrize(("share", "decision"), [(0.0, "close it"), (0.5, "leave it"), (0.9, "not measured")])
def test_the_decision_on_a_mixed_search(made_up, share, decision):
    (found,) = [one for one in tasks(made_up(*GAP, *_shares(share)), "image", "text") if one.task == "mixed search"]
    assert found.decision == decision


def test_hidden_without_an_offset_is_not_closed(made_up):
    report = made_up(("centroid_distance", PAIR, 0.03), ("centroid_distance_p_value", PAIR, 0.7), *_shares(0.0))
    (found,) = [one for one in tasks(report, "image", "text") if one.task == "mixed search"]
    assert found.decision == "not measured"


@pytest.mark.parametrize(
    ("matched", "interval", "decision"),
    [
        (0.31, None, "close it"),
        (0.9, None, "leave it"),
        (0.16, (0.15, 0.17), "not measured"),
        (None, None, "not measured"),
    ],
)
def test_the_decision_on_one_threshold(made_up, matched, interval, decision):
    first = (
        ("matched_cosine", PAIR, None, {"reason": "needs pairs"})
        if matched is None
        else ("matched_cosine", PAIR, matched, *([interval] if interval else []))
    )
    (found,) = tasks(made_up(*GAP, first, *SCORES[1:]), "image", "text")
    assert found.decision == decision


def test_one_threshold_without_an_offset(made_up):
    report = made_up(("centroid_distance", PAIR, 0.03), ("centroid_distance_floor", PAIR, 0.03), *SCORES)
    (found,) = tasks(report, "image", "text")
    assert found.decision == "not measured"


@pytest.mark.parametrize(
    ("distance", "accuracy", "kind"),
    [(0.85, 1.0, "clear"), (0.85, 0.8, "overlapping"), (0.03, 1.0, "shape only"), (0.03, 0.5, "none")],
)
def test_kinds_of_gaps(made_up, distance, accuracy, kind):
    report = made_up(
        ("centroid_distance", PAIR, distance),
        ("centroid_distance_floor", PAIR, 0.03),
        ("linear_separability", PAIR, accuracy),
    )
    assert gap_kind(report, "image", "text") == kind
    assert gap_kind(made_up(("centroid_distance", PAIR, distance)), "image", "text") is None
    assert gap_kind(made_up(("mmd", PAIR, 0.1)), "image", "text") is None


# cards


def test_cards_of_numbers_alone(made_up):
    cards = task_cards(made_up(*GAP, *_shares(0.0), *_shares(0.0, queries="text"), *SCORES, *RECALL))
    assert [(card.task, card.decision) for card in cards] == [
        ("Mixed search", "close it"),
        ("One threshold for all scores", "close it"),
        ("Cross-modal search", "leave it"),
    ]
    assert cards[0].numbers == (
        ("image searching, top 10", "0.0% text", "[-1.0%, 1.0%] in the list, 50.0% in the corpus"),
        ("text searching, top 10", "0.0% image", "[-1.0%, 1.0%] in the list, 50.0% in the corpus"),
    )
    assert cards[2].numbers[0] == ("image to text", "recall@1 0.55", "[0.50, 0.60]")
    assert cards[0].certainty == (
        "Sure that a group is hidden; what closing gains was not measured: crossgap close SOURCE -o "
        "closer.safetensors tells."
    )


def test_directions_of_different_decisions_have_cards_of_their_own(made_up):
    cards = task_cards(made_up(*GAP, *_shares(0.0), *_shares(0.5, queries="text"), *RECALL))
    assert [(card.task, card.decision, len(card.numbers)) for card in cards] == [
        ("Mixed search", "close it", 1),
        ("Mixed search", "leave it", 1),
        ("Cross-modal search", "leave it", 2),
    ]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (("mmd", PAIR, 0.1), "holds no modality_share_at_k"),
        (("modality_share_at_k", PAIR, None, {"reason": "needs pairs: none."}), "It needs pairs: none."),
        (("modality_share_at_k", PAIR, None, {"reason": "too small a part"}), "too small a part"),
        (("modality_share_at_k", PAIR, 0.0, {**CORPUS, "corpus": {"image": 8, "text": 8}}), "too small to judge"),
    ],
)
def test_a_task_that_was_not_measured_says_why(made_up, row, why):
    card = next(card for card in task_cards(made_up(*GAP, row)) if card.task == "Mixed search")
    assert card.decision == "not measured"
    assert why in card.certainty


def test_what_was_judged_on_held_out_rows_decides(made_up):
    report = _with_closers(
        made_up(*GAP, *_shares(0.0), *RECALL),
        _judged("close it"),
        _judged("not enough data", groups=["text"], interval=[-0.2, 0.3]),
        _judged("leave it", "retrieval across", ["image", "text"], quantity="recall_at_k", after=0.1, interval=[0, 0]),
        _judged("close it", "a new task", interval=None),
        _judged("leave it", "zero-shot", ["image", "text"], quantity="label_accuracy", before=None),
    )
    cards = {(card.task, card.decision): card for card in task_cards(report)}
    assert list(cards) == [
        ("Mixed search", "close it"),
        ("A new task", "close it"),
        ("Mixed search", "not enough data"),
        ("Cross-modal search", "leave it"),
        ("Zero-shot labels", "leave it"),
    ]
    mixed = cards["Mixed search", "close it"]
    assert mixed.numbers == (("image searching", "NDCG@10 0.10 → 0.60", "+0.50 [+0.40, +0.55]"),)
    assert mixed.sentences[0] == "It → gains."
    assert mixed.sentences[1].startswith("As it is now. Mixed index, image searching everything")
    assert mixed.certainty.startswith("Sure")
    assert cards["A new task", "close it"].certainty.startswith("No interval")
    assert cards["Zero-shot labels", "leave it"].numbers == (("image by text", "accuracy not measured", ""),)


def test_the_section_says_what_to_type(made_up):
    section = verdict(made_up(*GAP, *_shares(0.0)))
    assert "crossgap close SOURCE -o closer.safetensors" in [getattr(block, "text", "") for block in section.blocks]
    left = verdict(made_up(*GAP, *_shares(0.5)))
    assert "code" not in [block.kind for block in left.blocks]


def test_a_closer_that_was_not_chosen_is_named_so(made_up):
    report = _with_closers(made_up(*GAP), _judged("leave it"), chosen="none", judged="whitening")
    said = " ".join(getattr(block, "text", "") for block in verdict(report).blocks)
    assert "Gains are those of whitening, which was not good enough to be chosen" in said


# the first screen


def test_who_wins_and_by_how_much(made_up):
    found = _answers(made_up(*GAP, *_shares(0.0), *_shares(0.1, queries="text")))
    cost = found["What it costs in a search over everything"]
    assert cost.startswith("Each modality finds its own kind first.")
    assert "text searching: text fills 90.0% [89.0%, 91.0%] of the top 10, +40.0 points against its 50.0%" in cost


@pytest.mark.parametrize(
    ("image", "text", "short"),
    [
        (0.5, 0.5, "No modality wins."),
        (0.9, 0.1, "text wins."),
        (0.9, 0.5, "text wins for image; no one wins for text."),
        (0.9, 0.9, "text wins for image; image wins for text."),
    ],
)
def test_winners(made_up, image, text, short):
    found = _answers(made_up(*GAP, *_shares(image), *_shares(text, queries="text")))
    assert found["What it costs in a search over everything"].startswith(short)


def test_no_one_wins_within_the_interval(made_up):
    found = _answers(made_up(*GAP, *_shares(0.4, spread=0.2)))
    assert found["What it costs in a search over everything"].startswith("No modality wins")


def test_no_shares(made_up):
    assert "Not measured. Crossgap measure" in _answers(made_up(*GAP))["What it costs in a search over everything"]


@pytest.mark.parametrize(
    ("share", "short"),
    [(0.0, "Close the gap for mixed search."), (0.5, "Leave the gap as it is."), (0.9, "Leave the gap as it is.")],
)
def test_what_to_do(made_up, share, short):
    assert _answers(made_up(*GAP, *_shares(share), *RECALL))["What to do"].startswith(short)


def test_nothing_to_decide(made_up):
    assert _answers(made_up(*GAP))["What to do"].startswith("Not decided yet. Not measured for mixed search and cross")


def test_how_sure(made_up):
    report = made_up(*GAP, ("centroid_distance_p_value", PAIR, 0.002), ("mmd", PAIR, None, {"reason": "no"}))
    found = _answers(report)["How sure this is"]
    assert found.startswith("Sure of the gap, not of every task.")
    assert "200 resamplings of 500 image and 500 text rows" in found
    assert "(p = 0.002: the chance that groups without one lie so far apart)" in found
    assert "One quantity could not be measured" in found


def test_sure_of_every_task(made_up):
    report = _with_closers(
        made_up(*GAP), _judged("close it"), _judged("leave it", "retrieval across", ["image", "text"])
    )
    assert _answers(report)["How sure this is"].startswith("Sure, for every task.")


def test_errors_in_the_data_come_first(made_up):
    finding = {"severity": "error", "name": "zero-rows", "groups": ["image"], "sentence": "3 rows.", "mend": "Drop."}
    found = _answers(replace(made_up(*GAP), details={"health": [finding]}))["How sure this is"]
    assert found.startswith("Check the data first.")
    assert "zero-rows" in found
    warning = _answers(replace(made_up(*GAP), details={"health": [{**finding, "severity": "warning"}]}))
    assert "Data health warns of: zero-rows." in warning["How sure this is"]


def test_no_intervals(made_up):
    found = _answers(made_up(("centroid_distance", PAIR, 0.85), ("centroid_distance_floor", PAIR, 0.03), bootstrap=0))
    assert found["How sure this is"].startswith("No intervals.")


def test_how_to_read_the_lead(made_up):
    assert "95% interval" in lead_reading(made_up(*GAP))
    assert lead_reading(made_up(("mmd", PAIR, 0.1))) == ""
    assert lead_reading(made_up(("mmd", "a a", 0.1), groups="a")) == ""


# data health


def test_sub_samples_and_what_was_skipped_are_said(made_up):
    full = {"image": 50, "text": 60}
    section = health(
        made_up(
            ("mmd", PAIR, 0.1, {"n": 100, "m": 200, "sampled_from": [1000, 2000]}),
            ("modality_share_at_k", PAIR, 0.1, {"corpus": {"image": 5, "text": 6}, "sampled_from": full}),
            ("alignment", PAIR, None, {"reason": "needs pairs: none."}),
            ("threshold_at_precision", PAIR, None, {"reason": "not reached"}),
            notes=["not used: labels"],
        )
    )
    said = [item for block in section.blocks for item in getattr(block, "items", ())]
    assert "100 of 1,000 and 200 of 2,000 rows of image and text: MMD." in said
    assert "5 of 50 and 6 of 60 rows of image and text: share of the top k." in said
    assert "not used: labels" in said
    assert "Alignment: needs pairs: none." in section.missing
    assert "not reached" not in " ".join(section.missing)
