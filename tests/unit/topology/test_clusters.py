"""Clusters: blobs that are known, each path and its reason, every option, every message."""

import sys

import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError, MissingExtraError
from crossgap.topology import find_clusters


def blobs(count=10, each=40, d=30, spread=0.02, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(count, d))
    truth = np.repeat(np.arange(count), each)
    return centres[truth] / np.linalg.norm(centres[truth], axis=1, keepdims=True) + spread * rng.normal(
        size=(len(truth), d)
    ), truth


def same_parts(labels, truth):
    """Whether two labellings cut the rows alike."""
    return len(set(zip(labels, truth, strict=True))) == len(set(labels)) == len(set(truth))


@pytest.mark.parametrize("reduction", ["linear", None])
def test_blobs_are_found(reduction):
    rows, truth = blobs()
    found = find_clusters(rows, reduction=reduction)
    assert same_parts(found.labels, truth)
    assert found.sizes == (40,) * 10
    assert found.noise_share == 0.0
    assert found.path.startswith("HDBSCAN on ")
    assert "since" not in found.path
    assert found.settings["k"] is None
    assert found.settings["min_cluster_size"] == 15


def test_umap_goes_first_where_it_is_asked_for(monkeypatch):
    import crossgap.maps.umap_map as umap_map

    rows, truth = blobs()
    seen = {}

    def umap_coordinates(rows, **options):
        seen.update(options)
        return rows[:, : options["dimension"]].astype(np.float32)

    monkeypatch.setattr(umap_map, "umap_coordinates", umap_coordinates)
    found = find_clusters(rows, reduction="umap", seed=3)
    assert seen == {"dimension": 10, "neighbours": 30, "min_distance": 0.0, "seed": 3}
    assert same_parts(found.labels, truth)
    assert found.path == "HDBSCAN on a map of 10 dimensions by UMAP"
    find_clusters(rows[:20], reduction="umap")
    assert seen["neighbours"] == 19  # fewer rows than 30 neighbours


