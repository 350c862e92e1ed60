import numpy as np
import pytest


@pytest.fixture
def normalised():
    """Rows divided by their lengths, in the plainest way."""
    return lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def two_spaces(rng):
    """Sixty items in two related spaces of 5 and 7 dimensions, off the origin."""
    x = rng.normal(size=(60, 5)) * np.linspace(2.0, 0.5, 5) + 1
    return x, x @ rng.normal(size=(5, 7)) + rng.normal(size=(60, 7)) - 0.5
