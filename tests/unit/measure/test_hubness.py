import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import skew

from crossgap.errors import DegenerateError
from crossgap.geometry.neighbours import nearest_rows
from crossgap.measure.hubness import (
    antihub_share,
    hubness,
    hubness_gini,
    hubness_max,
    hubness_of_lists,
    hubness_scores,
    k_occurrence,
    top_hub_share,
)

SCORES = [hubness, hubness_gini, hubness_max, antihub_share, top_hub_share]


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _counts(scores, k, weights=None):
    counts = np.zeros(scores.shape[1])
    for i, row in enumerate(scores):
        for j in np.argsort(-row, kind="stable")[:k]:
            counts[j] += 1 if weights is None else weights[i]
    return counts


def _by_hand(counts, share=0.01):
    m = len(counts)
    gini = np.abs(counts[:, None] - counts[None, :]).sum() / (2 * m * counts.sum())
    top = np.sort(counts)[::-1][: int(np.ceil(share * m))].sum() / counts.sum()
    return [skew(counts), gini, counts.max(), (counts == 0).mean(), top]


def test_golden(coco):
    assert hubness(coco["image"], coco["text"]) == pytest.approx(1.646, abs=1e-3)
    assert hubness(coco["text"], coco["image"]) == pytest.approx(2.356, abs=1e-3)


@pytest.mark.parametrize(("n", "m", "k"), [(1100, 1300, 3), (200, 90, 10), (30, 30, 30)])
def test_matches_a_plain_loop(rng, n, m, k):
    x, y = rng.normal(size=(n, 5)), rng.normal(size=(m, 5))
    counts = _counts(_unit(x) @ _unit(y).T, k)
    np.testing.assert_array_equal(k_occurrence(x, y, k=k), counts)
    if k < m:
        values = [float(score(x, y, k=k)) for score in SCORES]
        assert values == pytest.approx(_by_hand(counts), abs=1e-10)
        assert list(vars(hubness_scores(x, y, k=k)).values()) == pytest.approx(values, abs=1e-12)


def test_one_group_leaves_each_row_out_of_its_own_list(rng):
    x = rng.normal(size=(120, 4))
    scores = _unit(x) @ _unit(x).T
    np.fill_diagonal(scores, -np.inf)
    np.testing.assert_array_equal(k_occurrence(x, k=4), _counts(scores, 4))


@pytest.mark.parametrize("alone", [False, True])
def test_corrections_match_their_formulas(rng, alone):
    x = rng.normal(size=(150, 6)) + 1
    y = x if alone else rng.normal(size=(130, 6)) + 1
    cosines = _unit(x) @ _unit(y).T
    if alone:
        np.fill_diagonal(cosines, -np.inf)
    r_query = np.sort(cosines, axis=1)[:, -10:].mean(axis=1)
    r_gallery = np.sort(cosines, axis=0)[-10:].mean(axis=0)
    csls = 2 * cosines - r_query[:, None] - r_gallery[None, :]
    inverted = cosines / 0.05 - logsumexp(cosines / 0.05, axis=0)[None, :]
    gallery = None if alone else y
    np.testing.assert_array_equal(k_occurrence(x, gallery, k=5, correction="csls"), _counts(csls, 5))
    np.testing.assert_array_equal(k_occurrence(x, gallery, k=5, correction="inverted-softmax"), _counts(inverted, 5))
    plain = float(hubness(x, gallery, k=5))
    assert float(hubness(x, gallery, k=5, correction="csls")) < plain
    warm = k_occurrence(x, gallery, k=5, correction="inverted-softmax", temperature=0.5)
    assert not np.array_equal(warm, k_occurrence(x, gallery, k=5, correction="inverted-softmax"))


@pytest.mark.parametrize("score", SCORES)
def test_weights_repeat_queries(rng, score):
    x, y = rng.normal(size=(80, 5)), rng.normal(size=(60, 5))
    weights = rng.integers(0, 3, (80, 4))
    values = score(x, y, k=3, weights=weights)
    for value, column in zip(values, weights.T, strict=True):
        assert value == pytest.approx(float(score(np.repeat(x, column, axis=0), y, k=3)), abs=1e-12)
    np.testing.assert_array_equal(score(x, y, k=3, weights=(weights, np.ones((60, 4)))), values)


@pytest.mark.parametrize("score", SCORES)
def test_numpy_torch_and_float16_agree(coco, score):
    torch = pytest.importorskip("torch")
    x, y = coco["image"], coco["text"]
    for correction in ("none", "csls", "inverted-softmax"):
        expected = float(score(x, y, correction=correction))
        found = score(torch.tensor(x), torch.tensor(y), correction=correction)
        assert found.dtype == torch.float64
        assert float(found) == pytest.approx(expected, abs=1e-6)
        assert score(x.astype(np.float16), y.astype(np.float16), correction=correction) == pytest.approx(
            expected, rel=0.05
        )


def test_share_and_k_matter(coco):
    x, y = coco["image"], coco["text"]
    assert top_hub_share(x, y, share=0.1) > top_hub_share(x, y)
    assert top_hub_share(x, y, share=1.0) == 1.0
    assert hubness(x, y, k=5) != hubness(x, y)


def test_a_replicate_without_spread_is_zero():
    assert hubness(np.eye(3), np.eye(3), k=1, weights=np.ones((3, 1))).tolist() == [0.0]
    assert hubness_gini(np.eye(3), np.eye(3), k=1, weights=np.zeros((3, 1))).tolist() == [0.0]


def test_messages(rng):
    x = rng.normal(size=(5, 3))
    with pytest.raises(ValueError, match="k must lie between 1 and the 4 rows"):
        hubness(x, k=5)
    with pytest.raises(ValueError, match="k must lie between 1 and the 5 rows"):
        hubness(x, x, k=6)
    with pytest.raises(ValueError, match="correction must be"):
        hubness(x, x, k=1, correction="softmax")
    with pytest.raises(ValueError, match="temperature must be"):
        hubness(x, x, k=1, temperature=0.0)
    with pytest.raises(ValueError, match="share must lie above 0"):
        top_hub_share(x, x, k=1, share=0.0)
    with pytest.raises(ValueError, match="queries and gallery must share one space"):
        hubness(x, x[:, :2], k=1)
    with pytest.raises(ValueError, match="weights must have shape"):
        hubness(x, x, k=1, weights=np.ones((4, 1)))
    for score in (hubness, hubness_scores):
        with pytest.raises(DegenerateError, match="found 1 times"):
            score(np.eye(3), np.eye(3), k=1)


def test_hubness_of_lists_is_that_of_the_search(rng):
    queries, gallery = rng.normal(size=(60, 5)), rng.normal(size=(40, 5))
    lists = nearest_rows(queries, gallery, 4).rows
    assert hubness_of_lists(lists, 40) == pytest.approx(float(hubness(queries, gallery, k=4)), abs=1e-12)
    with pytest.raises(DegenerateError, match="every gallery row is found 1 times"):
        hubness_of_lists(np.arange(40)[:, None], 40)
