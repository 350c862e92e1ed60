"""C3: noise on the rows that a model is trained on, so that it bears the rows of another modality."""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from crossgap.close.affine_step import bring_to_length_one
from crossgap.close.closer import Calibration, Closer, group_numbers, unit_rows_that_have_a_direction
from crossgap.close.noise_draws import (
    ball_noise,
    expected_cosine,
    mises_fisher_concentration,
    mises_fisher_rows,
    sphere_noise,
    variance_for_cosine,
)
from crossgap.errors import DegenerateError

__all__ = ["Corruption"]

_STREAM = 0xC3
_NOISES = ("gaussian", "ball", "covariance", "mises-fisher", "mixing")
_SUBSPACES = ("full", "span", "gap-orthogonal", "gap-only")
_SPAN = 0.99  # share of the variance that the span of a group holds


class Corruption(Closer):
    """Add noise to rows in training and none at test time, then renormalise.

    Formula::

        x' = norm(c + noise),   c = norm(x), or norm(x) - m_g with ``centre``

        "gaussian"       sigma N(0, I)
        "ball"           even in a ball of radius sigma sqrt(d + 2), so that each coordinate has variance sigma^2
        "covariance"     N(g, C): g and C mean and covariance of what parts the pairs, from the group of x to the other;
                         C scaled to the mean variance sigma^2, unless ``variance`` is None
        "mises-fisher"   a direction of the von Mises-Fisher law about x with the mean cosine that sigma^2 would give
        "mixing"         (1 - share) c + share n, n an even direction (LAFITE)

    ``fit_transform`` gives one noised copy, ``corrupt`` a fresh one at each call, ``transform`` none at all. So in a
    scikit-learn Pipeline the next step is trained on noised rows and used on clean ones.

    How to read it: a model trained on one modality then holds within a ball about each row, and rows of another
    modality that fall in it are served. C3 is ``MeanRemoval`` (or ``centre``), then this. The usual variance of 0.016
    is far above the noise between partners in CLIP (0.0012: ``estimate_noise``): it is a heavy regulariser, not a model
    of that noise (erratum 19). What a variance does depends on d and on the length of the rows, so think in
    ``target_cosine``: 0.33 is 0.016 on unit rows of 512, 0.23 on centred ones.

    Parameters
    ----------
    variance
        sigma^2 of each coordinate. 0.016 is that of C3, CapDec and ViECap; CLOSE takes 0.0016 to 0.0144 at d = 768.
        None: as measured, for "covariance" only.
    target_cosine
        In place of ``variance``: the cosine between a row and its noised copy, above 0 and up to 1, through
        ``variance_for_cosine`` with the mean length of the clean rows.
    noise
        One of the five kinds above.
    share
        For "mixing", where ``target_cosine`` is None: LAFITE takes 0.75.
    centre
        Subtract the group's mean from the unit rows first, and add the noise before they are brought to length 1: the
        order of C3's code. Behind ``MeanRemoval`` leave it False; the noise then meets rows of length 1, not 0.7.
    noise_subspace
        For "gaussian" and "ball": where the noise may point. "full": everywhere. "span": along the principal directions
        that hold 99 % of the variance of the group. "gap-only": along what parts the groups' means; "gap-orthogonal":
        everywhere else. What is cut off is not made up for: ``variance`` is that of the directions that are left, and
        ``target_cosine`` counts them alone. The last three show how much of a gain is noise that happens to bridge the
        gap (the paper's study of restricted noise).
    seed
        Of the noise: ``fit`` starts the draws anew.
    renormalise
        Bring the rows to length 1 at the end.

    Attributes
    ----------
    variance_, share_
        sigma^2 and the share that are used; the share is 0 except for "mixing", where sigma^2 is 0.
    length_
        Mean length of the clean rows, before noise.
    means_
        m_g (d,) by group with ``centre``, else empty.
    factor_, shifts_
        For "covariance": F (r, d) with C = F^T F, and g (d,) by group; else empty.
    concentration_
        For "mises-fisher"; else 0.
    bases_
        Orthonormal rows (r, d) by group: what the noise is held to or, for "gap-orthogonal", kept out of; else empty.

    Raises
    ------
    ValueError
        If a parameter is unknown or out of range.
    DegenerateError
        If a group has fewer than two rows; for "covariance", unless there are two groups with three pairs that differ;
        for a subspace of the gap, with one group; or nothing is left of a row.

    Notes
    -----
    Draw afresh each epoch; noise that stays the same is learned by heart. ``fit_transform`` with one seed gives the
    same copy each time. Cost: one draw of n d numbers.

    The ball has radius sigma sqrt(d + 2), not sigma, so that ``variance`` means one thing for all kinds. Noise along
    the strongest few directions of the pairs only is not offered; "covariance" has all that the pairs span.

    C3's code adds noise to centred rows as they are; LAFITE mixes with rows of length 1. Means need rows of both
    modalities, though not pairs (erratum 22).

    References
    ----------
    Zhang et al., *Connect, Collapse, Corrupt*, ICLR 2024, arXiv 2401.08567, section 4; Nukrai et al., *CapDec*, 2022;
    Gu et al., *I can't believe there's no images!* (CLOSE), ICCV 2023; Zhou et al., *LAFITE*, CVPR 2022.

    Examples
    --------
    A classifier learns on texts and is used on images: all labels are right.

    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from crossgap.close.mean_removal import MeanRemoval
    >>> X = np.array([[1.0, 0.1, 2.0], [0.1, 1.0, 2.0], [1.0, 0.2, -2.0], [0.2, 1.0, -2.0]])
    >>> groups = ["image", "image", "text", "text"]
    >>> images, texts = np.split(MeanRemoval().fit_transform(X, groups=groups), 2)
    >>> model = make_pipeline(Corruption(variance=0.01), LogisticRegression()).fit(texts, [0, 1])
    >>> model.predict(images).tolist()
    [0, 1]
    """

    variance_: float
    share_: float
    length_: float
    concentration_: float
    means_: dict[str, np.ndarray]
    factor_: np.ndarray
    shifts_: dict[str, np.ndarray]
    bases_: dict[str, np.ndarray]

    def __init__(
        self,
        *,
        variance: float | None = 0.016,
        target_cosine: float | None = None,
        noise: str = "gaussian",
        share: float = 0.75,
        noise_subspace: str = "full",
        centre: bool = False,
        seed: int = 0,
        renormalise: bool = True,
    ):
        self.variance = variance
        self.target_cosine = target_cosine
        self.noise = noise
        self.share = share
        self.noise_subspace = noise_subspace
        self.centre = centre
        self.seed = seed
        self.renormalise = renormalise

    def fit_transform(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, X: Any, y: Any = None, *, groups: Any = None, items: Any = None
    ) -> np.ndarray:
        """Fit, and return the rows with noise, for training; ``transform`` returns rows without."""
        self.fit(X, y, groups=groups, items=items)
        return self.corrupt(X, groups=groups)

    def corrupt(self, X: Any, *, groups: Any = None, generator: np.random.Generator | None = None) -> np.ndarray:
        """Return the rows with noise, drawn afresh at each call, from ``generator`` where one is given.

        Raises
        ------
        ValueError
            As ``transform``.
        """
        check_is_fitted(self)
        rows = self._rows(X, reset=False)
        if groups is None and len(self.groups_) == 1:
            groups = np.full(len(rows), self.groups_[0])
        names, number = group_numbers(groups, len(rows), known=self.groups_)
        draws = self._draws() if generator is None else generator
        noised = np.zeros_like(rows)
        for position, name in enumerate(names):
            index = np.flatnonzero(number == position)
            unit, kept = unit_rows_that_have_a_direction(rows[index], name=name)
            noised[index if kept is None else index[kept]] = self._noised(self._clean(unit, name), name, draws)
        return noised

    def add_group(self, rows: Any, name: str) -> "Corruption":
        """Learn a further group, with ``centre`` its mean, from rows (n, d) alone; what was learned stays as it is.

        Raises
        ------
        ValueError
            If there is such a group already, or the noise is held to a subspace or to pairs, which would change.
        DegenerateError
            If there are fewer than two rows.
        """
        check_is_fitted(self)
        if name in self.groups_:
            raise ValueError(f"there is a group {name!r} already; give another name, or fit anew.")
        if self.noise_subspace != "full" or self.noise == "covariance":
            raise ValueError(
                f"noise={self.noise!r} with noise_subspace={self.noise_subspace!r} depends on all groups, so none can "
                f"be added; fit anew with rows of {name!r}."
            )
        unit, _ = unit_rows_that_have_a_direction(self._rows(rows, reset=False).astype(np.float64), name=name)
        if len(unit) < self._least_rows:
            raise DegenerateError(f"{name} must have at least {self._least_rows} rows, but it has {len(unit)}.")
        self.groups_ = (*self.groups_, name)
        self.fit_rows_ = {**self.fit_rows_, name: len(unit)}
        if self.centre:
            self.means_ = {**self.means_, name: unit.mean(axis=0)}
        return self

    def _draws(self) -> np.random.Generator:
        if not hasattr(self, "_generator"):  # read from a file
            self._generator = _generator(self.seed)
        return self._generator

    def _learn(self, calibration: Calibration) -> None:
        self._check()
        self._generator = _generator(self.seed)
        self.means_ = {name: rows.mean(axis=0) for name, rows in calibration.rows.items()} if self.centre else {}
        clean = {name: self._clean(rows, name) for name, rows in calibration.rows.items()}
        self.length_ = float(np.mean(np.concatenate([np.linalg.norm(rows, axis=1) for rows in clean.values()])))
        if not self.length_ > 1e-9:
            raise DegenerateError(
                f"all rows of each group are alike (n_features={self.n_features_in_}), so nothing is left once its "
                f"mean is taken away; give rows that differ, or centre=False."
            )
        d = self.n_features_in_
        self.variance_, self.share_, self.concentration_ = 0.0, 0.0, 0.0
        self.factor_, self.shifts_ = np.zeros((0, d)), {}
        self.bases_ = self._bases(calibration)
        if self.noise == "mixing":
            self.share_ = self._share()
            return
        if self.target_cosine is not None:
            self.variance_ = variance_for_cosine(self.target_cosine, self._noisy_directions(), length=self.length_)
        elif self.variance is not None:
            self.variance_ = float(self.variance)
        if self.noise == "covariance":
            self._learn_covariance(calibration, d)
        elif self.noise == "mises-fisher":
            self.concentration_ = mises_fisher_concentration(expected_cosine(self.variance_, d, length=self.length_), d)

    def _bases(self, calibration: Calibration) -> dict[str, np.ndarray]:
        if self.noise_subspace == "full":
            return {}
        if self.noise_subspace == "span":
            return {name: _principal_directions(rows) for name, rows in calibration.rows.items()}
        means = np.stack([rows.mean(axis=0) for rows in calibration.rows.values()])
        _, values, directions = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)
        kept = directions[values > 1e-9]
        if len(means) < 2 or not len(kept):
            raise DegenerateError(
                f"noise_subspace={self.noise_subspace!r} is about what parts the means of groups, but "
                f"{'there is one group' if len(means) < 2 else 'the means are equal'}; fit on groups with a gap."
            )
        return dict.fromkeys(calibration.groups, kept)

    def _noisy_directions(self) -> int:
        """How many dimensions the noise has; the mean over groups where they differ."""
        d = self.n_features_in_
        if not self.bases_:
            return d
        rank = round(float(np.mean([len(basis) for basis in self.bases_.values()])))
        return max(d - rank, 1) if self.noise_subspace == "gap-orthogonal" else rank

    def _held(self, noise: np.ndarray, group: str) -> np.ndarray:
        """Return the part of the noise that lies in its subspace."""
        if not self.bases_:
            return noise
        along = noise @ self.bases_[group].T @ self.bases_[group]
        return noise - along if self.noise_subspace == "gap-orthogonal" else along

    def _share(self) -> float:
        """The share at which the expected cosine is the target: (1 - s) r / (s) = c / sqrt(1 - c^2)."""
        if self.target_cosine is None:
            return float(self.share)
        turned = np.sqrt(1 - self.target_cosine**2)
        return float(self.length_ * turned / (self.length_ * turned + self.target_cosine))

    def _learn_covariance(self, calibration: Calibration, d: int) -> None:
        if len(calibration.groups) != 2:
            raise DegenerateError(
                f"noise='covariance' is what parts the pairs of two groups, but there "
                f"{'is one group' if len(calibration.groups) == 1 else f'are {len(calibration.groups)} groups'}; fit "
                f"on two groups that pair."
            )
        first, second = calibration.groups
        x, y = calibration.pairs(first, second)
        parted = self._clean(x, first) - self._clean(y, second)
        gap = parted.mean(axis=0)
        residuals = parted - gap
        measured = float((residuals * residuals).sum() / max(len(x) - 1, 1) / d)
        if len(x) < 3 or not measured > 1e-15:
            raise DegenerateError(
                f"noise='covariance' needs at least three pairs whose gaps differ, but {len(x)} were given"
                f"{'' if len(x) < 3 else ' and all have one and the same gap'}; give more pairs."
            )
        if self.variance is None and self.target_cosine is None:
            self.variance_ = measured
        _, values, directions = np.linalg.svd(residuals, full_matrices=False)
        kept = values > 1e-9 * values[0]
        spread = values[kept] * np.sqrt(self.variance_ / measured / (len(x) - 1))
        self.factor_ = spread[:, None] * directions[kept]
        self.shifts_ = {first: -gap, second: gap}

    def _check(self) -> None:
        if self.noise not in _NOISES:
            raise ValueError(
                f"noise must be one of {', '.join(map(repr, _NOISES))}, but it is {self.noise!r}; choose one."
            )
        if self.noise_subspace not in _SUBSPACES:
            raise ValueError(
                f"noise_subspace must be one of {', '.join(map(repr, _SUBSPACES))}, but it is "
                f"{self.noise_subspace!r}; choose one."
            )
        if self.noise_subspace != "full" and self.noise not in ("gaussian", "ball"):
            raise ValueError(
                f"noise_subspace={self.noise_subspace!r} holds for noise 'gaussian' or 'ball', but noise is "
                f"{self.noise!r}; take one of them, or 'full'."
            )
        if self.target_cosine is not None and not 0 < self.target_cosine <= 1:
            raise ValueError(
                f"target_cosine must lie above 0 and up to 1, but it is {self.target_cosine}; 0.33 is that of C3."
            )
        if self.variance is None and self.target_cosine is None and self.noise not in ("covariance", "mixing"):
            raise ValueError(
                f"variance=None takes the variance of pairs, which noise={self.noise!r} does not look at; give a "
                f"variance, a target_cosine, or noise='covariance'."
            )
        if self.variance is not None and not 0 <= self.variance < np.inf:
            raise ValueError(f"variance must be finite and at least 0, but it is {self.variance}; 0.016 is usual.")
        if not 0 <= self.share < 1:
            raise ValueError(f"share must lie from 0 to below 1, but it is {self.share}; LAFITE takes 0.75.")

    def _clean(self, unit: np.ndarray, group: str) -> np.ndarray:
        return unit - self.means_[group].astype(unit.dtype) if self.means_ else unit

    def _move(self, rows: np.ndarray, group: str) -> np.ndarray:
        return self._finished(self._clean(rows, group).copy(), group)

    def _noised(self, clean: np.ndarray, group: str, rng: np.random.Generator) -> np.ndarray:
        n, d = clean.shape
        wide = clean.astype(np.float64)
        if self.noise == "gaussian":
            noised = wide + np.sqrt(self.variance_) * self._held(rng.standard_normal((n, d)), group)
        elif self.noise == "ball":
            noised = wide + np.sqrt(self.variance_) * self._held(ball_noise(n, d, rng), group)
        elif self.noise == "covariance":
            noised = wide + self.shifts_[group] + rng.standard_normal((n, len(self.factor_))) @ self.factor_
        elif self.noise == "mixing":
            noised = (1 - self.share_) * wide + self.share_ * sphere_noise(n, d, rng)
        else:
            lengths = np.linalg.norm(wide, axis=1)[:, None]
            noised = lengths * mises_fisher_rows(wide / lengths, self.concentration_, rng)
        return self._finished(noised, group).astype(clean.dtype, copy=False)

    def _finished(self, rows: np.ndarray, group: str) -> np.ndarray:
        if self.renormalise:
            bring_to_length_one(rows, name=group)
        return rows

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        return tags


def _principal_directions(rows: np.ndarray) -> np.ndarray:
    """Return the first principal directions (r, d) of rows, as many as hold 99 % of their variance."""
    _, values, directions = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    spread = np.cumsum(values**2)
    return directions[: int(np.searchsorted(spread, _SPAN * spread[-1])) + 1]


def _generator(seed: int) -> np.random.Generator:
    """A stream of its own: rows that somebody drew with the same seed must not be the noise that is added to them."""
    return np.random.default_rng((seed, _STREAM))
