"""Which rows stand for all of them where a quantity can take only a few hundred."""

import numpy as np

__all__ = ["check_sampling", "row_sample"]


def check_sampling(sampling: str) -> None:
    """Refuse the name of a way of sampling that does not exist."""
    if sampling not in ("maxmin", "random"):
        raise ValueError(f"sampling must be 'maxmin' or 'random', but it is {sampling!r}; 'maxmin' covers outliers.")


def row_sample(rows: np.ndarray, size: int, *, sampling: str, generator: np.random.Generator) -> np.ndarray:
    """Return the numbers of ``size`` of the rows (size,): spread as far as possible, or drawn at random.

    ``maxmin`` starts at a row drawn at random and adds the row farthest from those taken, so that no row of the whole
    lies farther from the sample than the last row added did. It keeps outliers and thins out dense places.
    """
    if sampling == "random":
        return generator.choice(len(rows), size, replace=False)
    taken = np.empty(size, np.int64)
    taken[0] = generator.integers(len(rows))
    squares = np.vecdot(rows, rows)
    farness = np.full(len(rows), np.inf)
    for number in range(1, size):
        last = taken[number - 1]
        np.minimum(farness, squares + squares[last] - 2 * (rows @ rows[last]), out=farness)
        farness[last] = -np.inf
        taken[number] = farness.argmax()
    return taken