def test_without_umap_it_says_which_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    monkeypatch.setattr("crossgap.maps.umap_map.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="umap"):
        find_clusters(blobs()[0], reduction="umap")


def test_few_clusters_fall_back_to_means():
    rows, _ = blobs(count=3, each=30)
    found = find_clusters(rows)
    k = round(np.sqrt(90 / 2))
    assert found.path == (
        f"k-means with k = {k} on the first 15 principal axes, since HDBSCAN found 3 clusters, fewer than 8"
    )
    assert found.settings["k"] == len(found.sizes) == k
    assert found.noise_share == 0.0
    without = find_clusters(rows, fallback=False)
    assert without.path == "HDBSCAN on the first 15 principal axes"
    assert without.sizes == (30, 30, 30)


def test_much_noise_falls_back_to_means():
    rng = np.random.default_rng(0)
    rows, _ = blobs(count=8, each=20)
    scattered = rng.normal(size=(400, 30))
    rows = np.concatenate([rows, scattered])
    plain = find_clusters(rows, fallback=False, reduction=None)
    assert len(plain.sizes) >= 8
    assert plain.noise_share > 0.6
    found = find_clusters(rows, reduction=None)
    assert found.path.startswith("k-means with k = 17 on the rows in all 30 dimensions, since HDBSCAN found ")
    assert found.path.endswith(" noise, more than 60%")
    assert found.noise_share == 0.0


def test_one_cluster_is_told_as_one(rng):
    rows = np.eye(3)[np.zeros(60, dtype=int)] + 0.1 * rng.normal(size=(60, 3))
    found = find_clusters(rows, min_cluster_size=30)
    assert "HDBSCAN found 0 clusters" in found.path
    rows, _ = blobs(count=1, each=100, spread=0.5)
    assert "fewer than 8" in find_clusters(rows).path


def test_means_by_a_plain_loop():
    """Each row is nearest to the centre of its own cluster."""
    rows = np.random.default_rng(1).normal(size=(80, 6))
    found = find_clusters(rows, reduction=None)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    centres = [unit[found.labels == c].mean(axis=0) for c in range(len(found.sizes))]
    for row, label in zip(unit, found.labels, strict=True):
        assert np.argmin([np.linalg.norm(row - centre) for centre in centres]) == label


def test_labels_go_by_size_and_noise_is_below_zero():
    rng = np.random.default_rng(0)
    sizes = [20, 50, 30, 40, 25, 60, 35, 45, 55, 16]
    centres = np.linalg.qr(rng.normal(size=(30, 10)))[0].T
    rows = np.concatenate([centre + 0.02 * rng.normal(size=(n, 30)) for n, centre in zip(sizes, centres, strict=True)])
    far = -centres[:2].sum(axis=0, keepdims=True) - centres[2:4]
    found = find_clusters(np.concatenate([rows, far]))
    assert found.sizes == tuple(sorted(sizes, reverse=True))
    assert found.labels[-2:].tolist() == [-1, -1]
    assert found.noise_share == pytest.approx(2 / (sum(sizes) + 2))
    assert [int((found.labels == c).sum()) for c in range(10)] == list(found.sizes)


def test_groups_are_clustered_together():
    rows, truth = blobs()
    x, y = rows[::2], rows[1::2]
    found = find_clusters(x, y)
    assert found.group_sizes == (200, 200)
    a, b = found.by_group()
    assert same_parts(np.concatenate([a, b]), np.concatenate([truth[::2], truth[1::2]]))
    assert found.groups().tolist() == [0] * 200 + [1] * 200
    assert a.tolist() == b.tolist()


def test_a_gap_keeps_clusters_apart(coco):
    found = find_clusters(coco["image"], coco["text"])
    a, b = found.by_group()
    assert not set(a) & set(b)
    assert found.settings["k"] == 22
    assert "HDBSCAN found 2 clusters" in found.path


def test_axes_do_not_depend_on_which_matrix_is_smaller():
    """More dimensions than rows, and the same rows with zeros cut off."""
    rows, truth = blobs(count=9, each=18, d=40)
    padded = np.concatenate([rows, np.zeros((len(rows), 300))], axis=1)
    assert np.array_equal(find_clusters(rows).labels, find_clusters(padded).labels)
    assert same_parts(find_clusters(padded).labels, truth)


def test_rows_of_low_rank_have_fewer_axes():
    rows, _ = blobs(count=4, each=10, d=3)
    assert "first 3 principal axes" in find_clusters(rows).path
    few = np.repeat(np.eye(20)[:3], 4, axis=0)  # rank 2 about the mean, 12 rows in 20 dimensions
    found = find_clusters(few)
    assert found.settings["k"] == 2
    assert find_clusters(np.repeat(np.eye(20)[:2], 30, axis=0)).settings["k"] == 2  # no more means than points


def test_lengths_do_not_matter_and_torch_and_float32_agree():
    rows, _ = blobs()
    first = find_clusters(rows).labels
    scaled = rows * np.random.default_rng(0).uniform(0.1, 9, size=(len(rows), 1))
    assert np.array_equal(find_clusters(scaled).labels, first)
    assert np.array_equal(find_clusters(torch.from_numpy(rows)).labels, first)
    assert np.array_equal(find_clusters(rows.astype(np.float32)).labels, first)


def test_every_option_matters():
    rows = np.concatenate([blobs(spread=0.12)[0], np.random.default_rng(0).normal(size=(60, 30))])
    plain = find_clusters(rows, fallback=False)
    for options in (
        {"reduction": None},
        {"dimension": 3},
        {"min_cluster_size": 45},
        {"min_samples": 25},
    ):
        assert not np.array_equal(find_clusters(rows, fallback=False, **options).labels, plain.labels), options
    loose = np.random.default_rng(0).normal(size=(200, 8))
    assert not np.array_equal(find_clusters(loose).labels, find_clusters(loose, seed=1).labels)
    assert np.array_equal(find_clusters(loose).labels, find_clusters(loose).labels)
    loose[0] = 0.0
    with pytest.raises(ValueError, match=r"groups\[0\] must have rows of a length above zero, but row 0"):
        find_clusters(loose)
    assert len(find_clusters(loose, check=False).labels) == 200


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reduction": "pca"}, "reduction must be 'linear', 'umap' or None, but it is 'pca'"),
        ({"dimension": 0}, "dimension must be at least 1, but it is 0"),
        ({"min_cluster_size": 1}, "min_cluster_size must be at least 2, but it is 1"),
        ({"min_samples": 0}, "min_samples must be at least 1, but it is 0"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        find_clusters(blobs()[0], **options)


def test_what_has_no_clusters():
    with pytest.raises(ValueError, match="needs at least one group of rows"):
        find_clusters()
    with pytest.raises(ValueError, match="share one space"):
        find_clusters(np.eye(9), np.eye(8))
    with pytest.raises(DegenerateError, match="clusters need at least 8 rows, but there are 7"):
        find_clusters(np.eye(4), np.eye(4)[:3])
    with pytest.raises(DegenerateError, match="clusters need at least 12 rows, but there are 9"):
        find_clusters(np.eye(9), min_samples=12)
    with pytest.raises(DegenerateError, match="all rows have one and the same direction"):
        find_clusters(np.ones((10, 3)) * np.arange(1, 11)[:, None])
