"""A3: how evenly one modality, or all of them pooled, fills the sphere."""

from typing import Any

from crossgap.geometry.means import squared_weight_sums
from crossgap.geometry.potentials import log_mean_potential
from crossgap.geometry.rows import Array, Rows, check_rows, check_same_dimension, group_weights, namespace

__all__ = ["check_sharpness", "joint_uniformity", "uniformity"]


def uniformity(
    x: Rows, *, t: float = 2.0, batch_size: int | None = None, weights: Any = None, check: bool = True
) -> Array:
    """Log of the mean Gaussian potential between distinct rows of one group.

    Formula::

        U = log mean_{i<j} exp(-t |x_i - x_j|^2)        (unit rows)

    How to read it: lower is more even. Range [-4 t, 0]: 0 when all rows coincide; a large even sample reaches about
    -4 + 8/d for t = 2, not lower. CLIP on COCO gives about -1.8. It looks at one modality and says nothing of pairs.

    Parameters
    ----------
    x
        Rows (n, d), n at least 2.
    t
        Sharpness of the potential, above 0. The papers use 2.
    batch_size
        None for all pairs. A number gives the mean over consecutive batches of the value of each batch, as papers that
        log it in training do (a last batch of fewer than 2 rows is left out); such values are not comparable with
        those over all pairs, since the log of a mean is concave.
    weights
        Weightings (n, b) for a bootstrap; then the result is (b,). A row never pairs with itself.
    check
        Refuse zero and non-finite rows; switch off inside a training step.

    Returns
    -------
    A float64 scalar of the array's own library, in nats; differentiable on torch.

    Raises
    ------
    ValueError
        If ``t`` is not above 0, ``batch_size`` is below 2, or a row is zero or not finite.
    DegenerateError
        If ``x`` has fewer than two rows.

    Notes
    -----
    Cost: n^2 d flops in blocks of a few MiB. Ignores rotation and row order. Departs from eq. 2 of Fahim et al., whose
    prefactor 1/N on a double sum contradicts their own tables: theirs is a mean over pairs i < j (erratum 2). Rows do
    not pair with themselves; including them moves -3.76 to -3.26 at n = 64. For two modalities the papers average the
    two values; ``joint_uniformity`` of the pooled rows and ``cross_uniformity`` are other quantities.

    References
    ----------
    Wang and Isola, ICML 2020, arXiv 2005.10242, section 4.1.2; Fahim, Murphy, Fyshe, arXiv 2405.18570, eq. 2.

    Examples
    --------
    A square on the circle: four pairs at squared distance 2, two at 4.

    >>> square = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    >>> round(float(uniformity(square)), 4)  # log((4 e^-4 + 2 e^-8) / 6)
    -4.3963
    """
    n, _ = check_rows(x, "x", least=2)
    check_sharpness(t)
    if batch_size is None:
        return log_mean_potential(x, t=t, x_weights=weights, check=check)
    if batch_size < 2:
        raise ValueError(f"batch_size must be at least 2, but it is {batch_size}; a pair needs two rows.")
    if weights is not None:
        raise ValueError("weights and batch_size were both given, but batches are not weighted; give one of them.")
    starts = [start for start in range(0, n, batch_size) if min(n, start + batch_size) - start >= 2]
    values = [log_mean_potential(x[start : min(n, start + batch_size)], t=t, check=check) for start in starts]
    return sum(values[1:], start=values[0]) / len(values)


def joint_uniformity(x: Rows, y: Rows, *, t: float = 2.0, weights: Any = None, check: bool = True) -> Array:
    """Uniformity of the rows of both groups pooled.

    Formula::

        U of the n + m rows [x; y]:   log of the mean of exp(-t |a - b|^2) over all pairs of distinct pooled rows

    How to read it: range [-4 t, 0], lower is more even. Two tight clusters far apart score low in no single group but
    lower here than in each. It is neither the mean of the two uniformities nor the cross-modal one.

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d).
    t
        Sharpness, above 0.
    weights, check
        As in ``centroid_distance``.

    Raises
    ------
    ValueError
        If ``t`` is not above 0, the groups differ in dimension, or a row is zero or not finite.

    Notes
    -----
    Cost: (n + m)^2 d flops, in blocks. Matched pairs count too, unlike in ``cross_uniformity``.

    References
    ----------
    Yamaguchi et al., *Post-pre-training for Modality Alignment in Vision-Language Foundation Models* (CLIP-Refine),
    CVPR 2025, arXiv 2504.12717.

    Examples
    --------
    One row each, opposite: one pair at squared distance 4.

    >>> float(joint_uniformity(np.array([[1.0, 0.0]]), np.array([[-1.0, 0.0]])))
    -8.0
    """
    n, _ = check_rows(x, "x")
    m, _ = check_rows(y, "y")
    check_same_dimension(x, y)
    check_sharpness(t)
    x_weights, y_weights = group_weights(weights, n, m)
    xp = namespace(x)
    logs = [log_mean_potential(x, y, t=t, x_weights=x_weights, y_weights=y_weights, check=check)]
    counts: list[Any] = [_pairs_between(n, m, x_weights, y_weights)]
    for rows, size, w in ((x, n, x_weights), (y, m, y_weights)):
        if size > 1:
            logs.append(log_mean_potential(rows, t=t, x_weights=w, check=check))
            counts.append(_pairs_within(size, w))
    total = sum(counts)
    shares = [_as_array(count / total, logs[0]) for count in counts]
    potentials = [share * xp.exp(value - logs[0]) for share, value in zip(shares, logs, strict=True)]
    return logs[0] + xp.log(sum(potentials[1:], start=potentials[0]))


def check_sharpness(t: float) -> None:
    """Raise unless the sharpness of a potential is above 0 and finite."""
    if not 0 < t < float("inf"):
        raise ValueError(f"t must be a finite number above 0, but it is {t}; the papers use 2.")


def _pairs_between(n: int, m: int, a: Any, b: Any) -> Any:
    return n * m if a is None else a.sum(axis=0, dtype="float64") * b.sum(axis=0, dtype="float64")


def _pairs_within(n: int, w: Any) -> Any:
    if w is None:
        return n * (n - 1) / 2
    return (w.sum(axis=0, dtype="float64") ** 2 - squared_weight_sums(w)) / 2


def _as_array(share: Any, like: Array) -> Any:
    return share if isinstance(share, float) else namespace(like).asarray(share, dtype=like.dtype, device=like.device)
