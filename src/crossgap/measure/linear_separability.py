"""A2: how well a straight cut tells two modalities apart."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from crossgap.geometry.means import weights_like, wide
from crossgap.geometry.rows import (
    Array,
    Rows,
    check_rows,
    check_same_dimension,
    group_weights,
    inverse_lengths,
    is_numpy,
    row_blocks,
)
from crossgap.measure.held_out import HeldOut, deal_test_sets, rows_together

__all__ = ["LEAST_ROWS", "LOGISTIC_ROWS", "SeparabilityScores", "linear_separability", "linear_separability_scores"]

LEAST_ROWS = 10
LOGISTIC_ROWS = 20_000  # rows per group up to which "auto" takes the classifier of the papers

_BLOCK = 4096  # rows that one product takes: each product also costs a pass over d x d sums
_RIDGE = 1e-9  # of the mean variance: lets Cholesky pass where rounding makes an eigenvalue negative
_SOLVERS = {"logistic": "lbfgs", "lda": "cholesky", "svm": "liblinear", "centroid": "closed form"}


@dataclass(frozen=True, kw_only=True)
class SeparabilityScores:
    """What a linear classifier reaches, as means over splits, and how it was tested.

    Parameters
    ----------
    accuracy, accuracy_std
        Mean and standard deviation (denominator n_splits) over splits of the accuracy on test rows.
    train_accuracy
        Mean accuracy on the training rows; near 1 for any data where there are more dimensions than rows.
    auroc
        Mean area under the ROC curve on test rows: how well the scores order the groups, wherever the cut lies.
    majority_share
        Share of the larger group among test rows: the accuracy of always naming it.
    n_train, n_test
        Rows of both groups together in the first split.
    n_splits, split_by
        Number of splits, and whether the rows of a pair or item stayed on one side ("pair") or not ("point").
    classifier, solver
        What ran: "auto" never stands here.
    converged
        False where the solver stopped at its limit of iterations (100 for the logistic regression).
    """

    accuracy: float
    accuracy_std: float
    train_accuracy: float
    auroc: float
    majority_share: float
    n_train: int
    n_test: int
    n_splits: int
    split_by: str
    classifier: str
    solver: str
    converged: bool


def linear_separability(
    x: Rows,
    y: Rows,
    *,
    classifier: str = "auto",
    C: float = 1.0,
    features: str = "unit",
    split_by: str | None = None,
    x_items: Any = None,
    y_items: Any = None,
    n_splits: int = 5,
    test_share: float = 0.2,
    seed: int = 0,
    weights: Any = None,
    check: bool = True,
) -> Array:
    """Accuracy, on rows it has not seen, of a linear classifier that tells the two groups apart.

    Formula::

        mean over splits of the share of test rows on the right side of  w . v + b = 0,  (w, b) fitted on the rest

    How to read it: 0.5 (for groups of one size) means that no plane tells the modalities apart, 1 that one does so
    without error, as in every CLIP-like model before its gap is closed. For unequal groups compare with the share of
    the larger one (``majority_share`` of ``linear_separability_scores``). **Values below chance come from centring a
    group on the very rows that are then split**: the held-out mean is the mirror image of the training one. Centre on
    other rows.

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d), at least 10 each.
    classifier
        "logistic": scikit-learn's logistic regression with its defaults, which the papers use. "lda": linear
        discriminant analysis with one covariance, in closed form. "svm": linear support vectors. "centroid": the nearer
        of the two means. "auto": logistic up to 20,000 rows in each group, LDA above.
    C
        Inverse strength of the penalty. The papers' 1 is a strong penalty on unit rows and under-reports: read C=100
        beside it. In LDA it is a ridge of 4 / (C rows), as in the first Newton step of a penalised logistic
        regression; "centroid" has no penalty.
    features
        "unit" rows; "raw": as they are; "standardised": unit rows, each dimension brought to mean 0 and variance 1 of
        the training rows.
    split_by
        "pair": all rows of a pair or item stay on one side; "point": rows of each group are split on their own. None:
        "pair" where rows pair, "point" otherwise.
    x_items, y_items
        Item ids of the rows. Without ids row i pairs with row i where n = m.
    n_splits, test_share, seed
        Number of splits, share of the items in a test set, seed of the permutations. The test sets of one permutation
        are disjoint, the first its last fifth; 5 splits test every row once. A new permutation follows when one is used
        up.
    weights
        Weightings for a bootstrap: (n, b) for both groups or a tuple of two; then the result is (b,). They weigh the
        test rows; the fitted classifiers stay.
    check
        Refuse zero and non-finite rows.

    Returns
    -------
    A float64 scalar of the arrays' own library; not differentiable.

    Raises
    ------
    ValueError
        If an option is none of the values above, ``split_by`` is "pair" and nothing pairs, ids are given for one side
        only, the groups differ in dimension, or a row is zero or not finite.
    DegenerateError
        If a group has fewer than 10 rows, or a split leaves no row of a group to train or to test on.

    Notes
    -----
    Cost: LDA one pass of 2 (n + m) d^2 flops for every 1 / ``test_share`` splits, and d^3 / 3 for each split; memory
    d^2 numbers for each split of a permutation; files larger than memory stream. "centroid" streams too, the others
    hold all rows in memory. LDA and logistic regression agree to 0.1 point on 50,000 rows that vary alike in all
    directions. Where the groups differ along directions of little variance, lbfgs stops before it gets there and reads
    lower, by points: compare two models with one classifier, which ``linear_separability_scores`` names.
    Ignores a rotation of both groups. Published tables use one split of 80/20; that of earlier code was 20/80
    (erratum 15). With 500 rows in 512 dimensions the training accuracy says nothing.

    References
    ----------
    Fahim, Murphy, Fyshe, *It's Not a Modality Gap*, arXiv 2405.18570, section 3.1 and tables 7 to 9; Shi et al.,
    *Towards understanding the modality gap in CLIP*, workshop at ICLR 2023.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(50, 3))
    >>> float(linear_separability(x + 9, x - 9)), float(linear_separability(x, x)) <= 0.5
    (1.0, True)
    """
    evaluation = _evaluate(
        x, y, classifier, C, features, split_by, x_items, y_items, n_splits, test_share, seed, weights, check
    )
    return weights_like(evaluation.accuracy.mean(axis=0), wide(x[:1]))


def linear_separability_scores(
    x: Rows,
    y: Rows,
    *,
    classifier: str = "auto",
    C: float = 1.0,
    features: str = "unit",
    split_by: str | None = None,
    x_items: Any = None,
    y_items: Any = None,
    n_splits: int = 5,
    test_share: float = 0.2,
    seed: int = 0,
    check: bool = True,
) -> SeparabilityScores:
    """Test and training accuracy, AUROC and the settings of a linear classifier between two groups.

    How to read it: ``accuracy`` is ``linear_separability``. A high ``auroc`` beside a low accuracy means that the order
    is right and the cut is not. Read ``accuracy_std`` before comparing two models: at 400 rows it is 0.02 and more.

    Parameters
    ----------
    x, y, classifier, C, features, split_by, x_items, y_items, n_splits, test_share, seed, check
        As in ``linear_separability``.

    Raises
    ------
    ValueError, DegenerateError
        As in ``linear_separability``.

    References
    ----------
    As ``linear_separability``.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(50, 3))
    >>> scores = linear_separability_scores(x + 9, x - 9)
    >>> scores.auroc, scores.n_train, scores.n_test, scores.split_by, scores.solver
    (1.0, 80, 20, 'pair', 'lbfgs')
    """
    found = _evaluate(
        x, y, classifier, C, features, split_by, x_items, y_items, n_splits, test_share, seed, None, check
    )
    return SeparabilityScores(
        accuracy=float(found.accuracy.mean()),
        accuracy_std=float(found.accuracy.std()),
        train_accuracy=float(np.mean(found.train_accuracy)),
        auroc=float(np.mean(found.auroc)),
        majority_share=float(np.mean(found.majority)),
        n_train=found.n_train,
        n_test=found.n_test,
        n_splits=n_splits,
        split_by=found.split_by,
        classifier=found.classifier,
        solver=_SOLVERS[found.classifier],
        converged=found.converged,
    )


class _Evaluation(NamedTuple):
    accuracy: np.ndarray  # (splits,), or (splits, b) under weightings
    train_accuracy: list[float]
    auroc: list[float]
    majority: list[float]
    n_train: int
    n_test: int
    split_by: str
    classifier: str
    converged: bool


class _Planes(NamedTuple):
    """One plane for each test set: normals (d, sets) and offsets (sets,). Positive side: y."""

    normals: np.ndarray
    offsets: np.ndarray
    converged: bool = True


def _evaluate(
    x: Rows,
    y: Rows,
    classifier: str,
    C: float,
    features: str,
    split_by: str | None,
    x_items: Any,
    y_items: Any,
    n_splits: int,
    test_share: float,
    seed: int,
    weights: Any,
    check: bool,
) -> _Evaluation:
    n, _ = check_rows(x, "x", least=LEAST_ROWS)
    m, _ = check_rows(y, "y", least=LEAST_ROWS)
    check_same_dimension(x, y)
    _check_options(classifier, C, features, split_by, n_splits, test_share)
    x_weights, y_weights = group_weights(weights, n, m) if weights is not None else (None, None)
    if classifier == "auto":
        classifier = "logistic" if max(n, m) <= LOGISTIC_ROWS else "lda"
    units = rows_together(n, m, split_by, x_items, y_items)
    pooled = None if classifier in {"lda", "centroid"} else _pooled_rows(x, y, features, check)
    accuracy, train_accuracy, auroc, majority = [], [], [], []
    n_train = n_test = 0
    converged = True
    for part in deal_test_sets(n, m, units, n_splits, test_share, seed):
        if pooled is not None:
            planes = _fitted_planes(*pooled, part, classifier, C, features == "standardised")
        else:
            planes = _moment_planes(x, y, part, classifier, C, features, check)
        converged = converged and planes.converged
        x_scores = _scores(x, planes, features)
        y_scores = _scores(y, planes, features)
        for number in range(part.sets):
            x_test, y_test = part.x_set == number, part.y_set == number
            x_right, y_right = x_scores[:, number] <= 0, y_scores[:, number] > 0
            right = np.concatenate([x_right[x_test], y_right[y_test]])
            if x_weights is None or y_weights is None:
                accuracy.append(right.mean())
            else:
                accuracy.append(_weighted_share(right, np.concatenate([x_weights[x_test], y_weights[y_test]])))
            train_accuracy.append(np.concatenate([x_right[~x_test], y_right[~y_test]]).mean())
            auroc.append(_auroc(x_scores[x_test, number], y_scores[y_test, number]))
            majority.append(max(x_test.sum(), y_test.sum()) / len(right))
            if n_test == 0:
                n_test, n_train = len(right), n + m - len(right)
    split_by = "point" if units is None else "pair"
    values = np.asarray(accuracy)
    return _Evaluation(values, train_accuracy, auroc, majority, n_train, n_test, split_by, classifier, converged)


def _check_options(
    classifier: str, C: float, features: str, split_by: str | None, n_splits: int, test_share: float
) -> None:
    for name, value, known in (
        ("classifier", classifier, ("auto", *_SOLVERS)),
        ("features", features, ("unit", "raw", "standardised")),
        ("split_by", split_by, (None, "pair", "point")),
    ):
        if value not in known:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, but it is {value!r}; choose one.")
    if not 0 < C < float("inf"):
        raise ValueError(f"C must be a finite number above 0, but it is {C}; the papers use 1.")
    if n_splits < 1:
        raise ValueError(f"n_splits must be at least 1, but it is {n_splits}; 5 tests every row once.")
    if not 0 < test_share < 1:
        raise ValueError(f"test_share must lie between 0 and 1, but it is {test_share}; the papers use 0.2.")


def _blocks(
    rows: Rows, features: str, name: str = "x", check: bool = False
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Yield (slice, rows as given, the number to multiply each by) as NumPy arrays, before any standardising."""
    for part, block in row_blocks(rows, _BLOCK):
        block = block if is_numpy(block) else block.detach().cpu().numpy()
        if features != "raw":
            yield part, block, inverse_lengths(block, name=name, check=check, first=part.start)
            continue
        if check and not np.isfinite(block).all():
            row = part.start + int(np.argmin(np.isfinite(block).all(axis=1)))
            raise ValueError(f"{name} must be finite, but row {row} holds a NaN or an infinity; drop such rows.")
        yield part, block, np.ones(len(block), block.dtype)


