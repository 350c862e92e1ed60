"""Rows that occur more than once: in a group, all over a group, and in two groups."""

from collections.abc import Iterator

import numpy as np

from crossgap.doctor.finding import Finding, plural, row_list
from crossgap.doctor.survey import Survey

__all__ = ["check_duplicates", "check_same_rows"]

_MANY_COPIES = 0.1
_FEW_DISTINCT = 0.01
_COLLAPSED = 0.99  # untrained towers reach 0.9956 to 1.0; the highest of a trained tower at hand is 0.76
_LEAST_ROWS = 10


def check_duplicates(name: str, s: Survey, items: np.ndarray | None) -> Iterator[Finding]:
    """Find identical rows, and rows that hardly differ all over."""
    if s.count < 2:
        return
    rows = np.flatnonzero(s.usable)
    _, first, code, count = np.unique(s.digests[rows], return_index=True, return_inverse=True, return_counts=True)
    distinct = len(first)
    copies = len(rows) - distinct
    total = float(s.mean_unit @ s.mean_unit) * s.count
    cosine = min(1.0, (total - 1) / (s.count - 1))
    few = distinct <= max(1, _FEW_DISTINCT * s.count)
    if s.count >= _LEAST_ROWS and (cosine > _COLLAPSED or few):
        yield Finding(
            name="collapsed-rows",
            severity="warning",
            groups=(name,),
            evidence=f"the {s.count} rows of {name} hold {plural(distinct, 'distinct vector')}, with a mean cosine of "
            f"{cosine:.4f} between rows.",
            mend="Check that the tower is trained and that every row got its own input: an untrained tower, a batch "
            "repeated in a loop, or one empty input gives nearly one vector.",
            numbers={"distinct": distinct, "mean_cosine": cosine},
        )
    if not copies or few:
        return
    is_copy = first[code] != np.arange(len(rows))
    largest = np.lexsort((first, -count))[0]
    example = rows[code == largest]
    numbers = {"copies": copies, "share": copies / s.count, "distinct": distinct}
    of_one_item = ""
    if items is not None:
        same = int(np.count_nonzero(items[rows[is_copy]] == items[rows[first[code[is_copy]]]]))
        numbers["copies_of_one_item"] = same
        of_one_item = f"; {same} of them carry the item id of the row they copy"
    yield Finding(
        name="duplicate-rows",
        severity="warning" if copies >= _MANY_COPIES * s.count else "note",
        groups=(name,),
        evidence=f"{plural(copies, 'row')} of {s.count} in {name} repeat an earlier row exactly, for example "
        f"{row_list(example)}{of_one_item}.",
        mend="Copies count as wrong answers of each other in retrieval: drop them, or give all copies one item id.",
        numbers=numbers,
    )


def check_same_rows(names: tuple[str, str], a: Survey, b: Survey) -> Iterator[Finding]:
    """Find rows that two groups share exactly."""
    if a.d != b.d:
        return
    left, right = (np.unique(s.digests[s.usable]) for s in (a, b))
    shared = np.intersect1d(left, right, assume_unique=True)
    if not len(shared):
        return
    share = len(shared) / min(len(left), len(right))
    places = zip((a, b), names, strict=True)
    example = a.digests[np.argmax(a.usable & np.isin(a.digests, shared))]
    where = [f"row {np.argmax(s.usable & (s.digests == example))} of {name}" for s, name in places]
    one_modality = names[0].split("/")[0] == names[1].split("/")[0]
    severity = ("warning", "note") if one_modality else ("error", "warning")
    yield Finding(
        name="same-rows",
        severity=severity[0 if share >= 0.5 else 1],
        groups=names,
        evidence=f"{plural(len(shared), 'vector')} ({100 * share:.0f} % of the smaller group) occur in {names[0]} and "
        f"in {names[1]}, for example {where[0]} and {where[1]}.",
        mend=f"Two towers never give the same vector: check that one file or one tower was not used for both, and give "
        f"each its own: {names[0]}=a.npy {names[1]}=b.npy.",
        numbers={"vectors": len(shared), "share": share},
    )
