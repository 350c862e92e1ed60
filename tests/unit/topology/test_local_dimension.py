"""Dimension and recall of clusters: equal to the measures themselves, a plain loop, every option, every message."""

import numpy as np
import pytest
import torch

from crossgap import measure
from crossgap.errors import DegenerateError
from crossgap.topology import local_dimensions, partner_labels, random_subset_dimensions

LABELS = np.repeat([0, 1, 2, -1], [60, 40, 30, 10])


@pytest.fixture
def pairs(rng):
    shared = rng.normal(size=(140, 12)) + 0.5 * rng.normal(size=(3, 12))[LABELS]
    return shared + 0.4 * rng.normal(size=shared.shape), shared + 0.4 * rng.normal(size=shared.shape)


def check_is_that_of(found, rows, m, seed=0, repeats=10):
    assert found.n == len(rows)
    assert found.participation_ratio == pytest.approx(float(measure.participation_ratio(rows)))
    assert found.entropy_rank == pytest.approx(float(measure.entropy_rank(rows)))
    assert found.effective_dimension == float(measure.effective_dimension(rows, quantile=0.99))
    assert found.spectrum_area == pytest.approx(float(measure.spectrum_area(rows, m=m, repeats=repeats, seed=seed)))
    assert found.within_cosine == pytest.approx(float(measure.within_cosine(rows)))


def test_each_cluster_is_measured_alone(pairs):
    x, y = pairs
    found = local_dimensions(x, y, x_labels=LABELS, y_labels=LABELS)
    assert [cluster.cluster for cluster in found.clusters] == [0, 1, 2]
    assert found.settings["m"] == 30
    assert found.noise_share == pytest.approx(10 / 140)
    for cluster in found.clusters:
        own = cluster.cluster == LABELS
        check_is_that_of(cluster.x, x[own], 30)
        check_is_that_of(cluster.y, y[own], 30)
        unit = [rows[own] / np.linalg.norm(rows[own], axis=1, keepdims=True) for rows in (x, y)]
        check_is_that_of(cluster.joint, np.concatenate(unit), 30)
        assert dict(cluster.reasons) == {}
    assert found.overall.cluster == -1
    check_is_that_of(found.overall.x, x, 30)


def test_recall_by_a_plain_loop(pairs):
    x, y = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in pairs)
    scores = x @ y.T
    everywhere = local_dimensions(x, y, x_labels=LABELS, y_labels=LABELS)
    inside = local_dimensions(x, y, x_labels=LABELS, y_labels=LABELS, gallery="cluster")
    for cluster, alone in zip(everywhere.clusters, inside.clusters, strict=True):
        own = np.flatnonzero(cluster.cluster == LABELS)
        assert cluster.recall_x_to_y == pytest.approx(np.mean([scores[i].argmax() == i for i in own]))
        assert cluster.recall_y_to_x == pytest.approx(np.mean([scores[:, i].argmax() == i for i in own]))
        assert alone.recall_x_to_y == pytest.approx(np.mean([own[scores[i, own].argmax()] == i for i in own]))
        assert alone.recall_y_to_x == pytest.approx(np.mean([own[scores[own, i].argmax()] == i for i in own]))
    assert everywhere.overall.recall_x_to_y == pytest.approx(float(measure.recall_at_k(x, y)))
    assert sum(c.recall_x_to_y for c in inside.clusters) > sum(c.recall_x_to_y for c in everywhere.clusters)


def test_behind_a_gap_a_cluster_has_one_side(pairs):
    x, y = pairs
    found = local_dimensions(x, y, x_labels=LABELS, y_labels=np.where(LABELS < 0, -1, LABELS + 3))
    assert [cluster.cluster for cluster in found.clusters] == list(range(6))
    first, last = found.clusters[0], found.clusters[-1]
    assert first.y is None
    assert first.joint == first.x
    assert first.recall_y_to_x is None
    assert dict(first.reasons) == {
        "y": "0 rows, fewer than 20",
        "recall_y_to_x": "none of its 0 rows of y has a partner",
    }
    assert last.x is None
    assert last.joint == last.y
    inside = local_dimensions(x, y, x_labels=LABELS, y_labels=np.where(LABELS < 0, -1, LABELS + 3), gallery="cluster")
    assert inside.clusters[0].recall_x_to_y >= first.recall_x_to_y  # searches the partners of its rows


