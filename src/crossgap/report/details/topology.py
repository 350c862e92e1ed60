"""The trees and clusters behind the topology of a report: lengths at which components join, and what clusters hold."""

from typing import Any

import numpy as np

from crossgap.errors import DegenerateError, MissingExtraError
from crossgap.report.details.short_numbers import short, short_list
from crossgap.report.topology import Shape

__all__ = ["topology"]


_MOST_LOOPS = 100


def topology(shape: Shape, *, loops: bool = False) -> dict[str, Any]:
    """Return what the measurements of ``report.topology`` were read from; with ``loops`` also those of all rows."""
    names = list(shape.whole)
    try:
        tree = shape.tree
    except DegenerateError as error:
        return {"groups": names, "reason": str(error)}
    rows = {name: len(group) for name, group in shape.groups.items()}
    full = {name: len(group) for name, group in shape.whole.items()}
    between = tree.lengths[tree.between]
    within = tree.lengths[~tree.between]
    deaths = {name: short_list(lengths, 5) for name, lengths in shape.lengths_of_groups.items()}
    return {
        "groups": names,
        "rows": rows,
        "sampled_from": None if rows == full else full,
        "n": sum(rows.values()),
        "deaths": deaths | ({"joint": short_list(tree.lengths, 5)} if len(names) > 1 else {}),
        "longest_between": short(between.max()) if len(between) else None,
        "median_within": short(np.median(within)) if len(within) else None,
        "clusters": _clusters(shape),
        **({"loops": _loops(shape)} if loops else {}),
    }


def _clusters(shape: Shape) -> dict[str, Any]:
    try:
        found = shape.clusters
    except DegenerateError as error:
        return {"reason": str(error)}
    shares = np.array(found.group_shares).T
    return {
        "path": found.path,
        "noise": short(found.noise_share),
        "sizes": list(found.sizes),
        "shares": {name: short_list(line) for name, line in zip(found.groups, shares, strict=True)},
    }


def _loops(shape: Shape) -> list[list[float]] | dict[str, str]:
    """Return the longest-lived loops of all rows together, of a sample as ``persistence_diagrams`` takes it."""
    from crossgap.topology import persistence_diagrams

    try:
        bars = persistence_diagrams(shape.rows, degree=1, seed=shape.settings.seed).diagrams[1]
    except (DegenerateError, MissingExtraError) as error:
        return {"reason": str(error)}
    longest = np.argsort(bars[:, 0] - bars[:, 1], kind="stable")[:_MOST_LOOPS]
    return [short_list(bar, 5) for bar in bars[longest]]
