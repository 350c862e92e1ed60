"""Separability of two groups of 50,000 rows against scikit-learn's logistic regression, which lbfgs fits."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from timing import D, extra_mib, figure, in_turn, publish, rows_wanted, unit_rows

from crossgap.measure.linear_separability import LOGISTIC_ROWS, linear_separability, linear_separability_scores

n = rows_wanted(50_000)
shift = np.zeros(D, np.float32)
shift[:16] = 0.61 / np.sqrt(16 * D)  # a hard cut: about 73 % can be told apart
x, y = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (unit_rows(n) + shift, unit_rows(n, 1) - shift))


def one_split_by_scikit_learn() -> float:
    """Fit on four fifths, score the rest; pooling the rows and permuting them is not timed."""
    return float(LogisticRegression().fit(pooled[train], labels[train]).score(pooled[test], labels[test]))


pooled, labels = np.concatenate([x, y]), np.repeat([0, 1], n)
items = np.random.default_rng(0).permutation(n)
test = np.concatenate([items[: n // 5], n + items[: n // 5]])
train = np.concatenate([items[n // 5 :], n + items[n // 5 :]])
linear_separability(x[:2000], y[:2000], classifier="lda")  # imports scipy
extra = extra_mib(lambda: linear_separability(x, y, n_splits=1))
timings, _ = in_turn(
    {
        "ours, 1 split": lambda: linear_separability(x, y, n_splits=1, classifier="lda"),
        "ours, 5 splits": lambda: linear_separability(x, y, classifier="lda"),
        "scikit-learn lbfgs, 1 split": one_split_by_scikit_learn,
    }
)
ours = linear_separability_scores(x, y)
lbfgs = linear_separability_scores(x, y, classifier="logistic")
one, five = timings["ours, 1 split"]["cpu_s"], timings["ours, 5 splits"]["cpu_s"]
peer = timings["scikit-learn lbfgs, 1 split"]["cpu_s"]
small = linear_separability_scores(x[:LOGISTIC_ROWS], y[:LOGISTIC_ROWS], n_splits=1)
publish(
    "separability",
    [
        figure("points of accuracy away from lbfgs, same 5 splits", 100 * abs(ours.accuracy - lbfgs.accuracy), 0.1,
               at_most=True, unit="points"),
        figure("faster than scikit-learn's lbfgs, 1 split", peer / one, 5, at_most=False),
        figure("faster than 5 fits of lbfgs, the default 5 splits", 5 * peer / five, 5, at_most=False),
        figure("lbfgs is what runs at 20,000 rows", float(small.solver == "lbfgs"), 1, at_most=False, unit=""),
        figure("extra memory, 1 split", extra, 64, at_most=True, unit="MiB", note="no target in the issue"),
    ],
    timings,
    rows=n,
    accuracy={ours.solver: ours.accuracy, lbfgs.solver: lbfgs.accuracy},
)  # fmt: skip
