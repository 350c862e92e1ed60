"""The table: every candidate, every quantity, no line wider than asked."""

import numpy as np
import pytest

from crossgap import Embeddings
from crossgap.close.choice import choose, judge
from crossgap.close.choice_text import choice_lines
from crossgap.close.comparison import compare
from crossgap.close.comparison_table import table_lines, table_rows
from crossgap.close.mean_removal import MeanRemoval
from crossgap.close.procrustes import Procrustes
from crossgap.close.translation import Translation


def cones(n: int = 60, d: int = 6) -> Embeddings:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, d))
    return Embeddings.from_arrays(image=x + 2, text=x + 0.3 * rng.normal(size=(n, d)) - 2)


@pytest.fixture(scope="module")
def found():
    closers = {"mean-removal": MeanRemoval(), "wrong": Translation(length=float("inf")), "procrustes": Procrustes()}
    return compare(cones(), closers, replicates=40)


@pytest.mark.parametrize("width", [50, 80, 100, 200])
def test_it_fits_the_width_and_holds_everything(found, width):
    lines = list(table_lines(found, width=width))
    table = [line for line in lines if not line.startswith("wrong")]
    assert max(map(len, table)) <= width
    text = "\n".join(lines)
    for head in ("NDCG@10", "recall@1", "AUROC", "gap", "separab.", "Fréchet", "overlap", "Kendall", "fitted on"):
        assert head in text
    assert "wrong: not tried: length must be finite" in text
    assert all(line == line.rstrip() for line in lines)


def test_a_mark_says_where_the_interval_of_the_change_lies(found):
    lines = list(table_lines(found))
    removal = next(line for line in lines if line.startswith("mean-removal"))
    change = found.row("mean-removal").find("ndcg_at_k", "image")
    assert change.interval[0] > 0
    assert f"{change.after:.3f}+" in removal
    gap = found.row("mean-removal").find("centroid_distance")
    assert any(f"{gap.after:.3f}-" in line for line in lines)
    before = next(line for line in lines if line.startswith("none"))
    assert "+" not in before


def test_in_sample_figures_stand_below():
    found = compare(cones(), {"mean-removal": MeanRemoval()}, replicates=0, in_sample=True)
    lines = list(table_lines(found))
    inside = [line for line in lines if line.startswith("  in sample")]
    assert len(inside) == sum(line.startswith("mean-removal") for line in lines)
    assert f"{found.rows[0].find('centroid_distance').in_sample:.3f}" in "\n".join(inside)


def test_rows_for_a_file_are_plain(found):
    rows = table_rows(found, "mean-removal")
    gap = next(row for row in rows if row["quantity"] == "centroid_distance")
    change = found.row("mean-removal").find("centroid_distance")
    assert gap == {
        "quantity": "centroid_distance",
        "groups": "image, text",
        "before": round(change.before, 4),
        "after": round(change.after, 4),
        "change": round(change.difference, 4),
        "low": round(change.interval[0], 4),
        "high": round(change.interval[1], 4),
    }
    assert "image > text" in {row["groups"] for row in rows if row["quantity"] == "recall_at_k"}
    assert "label_accuracy" not in {row["quantity"] for row in rows}  # no labels here
    plain = compare(cones(), {"mean-removal": MeanRemoval()}, replicates=0)
    assert table_rows(plain, "mean-removal")[0]["low"] is None


# what a person reads of the whole choice


def test_a_choice_says_what_why_and_what_for():
    choice = choose(cones(), candidates={"mean-removal": MeanRemoval()}, replicates=40)
    lines = list(choice_lines(choice, width=100))
    text = "\n".join(lines)
    assert lines[0] == "Chosen: mean-removal"
    assert max(map(len, lines)) <= 100
    for part in ("keeps", "Task by task, with mean-removal:", "close it", "2 folds of whole items", "seed 0", "95%"):
        assert part in text


def test_a_method_asked_for_was_not_chosen():
    choice = judge(cones(), "procrustes", Procrustes(), replicates=0)
    lines = list(choice_lines(choice))
    assert lines[0] == "Method: procrustes"
    assert "no intervals" in "\n".join(lines)


def test_warnings_and_another_dimension_are_notes():
    from crossgap.close.canonical_map import CanonicalMap

    choice = judge(cones(40, 30), "cca", CanonicalMap(dimensions=4), replicates=0)
    text = " ".join(" ".join(choice_lines(choice)).split())
    assert "Note: rows moved by cca have 4 dimensions, not 30" in text
    assert "Note: CanonicalMap is fitted on 20 pairs in 30 dimensions" in text


def test_three_groups_show_two_and_say_so():
    x = np.random.default_rng(0).normal(size=(40, 6))
    e = Embeddings.from_arrays(image=x + 1, text=x - 1, audio=x)
    text = "\n".join(choice_lines(judge(e, "mean-removal", MeanRemoval(), replicates=0)))
    assert "Shown: image and text; --groups A,B shows others" in text


def test_too_few_items_have_no_table():
    lines = list(choice_lines(choose(cones(15), candidates={"mean-removal": MeanRemoval()})))
    assert lines[0] == "Chosen: none"
    assert lines[-1].startswith("All tasks: not enough data") or "not enough data" in "\n".join(lines)
