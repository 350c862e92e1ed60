import pytest

from crossgap.report.verdict import group_pairs, headline, verdicts

PAIR = "image text"


def _sentences(report) -> list[str]:
    found = list(verdicts(report, "image", "text"))
    for sentence in found:
        assert sentence.endswith((".", ")."))
        assert "None" not in sentence
        assert "nan" not in sentence
    return found


def _only(report, start: str) -> str:
    (found,) = [sentence for sentence in _sentences(report) if sentence.startswith(start)]
    return found


# the headline


def test_a_clear_gap(made_up):
    report = made_up(
        ("centroid_distance", PAIR, 0.85135, (0.84, 0.8649)),
        ("centroid_distance_floor", PAIR, 0.0301),
        ("linear_separability", PAIR, 1.0),
    )
    assert headline(report, "image", "text") == (
        "image and text show a clear modality gap: centroid distance 0.851 [0.840, 0.865], chance alone 0.030; a "
        "linear classifier tells them apart in 100.0% of cases."
    )


def test_an_offset_of_groups_that_overlap(made_up):
    report = made_up(
        ("centroid_distance", PAIR, 0.2), ("centroid_distance_floor", PAIR, 0.03), ("linear_separability", PAIR, 0.949)
    )
    assert headline(report, "image", "text") == (
        "image and text show an offset, but overlapping groups: centroid distance 0.200, chance alone 0.030; a "
        "linear classifier tells them apart in 94.9% of cases."
    )


@pytest.mark.parametrize(("accuracy", "kind"), [(0.951, "a clear modality gap"), (0.949, "overlapping groups")])
def test_where_clear_begins(made_up, accuracy, kind):
    report = made_up(
        ("centroid_distance", PAIR, 0.5),
        ("centroid_distance_floor", PAIR, 0.03),
        ("linear_separability", PAIR, accuracy),
    )
    assert kind in headline(report, "image", "text")


def test_no_gap_within_the_floor(made_up):
    report = made_up(
        ("centroid_distance", PAIR, 0.05, (0.04, 0.06)),
        ("centroid_distance_floor", PAIR, 0.03),
        ("linear_separability", PAIR, 0.52),
    )
    assert headline(report, "image", "text") == (
        "image and text show no offset beyond chance: centroid distance 0.050 [0.040, 0.060], chance alone 0.030; a "
        "linear classifier tells them apart in 52.0% of cases."
    )


@pytest.mark.parametrize(("distance", "beyond"), [(0.0599, False), (0.0601, True)])
def test_where_chance_ends_without_a_permutation_test(made_up, distance, beyond):
    report = made_up(("centroid_distance", PAIR, distance), ("centroid_distance_floor", PAIR, 0.03))
    assert ("show an offset" in headline(report, "image", "text")) == beyond


def test_separable_without_an_offset(made_up):
    report = made_up(
        ("centroid_distance", PAIR, 0.03), ("centroid_distance_floor", PAIR, 0.03), ("linear_separability", PAIR, 0.99)
    )
    assert headline(report, "image", "text") == (
        "image and text show no offset beyond chance, yet they differ in shape: centroid distance 0.030, chance alone "
        "0.030; a linear classifier tells them apart in 99.0% of cases."
    )


@pytest.mark.parametrize(("accuracy", "clear"), [(0.98, False), (0.997, False), (0.999, True)])
def test_accuracy_is_held_against_naming_the_larger_group(made_up, accuracy, clear):
    report = made_up(
        ("centroid_distance", PAIR, 0.3),
        ("centroid_distance_floor", PAIR, 0.03),
        ("linear_separability", PAIR, accuracy, {"n": 60, "m": 2940}),
    )
    found = headline(report, "image", "text")
    assert "(naming the larger group always: 98.0%)" in found
    assert ("a clear modality gap" in found) == clear


def test_a_distance_alone(made_up):
    report = made_up(("centroid_distance", PAIR, 0.5, (0.4, 0.6)), metrics=["centroid_distance"])
    assert headline(report, "image", "text") == "image and text: centroid distance 0.500 [0.400, 0.600]."


def test_a_distance_and_its_floor(made_up):
    report = made_up(("centroid_distance", PAIR, 0.5), ("centroid_distance_floor", PAIR, 0.03))
    assert headline(report, "image", "text") == (
        "image and text show an offset: centroid distance 0.500, chance alone 0.030."
    )


