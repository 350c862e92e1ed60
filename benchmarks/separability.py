"""Separability of two groups of 50,000 rows against scikit-learn's logistic regression, which lbfgs fits.

How long lbfgs takes depends on the data, the closed form does not. Two kinds are taken, both about 73 % separable: rows
whose principal directions fall off like those of an encoder (standard deviation 1 / sqrt(k)), and rows that spread
alike in all directions, which is the easiest case for lbfgs.
"""

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from timing import D, extra_mib, figure, in_turn, publish, rows_wanted, unit_rows

from crossgap.measure.linear_separability import LOGISTIC_ROWS, linear_separability, linear_separability_scores


def two_groups(n: int, decay: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows of standard deviation k^-decay along direction k, apart along all of them in proportion."""
    rng = np.random.default_rng(2)
    spread = np.arange(1.0, D + 1) ** -decay
    apart = spread * rng.standard_normal(D)
    apart *= 0.61 / np.sqrt(((apart / spread) ** 2).sum())
    turn = np.linalg.qr(rng.standard_normal((D, D)))[0].astype(np.float32)
    groups = []
    for sign in (1, -1):
        rows = rng.standard_normal((n, D), dtype=np.float32) * spread.astype(np.float32)
        rows = (rows + (sign * apart).astype(np.float32)) @ turn
        groups.append(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    return groups[0], groups[1]


def by_scikit_learn(pooled: np.ndarray, labels: np.ndarray, splits: list[tuple[Any, Any]]) -> float:
    """Fit on four fifths, score the rest, for each split; pooling and cutting of the rows is not timed by itself."""
    return float(np.mean([LogisticRegression().fit(*train).score(*test) for train, test in splits]))


def compared(x: np.ndarray, y: np.ndarray, kind: str, main: bool) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    n = len(x)
    pooled, labels = np.concatenate([x, y]), np.repeat([0, 1], n)
    order = np.random.default_rng(0).permutation(n)
    first = (
        np.concatenate([order[: n // 5], n + order[: n // 5]]),
        np.concatenate([order[n // 5 :], n + order[n // 5 :]]),
    )
    split = (pooled[first[1]], labels[first[1]]), (pooled[first[0]], labels[first[0]])
    timings, _ = in_turn(
        {
            "ours, 5 splits": lambda: linear_separability(x, y, classifier="lda"),
            "scikit-learn, 5 splits": lambda: by_scikit_learn(pooled, labels, [split] * 5),
            "ours, 1 split": lambda: linear_separability(x, y, classifier="lda", n_splits=1),
            "scikit-learn, 1 split": lambda: by_scikit_learn(pooled, labels, [split]),
        }
    )
    ours = linear_separability_scores(x, y)
    lbfgs = linear_separability_scores(x, y, classifier="logistic")
    five = timings["scikit-learn, 5 splits"]["cpu_s"] / timings["ours, 5 splits"]["cpu_s"]
    one = timings["scikit-learn, 1 split"]["cpu_s"] / timings["ours, 1 split"]["cpu_s"]
    apart = 100 * abs(ours.accuracy - lbfgs.accuracy)
    note = f"{ours.accuracy:.4f} by {ours.classifier}, {lbfgs.accuracy:.4f} by {lbfgs.solver}"
    figures = [
        figure(f"points of accuracy away from lbfgs, {kind}", apart, 0.1, unit="points", note=note),
        figure(f"faster than 5 fits of lbfgs, {kind}", five, 5 if main else None, at_most=False),
        figure(f"faster than 1 fit of lbfgs, 1 split, {kind}", one, None),
    ]
    return figures, {f"{name}, {kind}": taken for name, taken in timings.items()}


n = rows_wanted(50_000)
linear_separability(unit_rows(2000), unit_rows(2000, 1), classifier="lda")  # imports scipy
figures, timings = [], {}
extra = 0.0
for kind, decay in (("spectrum of an encoder", 0.5), ("even spectrum", 0.0)):
    x, y = two_groups(n, decay)
    extra = max(extra, extra_mib(lambda: linear_separability(x, y, classifier="lda")))  # noqa: B023
    found, taken = compared(x, y, kind, main=decay > 0)
    figures, timings = figures + found, timings | taken
small = linear_separability_scores(x[:LOGISTIC_ROWS], y[:LOGISTIC_ROWS], n_splits=1)
figures.append(figure("lbfgs is what runs at 20,000 rows", float(small.solver == "lbfgs"), 1, at_most=False, unit=""))
publish("separability", [*figures, figure("extra memory", extra, None, unit="MiB")], timings, rows=n)