def _pooled_rows(x: Rows, y: Rows, features: str, check: bool) -> tuple[np.ndarray, np.ndarray]:
    blocks = [block * scale[:, None] for _, block, scale in _blocks(x, features, "x", check)]
    blocks += [block * scale[:, None] for _, block, scale in _blocks(y, features, "y", check)]
    return np.concatenate(blocks), np.repeat([0, 1], [x.shape[0], y.shape[0]])


def _fitted_planes(
    rows: np.ndarray, labels: np.ndarray, part: HeldOut, classifier: str, C: float, standardise: bool
) -> _Planes:
    """Fit scikit-learn's classifier beside each test set."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    sets = np.concatenate([part.x_set, part.y_set])
    normals, offsets = np.empty((rows.shape[1], part.sets)), np.empty(part.sets)
    converged = True
    for number in range(part.sets):
        train = rows[sets != number]
        mean, spread = np.zeros(rows.shape[1]), np.ones(rows.shape[1])
        if standardise:
            mean, spread = train.mean(axis=0, dtype=np.float64), train.std(axis=0, dtype=np.float64)
            spread[spread == 0] = 1.0
            train = ((train - mean) / spread).astype(rows.dtype)
        model = LogisticRegression(C=C) if classifier == "logistic" else LinearSVC(C=C, dual="auto", random_state=0)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            model.fit(train, labels[sets != number])
        converged = converged and not any(issubclass(one.category, ConvergenceWarning) for one in caught)
        normals[:, number] = np.asarray(model.coef_[0], np.float64) / spread
        offsets[number] = np.asarray(model.intercept_)[0] - mean @ normals[:, number]
    return _Planes(normals, offsets, converged)


def _moment_planes(x: Rows, y: Rows, part: HeldOut, classifier: str, C: float, features: str, check: bool) -> _Planes:
    """Find the planes of "lda" and "centroid" from sums over each test set, so that all splits share one pass.

    The rows that train beside test set s are all rows less those of s; so are their sums. Sums run about the mean of
    the group's first block, near enough to its own that nothing cancels; in the type of the rows within a block and in
    float64 across blocks.
    """
    d, count = int(x.shape[1]), part.sets
    sizes, sums = np.zeros((2, count + 1)), np.zeros((2, count + 1, d))
    squares = np.zeros((count + 1, d, d) if classifier == "lda" else (count + 1, d))
    origins = np.zeros((2, d))
    for group, (rows, sets, name) in enumerate(((x, part.x_set, "x"), (y, part.y_set, "y"))):
        for index, block, scale in _blocks(rows, features, name, check):
            order = np.argsort(sets[index], kind="stable")
            edges = np.searchsorted(sets[index][order], np.arange(count + 2))
            block = block[order]
            block *= scale[order, None]
            if index.start == 0:
                origins[group] = block.mean(axis=0).astype(block.dtype)
            block -= origins[group].astype(block.dtype)
            for number in range(1 if count == 1 else 0, count + 1):  # a single test set has no other to train for
                members = block[edges[number] : edges[number + 1]]
                sizes[group, number] += len(members)
                sums[group, number] += np.ones(len(members), block.dtype) @ members
                squares[number] += members.T @ members if squares.ndim == 3 else (members * members).sum(axis=0)
    normals, offsets = np.empty((d, count)), np.empty(count)
    for number in range(count):
        train_sizes = sizes.sum(axis=1) - sizes[:, number]
        shifts = (sums.sum(axis=1) - sums[:, number]) / train_sizes[:, None]
        x_mean, y_mean = origins + shifts
        within, size = squares.sum(axis=0) - squares[number], train_sizes.sum()
        spread = np.ones(d)
        if features == "standardised":
            variances = (np.diagonal(within) if within.ndim == 2 else within) - train_sizes @ shifts**2
            spread = variances / size + (train_sizes / size).prod() * (y_mean - x_mean) ** 2
            spread[spread == 0] = 1.0
        if classifier == "lda":
            within -= (shifts.T * train_sizes) @ shifts
            normals[:, number] = _solve(within / (size - 2), y_mean - x_mean, 4 / (C * size) * spread)
            prior = np.log(train_sizes[1] / train_sizes[0])
        else:
            normals[:, number] = (y_mean - x_mean) / spread
            prior = 0.0
        offsets[number] = prior - normals[:, number] @ (x_mean + y_mean) / 2
    return _Planes(normals, offsets)


def _solve(covariance: np.ndarray, difference: np.ndarray, ridge: np.ndarray) -> np.ndarray:
    from scipy.linalg import cho_factor, cho_solve

    rounding = _RIDGE * np.trace(covariance) / len(covariance)
    covariance[np.diag_indices_from(covariance)] += ridge + rounding
    return cho_solve(cho_factor(covariance, check_finite=False), difference, check_finite=False)


def _scores(rows: Rows, planes: _Planes, features: str) -> np.ndarray:
    scores = np.empty((rows.shape[0], len(planes.offsets)))
    for index, block, scale in _blocks(rows, features):
        scores[index] = (block @ planes.normals.astype(block.dtype)) * scale[:, None] + planes.offsets
    return scores


def _weighted_share(right: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted share (b,) of the rows that are right; plain share where a weighting counts none of them."""
    total = weights.sum(axis=0, dtype=np.float64)
    counted = sum(
        right[first : first + _BLOCK] @ weights[first : first + _BLOCK].astype(np.float64)
        for first in range(0, len(weights), _BLOCK)
    )
    return np.divide(counted, total, out=np.full(len(total), right.mean()), where=total > 0)


def _auroc(low: np.ndarray, high: np.ndarray) -> float:
    """Probability that a score of ``high`` exceeds one of ``low``; ties count half."""
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([low, high]))[len(low) :]
    return float((ranks.sum() - len(high) * (len(high) + 1) / 2) / (len(low) * len(high)))