@pytest.mark.parametrize(("p", "beyond"), [(0.04, True), (0.05, False), (0.5, False)])
@pytest.mark.parametrize("distance", [0.02, 0.05, 0.07])
def test_the_permutation_test_decides(made_up, distance, p, beyond):
    report = made_up(
        ("centroid_distance", PAIR, distance),
        ("centroid_distance_floor", PAIR, 0.03),
        ("centroid_distance_p_value", PAIR, p),
        ("mmd_p_value", PAIR, 0.001),  # it sees shape as well, so it has no say
    )
    assert ("show an offset" in headline(report, "image", "text")) == beyond


@pytest.mark.parametrize("rows", [[], [("centroid_distance", PAIR, None, {"reason": "too few"})]])
def test_no_distance_no_headline(made_up, rows):
    assert headline(made_up(("mmd", PAIR, 0.5), *rows), "image", "text") == ""


def test_pairs_of_groups_in_order(made_up):
    report = made_up(("mmd", "a b", 0.1), groups="a b c")
    assert group_pairs(report) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert group_pairs(made_up(("mmd", "a a", 0.1), groups="a")) == []


def test_two_roles_of_one_modality_come_last(made_up):
    report = made_up(("mmd", "a b", 0.1), groups="text/query text/document image")
    assert group_pairs(report) == [
        ("text/query", "image"),
        ("text/document", "image"),
        ("text/query", "text/document"),
    ]


# scores


def _score_rows(**values):
    rows = [
        ("unmatched_cosine", PAIR, values["unmatched"]),
        ("within_cosine", "image", 0.53),
        ("within_cosine", "text", 0.52),
    ]
    matched = values.get("matched")
    reason = {"reason": "needs pairs: no ids"}
    return [("matched_cosine", PAIR, matched) if matched is not None else ("matched_cosine", PAIR, None, reason), *rows]


def test_scores_of_pairs(made_up):
    assert _only(made_up(*_score_rows(matched=0.31, unmatched=0.16)), "Scores: ") == (
        "Scores: a match scores 0.31; two rows of image and text of different items score 0.16 on average, two rows of "
        "image 0.53, two of text 0.52: compare scores of one kind only."
    )


def test_no_warning_where_matches_score_highest(made_up):
    found = _only(made_up(*_score_rows(matched=0.9, unmatched=0.16)), "Scores: ")
    assert found.endswith("two of text 0.52.")


def test_shuffled_rows_are_suspected(made_up):
    rows = _score_rows(matched=0.161, unmatched=0.16)
    rows[0] = ("matched_cosine", PAIR, 0.161, (0.158, 0.164))
    assert "a match scores 0.16, no more than others" in _only(made_up(*rows), "Scores: ")
    assert "crossgap doctor" in _only(made_up(*rows), "Scores: ")


def test_scores_without_pairs(made_up):
    found = _only(made_up(*_score_rows(unmatched=0.16)), "Scores: ")
    assert "two rows of image and text of different items score 0.16 on average, two rows of image 0.53" in found
    assert found.endswith("What a match scores cannot be said without pairs.")


def test_a_score_of_minus_nothing_is_nothing(made_up):
    assert "score 0.00 on average" in _only(made_up(*_score_rows(matched=0.3, unmatched=-0.001)), "Scores: ")


def test_no_scores_no_sentence(made_up):
    assert _sentences(made_up(("mmd", PAIR, 0.1))) == []
    assert _sentences(made_up(("unmatched_cosine", PAIR, 0.1), ("within_cosine", "image", 0.5))) == []


# threshold


def _cut(groups: str, value: float | None, **facts):
    reason = {} if value is not None else {"reason": "a precision of 0.9 is not reached"}
    yield ("threshold_at_precision", groups, value, {"result": "threshold", "asked": 0.9, **reason})
    for result in ("precision", "recall"):
        number = facts.get(result)
        why = {} if number is not None else {"reason": "no threshold"}
        yield ("threshold_at_precision", groups, number, {"result": result, "asked": 0.9, **why})
    yield ("threshold_at_precision", groups, facts["best"], {"result": "best_precision", "asked": 0.9})


def test_a_threshold_each_way(made_up):
    report = made_up(
        *_score_rows(matched=0.31, unmatched=0.16),
        *_cut("image text", 0.3217, precision=0.91, recall=0.42, best=0.97),
        *_cut("text image", 0.3, precision=0.9, recall=0.5, best=0.97),
    )
    found = _only(report, "Threshold, image searching text: ")
    assert "keep cosines from 0.322; on rows held out" in found
    assert "gives precision 0.91 (asked: 0.90) and finds 42% of the matches." in found
    assert "finds 50% of the matches." in _only(report, "Threshold, text searching image: ")


