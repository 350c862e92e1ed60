import re

import pytest

from crossgap.report.terminal import lines

PAIR = "image text"
TABLE = re.compile(r"^  \S+( \(.*\))?  +\S+")


def _full(made_up, **settings):
    reason = {"reason": "needs pairs: image (500 rows) and text (300 rows) have no item ids and differ in size"}
    rows = [
        ("centroid_distance", PAIR, 0.85, (0.84, 0.86), {"n": 500, "m": 500, "d": 64}),
        ("centroid_distance_floor", PAIR, 0.03),
        ("linear_separability", PAIR, 1.0, {"C": 1.0}),
        ("linear_separability", PAIR, 0.75, {"C": 100.0}),
        ("mmd", PAIR, 0.4, {"n": 300, "sampled_from": [500, 500]}),
        ("unmatched_cosine", PAIR, 0.16),
        ("within_cosine", "image", 0.5315),
        ("within_cosine", "text", 0.5),
        *(("effective_dimension", "image", 296.0, {"quantile": level}) for level in (0.9, 0.95, 0.99)),
        ("recall_at_k", "image text", 0.5, {"k": 1}),
        ("recall_at_k", "text image", 0.25, {"k": 1}),
        ("median_rank", "image text", 23.5),
        (
            "modality_share_at_k",
            "image text",
            0.0,
            {"k": 10, "corpus_share": 0.5, "corpus": {"image": 500, "text": 500}},
        ),
        ("hubness", "image text", 123.456, {"k": 10}),
        *((name, PAIR, 0.5) for name in ("gap_constancy", "pair_distance", "centroid_cosine")),
        ("uniformity", "image", -1.8),
        ("cosine_quantiles", PAIR, 0.1, {"quantile": 0.5, "pairs": "unmatched"}),
        ("cosine_quantiles", PAIR, 0.25, {"from": 0.1, "to": 0.12, "pairs": "unmatched"}),
        ("alignment", PAIR, None, reason),
        ("matched_cosine", PAIR, None, reason),
    ]
    return made_up(*rows, **settings)


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_no_sentence_is_wider_than_the_terminal(made_up, width):
    notes = [
        f"'a{i}.npz': array 'counts' with shape (3,) and dtype int64 is not used, since it holds no vectors."
        for i in "12"
    ]
    for line in lines(_full(made_up, notes=notes), width=width):
        assert len(line) <= width, line
        assert "\n" not in line
        assert line == line.rstrip()


def test_width_is_kept_between_60_and_120(made_up):
    report = _full(made_up)
    assert list(lines(report, width=10)) == list(lines(report, width=60))
    assert list(lines(report, width=500)) == list(lines(report, width=120))
    assert list(lines(report, width=60)) != list(lines(report, width=120))


def test_the_order(made_up):
    found = list(lines(_full(made_up)))
    assert found[0].startswith("image and text show a clear modality gap: centroid distance 0.850 [0.840, 0.860]")
    titles = [
        line for line in found if line in ("The gap", "Scores", "Mixed index", "Retrieval", "Shape of each group")
    ]
    assert titles == ["The gap", "Scores", "Mixed index", "Retrieval", "Shape of each group"]
    assert [i for i, line in enumerate(found) if line.startswith("- ")][-1] < found.index("The gap")


def test_the_table(made_up):
    found = "\n".join(lines(_full(made_up)))
    assert re.search(r"^  centroid_distance +image, text +0\.8500  \[0\.8400, 0\.8600\]$", found, re.MULTILINE)
    assert re.search(r"^  recall_at_k \(k 1\) +image > text +0\.5000$", found, re.MULTILINE)
    assert re.search(r"^  recall_at_k \(k 1\) +text > image +0\.2500$", found, re.MULTILINE)
    assert re.search(r"^  median_rank +image > text +23\.50$", found, re.MULTILINE)
    assert re.search(r"^  hubness \(k 10\) +image > text +123\.5$", found, re.MULTILINE)
    assert re.search(r"^  effective_dimension \(quantile 0\.99\) +image +296$", found, re.MULTILINE)


