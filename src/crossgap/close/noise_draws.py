"""Noise for rows: how it is drawn, and how far it turns them."""

import numpy as np

from crossgap.errors import DegenerateError

__all__ = [
    "ball_noise",
    "expected_cosine",
    "mises_fisher_concentration",
    "mises_fisher_rows",
    "sphere_noise",
    "variance_for_cosine",
]


def expected_cosine(variance: float, d: int, *, length: float = 1.0) -> float:
    """Cosine between a row and the row with Gaussian noise added, for large d.

    Formula::

        r / sqrt(r^2 + d sigma^2),   r = ``length`` of the row, sigma^2 = ``variance`` of each coordinate

    Examples
    --------
    >>> [round(expected_cosine(v, 512), 2) for v in (0.001, 0.004, 0.016, 0.04)]
    [0.81, 0.57, 0.33, 0.22]
    """
    if not 0 <= variance < np.inf:
        raise ValueError(f"variance must be finite and at least 0, but it is {variance}; 0.016 is usual.")
    if d < 1 or not 0 < length < np.inf:
        raise ValueError(f"d and length must be above 0, but they are {d} and {length}.")
    return float(length / np.sqrt(length**2 + d * variance))


def variance_for_cosine(cosine: float, d: int, *, length: float = 1.0) -> float:
    """Variance of each coordinate at which ``expected_cosine`` is ``cosine``.

    Formula::

        sigma^2 = r^2 (1 / cosine^2 - 1) / d

    Examples
    --------
    >>> variance_for_cosine(0.5, 3)
    1.0
    """
    if not 0 < cosine <= 1:
        raise ValueError(f"the cosine must lie above 0 and up to 1, but it is {cosine}; 0.33 is that of C3's noise.")
    if d < 1 or not 0 < length < np.inf:
        raise ValueError(f"d and length must be above 0, but they are {d} and {length}.")
    return float(length**2 * (1 / cosine**2 - 1) / d)


def sphere_noise(n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    """Draw n directions evenly, as unit rows (n, d)."""
    drawn = rng.standard_normal((n, d))
    return drawn / np.sqrt(np.vecdot(drawn, drawn))[:, None]


def ball_noise(n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    """Draw n points (n, d) evenly from a ball, of a radius that gives each coordinate the variance 1: sqrt(d + 2)."""
    return sphere_noise(n, d, rng) * (np.sqrt(d + 2) * rng.random(n) ** (1 / d))[:, None]


def mises_fisher_concentration(cosine: float, d: int) -> float:
    """Concentration of the von Mises-Fisher law in d dimensions whose mean cosine with its axis is ``cosine``.

    Formula::

        cosine = I_{d/2}(kappa) / I_{d/2-1}(kappa),   by its continued fraction, solved for kappa
    """
    from scipy.optimize import root_scalar

    if d < 2:
        raise DegenerateError(f"the von Mises-Fisher law needs at least two dimensions, but n_features={d}.")
    if not 0 < cosine < 1:
        raise ValueError(f"the mean cosine must lie between 0 and 1, but it is {cosine}.")
    guess = cosine * (d - cosine**2) / (1 - cosine**2)  # correct to a percent or so
    found = root_scalar(lambda k: _mean_cosine(k, d) - cosine, bracket=(guess / 4, guess * 4), xtol=1e-9 * guess)
    return float(found.root)


def _mean_cosine(concentration: float, d: int) -> float:
    depth = int(50 + 2 * concentration)
    ratio = 0.0
    for order in range(d + 2 * depth, d - 2, -2):
        ratio = 1.0 / (order / concentration + ratio)
    return ratio


def mises_fisher_rows(axes: np.ndarray, concentration: float, rng: np.random.Generator) -> np.ndarray:
    """Draw one unit row about each of the unit rows ``axes`` (n, d): rejection of the cosine, an even direction.

    References
    ----------
    Wood, *Simulation of the von Mises Fisher distribution*, 1994.
    """
    n, d = axes.shape
    cosines = _cosines_drawn(n, d, concentration, rng)
    aside = rng.standard_normal((n, d))
    aside -= np.vecdot(aside, axes)[:, None] * axes
    aside /= np.sqrt(np.vecdot(aside, aside))[:, None]
    return cosines[:, None] * axes + np.sqrt(1 - cosines**2)[:, None] * aside


def _cosines_drawn(n: int, d: int, concentration: float, rng: np.random.Generator) -> np.ndarray:
    b = (d - 1) / (2 * concentration + np.sqrt(4 * concentration**2 + (d - 1) ** 2))
    peak = (1 - b) / (1 + b)
    limit = concentration * peak + (d - 1) * np.log1p(-(peak**2))
    found = np.empty(n)
    left = np.arange(n)
    while len(left):
        z = rng.beta((d - 1) / 2, (d - 1) / 2, len(left))
        cosine = (1 - (1 + b) * z) / (1 - (1 - b) * z)
        score = concentration * cosine + (d - 1) * np.log1p(-peak * cosine) - limit
        accepted = score >= np.log(rng.random(len(left)))
        found[left[accepted]] = cosine[accepted]
        left = left[~accepted]
    return found
