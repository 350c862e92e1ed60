"""What each move does to orders (the table of C11), on random rows, beside plain loops."""

import numpy as np
import pytest

from crossgap.close.mean_removal import MeanRemoval
from crossgap.close.rank_preservation import (
    list_kendall,
    list_kendall_per_query,
    neighbour_overlap,
    neighbour_overlap_per_row,
    rank_preservation,
    within_spearman,
    within_spearman_per_row,
)
from crossgap.close.standardisation import Standardisation
from crossgap.close.translation import Translation
from crossgap.errors import DegenerateError


@pytest.fixture
def pairs(rng) -> dict[str, np.ndarray]:
    """60 pairs in two cones."""
    shared = rng.normal(size=(60, 8))
    x, y = (shared + 0.5 * rng.normal(size=(60, 8)) + 2 * side * np.eye(8)[0] for side in (1, -1))
    return {"image": _unit(x), "text": _unit(y)}


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _rotation(rng: np.random.Generator, d: int = 8) -> np.ndarray:
    return np.linalg.qr(rng.normal(size=(d, d)))[0]


def _moved(pairs, closer) -> dict[str, np.ndarray]:
    rows, groups = np.concatenate(list(pairs.values())), np.repeat(list(pairs), [len(part) for part in pairs.values()])
    closer.fit(rows, groups=groups)
    return {name: closer.move(part, name) for name, part in pairs.items()}


# the table of C11


@pytest.mark.parametrize("metric", ["cosine", "dot", "euclidean"])
def test_a_common_rotation_keeps_every_order(pairs, rng, metric):
    rotation = _rotation(rng)
    found = rank_preservation(pairs, {name: rows @ rotation for name, rows in pairs.items()}, metric=metric)
    assert found.neighbour_overlap == {"image": 1.0, "text": 1.0}
    assert list(found.within_spearman.values()) == pytest.approx([1.0, 1.0], abs=1e-12)
    assert found.list_kendall == {("image", "text"): 1.0, ("text", "image"): 1.0}


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_a_rotation_of_one_group_keeps_orders_within_and_not_across(pairs, rng, metric):
    found = rank_preservation(pairs, {**pairs, "text": pairs["text"] @ _rotation(rng)}, metric=metric)
    assert list(found.within_spearman.values()) == pytest.approx([1.0, 1.0], abs=1e-12)
    assert found.neighbour_overlap == {"image": 1.0, "text": 1.0}
    assert max(found.list_kendall.values()) < 0.9


def test_translation_of_texts_keeps_the_lists_of_images_by_the_dot_product(pairs, rng):
    after = {**pairs, "text": pairs["text"] + rng.normal(size=8)}
    dot = rank_preservation(pairs, after, metric="dot")
    assert dot.list_kendall["image", "text"] == 1.0
    assert dot.list_kendall["text", "image"] < 0.9
    euclidean, cosine = (rank_preservation(pairs, after, metric=metric) for metric in ("euclidean", "cosine"))
    assert euclidean.within_spearman["text"] == pytest.approx(1.0, abs=1e-12)
    assert euclidean.neighbour_overlap["text"] == 1.0
    assert cosine.within_spearman["text"] < 0.99


def test_mean_removal_without_renormalising_keeps_euclidean_orders_within(pairs):
    after = _moved(pairs, MeanRemoval(renormalise=False))
    euclidean, cosine = (rank_preservation(pairs, after, metric=metric) for metric in ("euclidean", "cosine"))
    assert list(euclidean.within_spearman.values()) == pytest.approx([1.0, 1.0], abs=1e-12)
    assert min(cosine.within_spearman.values()) < 0.999
    dot = rank_preservation(pairs, after, metric="dot")
    assert max(dot.list_kendall.values()) < 1  # changed by -m_x . y and -x . m_y


@pytest.mark.parametrize("closer", [MeanRemoval(), Translation(), Standardisation()])
def test_closers_that_renormalise_keep_orders_roughly(pairs, closer):
    found = rank_preservation(pairs, _moved(pairs, closer))
    for values in (found.within_spearman, found.neighbour_overlap, found.list_kendall):
        assert all(0.2 < value < 1 for value in values.values())


def test_on_clip_pairs_means_go_and_four_fifths_of_the_neighbours_stay(coco):
    pairs = {name: coco[name] for name in ("image", "text")}
    found = rank_preservation(pairs, _moved(pairs, MeanRemoval()))
    assert 0.7 < min(found.neighbour_overlap.values()) < max(found.neighbour_overlap.values()) < 0.8
    moved = rank_preservation(pairs, _moved(pairs, Translation()))
    assert min(moved.neighbour_overlap.values()) > 0.9
    assert max(moved.list_kendall.values()) < min(found.list_kendall.values())  # recall falls from 0.55 to 0.36


# plain loops


def test_spearman_is_that_of_scipy_row_by_row(rng):
    from scipy.stats import spearmanr

    before, after = rng.normal(size=(12, 4)), rng.normal(size=(12, 3))
    expected = []
    for row in range(12):
        others = [other for other in range(12) if other != row]
        sides = [[_unit(rows)[row] @ _unit(rows)[other] for other in others] for rows in (before, after)]
        expected.append(spearmanr(*sides).statistic)
    assert within_spearman_per_row(before, after) == pytest.approx(expected, abs=1e-12)
    assert within_spearman_per_row(before, after, rows=np.array([5, 2])) == pytest.approx([expected[5], expected[2]])
    assert float(within_spearman(before, after)) == pytest.approx(np.mean(expected))


