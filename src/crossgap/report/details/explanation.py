"""What ``crossgap explain`` finds, without the measurements behind it."""

import itertools
from collections.abc import Mapping
from typing import Any

from crossgap.data.embeddings import Embeddings
from crossgap.errors import DegenerateError
from crossgap.explain import explain
from crossgap.report.details.sampled_rows import sampled_rows
from crossgap.report.details.short_numbers import short
from crossgap.report.selection import Settings

__all__ = ["explanation"]


_MOST_ROWS = 600  # of a group
_MOST_REPLICATES = 40
_MOST_DIMENSIONS = 1_024
_MOST_PAIRS = 3  # of groups


def explanation(embeddings: Embeddings, settings: Settings) -> list[dict[str, Any]]:
    """Explain the gap between two groups and two, on a sub-sample and with few replicates."""
    names = list(embeddings)
    if len(names) < 2:
        return [{"groups": names, "reason": f"a gap needs two groups, but there is one, {names[0]}"}]
    if embeddings.dimension < 2:
        return [{"groups": names, "reason": "vectors of one dimension have no directions to explain a gap by"}]
    if embeddings.dimension > _MOST_DIMENSIONS:
        reason = f"takes a minute with more than {_MOST_DIMENSIONS:,} dimensions; crossgap explain does it"
        return [{"groups": names, "reason": reason}]
    entries: list[dict[str, Any]] = []
    for number, pair in enumerate(itertools.combinations(names, 2)):
        if number >= _MOST_PAIRS:
            reason = f"only the first {_MOST_PAIRS} pairs of groups are explained here; crossgap explain does all"
            entries.append({"groups": list(pair), "reason": reason})
            continue
        said = {_key(entry) for entry in entries}  # of a group, beside another one
        entries += [entry for entry in _of_pair(embeddings.select(pair), settings) if _key(entry) not in said]
    return entries


def _key(entry: Mapping[str, Any]) -> tuple[str, ...]:
    return (entry.get("name", ""), *entry["groups"])


def _of_pair(pair: Embeddings, settings: Settings) -> list[dict[str, Any]]:
    try:
        sample = sampled_rows(pair, _MOST_ROWS, seed=settings.seed, whole_items=True)
        found = explain(
            sample.embeddings,
            replicates=min(settings.replicates, _MOST_REPLICATES),
            level=settings.level,
            seed=settings.seed,
            most_rows=_MOST_ROWS,
        )
    except DegenerateError as error:
        return [{"groups": list(pair), "reason": str(error)}]
    full = sample.sampled_from
    return [
        {
            "name": finding.name,
            "groups": list(finding.groups),
            "sentence": finding.sentence,
            "value": None if finding.value is None else short(finding.value),
            "interval": None if finding.interval is None else [short(bound) for bound in finding.interval],
            "reason": finding.reason,
            "rows": {name: sample.sizes[name] for name in finding.groups},
            "sampled_from": None if full is None else {name: full[name] for name in finding.groups},
        }
        for finding in found.findings
    ]
