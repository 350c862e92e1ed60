"""Area under the curve of singular values."""

import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.measure.spectrum_area import joint_spectrum_area, spectrum_area

KINDS = ["spectrum", "cumulative", "variance"]


class Reader:
    """Rows that can only be sliced."""

    def __init__(self, rows):
        self.rows, self.shape, self.dtype = rows, rows.shape, rows.dtype

    def __getitem__(self, rows):
        return self.rows[rows]


def plain(x, kind):
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    s = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)[: min(len(x) - 1, x.shape[1])]
    heights = {"spectrum": s / s[0], "cumulative": np.cumsum(s) / s.sum(), "variance": np.cumsum(s**2) / (s**2).sum()}
    return np.trapezoid(heights[kind], np.linspace(0, 1, len(s)))


@pytest.mark.parametrize(
    ("group", "golden"),
    [
        ("image", (0.09134, 0.77140, 0.90774)),
        ("text", (0.08669, 0.78663, 0.91745)),
        ("image_random_init", (0.00886, 0.90854, 0.99738)),
        ("text_random_init", (0.09308, 0.81846, 0.92784)),
    ],
)
def test_golden(coco, group, golden):
    for kind, value in zip(KINDS, golden, strict=True):
        assert spectrum_area(coco[group], kind=kind) == pytest.approx(value, abs=1e-5)


def test_golden_of_both_groups(coco):
    assert joint_spectrum_area(coco["image"], coco["text"]) == pytest.approx(0.05232, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1100, 5), (6, 9)])
def test_equals_the_trapezoids(kind, shape, rng):
    x = rng.normal(size=shape) + 1
    expected = plain(x, kind)
    assert spectrum_area(x, kind=kind) == pytest.approx(expected)
    assert float(spectrum_area(torch.from_numpy(x), kind=kind)) == pytest.approx(expected)
    assert spectrum_area(Reader(x), kind=kind, check=False) == pytest.approx(expected)
    assert spectrum_area(x, kind=kind, weights=np.ones((shape[0], 2))) == pytest.approx(np.full(2, expected))


def test_a_flat_spectrum():
    x = np.concatenate([np.eye(4), -np.eye(4)])
    assert spectrum_area(x) == pytest.approx(1.0)
    assert spectrum_area(x, kind="cumulative") == pytest.approx((1 + 1 / 4) / 2)
    assert spectrum_area(x, kind="variance") == pytest.approx((1 + 1 / 4) / 2)


@pytest.mark.parametrize("kind", KINDS)
def test_pooled_groups(kind, rng):
    x, y = rng.normal(size=(1500, 4)) + 1, rng.normal(size=(700, 4))
    expected = plain(np.concatenate([x, y]), kind)
    assert joint_spectrum_area(x, y, kind=kind) == pytest.approx(expected)
    assert joint_spectrum_area(Reader(x), Reader(y), kind=kind) == pytest.approx(expected)
    tensors = joint_spectrum_area(torch.from_numpy(x), torch.from_numpy(y), kind=kind, check=False)
    assert float(tensors) == pytest.approx(expected)
    weights = (np.ones((1500, 2)), np.ones((700, 2)))
    assert joint_spectrum_area(x, y, kind=kind, weights=weights) == pytest.approx(np.full(2, expected))


def test_pooled_groups_share_one_matrix_of_weights(rng):
    x, y = rng.normal(size=(20, 4)) + 1, rng.normal(size=(20, 4))
    weights = rng.integers(0, 3, size=(20, 2))
    both = spectrum_area(np.concatenate([x, y]), weights=np.concatenate([weights, weights]))
    assert joint_spectrum_area(x, y, weights=weights) == pytest.approx(both)


def test_samples_of_equal_size(rng):
    x = rng.normal(size=(40, 6)) + 1
    assert spectrum_area(x, m=40, repeats=1) == pytest.approx(spectrum_area(x))
    values = {spectrum_area(x, m=10), spectrum_area(x, m=12), spectrum_area(x, m=10, seed=1)}
    values |= {spectrum_area(x, m=10, repeats=3), spectrum_area(x)}
    assert len(values) == 5
    assert spectrum_area(x, m=10) == spectrum_area(Reader(x), m=10)
    assert float(spectrum_area(torch.from_numpy(x), m=10)) == pytest.approx(spectrum_area(x, m=10))
    random = np.random.default_rng(3)
    drawn = [plain(x[np.sort(random.permutation(40)[:10])], "spectrum") for _ in range(2)]
    assert spectrum_area(x, m=10, repeats=2, seed=3) == pytest.approx(np.mean(drawn))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(9, 4), (4, 9)])
def test_gradients(kind, shape, rng):
    x = torch.tensor(rng.normal(size=shape), requires_grad=True)
    assert torch.autograd.gradcheck(lambda a: spectrum_area(a, kind=kind, check=False), (x,))


def test_messages(rng):
    x = rng.normal(size=(5, 3))
    with pytest.raises(ValueError, match="kind must be 'spectrum', 'cumulative' or 'variance', but it is 'sum'"):
        spectrum_area(x, kind="sum")
    with pytest.raises(ValueError, match="weights and m were both given"):
        spectrum_area(x, m=4, weights=np.ones((5, 2)))
    for m in (2, 6):
        with pytest.raises(ValueError, match=f"m must lie between 3 and the number of rows, 5, but it is {m}"):
            spectrum_area(x, m=m)
    with pytest.raises(ValueError, match="repeats must be at least 1, but it is 0"):
        spectrum_area(x, m=4, repeats=0)
    with pytest.raises(DegenerateError, match="at least 3 rows"):
        spectrum_area(x[:2])
    with pytest.raises(DegenerateError, match="at least two dimensions"):
        spectrum_area(np.array([[1.0], [-1.0], [1.0]]))
    with pytest.raises(ValueError, match="share one space"):
        joint_spectrum_area(x, x[:, :2])
