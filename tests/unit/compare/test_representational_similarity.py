import numpy as np
import pytest
from scipy.stats import pearsonr, rankdata, spearmanr

from crossgap.compare.representational_similarity import representational_similarity
from crossgap.errors import DegenerateError

CORRELATIONS = {"spearman": spearmanr, "pearson": pearsonr}


def triangles(x, y):
    pairs = [(i, j) for i in range(len(x)) for j in range(i)]
    return [np.array([a[i] @ b[j] for i, j in pairs]) for a, b in ((x, x), (y, y), (x, y))]


@pytest.mark.parametrize("correlation", CORRELATIONS)
@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("unit", [False, True])
def test_equals_a_double_loop(rng, normalised, monkeypatch, correlation, centre, unit):
    monkeypatch.setitem(representational_similarity.__globals__, "_BLOCK", 16)  # several blocks
    x = rng.normal(size=(40, 5)) + 0.5
    y = x @ rng.normal(size=(5, 5)) + rng.normal(size=(40, 5))
    a, b = (normalised(x), normalised(y)) if unit else (x, y)
    if centre:
        a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    own, other, cross = triangles(a, b)
    for matrices, left, right in (("x-y", own, other), ("x-cross", own, cross), ("y-cross", other, cross)):
        expected = CORRELATIONS[correlation](left, right)[0]
        found = representational_similarity(x, y, correlation=correlation, matrices=matrices, centre=centre, unit=unit)
        assert found == pytest.approx(expected)


def test_ties_share_a_rank():
    """Points on a square have three different cosines for six pairs."""
    x = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    y = np.array([[1.0, 0.1], [0.0, 1.0], [-1.0, 0.3], [0.2, -1.0]])
    own, other, _ = triangles(x, y / np.linalg.norm(y, axis=1, keepdims=True))
    assert representational_similarity(x, y) == pytest.approx(spearmanr(own, other)[0])


def test_on_real_pairs(coco, normalised):
    """No golden numbers are published; SciPy on the plain triangles gives these."""
    x, y = normalised(coco["image"]), normalised(coco["text"])
    lower = np.tril_indices(500, -1)
    own, other, cross = (a @ b.T for a, b in ((x, x), (y, y), (x, y)))
    for correlation, reference in CORRELATIONS.items():
        for matrices, a, b in (("x-y", own, other), ("x-cross", own, cross), ("y-cross", other, cross)):
            found = representational_similarity(coco["image"], coco["text"], correlation=correlation, matrices=matrices)
            assert found == pytest.approx(reference(a[lower], b[lower])[0], abs=1e-9)
    assert representational_similarity(coco["image"], coco["text"]) == pytest.approx(0.297200, abs=1e-6)


def test_a_sample_of_rows(two_spaces):
    x, y = two_spaces
    chosen = np.sort(np.random.default_rng(4).choice(60, 25, replace=False))
    found = representational_similarity(x, y, rows=25, seed=4)
    assert found == pytest.approx(float(representational_similarity(x[chosen], y[chosen])))
    assert found != representational_similarity(x, y, rows=25)
    assert representational_similarity(x, y, rows=None) == representational_similarity(x, y)
    weights = np.random.default_rng(1).integers(0, 4, (60, 3))
    expected = representational_similarity(x[chosen], y[chosen], weights=weights[chosen])
    assert representational_similarity(x, y, rows=25, seed=4, weights=weights) == pytest.approx(expected)


@pytest.mark.parametrize("correlation", CORRELATIONS)
def test_weights_count_pairs_and_hold_ranks(two_spaces, normalised, monkeypatch, correlation):
    monkeypatch.setitem(representational_similarity.__globals__, "_BLOCK", 16)
    x, y = two_spaces
    weights = np.random.default_rng(1).integers(0, 4, (60, 3))
    lower = np.tril_indices(60, -1)
    own, other = ((rows @ rows.T)[lower] for rows in (normalised(x), normalised(y)))
    if correlation == "spearman":
        own, other = rankdata(own), rankdata(other)
    values = representational_similarity(x, y, correlation=correlation, weights=weights)
    for value, counts in zip(values, weights.T, strict=True):
        w = [counts[i] * counts[j] for i in range(60) for j in range(i)]
        moments = np.cov(own, other, aweights=w)
        assert value == pytest.approx(moments[0, 1] / np.sqrt(moments[0, 0] * moments[1, 1]))
    assert representational_similarity(x, y, weights=np.eye(60)[:, :1]).tolist() == [0]


def test_messages(rng, two_spaces):
    x, y = two_spaces
    with pytest.raises(ValueError, match="correlation must be 'spearman' or 'pearson'"):
        representational_similarity(x, y, correlation="kendall")
    with pytest.raises(ValueError, match="matrices must be one of 'x-y', 'x-cross', 'y-cross'"):
        representational_similarity(x, y, matrices="cross")
    for matrices in ("x-cross", "y-cross"):
        with pytest.raises(ValueError, match="x and y must share one space"):
            representational_similarity(x, y, matrices=matrices)
    with pytest.raises(ValueError, match="rows must be at least 3"):
        representational_similarity(x, y, rows=2)
    with pytest.raises(DegenerateError, match="x must have at least 3 rows"):
        representational_similarity(x[:2], y[:2])
    with pytest.raises(DegenerateError, match="all pairs of rows of one space are equally similar"):
        representational_similarity(np.eye(5), rng.normal(size=(5, 2)))
