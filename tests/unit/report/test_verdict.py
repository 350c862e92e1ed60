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
        "image and text have no offset beyond chance (centroid distance 0.050 [0.040, 0.060], chance alone gives "
        "0.030)."
    )


@pytest.mark.parametrize(("distance", "beyond"), [(0.0599, False), (0.0601, True)])
def test_where_chance_ends(made_up, distance, beyond):
    report = made_up(("centroid_distance", PAIR, distance), ("centroid_distance_floor", PAIR, 0.03))
    assert ("show an offset" in headline(report, "image", "text")) == beyond


def test_separable_without_an_offset(made_up):
    report = made_up(
        ("centroid_distance", PAIR, 0.03), ("centroid_distance_floor", PAIR, 0.03), ("linear_separability", PAIR, 0.99)
    )
    assert headline(report, "image", "text") == (
        "image and text have no offset beyond chance (centroid distance 0.030, chance alone gives 0.030), yet a linear "
        "classifier tells them apart in 99.0% of cases."
    )


def test_a_distance_alone(made_up):
    report = made_up(("centroid_distance", PAIR, 0.5, (0.4, 0.6)), metrics=["centroid_distance"])
    assert headline(report, "image", "text") == "image and text: centroid distance 0.500 [0.400, 0.600]."


def test_a_distance_and_its_floor(made_up):
    report = made_up(("centroid_distance", PAIR, 0.5), ("centroid_distance_floor", PAIR, 0.03))
    assert headline(report, "image", "text") == (
        "image and text show an offset: centroid distance 0.500, chance alone 0.030."
    )


@pytest.mark.parametrize(("p", "beyond"), [(0.04, True), (0.05, False), (0.5, False)])
def test_near_the_floor_the_permutation_test_decides(made_up, p, beyond):
    report = made_up(
        ("centroid_distance", PAIR, 0.05), ("centroid_distance_floor", PAIR, 0.03), ("mmd_p_value", PAIR, p)
    )
    assert ("show an offset" in headline(report, "image", "text")) == beyond


def test_far_from_the_floor_the_permutation_test_is_not_asked(made_up):
    report = made_up(
        ("centroid_distance", PAIR, 0.07), ("centroid_distance_floor", PAIR, 0.03), ("mmd_p_value", PAIR, 0.9)
    )
    assert "show an offset" in headline(report, "image", "text")


@pytest.mark.parametrize("rows", [[], [("centroid_distance", PAIR, None, {"reason": "too few"})]])
def test_no_distance(made_up, rows):
    report = made_up(("mmd", PAIR, 0.5), *rows)
    assert headline(report, "image", "text") == "image and text: the centroid distance was not measured."


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
    found = _only(made_up(*_score_rows(matched=0.31, unmatched=0.16)), "Scores: ")
    assert "a match scores 0.31 on average and unrelated rows of image and text 0.16" in found
    assert "of image score 0.53 and of text 0.52" in found


def test_scores_without_pairs(made_up):
    found = _only(made_up(*_score_rows(unmatched=0.16)), "Scores: ")
    assert "two unrelated rows of image and text score 0.16 on average, two of image 0.53, two of text 0.52" in found
    assert found.endswith("What a match scores cannot be said without pairs.")


def test_a_score_of_minus_nothing_is_nothing(made_up):
    assert "of image and text 0.00, yet" in _only(made_up(*_score_rows(matched=0.3, unmatched=-0.001)), "Scores: ")


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
    assert "gives precision 91% (asked: 90%) and finds 42% of the matches." in found
    assert "finds 50% of the matches." in _only(report, "Threshold, text searching image: ")


def test_a_threshold_out_of_reach(made_up):
    report = made_up(*_score_rows(matched=0.31, unmatched=0.16), *_cut("image text", None, best=0.75))
    assert _only(report, "Threshold") == (
        "Threshold, image searching text: no cosine gives precision 90%; the best cosine gives 75%."
    )


# mixed index


def _shares(value: float, corpus: float, ndcg: float | None = 0.4):
    ndcg_row = ("ndcg_at_k", "image", ndcg, {"k": 10} if ndcg is not None else {"k": 10, "reason": "needs relevance"})
    return [
        ("modality_share_at_k", "image image", 1 - value, {"k": 10, "corpus_share": 1 - corpus}),
        ("modality_share_at_k", "image text", value, {"k": 10, "corpus_share": corpus}),
        ndcg_row,
    ]


def test_hidden_in_a_mixed_index(made_up):
    assert _only(made_up(*_shares(0.02, 0.5)), "Mixed index") == (
        "Mixed index, image searching everything: text fills 2.0% of the top 10 and 50.0% of the corpus, "
        "NDCG@10 0.400. Close the gap here: text is hidden by it."
    )


def test_favoured_in_a_mixed_index(made_up):
    found = _only(made_up(*_shares(0.9, 0.5)), "Mixed index")
    assert "text fills 90.0% of the top 10" in found
    assert found.endswith("It is favoured.")
    assert "hidden" not in found


@pytest.mark.parametrize(
    ("share", "word"), [(0.46, "Leave it"), (0.54, "Leave it"), (0.44, "hidden"), (0.56, "favour")]
)
def test_a_fair_mixed_index_is_left(made_up, share, word):
    assert word in _only(made_up(*_shares(share, 0.5)), "Mixed index")


def test_a_mixed_index_without_relevance(made_up):
    assert "NDCG" not in _only(made_up(*_shares(0.02, 0.5, None)), "Mixed index")


def test_roles_share_their_modality(made_up):
    """The share is one of texts, whichever role they have."""
    report = made_up(
        ("modality_share_at_k", "image text", 0.1, {"k": 10, "corpus_share": 0.5}), groups="image text/query"
    )
    (found,) = verdicts(report, "image", "text/query")
    assert "text fills 10.0% of the top 10" in found


# retrieval and nature


def test_retrieval_is_left(made_up):
    report = made_up(
        ("recall_at_k", "image text", 0.552, (0.5, 0.6), {"k": 1}),
        ("recall_at_k", "image text", 0.808, {"k": 5}),
        ("recall_at_k", "text image", 0.506, {"k": 1}),
    )
    found = _only(report, "Retrieval across")
    assert "image to text 0.552 [0.500, 0.600], text to image 0.506" in found
    assert "Leave it" in found
    assert "0.808" not in found


def test_nature(made_up):
    found = _only(made_up(("gap_energy_ratio", PAIR, 0.525, (0.51, 0.54))), "Nature")
    assert found.startswith("Nature: 0.525 [0.510, 0.540] of the mean squared pair distance is one constant offset")


def test_nature_without_pairs(made_up):
    report = made_up(("gap_energy_ratio", PAIR, None, {"reason": "needs pairs: image and text share no item id"}))
    assert _sentences(report) == [
        "Nature: how constant the gap is cannot be said (needs pairs: image and text share no item id)."
    ]
