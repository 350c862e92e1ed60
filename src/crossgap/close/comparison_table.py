"""The table of C12: one line for each candidate, for a terminal, and for a model card."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossgap.close.comparison import NONE, CandidateRow, Change, Comparison
from crossgap.close.judged_quantities import ACROSS, Key

__all__ = ["LEGEND", "table_lines", "table_rows"]

_GROUP, _OWN, _PAIR, _DIRECTED = "group", "own", "pair", "directed"
_TITLES = {
    "Search": (
        ("NDCG@10", "ndcg_at_k", _GROUP),
        ("excess", "modality_share_excess", _OWN),
        ("recall@1", "recall_at_k", _DIRECTED),
        ("labels", "label_accuracy", _DIRECTED),
        ("AUROC", "match_auroc", _PAIR),
    ),
    "Space": (
        ("gap", "centroid_distance", _PAIR),
        ("separab.", "linear_separability", _PAIR),
        ("uniform.", "uniformity", _GROUP),
        ("cross-u.", "cross_uniformity", _PAIR),
        ("alignm.", "alignment", _PAIR),
        ("RMG", "relative_modality_gap", _PAIR),
        ("Fréchet", "frechet_covariance_part", _PAIR),
    ),
    "Order kept": (
        ("overlap", "neighbour_overlap", _GROUP),
        ("Spearman", "within_spearman", _GROUP),
        ("Kendall", "list_kendall", _DIRECTED),
    ),
}
_LAST = "Order kept"
_FITTED, _SECONDS = ("fitted on", ("rows",)), ("fit", ("seconds",))  # facts of a row that are no quantities
_FROM_TO = {"recall_at_k", "label_accuracy", "list_kendall", "modality_share_excess"}
_IN_SAMPLE = "  in sample"
LEGEND = (
    "On rows that no closer was fitted on. + and -: the whole interval of the change lies above, below 0. excess: "
    "share of the searching group in the top 10 less its share of the corpus. AUROC: a match against strangers of any "
    "kind, by one threshold. gap: centroid distance. Fréchet: covariance part. RMG: relative modality gap. overlap: "
    "ten nearest rows of a group that stay; Spearman, Kendall: order of all rows of a group, of the first 50 across."
)


@dataclass(frozen=True)
class _Column:
    head: str
    key: Key

    @property
    def width(self) -> int:
        return 1 + max(7, len(self.head), len(_below(self.key)))


def table_lines(found: Comparison, *, width: int = 100) -> Iterator[str]:
    """Yield the lines of the table for the first two groups, in blocks that fit ``width``; ``none`` is what there was.

    With in-sample figures each candidate has a second line with those. Candidates that could not be tried follow with
    their reasons.
    """
    tried = [row for row in found.rows if row.reason is None]
    in_sample = bool(found.settings["in_sample"])
    label = max([len(_IN_SAMPLE) * in_sample, *(len(title) for title in _TITLES), *(len(row.name) for row in tried)])
    for title, columns in _blocks(found, width - label):
        yield _line(title, [(column.head, column.width) for column in columns], label)
        yield _line("", [(_below(column.key), column.width) for column in columns], label)
        yield _line(NONE, [(_before(found, column.key), column.width) for column in columns], label)
        for row in tried:
            yield _line(row.name, [(_after(row, column.key), column.width) for column in columns], label)
            if in_sample:
                yield _line(_IN_SAMPLE, [(_inside(row, column.key), column.width) for column in columns], label)
        yield ""
    yield from (f"{row.name}: not tried: {row.reason}." for row in found.rows if row.reason is not None)


def table_rows(found: Comparison, name: str) -> list[dict[str, Any]]:
    """Return what one candidate did as plain rows for a closer's file and its model card, to four decimals."""
    rows = []
    for change in found.row(name).changes:
        if change.before is None or change.after is None or change.difference is None:
            continue
        low, high = change.interval or (None, None)
        rows.append(
            {
                "quantity": change.name,
                "groups": (" > " if change.name in _FROM_TO else ", ").join(change.groups),
                "before": round(change.before, 4),
                "after": round(change.after, 4),
                "change": round(change.difference, 4),
                "low": None if low is None else round(low, 4),
                "high": None if high is None else round(high, 4),
            }
        )
    return rows


def _line(label: str, cells: Sequence[tuple[str, int]], width: int) -> str:
    return (f"{label:<{width}}" + "".join(f"{cell:>{room}}" for cell, room in cells)).rstrip()


def _blocks(found: Comparison, width: int) -> Iterator[tuple[str, Sequence[_Column]]]:
    """Yield the columns that have values, in runs that fit the width."""
    for title in _TITLES:
        columns: list[_Column] = []
        for column in _columns(found, title):
            if columns and sum(one.width for one in [*columns, column]) > width:
                yield title, columns
                columns = []
            columns.append(column)
        if columns:
            yield title, columns


def _columns(found: Comparison, title: str) -> Iterator[_Column]:
    shown = set(found.groups[:2])
    for head, quantity, kind in _TITLES[title]:
        for key, value in found.samples[NONE].items():
            if key[0] != quantity or isinstance(value, str) or not set(key[1]) <= shown:
                continue
            if kind != _OWN or key[1][0] == key[1][1]:
                yield _Column(head, key)
    if title == _LAST:
        yield from (_Column(key[0], key) for key in (_FITTED, _SECONDS))


def _below(key: Key) -> str:
    """Name the groups of a column, shortly."""
    quantity, groups = key
    if len(groups) == 1 or quantity == "modality_share_excess":
        return groups[0]
    if quantity in _FROM_TO:
        return ">".join(name if len(name) <= 5 else name[:4] + "." for name in groups)
    return ""


def _before(found: Comparison, key: Key) -> str:
    if key in (_FITTED, _SECONDS):
        return "- "
    value = found.samples[NONE][key]
    return f"{ACROSS.get(key[0], float(np.asarray(value)[0])):.3f} "


def _after(row: CandidateRow, key: Key) -> str:
    if key == _FITTED:
        return f"{min(row.fit_rows.values())} "
    if key == _SECONDS:
        return f"{row.seconds:.2f} "
    change = row.find(key[0], *key[1])
    return "- " if change is None or change.after is None else f"{change.after:.3f}{_mark(change)}"


def _inside(row: CandidateRow, key: Key) -> str:
    change = row.find(key[0], *key[1])
    return "- " if change is None or change.in_sample is None else f"{change.in_sample:.3f} "


def _mark(change: Change) -> str:
    if change.interval is None or change.name in ACROSS:
        return " "
    return "+" if change.interval[0] > 0 else "-" if change.interval[1] < 0 else " "