def test_a_threshold_out_of_reach(made_up):
    report = made_up(*_score_rows(matched=0.31, unmatched=0.16), *_cut("image text", None, best=0.75))
    assert _only(report, "Threshold") == (
        "Threshold, image searching text: no cosine gives precision 90% reliably; the best gives 75%."
    )


def test_a_threshold_that_too_few_pairs_support(made_up):
    report = made_up(*_cut("image text", None, best=0.93))
    assert _only(report, "Threshold") == "Threshold, image searching text: none (a precision of 0.9 is not reached)."


def test_a_gallery_that_was_cut_down_is_said(made_up):
    report = made_up(("recall_at_k", "image text", 0.7, {"k": 1, "m": 200, "sampled_from": [500, 600]}))
    assert "image to 200 of 600 rows of text (more in all of them) 0.700" in _only(report, "Retrieval across")


# mixed index


def _shares(value: float, corpus: float, ndcg: float | None = 0.4, spread: float = 0.01, rows: int = 500):
    ndcg_row = ("ndcg_at_k", "image", ndcg, {"k": 10} if ndcg is not None else {"k": 10, "reason": "needs relevance"})
    facts = {"k": 10, "corpus": {"image": rows, "text": rows}}
    return [
        ("modality_share_at_k", "image image", 1 - value, {"corpus_share": 1 - corpus, **facts}),
        (
            "modality_share_at_k",
            "image text",
            value,
            (value - spread, value + spread),
            {"corpus_share": corpus, **facts},
        ),
        ndcg_row,
    ]


def test_hidden_in_a_mixed_index(made_up):
    assert _only(made_up(*_shares(0.02, 0.5)), "Mixed index") == (
        "Mixed index, image searching everything: text fills 2.0% of the top 10 and 50.0% of the corpus, "
        "NDCG@10 0.400: text is hidden. This is the task for which to close the gap (crossgap close)."
    )


def test_a_small_modality_can_be_hidden(made_up):
    assert "text is hidden" in _only(made_up(*_shares(0.0, 0.038)), "Mixed index")


def test_hidden_without_an_offset(made_up):
    report = made_up(*_shares(0.06, 0.5), ("centroid_distance", PAIR, 0.03), ("centroid_distance_p_value", PAIR, 0.7))
    assert "but not by an offset, so moving the centres will not help (crossgap explain" in _only(report, "Mixed index")


def test_favoured_in_a_mixed_index(made_up):
    found = _only(made_up(*_shares(0.9, 0.5)), "Mixed index")
    assert "text fills 90.0% of the top 10" in found
    assert found.endswith("text is favoured.")


@pytest.mark.parametrize(
    ("share", "spread", "word"),
    [
        (0.41, 0.01, "no task"),
        (0.59, 0.01, "no task"),
        (0.39, 0.01, "hidden"),
        (0.39, 0.2, "no task"),
        (0.61, 0.01, "fav"),
    ],
)
def test_a_fair_mixed_index_is_left(made_up, share, spread, word):
    assert word in _only(made_up(*_shares(share, 0.5, spread=spread)), "Mixed index")


def test_a_corpus_little_longer_than_the_list_is_not_judged(made_up):
    assert not [one for one in _sentences(made_up(*_shares(0.0, 0.5, rows=15))) if one.startswith("Mixed")]
    assert [one for one in _sentences(made_up(*_shares(0.0, 0.5, rows=16))) if one.startswith("Mixed")]


def test_a_mixed_index_without_relevance(made_up):
    assert "NDCG" not in _only(made_up(*_shares(0.02, 0.5, None)), "Mixed index")


# retrieval and nature


def test_retrieval(made_up):
    report = made_up(
        ("recall_at_k", "image text", 0.552, (0.5, 0.6), {"k": 1}),
        ("recall_at_k", "image text", 0.808, {"k": 5}),
        ("recall_at_k", "text image", 0.506, {"k": 1}),
    )
    found = _only(report, "Retrieval across")
    assert "image to text 0.552 [0.500, 0.600], text to image 0.506" in found
    assert "only if held-out pairs gain (crossgap close --score recall tells)" in found
    assert "0.808" not in found


def test_nature(made_up):
    found = _only(made_up(("gap_energy_ratio", PAIR, 0.525, (0.51, 0.54))), "Nature")
    assert found.startswith("Nature: 0.525 [0.510, 0.540] of the mean squared pair distance is one constant offset")


def test_nature_without_pairs(made_up):
    report = made_up(("gap_energy_ratio", PAIR, None, {"reason": "needs pairs: image and text share no item id"}))
    assert _sentences(report) == [
        "Nature: how constant the gap is cannot be said (needs pairs: image and text share no item id)."
    ]
