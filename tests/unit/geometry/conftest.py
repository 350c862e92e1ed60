import numpy as np
import pytest


class LazyRows:
    """A reader of rows: shape, dtype and slicing, no array; it records how much was asked for at once."""

    def __init__(self, rows):
        self._rows = rows
        self.shape, self.dtype = rows.shape, rows.dtype
        self.largest = 0

    def __getitem__(self, key):
        found = self._rows[key]
        self.largest = max(self.largest, len(found))
        return found.copy()


@pytest.fixture
def lazy():
    """Turn an array into a reader that gives slices only."""
    return LazyRows


@pytest.fixture
def normalised():
    """Bring rows to length 1 in float64, by the definition."""
    return lambda x: np.asarray(x, float) / np.sqrt((np.asarray(x, float) ** 2).sum(axis=1))[:, None]
