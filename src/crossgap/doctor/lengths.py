"""Lengths of rows: within a group, and between groups."""

from collections.abc import Iterator

import numpy as np

from crossgap.doctor.finding import Finding
from crossgap.doctor.survey import Survey

__all__ = ["check_length_ratio", "check_lengths"]

_NOT_ONE = 0.01  # float16 unit rows are within 0.001 of length 1
_UNEQUAL = 1.1


def check_lengths(name: str, s: Survey) -> Iterator[Finding]:
    """Find rows that are not of length 1."""
    lengths = s.lengths[s.usable]
    off = np.abs(lengths - 1) > _NOT_ONE
    if not off.any():
        return
    low, high = float(lengths.min()), float(lengths.max())
    mean, spread = float(lengths.mean()), high * float((lengths / high).std())  # squares of lengths may overflow
    yield Finding(
        name="not-normalised",
        severity="note",
        groups=(name,),
        evidence=f"rows of {name} have length {mean:.4g} on average (standard deviation {spread:.2g}, from {low:.4g} "
        f"to {high:.4g}), not 1.",
        mend="crossgap normalises by itself, but a vector database that ranks by dot product does not: "
        "x = x / numpy.linalg.norm(x, axis=1, keepdims=True).",
        numbers={
            "mean_length": mean,
            "length_spread": spread,
            "shortest": low,
            "longest": high,
            "share_of_rows": float(off.mean()),
        },
    )


def check_length_ratio(names: tuple[str, str], a: Survey, b: Survey) -> Iterator[Finding]:
    """Find two groups whose lengths differ, so that one wins under dot product."""
    if not (a.count and b.count):
        return
    longer, shorter = sorted(
        ((float(s.lengths[s.usable].mean()), name) for s, name in zip((a, b), names, strict=True))
    )[::-1]
    ratio = longer[0] / shorter[0]
    if ratio < _UNEQUAL:
        return
    yield Finding(
        name="unequal-lengths",
        severity="note",
        groups=names,
        evidence=f"rows of {longer[1]} are {ratio:.3g} times as long as rows of {shorter[1]} "
        f"({longer[0]:.4g} against {shorter[0]:.4g}).",
        mend="An index over both that ranks by dot product would favour the longer rows: normalise all rows first, or "
        "ask the index for cosine.",
        numbers={"ratio": ratio},
    )
