"""Pairs with a gap of every kind."""

import numpy as np
import pytest

from crossgap import Embeddings


def pairs_with_a_gap(n: int = 80, d: int = 8, *, gap: float = 2.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows that match, in two clouds that lie apart along the first coordinate."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, d))
    offset = gap * np.eye(d)[0]
    return shared + 0.4 * rng.normal(size=(n, d)) + offset, shared + 0.4 * rng.normal(size=(n, d)) - offset


@pytest.fixture(scope="session")
def embeddings() -> Embeddings:
    x, y = pairs_with_a_gap()
    return Embeddings.from_arrays(image=x, text=y)
