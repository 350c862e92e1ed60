"""Whether groups fit together: dimension and type, and enough rows for what may be asked of them."""

from collections.abc import Iterator, Mapping

from crossgap.doctor.finding import Finding
from crossgap.doctor.survey import Survey

__all__ = ["check_fit", "check_row_counts"]

_NOTHING, _WIDE = 10, 100


def check_row_counts(surveys: Mapping[str, Survey]) -> Iterator[Finding]:
    """Find groups with few rows, one finding for all groups of one shape."""
    shapes: dict[tuple[int, int], list[str]] = {}
    for name, s in surveys.items():
        shapes.setdefault((s.count, s.d), []).append(name)
    for (n, d), names in shapes.items():
        if n > d and n >= _WIDE:
            continue
        if n < _NOTHING:
            effect = "too few for any statement"
            mend = (
                f"Embed more rows: from {_NOTHING} on values can be read at all, from {_WIDE} on with useful intervals."
            )
        elif n < _WIDE:
            effect = "so intervals are wide" + (f", and the effective dimension is at most {n - 1}" if n <= d else "")
            mend = f"Embed at least {_WIDE} rows, and read every value with its interval (--bootstrap 1000)."
        else:
            effect = f"so the effective dimension is at most {n - 1}, whatever the model does"
            mend = (
                f"For effective_dimension and the spectra use more than {d} rows, better {10 * d}; compare with other "
                f"groups only at equal n. Cosines and retrieval are not concerned."
            )
        yield Finding(
            name="few-rows",
            severity="warning" if n < _NOTHING else "note",
            groups=tuple(names),
            evidence=f"{' and '.join(names)} {'has' if len(names) == 1 else 'have'} {n} usable rows of dimension {d}, "
            f"{effect}.",
            mend=mend,
            numbers={"rows": n, "dimension": d},
        )


def check_fit(names: tuple[str, str], a: Survey, b: Survey) -> Iterator[Finding]:
    """Find two groups of different dimension or type."""
    if a.d != b.d:
        yield Finding(
            name="dimension-mismatch",
            severity="error",
            groups=names,
            evidence=f"{names[0]} has {a.d} dimensions and {names[1]} has {b.d}, so they share no space.",
            mend="Embed both with the two towers of one model, after the projection; a hidden state has the width of "
            "its tower, not of the shared space.",
            numbers={"x_dimension": a.d, "y_dimension": b.d},
        )
    if a.dtype != b.dtype:
        yield Finding(
            name="mixed-types",
            severity="note",
            groups=names,
            evidence=f"{names[0]} is stored in {a.dtype} and {names[1]} in {b.dtype}.",
            mend="Values hold, but store both in one type, such as .astype('float32'), before comparing small gaps or "
            "building one index.",
        )
