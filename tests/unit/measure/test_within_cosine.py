import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.geometry.rows import unit_rows
from crossgap.measure.within_cosine import within_cosine

# torch says so once, when a checked length is read from a tensor that has a gradient


def plain(x, w):
    u = unit_rows(x)
    weight = np.outer(w, w) * (1 - np.eye(len(u)))
    return (u @ u.T * weight).sum() / weight.sum()


@pytest.mark.parametrize(
    ("name", "value"),
    [("image", 0.53148), ("text", 0.51519), ("image_random_init", 0.68142), ("text_random_init", 0.66346)],
)
def test_golden_values(coco, name, value):
    assert float(within_cosine(coco[name])) == pytest.approx(value, abs=1e-5)


def test_equals_a_double_loop(rng):
    x = rng.normal(size=(1300, 3)) + 0.4
    assert float(within_cosine(x)) == pytest.approx(plain(x, np.ones(1300)), abs=1e-12)


def test_weights_count_rows_but_never_pair_a_row_with_itself(rng):
    x = rng.normal(size=(50, 3)) + 0.4
    w = np.vstack([rng.poisson(1, (49, 4)), np.full((1, 4), 200)]).astype(np.uint8)  # 200 squared leaves eight bits
    expected = [plain(x, w[:, k].astype(float)) for k in range(4)]
    assert within_cosine(x, weights=w) == pytest.approx(expected, abs=1e-12)
    assert within_cosine(torch.tensor(x), weights=w).tolist() == pytest.approx(expected, abs=1e-9)


def test_torch_agrees_and_has_a_gradient(rng):
    x = torch.tensor(rng.normal(size=(50, 3)), requires_grad=True)
    value = within_cosine(x)
    assert value.dtype == torch.float64
    assert value.item() == pytest.approx(float(within_cosine(x.detach().numpy())), abs=1e-12)
    value.backward()
    assert x.grad.abs().max() > 0
    half = within_cosine(x.detach().numpy().astype(np.float16))
    assert float(half) == pytest.approx(value.item(), abs=1e-3)


def test_messages():
    with pytest.raises(DegenerateError, match="at least 2 rows"):
        within_cosine(np.ones((1, 2)))
    with pytest.raises(ValueError, match="row 0 is all zeros"):
        within_cosine(np.zeros((2, 2)))
    assert float(within_cosine(np.zeros((2, 2)), check=False)) == -1.0  # as if of length 0
    with pytest.raises(ValueError, match="weights must have shape"):
        within_cosine(np.ones((2, 2)), weights=np.ones(2))