def test_a_first_look_leaves_variants_out_and_says_where_the_rest_is(made_up):
    found = "\n".join(lines(_full(made_up)))
    assert "C 100" not in found
    assert "quantile 0.9)" not in found
    assert "With -o, the file also holds: centroid_cosine, cosine_quantiles, gap_constancy, pair_distance." in found


def test_what_was_asked_for_is_shown_whole(made_up):
    report = made_up(
        ("linear_separability", PAIR, 1.0, {"C": 1.0}),
        ("linear_separability", PAIR, 0.75, {"C": 100.0}),
        ("gap_constancy", PAIR, 0.5),
        ("cosine_quantiles", PAIR, 0.1, {"quantile": 0.5, "pairs": "unmatched"}),
        ("cosine_quantiles", PAIR, 0.25, {"from": 0.1, "to": 0.12, "pairs": "unmatched"}),
        metrics=["linear_separability", "gap_constancy", "cosine_quantiles"],
    )
    found = "\n".join(lines(report))
    assert "linear_separability (C 100.0)" in found
    assert re.search(r"^Asked for\n  gap_constancy +image, text +0\.5000$", found, re.MULTILINE)
    asked = found[found.index("Asked for") :].splitlines()[1:3]
    assert [line.split()[0] for line in asked] == ["gap_constancy", "cosine_quantiles"], "in the order of the report"
    assert "cosine_quantiles (quantile 0.5, pairs unmatched)" in found
    assert "from 0.1" not in found, "a histogram is for the file"
    assert "With -o" not in found


def test_what_was_skipped_is_said_once_with_its_reason(made_up):
    found = " ".join(line.strip() for line in lines(_full(made_up)))
    assert found.count("skipped: alignment, matched_cosine: needs pairs: image (500 rows) and text (300 rows)") == 1


def test_a_subsample_is_said(made_up):
    assert "on at most 10000 rows of a group (--rows): mmd" in list(lines(_full(made_up)))


def test_the_foot(made_up):
    found = list(lines(_full(made_up), width=120))
    sizes = "image 500 x 64, text 500 x 64; rows brought to length 1;"
    assert f"{sizes} 95% intervals from 200 bootstrap replicates, seed 0." in found
    found = list(lines(_full(made_up, bootstrap=0, seed=3), width=120))
    assert f"{sizes} no intervals, seed 3." in found


def test_one_group_has_a_shape_and_no_gap(made_up):
    report = made_up(("uniformity", "image", -1.5), groups="image")
    found = [line for line in lines(report) if line]
    assert found[0] == "One group, image: its shape can be measured; a gap needs a second group."
    assert found[1] == "Shape of each group"
    assert found[2].split() == ["uniformity", "image", "-1.5000"]
    assert all(len(line) <= 60 for line in lines(report, width=60))


def test_of_many_groups_the_first_two_are_shown_in_full(made_up):
    report = made_up(
        ("centroid_distance", "a b", 0.5),
        ("centroid_distance", "a c", 0.6),
        ("centroid_distance", "b c", 0.7),
        ("uniformity", "c", -1.0),
        groups="a b c",
    )
    found = list(lines(report))
    assert [line.split(":")[0] for line in found[:3]] == ["a and b", "a and c", "b and c"]
    table = [line for line in found if TABLE.match(line)]
    assert len(table) == 1
    assert "a, b" in table[0]
    assert any(line.startswith("Shown in full: a and b. The file holds all 3 pairs of groups") for line in found)


def test_the_threshold_is_left_to_the_verdict(made_up):
    report = made_up(("threshold_at_precision", PAIR, None, {"result": "threshold", "reason": "not reached"}))
    assert "skipped" not in "\n".join(lines(report))