def test_several_captions(rng):
    x = rng.normal(size=(50, 8))
    y = np.repeat(x, 2, axis=0) + 0.5 * rng.normal(size=(100, 8))
    x_items, y_items = np.arange(50), np.repeat(np.arange(50), 2)
    labels = np.repeat([0, 1], 25)
    others = partner_labels(labels, n=100, items=x_items, partner_items=y_items)
    assert others.tolist() == np.repeat(labels, 2).tolist()
    for gallery in ("all", "cluster"):
        found = local_dimensions(
            x, y, x_labels=labels, y_labels=others, x_items=x_items, y_items=y_items, gallery=gallery
        )
        for cluster in found.clusters:
            own, theirs = labels == cluster.cluster, others == cluster.cluster
            shown = theirs if gallery == "cluster" else np.ones(100, dtype=bool)
            expected = measure.recall_at_k(x[own], y[shown], query_items=x_items[own], gallery_items=y_items[shown])
            assert cluster.recall_x_to_y == pytest.approx(float(expected))


def test_rows_without_a_partner_do_not_count(pairs):
    x, y = pairs
    items = np.arange(140)
    found = local_dimensions(
        x, y, x_labels=LABELS, y_labels=LABELS, x_items=items, y_items=np.where(items < 60, items + 1000, items)
    )
    assert found.clusters[0].recall_x_to_y is None
    assert found.clusters[0].reasons["recall_x_to_y"] == "none of its 60 rows of x has a partner"
    assert found.clusters[0].x is not None
    assert found.clusters[1].recall_x_to_y is not None


def test_a_cluster_of_one_point_has_a_reason(pairs):
    x, y = (rows.copy() for rows in pairs)
    x[LABELS == 2] = x[0]
    found = local_dimensions(x, y, x_labels=LABELS, y_labels=LABELS)
    assert found.clusters[2].x is None
    assert "one and the same direction" in found.clusters[2].reasons["x"]


def test_every_option_matters(pairs):
    x, y = pairs
    given = {"x_labels": LABELS, "y_labels": LABELS}
    plain = local_dimensions(x, y, **given)
    assert local_dimensions(x, y, **given) == plain
    assert [c.x is None for c in local_dimensions(x, y, **given, least_rows=50).clusters] == [False, True, True]
    assert local_dimensions(x, y, **given, least_rows=50).settings["m"] == 50
    assert local_dimensions(x, y, **given, m=10).settings["m"] == 10
    for options in ({"m": 10}, {"repeats": 1}, {"seed": 1}):
        assert local_dimensions(x, y, **given, **options).clusters[0].x != plain.clusters[0].x, options
    tensors = local_dimensions(torch.from_numpy(x), torch.from_numpy(y), **given).clusters[0]
    assert vars(tensors.x) == pytest.approx(vars(plain.clusters[0].x))


