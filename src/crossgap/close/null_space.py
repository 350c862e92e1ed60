"""Directions that tell groups apart, found one after the other until none is left: iterative null-space projection."""

import numpy as np
from sklearn.covariance import ledoit_wolf

from crossgap.close.closer import Calibration
from crossgap.errors import DegenerateError

__all__ = ["null_space_directions"]

_TEST_SHARE = 0.2
_LUCK = 1.64  # standard errors of a guess: one in twenty guesses is better
_NO_LENGTH = 1e-8


def null_space_directions(calibration: Calibration, *, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return orthonormal directions (k, d), k at most ``count``, and k + 1 held-out accuracies.

    Formula::

        w_1, w_2, ... = normals of the classifier of the groups on x - (what lies along the normals found so far)

    It stops when the accuracy on held-out items is no better than the share of the largest group, within 1.64 standard
    errors, or ``count`` directions were taken.
    """
    names = calibration.groups
    rows = np.concatenate([calibration.rows[name] for name in names])
    labels = np.repeat(np.arange(len(names)), [len(calibration.rows[name]) for name in names])
    test = _held_out(calibration, len(rows), seed)
    if set(labels[test]) != set(range(len(names))) or set(labels[~test]) != set(range(len(names))):
        raise DegenerateError(
            f"each of the groups {', '.join(names)} must have rows both to learn from and to judge by, but the fifth "
            f"of the items that was held out takes all or none of one; give more rows, or another seed."
        )
    guess = np.bincount(labels[test]).max() / test.sum()
    enough = guess + _LUCK * np.sqrt(guess * (1 - guess) / test.sum())
    basis = np.zeros((0, rows.shape[1]))
    accuracies = []
    while True:
        left = rows - (rows @ basis.T) @ basis
        normals, offsets = _classifier(left[~test], labels[~test])
        guesses = np.argmax(left[test] @ normals.T + offsets, axis=1)
        accuracies.append(float(np.mean(guesses == labels[test])))
        if accuracies[-1] <= enough or len(basis) >= count:
            return basis, np.array(accuracies)
        normals = normals - normals.mean(axis=0)
        normals -= (normals @ basis.T) @ basis
        _, values, directions = np.linalg.svd(normals, full_matrices=False)
        new = directions[values > _NO_LENGTH * values[0]][: count - len(basis)]
        basis = np.linalg.qr(np.concatenate([basis, new]).T)[0].T


def _classifier(rows: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Linear discriminant analysis with one shrunk covariance: a normal (g, d) and an offset (g,) for each group.

    Not scikit-learn's, which scales the coordinates before it shrinks and so depends on the basis.
    """
    means = np.stack([rows[labels == group].mean(axis=0) for group in range(labels.max() + 1)])
    covariance, _ = ledoit_wolf(rows - means[labels], assume_centered=True)
    normals = np.linalg.solve(covariance, means.T).T
    return normals, np.log(np.bincount(labels)) - np.vecdot(normals, means) / 2


def _held_out(calibration: Calibration, n: int, seed: int) -> np.ndarray:
    """Which rows are held out: a fifth of the items, all rows of an item on one side."""
    if calibration.items is None:
        items = np.arange(n)
    else:
        items = np.concatenate([calibration.items[name] for name in calibration.groups])
    kinds = np.unique(items)
    chosen = np.random.default_rng(seed).permutation(kinds)[: max(1, round(_TEST_SHARE * len(kinds)))]
    return np.isin(items, chosen)