def test_overlap_counts_the_neighbours_that_stay(rng):
    before, after = rng.normal(size=(12, 4)), rng.normal(size=(12, 3))
    for metric in ("cosine", "euclidean", "dot"):
        expected = []
        for row in range(12):
            near = []
            for rows in (before, after):
                rows = _unit(rows) if metric == "cosine" else rows
                scores = [
                    -np.linalg.norm(rows[row] - other) if metric == "euclidean" else rows[row] @ other for other in rows
                ]
                scores[row] = -np.inf
                near.append(set(np.argsort(scores)[::-1][:3].tolist()))
            expected.append(len(near[0] & near[1]) / 3)
        assert neighbour_overlap_per_row(before, after, k=3, metric=metric).tolist() == pytest.approx(expected)


def test_kendall_is_that_of_scipy_over_the_head_of_the_list(rng):
    from scipy.stats import kendalltau

    before, after = ((rng.normal(size=(7, d)), rng.normal(size=(30, d))) for d in (5, 6))
    expected = []
    for query in range(7):
        scores = [_unit(gallery) @ _unit(queries)[query] for queries, gallery in (before, after)]
        head = np.argsort(-scores[0])[:10]
        expected.append(kendalltau(scores[0][head], scores[1][head]).statistic)
    assert list_kendall_per_query(before, after, length=10) == pytest.approx(expected, abs=1e-12)
    assert list_kendall_per_query(before, after, length=10, rows=np.array([3])) == pytest.approx(expected[3:4])
    assert float(list_kendall(before, after, length=10)) == pytest.approx(np.mean(expected))


def test_weights_give_one_value_for_each_weighting(rng):
    before, after = rng.normal(size=(12, 4)), rng.normal(size=(12, 4))
    weights = np.zeros((12, 2), dtype=np.uint8)
    weights[3, 0] = 2
    weights[:, 1] = 1
    for measure, per_row in (
        (within_spearman, within_spearman_per_row),
        (neighbour_overlap, neighbour_overlap_per_row),
    ):
        values = per_row(before, after)
        assert measure(before, after, weights=weights) == pytest.approx([values[3], values.mean()])
    values = list_kendall_per_query((before, before), (after, after), length=5)
    found = list_kendall((before, before), (after, after), length=5, weights=weights)
    assert found == pytest.approx([values[3], values.mean()])


def test_options_matter(pairs):
    after = _moved(pairs, Standardisation())
    usual = rank_preservation(pairs, after)
    assert rank_preservation(pairs, after, k=3).neighbour_overlap != usual.neighbour_overlap
    assert rank_preservation(pairs, after, length=5).list_kendall != usual.list_kendall
    assert (usual.k, usual.length, usual.metric) == (10, 50, "cosine")


def test_more_queries_than_a_block_holds(rng):
    x = rng.normal(size=(700, 3))
    assert float(within_spearman(x, 2 * x)) == 1.0
    assert float(neighbour_overlap(x, x + 1, metric="euclidean")) == 1.0


# edges


def test_ties_are_no_order():
    alike, spread = np.ones((4, 2)), np.array([[1.0, 0], [0.9, 0.1], [0.5, 0.5], [0, 1]])
    assert within_spearman_per_row(alike, alike).tolist() == [1.0] * 4
    assert within_spearman_per_row(alike, spread).tolist() == [0.0] * 4
    assert list_kendall_per_query((spread, alike), (spread, alike), length=4).tolist() == [1.0] * 4
    assert list_kendall_per_query((spread, spread), (spread, alike), length=4).tolist() == [0.0] * 4


def test_few_rows_shorten_the_lists():
    rows = np.random.default_rng(0).normal(size=(4, 3))
    found = rank_preservation({"a": rows, "b": rows}, {"a": rows, "b": rows})
    assert found.neighbour_overlap == {"a": 1.0, "b": 1.0}


def test_what_it_refuses(rng):
    x = rng.normal(size=(6, 3))
    with pytest.raises(ValueError, match="the same groups in one order, but they hold a and b"):
        rank_preservation({"a": x}, {"b": x})
    with pytest.raises(DegenerateError, match="a must have at least 3 rows"):
        rank_preservation({"a": x[:2]}, {"a": x[:2]})
    with pytest.raises(ValueError, match="metric must be one of 'cosine', 'dot', 'euclidean', but it is 'l1'"):
        within_spearman(x, x, metric="l1")
    with pytest.raises(ValueError, match="the same rows, but they have 6 and 5"):
        within_spearman(x, x[:5])
    with pytest.raises(DegenerateError, match="at least 3 rows, but there are 2"):
        within_spearman(x[:2], x[:2])
    with pytest.raises(ValueError, match="k must lie between 1 and the 5 rows that a row can find, but it is 6"):
        neighbour_overlap(x, x, k=6)
    with pytest.raises(ValueError, match="length must lie between 2 and the 6 rows of the gallery, but it is 1"):
        list_kendall((x, x), (x, x), length=1)
