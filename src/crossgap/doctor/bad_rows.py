"""Rows that no measure can use, and what half precision does to numbers."""

from collections.abc import Iterator

import numpy as np

from crossgap.doctor.finding import Finding, plural, row_list
from crossgap.doctor.survey import Survey

__all__ = ["check_bad_rows", "check_half_precision"]

_HALF_LARGEST = float(np.finfo(np.float16).max)
_NEAR_LARGEST = _HALF_LARGEST / 2  # one sum of two such numbers is infinite
_MANY_TINY = 0.05  # unit rows of 10,000 evenly spread coordinates have 0.5 %


def check_bad_rows(name: str, s: Survey) -> Iterator[Finding]:
    """Find rows that are zero, or that hold a NaN or an infinity."""
    zero = np.flatnonzero(s.zero)
    if len(zero):
        yield Finding(
            name="zero-rows",
            severity="error",
            groups=(name,),
            evidence=f"{plural(len(zero), 'row')} of {s.n} in {name} hold nothing but zeros: {row_list(zero)}.",
            mend="A zero row has no direction, so drop it: x = x[x.any(axis=1)]; most often its input was empty "
            "or could not be read.",
            numbers={"rows": len(zero), "share": len(zero) / s.n},
        )
    from_half = s.dtype == "float16"
    bad = np.flatnonzero(~s.usable & ~s.zero & ~(s.infinite & from_half))
    if len(bad):
        yield Finding(
            name="non-finite-rows",
            severity="error",
            groups=(name,),
            evidence=f"{plural(len(bad), 'row')} of {s.n} in {name} hold a NaN or an infinity: {row_list(bad)}.",
            mend="Embed these inputs again, or drop them from every group: x = x[numpy.isfinite(x).all(axis=1)].",
            numbers={"rows": len(bad), "share": len(bad) / s.n},
        )


def check_half_precision(name: str, s: Survey) -> Iterator[Finding]:
    """Find overflow and underflow of a float16 group."""
    if s.dtype != "float16":
        return
    infinite = np.flatnonzero(s.infinite)
    again = "Save float32, or normalise in float32 before saving float16"
    if len(infinite):
        yield Finding(
            name="float16-overflow",
            severity="error",
            groups=(name,),
            evidence=f"{plural(len(infinite), 'row')} of {s.n} in {name} hold an infinity, and the type is float16, "
            f"which ends at 65504: {row_list(infinite)}.",
            mend=f"{again}: x = x.float(); x = x / x.norm(dim=1, keepdim=True); then embed these rows again.",
            numbers={"rows": len(infinite), "share": len(infinite) / s.n},
        )
    elif s.largest > _NEAR_LARGEST:
        yield Finding(
            name="float16-overflow",
            severity="warning",
            groups=(name,),
            evidence=f"the largest entry of {name} is {s.largest:.0f}, and float16 ends at 65504.",
            mend=f"{again}: x = x.float(); x = x / x.norm(dim=1, keepdim=True).",
            numbers={"largest": s.largest},
        )
    if s.tiny + s.zeros > _MANY_TINY and s.tiny > 0.0 and not _is_sparse(s):
        yield Finding(
            name="float16-underflow",
            severity="warning",
            groups=(name,),
            evidence=f"{100 * s.tiny:.1f} % of the entries of {name} lie below 6.1e-05, where float16 loses digits, "
            f"and {100 * s.zeros:.1f} % are exactly 0.",
            mend=f"{again}; entries of unit rows lie near 1/sqrt(d) = {s.d**-0.5:.3f}.",
            numbers={"tiny_share": s.tiny, "zero_share": s.zeros},
        )


def _is_sparse(s: Survey) -> bool:
    """Whether zeros come from a ReLU rather than from underflow: hardly any entry is small without being zero."""
    return s.zeros > 0 and s.tiny < 0.01
