"""What ``crossgap doctor`` finds in the groups of a report."""

from dataclasses import replace
from typing import Any

import numpy as np

from crossgap.data.embeddings import Embeddings
from crossgap.doctor import examine

__all__ = ["health"]

_MOST_ROWS = 20_000


def health(embeddings: Embeddings, *, seed: int = 0) -> list[dict[str, Any]]:
    """List the findings about all rows, or about the first ones of large groups: pairing is a matter of their order."""
    groups = dict(embeddings)
    items = embeddings.row_items
    large = [name for name, group in groups.items() if len(group) > _MOST_ROWS]
    if large:  # rows pair by their items from here on, so that groups cut to one size do not pair by position
        first = {name: np.arange(min(len(group), _MOST_ROWS)) for name, group in groups.items()}
        groups = {
            name: replace(group.take(first[name]), items=items[name][first[name]]) for name, group in groups.items()
        }
    found = [
        {
            "severity": finding.severity,
            "name": finding.name,
            "groups": list(finding.groups),
            "sentence": finding.evidence,
            "mend": finding.mend,
        }
        for finding in examine(groups, seed=seed)
    ]
    for name in large:
        found.append(
            {
                "severity": "note",
                "name": "first-rows-only",
                "groups": [name],
                "sentence": f"only the first {_MOST_ROWS:,} of {len(embeddings[name]):,} rows of {name} were seen.",
                "mend": "crossgap doctor looks at all rows.",
            }
        )
    return found
