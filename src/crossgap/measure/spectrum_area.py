"""A10: the area under the curve of singular values, a measure of dimension without a threshold."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.rows import (
    Array,
    Rows,
    check_rows,
    check_same_dimension,
    group_weights,
    is_numpy,
    materialise,
    namespace,
    take_rows,
)
from crossgap.measure.spectrum_values import spectrum_values

__all__ = ["joint_spectrum_area", "spectrum_area", "spectrum_area_of"]


def spectrum_area(
    x: Rows,
    *,
    kind: str = "spectrum",
    m: int | None = None,
    repeats: int = 10,
    seed: int = 0,
    weights: Any = None,
    check: bool = True,
) -> Array:
    """Area under the curve of the singular values of the centred unit rows, both axes brought to [0, 1].

    Formula::

        s_1 >= ... >= s_r, r = min(n - 1, d); the curve has height c_i at (i - 1) / (r - 1), joined by straight lines
        spectrum     c_i = s_i / s_1
        cumulative   c_i = (s_1 + ... + s_i) / (s_1 + ... + s_r)
        variance     c_i = the same of s^2

    How to read it: "spectrum" is larger for a flatter spectrum, that is a *higher* dimension, range (0, 1]; the other
    two are larger for a *lower* dimension, range [1/2, 1]. Groups of different size have curves of different length: to
    compare clusters, give them all one ``m``. CLIP on 500 COCO pairs: 0.091 (image), 0.087 (text).

    Parameters
    ----------
    x
        Rows (n, d), n at least 3 and d at least 2.
    kind
        "spectrum", "cumulative" or "variance". The source gives no formula, and the sign of its correlation with
        retrieval turns on the choice (erratum 26).
    m
        Draw this many rows at random, without repetition, so that all groups have the same r; None takes all rows; 50
        is a good number.
    repeats
        Number of draws of ``m`` rows; the result is their mean.
    seed
        Seed of the draws.
    weights
        Weightings (n, b) for a bootstrap; then the result is (b,). The principal directions are kept (first order). Not
        together with ``m``.
    check
        Refuse zero and non-finite rows, and rows that all coincide; switch off inside a training step.

    Returns
    -------
    A float64 scalar of the array's own library; differentiable on torch.

    Raises
    ------
    ValueError
        If ``kind`` is unknown, ``m`` is below 3 or above n, ``repeats`` is below 1, ``m`` and ``weights`` are both
        given, or a row is zero or not finite.
    DegenerateError
        If there are fewer than three rows or two dimensions, or all rows have one direction.

    Notes
    -----
    Cost: n d^2 + 4/3 d^3, or repeats m^2 d with ``m``. Ignores rotation and row order (with ``m`` the order picks the
    sample).

    References
    ----------
    Aziz and Rahim, *Topological Perspectives on Optimal Multimodal Embedding Spaces*, arXiv 2405.18867; the three
    readings are defined here.

    Examples
    --------
    Three rows at right angles have two equal singular values: a flat curve.

    >>> round(float(spectrum_area(np.eye(3))), 6), round(float(spectrum_area(np.eye(3), kind="cumulative")), 6)
    (1.0, 0.75)
    """
    n, _ = check_rows(x, "x", least=3)
    if kind not in ("spectrum", "cumulative", "variance"):
        raise ValueError(f"kind must be 'spectrum', 'cumulative' or 'variance', but it is {kind!r}; give one of them.")
    if m is None:
        return _area(x, kind, weights, check)
    if weights is not None:
        raise ValueError("weights and m were both given, but a random draw of rows is not weighted; give one of them.")
    if not 3 <= m <= n:
        raise ValueError(
            f"m must lie between 3 and the number of rows, {n}, but it is {m}; give a smaller or larger one."
        )
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, but it is {repeats}; 10 is a good number.")
    random = np.random.default_rng(seed)
    areas = [_area(take_rows(x, np.sort(random.permutation(n)[:m])), kind, None, check) for _ in range(repeats)]
    return sum(areas[1:], start=areas[0]) / repeats


def joint_spectrum_area(x: Rows, y: Rows, *, kind: str = "spectrum", weights: Any = None, check: bool = True) -> Array:
    """Area under the curve of the singular values of the rows of both groups pooled.

    Formula::

        spectrum_area of the n + m unit rows [x; y], about their common mean

    How to read it: as ``spectrum_area``. A gap between the groups is one strong direction of the pooled rows, so that
    "spectrum" falls: CLIP on 500 COCO pairs has 0.052 where each modality has 0.09.

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d), together at least 3; pairs are not needed.
    kind
        As in ``spectrum_area``.
    weights
        Weightings for a bootstrap: (n, b) for both groups or a tuple of two; then the result is (b,).
    check
        Refuse zero and non-finite rows, and rows that all coincide.

    Raises
    ------
    ValueError
        If ``kind`` is unknown, the groups differ in dimension, or a row is zero or not finite.
    DegenerateError
        If there are fewer than three rows or two dimensions, or all rows have one direction.

    Notes
    -----
    Cost: (n + m) d^2 + 4/3 d^3. Files larger than memory stream; torch tensors are concatenated.

    References
    ----------
    As ``spectrum_area``.

    Examples
    --------
    >>> round(float(joint_spectrum_area(np.eye(3)[:1], np.eye(3)[1:])), 6)
    1.0
    """
    n, _ = check_rows(x, "x")
    size, _ = check_rows(y, "y")
    check_same_dimension(x, y)
    if weights is not None:
        weights = np.concatenate([side for side in group_weights(weights, n, size) if side is not None])
    pooled = _Pooled(x, y) if is_numpy(x) else namespace(x).concat([materialise(x), materialise(y)])
    return spectrum_area(pooled, kind=kind, weights=weights, check=check)


@dataclass(frozen=True, eq=False)
class _Pooled:
    """The rows of two groups, one after the other, read only where they are asked for."""

    first: Rows
    second: Rows

    @property
    def shape(self) -> tuple[int, int]:
        return int(self.first.shape[0]) + int(self.second.shape[0]), int(self.first.shape[1])

    @property
    def dtype(self) -> Any:
        return np.promote_types(self.first.dtype, self.second.dtype)

    def __getitem__(self, rows: slice) -> np.ndarray:
        n = int(self.first.shape[0])
        start, stop, _ = rows.indices(self.shape[0])
        parts = [self.first[min(start, n) : min(stop, n)], self.second[max(start - n, 0) : max(stop - n, 0)]]
        return np.concatenate(parts)


def _area(x: Rows, kind: str, weights: Any, check: bool) -> Array:
    n, _ = check_rows(x, "x")
    return spectrum_area_of(spectrum_values(x, weights=weights, check=check), n, kind=kind)


def spectrum_area_of(values: Array, n: int, *, kind: str = "spectrum") -> Array:
    """Area under the curve of the variances (..., min(n, d)) that ``spectrum_values`` gives of n rows.

    Raises
    ------
    DegenerateError
        If the rows cannot span two dimensions.
    """
    xp = namespace(values)
    r = min(n - 1, values.shape[-1])
    if r < 2:
        raise DegenerateError(
            f"x must span at least two dimensions for a curve, but its {n} rows span at most {r}; give more."
        )
    values = values[..., :r]
    if kind != "variance":
        values = xp.sqrt(xp.clip(values, 1e-300, None))  # singular values, but for one factor
    if kind == "spectrum":
        curve = values / values[..., :1]
    else:
        curve = xp.cumulative_sum(values, axis=-1) / xp.sum(values, axis=-1)[..., None]
    return (xp.sum(curve, axis=-1) - (curve[..., 0] + curve[..., -1]) / 2) / (r - 1)
