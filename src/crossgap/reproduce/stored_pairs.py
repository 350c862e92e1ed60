"""Pairs of stored vectors for experiments that train nothing: a file that is given, or the packaged sample."""

import os

from crossgap.data.embeddings import Embeddings
from crossgap.data.read import read
from crossgap.data.sample import sample
from crossgap.errors import DegenerateError

__all__ = ["SAMPLE", "stored_pairs"]

SAMPLE = "the packaged sample"


def stored_pairs(
    pairs: str | os.PathLike[str] | None, *, scale: str, x: str | None = None, y: str | None = None
) -> tuple[str, Embeddings]:
    """Return what the pairs are called, and the two groups; ``x`` and ``y`` name them, else the first two.

    Raises
    ------
    ValueError
        If ``scale`` is neither "small" nor "full", the full scale is asked for without a file, only one of ``x`` and
        ``y`` is given, or there is no such group.
    DegenerateError
        If there are fewer than two groups, or nothing pairs.
    """
    if scale not in ("small", "full"):
        raise ValueError(f"scale must be 'small' or 'full', but it is {scale!r}; choose one.")
    if scale == "full" and pairs is None:
        raise ValueError(
            "the full scale needs pairs of a real model, but no file is given; write --set pairs=FILE, with one group "
            "for each modality."
        )
    if (x is None) != (y is None):
        raise ValueError("x and y must both name a group or neither, but one of them is missing; give both.")
    found = sample() if pairs is None else read(pairs)
    names = list(found)[:2] if x is None or y is None else [x, y]
    if len(names) < 2 or len(set(names)) < 2:
        raise DegenerateError(
            f"an experiment on pairs needs two groups, but there is only {names[0]}; give a file with two."
        )
    chosen = found.select(names)
    chosen.pairs(*names)  # says why, where nothing pairs
    return (SAMPLE if pairs is None else os.path.basename(os.fspath(pairs))), chosen