def test_all_clusters_too_small(rng):
    x = rng.normal(size=(30, 5))
    found = local_dimensions(x, x, x_labels=np.arange(30) // 10, y_labels=np.arange(30) // 10)
    assert all(cluster.x is None and cluster.joint is not None for cluster in found.clusters)
    assert found.settings["m"] == 20  # of both sides together
    assert found.overall.x is not None


def test_random_subsets_have_the_sizes_of_the_clusters(pairs):
    x, y = pairs
    found = random_subset_dimensions(x, y, x_labels=LABELS, y_labels=LABELS, count=7)
    assert [subset.x.n for subset in found.clusters] == [60, 40, 30, 60, 40, 30, 60]
    assert [subset.y.n for subset in found.clusters] == [60, 40, 30, 60, 40, 30, 60]
    assert found.settings["m"] == 30
    assert found.settings["count"] == 7
    areas = [subset.x.spectrum_area for subset in found.clusters]
    whole = local_dimensions(x, y, x_labels=LABELS, y_labels=LABELS)
    assert np.mean(areas) == pytest.approx(whole.overall.x.spectrum_area, abs=0.05)
    recall = [subset.recall_x_to_y for subset in found.clusters]
    assert np.mean(recall) == pytest.approx(whole.overall.recall_x_to_y, abs=0.1)
    assert random_subset_dimensions(x, y, x_labels=LABELS, y_labels=LABELS, count=7) == found
    assert random_subset_dimensions(x, y, x_labels=LABELS, y_labels=LABELS, count=7, seed=1) != found


def test_random_subsets_behind_a_gap_all_count(pairs):
    x, y = pairs
    pure = np.where(LABELS < 0, -1, LABELS + 3)
    found = random_subset_dimensions(x, y, x_labels=LABELS, y_labels=pure, count=5)
    assert [subset.x.n for subset in found.clusters] == [60, 40, 30, 60, 40]
    assert [subset.y.n for subset in found.clusters] == [60, 40, 30, 60, 40]
    small = random_subset_dimensions(x, y, x_labels=LABELS, y_labels=np.full(140, -1), count=2)
    assert [subset.y for subset in small.clusters] == [None, None]


def test_partners_take_the_first_of_several():
    assert partner_labels([3, -1, 5], n=3).tolist() == [3, -1, 5]
    labels = partner_labels([3, 4], n=2, items=["a", "a"], partner_items=["a", "b"])
    assert labels.tolist() == [3, -1]
    with pytest.raises(DegenerateError, match="nothing pairs: 2 labelled rows and 3 others"):
        partner_labels([0, 1], n=3)
    with pytest.raises(ValueError, match="item ids must be given for both sides"):
        partner_labels([0, 1], n=2, items=["a", "b"])
    with pytest.raises(TypeError, match="labels must be whole numbers"):
        partner_labels([0.5], n=1)


@pytest.mark.parametrize("function", [local_dimensions, random_subset_dimensions])
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"gallery": "some"}, ValueError, "gallery must be 'all' or 'cluster', but it is 'some'"),
        ({"least_rows": 2}, ValueError, "least_rows must be at least 3, but it is 2"),
        ({"m": 2}, ValueError, "m must be at least 3, but it is 2"),
        ({"repeats": 0}, ValueError, "repeats must be at least 1, but it is 0"),
        ({"x_labels": LABELS[:5]}, ValueError, "x_labels must be one for each of the 140 rows of x, but there are 5"),
        ({"y_labels": LABELS[:5]}, ValueError, "y_labels must be one for each of the 140 rows of y, but there are 5"),
        ({"y_labels": LABELS * 1.0}, TypeError, "y_labels must be whole numbers"),
        ({"x_items": LABELS}, ValueError, "item ids must be given for both sides"),
        ({"x_items": np.arange(140), "y_items": -1 - np.arange(140)}, DegenerateError, "no query has a right answer"),
    ],
)
def test_messages(pairs, function, options, error, message):
    with pytest.raises(error, match=message):
        function(*pairs, **{"x_labels": LABELS, "y_labels": LABELS, **options})


def test_further_messages(pairs):
    x, y = pairs
    with pytest.raises(ValueError, match="count must be at least 1, but it is 0"):
        random_subset_dimensions(x, y, x_labels=LABELS, y_labels=LABELS, count=0)
    with pytest.raises(DegenerateError, match="all rows are noise, so there are no cluster sizes"):
        random_subset_dimensions(x, y, x_labels=np.full(140, -1), y_labels=np.full(140, -1))
    with pytest.raises(ValueError, match="share one space"):
        local_dimensions(x, y[:, :5], x_labels=LABELS, y_labels=LABELS)
    x[3] = 0
    with pytest.raises(ValueError, match="row 3 is all zeros"):
        local_dimensions(x, y, x_labels=LABELS, y_labels=LABELS)
