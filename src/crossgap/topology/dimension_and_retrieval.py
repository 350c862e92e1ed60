"""A11: whether retrieval is better where the space is locally of higher dimension, and not by size alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.results import Interval, with_bounds
from crossgap.topology.local_dimension import DIMENSIONS, LocalDimensions

__all__ = ["DimensionAndRetrieval", "controlled_correlation", "dimension_and_retrieval"]

_LEAST_CLUSTERS = 5
_LEVEL = 0.95
_SIGNIFICANT = 0.05
_NO_SPREAD = 1e-9  # of the squared length that ranks have
_WAYS = {"x": "recall_x_to_y", "y": "recall_y_to_x"}


@dataclass(frozen=True, kw_only=True)
class DimensionAndRetrieval:
    """How two numbers of each cluster go together, alone and with others held fixed.

    Parameters
    ----------
    n_clusters
        Clusters that have both numbers.
    spearman, pearson
        Correlations with their bootstrap intervals over clusters.
    p
        Permutation p-value of ``spearman``, two-sided.
    partial
        Spearman correlation of what the controls leave over, with its interval; None where there is none.
    partial_p
        Its permutation p-value; None as ``partial``.
    controls
        What was held fixed.
    reason
        Why there is no ``partial``; None where there is one.
    left_out
        For each cluster without both numbers, why.
    settings
        Replicates, permutations, seed; and the replicates that had no value (all ranks equal) and so did not count.
    """

    n_clusters: int
    spearman: Interval
    pearson: Interval
    p: float
    partial: Interval | None
    partial_p: float | None
    controls: tuple[str, ...]
    reason: str | None = None
    left_out: Mapping[int, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """One of "supported", "reversed", "not supported", "not supported after controlling" and "undecided".

        "supported" asks for two p-values below 0.05, of the correlation and of the partial one, and for one sign;
        "reversed" is the same where the sign is negative, "undecided" a correlation that could not be controlled.
        """
        if self.p >= _SIGNIFICANT:
            return "not supported"
        if self.partial is None or self.partial_p is None:
            return "undecided"
        if self.partial_p >= _SIGNIFICANT or self.partial.value * self.spearman.value <= 0:
            return "not supported after controlling"
        return "supported" if self.spearman.value > 0 else "reversed"

    def answer(self, baseline: "DimensionAndRetrieval | None" = None) -> str:
        """Say in a sentence what was found; ``baseline`` is the same over random subsets."""
        held = " and ".join(self.controls)
        found = {
            "supported": "supported: recall@1 is higher where the local dimension is higher",
            "reversed": "reversed: recall@1 is lower where the local dimension is higher",
            "not supported": "not supported: local dimension and recall@1 go together no more than by chance",
            "not supported after controlling": f"not supported after controlling for {held}",
            "undecided": "undecided: local dimension and recall@1 go together, but nothing was held fixed",
        }[self.verdict]
        numbers = f"Spearman {_told(self.spearman)}, p {self.p:.3g}, over {self.n_clusters} clusters; "
        if self.partial is None:
            numbers += f"no partial correlation, since {self.reason}"
        else:
            numbers += f"partial {_told(self.partial)}, p {self.partial_p:.3g}, with {held} held fixed"
        if baseline is not None:
            numbers += f"; {_told(baseline.spearman)} over {baseline.n_clusters} random subsets of the same sizes"
        return f"{found} ({numbers})."


def dimension_and_retrieval(
    local: LocalDimensions,
    *,
    side: str = "x",
    quantity: str = "spectrum_area",
    joint: bool = False,
    replicates: int = 1000,
    permutations: int = 2000,
    seed: int = 0,
) -> DimensionAndRetrieval:
    """Correlation over clusters of local dimension and recall@1, alone and with size and mean cosine held fixed.

    Formula::

        spearman   correlation of the ranks of dimension and recall@1 over clusters
        partial    correlation of what is left of both ranks after least squares on the ranks of log n_c and of the mean
                   cosine within the cluster, and a constant

    How to read it: a large correlation alone proves little, since a larger cluster has more competitors (recall@1
    falls) and a less biased dimension (it rises). Believe it where the partial one keeps its sign and its interval
    clear of 0, and where random subsets of the same sizes (``random_subset_dimensions``) do not show it too. With 20
    clusters a partial correlation below about 0.5 cannot be told from none.

    Parameters
    ----------
    local
        What ``local_dimensions`` or ``random_subset_dimensions`` found.
    side
        Whose rows are the queries: "x" or "y". Their dimension is taken, too.
    quantity
        "spectrum_area", "participation_ratio", "entropy_rank" or "effective_dimension".
    joint
        Take the dimension of the cluster's rows of both sides.
    replicates
        Bootstrap draws of clusters, at least 1.
    permutations
        Permutations, at least 1.
    seed
        Of both.

    Raises
    ------
    ValueError
        If an option is unknown or out of range.
    DegenerateError
        If fewer than 5 clusters have both numbers, or one of the two is the same for all.

    Notes
    -----
    Cost: some 0.1 s. Ranks are residualised, which takes out any monotone effect of size where the others are monotone
    too. The p-value of the partial correlation permutes the residuals of recall@1 (Freedman and Lane). No correction is
    made for asking about several quantities.

    References
    ----------
    The question: Aziz and Rahim, arXiv 2405.18867, which gives no coefficients. Freedman and Lane, *A nonstochastic
    interpretation of reported significance levels*, 1983.

    Examples
    --------
    Eight clusters of local dimension 2 to 9: the higher it is, the farther apart lie the thirty rows.

    >>> from crossgap.topology import local_dimensions
    >>> random = np.random.default_rng(0)
    >>> labels = np.repeat(np.arange(8), 30)
    >>> rows = np.concatenate([random.normal(size=(30, 16)) * (np.arange(16) < 2 + k) for k in range(8)])
    >>> noisy = rows + 0.3 * random.normal(size=rows.shape)
    >>> local = local_dimensions(rows, noisy, x_labels=labels, y_labels=labels)
    >>> dimension_and_retrieval(local).spearman.value > 0.8
    True
    """
    if side not in _WAYS:
        raise ValueError(f"side must be 'x' or 'y', but it is {side!r}; name the side of the queries.")
    if quantity not in DIMENSIONS:
        raise ValueError(f"quantity must be one of {', '.join(DIMENSIONS)}, but it is {quantity!r}; choose one.")
    kept, left_out = [], {}
    for cluster in local.clusters:
        part, way = "joint" if joint else side, _WAYS[side]
        missing = [name for name in (part, way) if getattr(cluster, name) is None]
        if missing:
            left_out[cluster.cluster] = "; ".join(f"{name}: {cluster.reasons.get(name, 'none')}" for name in missing)
        else:
            kept.append((getattr(cluster, part), getattr(cluster, way)))
    if len(kept) < _LEAST_CLUSTERS:
        raise DegenerateError(
            f"a correlation needs at least {_LEAST_CLUSTERS} clusters with a dimension and a recall@1, but {len(kept)} "
            f"of {len(local.clusters)} have both; find more or larger clusters."
        )
    controls = {
        "log size": np.log([found.n for found, _ in kept]),
        "mean cosine": [found.within_cosine for found, _ in kept],
    }
    return controlled_correlation(
        [getattr(found, quantity) for found, _ in kept],
        [recall for _, recall in kept],
        controls=controls,
        replicates=replicates,
        permutations=permutations,
        seed=seed,
        left_out=left_out,
    )


def controlled_correlation(
    first: Any,
    second: Any,
    *,
    controls: Mapping[str, Any],
    replicates: int = 1000,
    permutations: int = 2000,
    seed: int = 0,
    left_out: Mapping[int, str] | None = None,
) -> DimensionAndRetrieval:
    """Spearman, Pearson and partial Spearman correlation of two numbers of each cluster.

    How to read it: as ``dimension_and_retrieval``, for any two numbers and any controls.

    Parameters
    ----------
    first, second
        One number for each cluster (c,), at least 5.
    controls
        What the partial correlation holds fixed, by name; empty for none. Only ranks count.
    replicates, permutations, seed, left_out
        As in ``dimension_and_retrieval``.

    Raises
    ------
    ValueError
        If the lists differ in length, hold a NaN or an infinity, or a count is below 1.
    DegenerateError
        If there are fewer than 5 clusters, or one list is the same for all.

    References
    ----------
    As ``dimension_and_retrieval``.

    Examples
    --------
    Both follow the size and nothing else: nothing is left of their correlation.

    >>> size = np.arange(12.0)
    >>> a, b = size + np.tile([0, 2, -2], 4), size + np.repeat([2, -2], 6) * np.tile([1, -1], 6)
    >>> found = controlled_correlation(a, b, controls={"size": size})
    >>> round(found.spearman.value, 2), abs(found.partial.value) < 0.3
    (0.83, True)
    """
    a, b, held = _checked(first, second, controls, replicates, permutations)
    from scipy.stats import rankdata

    random = np.random.default_rng(seed)
    draws = random.integers(0, len(a), size=(replicates, len(a)))
    ranks = rankdata(a), rankdata(b)
    drawn = rankdata(a[draws], axis=1), rankdata(b[draws], axis=1)
    only = np.ones((len(a), 1))
    design = np.concatenate([only, *(rankdata(values)[:, None] for values in held)], axis=1)
    spearman, skipped = _interval(_partial(*ranks, only), _partial(*drawn, only))
    pearson, _ = _interval(_partial(a, b, only), _partial(a[draws], b[draws], only))
    orders = np.argsort(random.random((permutations, len(a))), axis=1)
    partial = partial_p = None
    reason = None if held else "nothing is held fixed"
    if held:
        value = _partial(*ranks, design)
        freedom = len(a) - np.linalg.matrix_rank(design)
        if freedom < 3 or np.isnan(value):
            why = f"{len(a)} clusters are too few" if freedom < 3 else "the controls explain one of the two in full"
            reason = f"{why} to hold {' and '.join(controls)} fixed"
        else:
            drawn_design = np.concatenate(
                [np.ones((*draws.shape, 1)), *(rankdata(values[draws], axis=1)[..., None] for values in held)], axis=2
            )
            partial, _ = _interval(value, _partial(*drawn, drawn_design))
            partial_p = _p_value(*ranks, design, orders)
    return DimensionAndRetrieval(
        n_clusters=len(a),
        spearman=spearman,
        pearson=pearson,
        p=_p_value(*ranks, only, orders),
        partial=partial,
        partial_p=partial_p,
        controls=tuple(controls),
        reason=reason,
        left_out=dict(left_out or {}),
        settings={"replicates": replicates, "without_value": skipped, "permutations": permutations, "seed": seed},
    )


def _checked(
    first: Any, second: Any, controls: Mapping[str, Any], replicates: int, permutations: int
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    lists = {"first": first, "second": second, **controls}
    arrays = {name: np.asarray(values, dtype=np.float64) for name, values in lists.items()}
    for name, values in arrays.items():
        if values.shape != arrays["first"].shape or values.ndim != 1:
            raise ValueError(
                f"{name} must be one number for each cluster, but its shape is {values.shape} and that of first "
                f"{arrays['first'].shape}; give lists of one length."
            )
        if not np.isfinite(values).all():
            raise ValueError(f"{name} must be finite, but it holds a NaN or an infinity; leave such clusters out.")
    for name, value in (("replicates", replicates), ("permutations", permutations)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, but it is {value}; leave it out for the usual number.")
    if len(arrays["first"]) < _LEAST_CLUSTERS:
        raise DegenerateError(
            f"a correlation over clusters needs at least {_LEAST_CLUSTERS} of them, but there are "
            f"{len(arrays['first'])}; find more clusters."
        )
    for name in ("first", "second"):
        if np.ptp(arrays[name]) == 0:
            raise DegenerateError(
                f"{name} is the same for all {len(arrays[name])} clusters, so nothing can go together with it; "
                f"find clusters that differ."
            )
    return arrays["first"], arrays["second"], [arrays[name] for name in controls]


def _partial(a: np.ndarray, b: np.ndarray, design: np.ndarray) -> Any:
    """Correlation of what least squares on the design (..., c, k) leaves of a and b (..., c); NaN where nothing."""
    a, b = _left_over(a, design), _left_over(b, design)
    squares = (a * a).sum(-1), (b * b).sum(-1)
    usable = np.minimum(*squares) > _NO_SPREAD
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(usable, (a * b).sum(-1) / np.sqrt(squares[0] * squares[1]), np.nan)


def _left_over(values: np.ndarray, design: np.ndarray) -> np.ndarray:
    """Residuals of values (..., c), brought to a scale at which a spread of 1e-9 is rounding."""
    centred = values - values.mean(axis=-1, keepdims=True)
    length = np.sqrt((centred * centred).sum(axis=-1, keepdims=True))
    centred = centred / np.where(length > 0, length, 1.0)
    fitted = design @ (np.linalg.pinv(design) @ centred[..., None])
    return centred - fitted[..., 0]


def _interval(value: Any, drawn: np.ndarray) -> tuple[Interval, int]:
    """Return the value between the percentiles of its replicates, and how many of them have none."""
    usable = drawn[~np.isnan(drawn)]
    if len(usable) == 0:
        usable = np.array([value])
    low, high = np.quantile(usable, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    found = Interval(value=float(value), low=float(low), high=float(high), level=_LEVEL)
    return found, int(np.isnan(drawn).sum())


def _p_value(a: np.ndarray, b: np.ndarray, design: np.ndarray, orders: np.ndarray) -> float:
    """Two-sided p-value: the residuals of b are permuted and the design is taken out of them again."""
    value = abs(float(_partial(a, b, design)))
    left = _left_over(b, design)
    found = np.abs(_partial(a, left[orders], design))
    return float((1 + np.count_nonzero(found >= value - 1e-12)) / (1 + len(orders)))


def _told(found: Interval) -> str:
    return with_bounds(found.value, (found.low, found.high), 2, sign=True)
