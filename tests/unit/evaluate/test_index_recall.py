import numpy as np
import pytest

from crossgap.evaluate.approximate_index import approximate_neighbours, index_settings
from crossgap.evaluate.comparison import Resampling
from crossgap.evaluate.folds import as_is, other_half
from crossgap.evaluate.index_recall import evaluate_index, list_overlap
from crossgap.geometry.neighbours import nearest_rows

FEW = Resampling(replicates=20)
pytest.importorskip("faiss")


def test_recall_is_the_share_of_the_true_list():
    found = np.array([[1, 2, 3], [7, 8, -1]])
    true = np.array([[3, 2, 9], [1, 2, 3]])
    np.testing.assert_allclose(list_overlap(found, true), [2 / 3, 0.0])


@pytest.mark.parametrize("gallery", ["image", "text", "all"])
def test_numbers_are_those_of_a_direct_search(pairs, gallery):
    found = evaluate_index(as_is(pairs), kind="ivf-pq", k=5, resampling=FEW)
    (fold,) = as_is(pairs)
    queries = fold.rows("text", closed=False)
    rows = {
        "image": fold.rows("image", closed=False),
        "text": queries,
        "all": np.concatenate([queries, fold.rows("image", closed=False)]),
    }[gallery]
    itself = gallery != "image"
    settings = index_settings("ivf-pq", len(rows), 16)
    got = approximate_neighbours(queries, rows, 5, kind="ivf-pq", settings=settings, leave_out_self=itself)
    true = nearest_rows(queries, rows, 5, leave_out_self=itself).rows
    measured = found.find("index_recall_at_k", "text", gallery)
    assert measured.value == pytest.approx(list_overlap(got, true).mean())
    assert measured.options == {
        "version": "as is", "k": 5, "index": "ivf-pq", "n": 120, "rows": len(rows), **settings
    }  # fmt: skip


def test_parameters_given_are_used_and_told(pairs):
    narrow, wide = (
        evaluate_index(as_is(pairs), k=5, parameters={"nprobe": probes}, resampling=FEW) for probes in (1, 11)
    )
    assert wide.settings["parameters"]["image"]["nprobe"] == 11
    assert (
        narrow.find("index_recall_at_k", "text", "image").value < wide.find("index_recall_at_k", "text", "image").value
    )


def test_within_and_across_on_coco(coco_pairs):
    """Queries of the other modality lie away from all cells: closing mends that, and changes little within."""
    found = evaluate_index(other_half(coco_pairs), resampling=Resampling(replicates=100))
    assert found.find("index_recall_at_k", "text", "image", version="before").value == pytest.approx(0.445, abs=0.03)
    for queries, gallery in (("text", "image"), ("image", "text")):
        difference = found.find("index_recall_at_k", queries, gallery, version="difference")
        assert difference.interval[0] > 0.05
    for name in ("text", "image"):
        assert abs(found.find("index_recall_at_k", name, name, version="difference").value) < 0.06
    decisions = {verdict.groups: verdict.decision for verdict in found.verdicts}
    assert decisions["text", "image"] == decisions["image", "text"] == "close it"
    assert decisions["text", "all"] == "leave it"
    assert len(decisions) == 6


def test_the_same_seed_gives_the_same_bytes(pairs):
    a, b = (evaluate_index(other_half(pairs), kind="hnsw", resampling=FEW).to_json() for _ in range(2))
    assert a == b


def test_lists_that_are_too_long_are_refused(pairs):
    with pytest.raises(ValueError, match="k must lie between 1 and the 119 rows of a gallery, but it is 120"):
        evaluate_index(as_is(pairs), k=120)
