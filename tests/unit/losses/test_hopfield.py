import math

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from crossgap.errors import DegenerateError
from crossgap.losses.hopfield import hopfield_retrieval


def unit(rng, n=7, d=5):
    return normalize(torch.from_numpy(rng.normal(size=(n, d))), dim=1)


def by_loops(queries, store, scale):
    """The definition: loops in float64."""
    retrieved = []
    for query in queries:
        weights = [math.exp(scale * float(np.dot(query, row))) for row in store]
        mean = sum(weight / sum(weights) * row for weight, row in zip(weights, store, strict=True))
        retrieved.append(mean / math.sqrt(float(np.dot(mean, mean))))
    return np.array(retrieved)


@pytest.mark.parametrize("scale", [0.1, 8.0, 60.0])
@pytest.mark.parametrize(("n", "m"), [(7, 7), (3, 9), (4, 1)])
def test_equals_the_definition(rng, scale, n, m):
    queries, store = unit(rng, n), unit(rng, m)
    retrieved = hopfield_retrieval(queries, store, scale=scale)
    assert np.allclose(retrieved.numpy(), by_loops(queries.numpy(), store.numpy(), scale), rtol=1e-10, atol=1e-13)
    assert np.allclose(torch.linalg.vector_norm(retrieved, dim=1), 1.0, atol=1e-14)


def test_a_large_scale_gives_the_nearest_row_and_a_small_one_the_mean(rng):
    queries, store = unit(rng, 6), unit(rng, 9)
    nearest = store[(queries @ store.T).argmax(dim=1)]
    assert torch.allclose(hopfield_retrieval(queries, store, scale=1e5), nearest)
    mean = normalize(store.mean(dim=0), dim=0).expand(6, -1)
    assert torch.allclose(hopfield_retrieval(queries, store, scale=1e-9), mean, atol=1e-7)


def test_retrieved_rows_lie_in_the_span_of_the_store(rng):
    store = torch.cat([unit(rng, 6, 3), torch.zeros(6, 2, dtype=torch.float64)], dim=1)
    assert float(hopfield_retrieval(unit(rng), store, scale=8.0)[:, 3:].abs().max()) == 0.0


def test_ignores_a_joint_rotation_and_the_order_of_the_store(rng):
    queries, store = unit(rng), unit(rng)
    retrieved = hopfield_retrieval(queries, store, scale=8.0)
    rotation = torch.linalg.qr(torch.from_numpy(rng.normal(size=(5, 5))))[0]
    order = torch.from_numpy(rng.permutation(7))
    assert torch.allclose(hopfield_retrieval(queries @ rotation, store @ rotation, scale=8.0), retrieved @ rotation)
    assert torch.allclose(hopfield_retrieval(queries, store[order], scale=8.0), retrieved)
    assert torch.allclose(hopfield_retrieval(queries[order], store, scale=8.0), retrieved[order])
    assert not torch.allclose(hopfield_retrieval(store, queries, scale=8.0), retrieved, atol=1e-3)


def test_gradient(rng):
    inputs = (unit(rng, 4).requires_grad_(), unit(rng, 5).requires_grad_())
    assert torch.autograd.gradcheck(lambda q, m: hopfield_retrieval(q, m, scale=8.0, check=False), inputs)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("d", [2, 300])
def test_a_mean_that_vanishes_has_no_direction_and_no_gradient(rng, dtype, d):
    row = unit(rng, 1, d).to(dtype)[0]
    other = unit(rng, 1, d).to(dtype)[0]
    across = normalize(other - (other @ row) * row, dim=0)
    store = torch.stack([row, -row]).requires_grad_()
    queries = torch.stack([across, row]).requires_grad_()
    retrieved = hopfield_retrieval(queries, store, scale=1e-3)  # the first query is equally far from both
    assert float(retrieved[0].detach().abs().max()) == 0.0
    assert torch.allclose(retrieved[1], row, atol=1e-3)
    retrieved[0].sum().backward()
    for given in (queries, store):
        assert given.grad is not None
        assert float(given.grad.abs().max()) == 0.0


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (torch.float64, torch.float64),
        (torch.float32, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
    ],
)
def test_types(rng, given, kept):
    queries, store = unit(rng).to(given), unit(rng).to(given)
    retrieved = hopfield_retrieval(queries, store, scale=8.0)
    assert retrieved.dtype == kept
    exact = by_loops(queries.double().numpy(), store.double().numpy(), 8.0)
    assert np.allclose(retrieved.numpy(), exact, atol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(hopfield_retrieval(queries=queries, store=store, scale=8.0), retrieved)


def test_messages(rng):
    rows = unit(rng)
    with pytest.raises(TypeError, match="queries must be a torch tensor, but it is a ndarray"):
        hopfield_retrieval(rows.numpy(), rows, scale=8.0)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="store must be a torch tensor, but it is a list"):
        hopfield_retrieval(rows, rows.tolist(), scale=8.0)
    with pytest.raises(TypeError, match="store must hold floating-point numbers"):
        hopfield_retrieval(rows, torch.ones(2, 5, dtype=torch.int64), scale=8.0)
    with pytest.raises(DegenerateError, match="store must have at least one row"):
        hopfield_retrieval(rows, rows[:0], scale=8.0)
    with pytest.raises(ValueError, match="queries and store must share one space"):
        hopfield_retrieval(rows, unit(rng, 7, 4), scale=8.0)
    with pytest.raises(ValueError, match="store must have rows of length 1"):
        hopfield_retrieval(rows, 2 * rows, scale=8.0)
    assert torch.isfinite(hopfield_retrieval(rows, 2 * rows, scale=8.0, check=False)).all()
    for scale in (0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match=f"scale must be a finite number above 0, but it is {scale:g}"):
            hopfield_retrieval(rows, rows, scale=scale)
    for scale in ("8", True, None):
        with pytest.raises(TypeError, match=f"scale must be a number, but it is a {type(scale).__name__}"):
            hopfield_retrieval(rows, rows, scale=scale)
