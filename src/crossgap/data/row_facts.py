"""What files of arrays say of each row besides its vector: item ids, text, uri, label and split.

The key is ``group@fact``: ``image@items``, ``text/query@text``. A group's name cannot hold an ``@``, so the key never
clashes with a group. Files written by hand may also say ``image_items``, or ``items`` for every group of that length.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from crossgap.data.embeddings import ROW_FACTS, Embeddings
from crossgap.errors import FormatError

__all__ = ["FACTS", "fact_from_json", "fact_keys", "facts_of", "items_or_none"]

FACTS = ("items", *ROW_FACTS)


def fact_keys(group: str, fact: str) -> tuple[str, str, str]:
    """Return the keys under which a fact of a group may lie, the written one first."""
    return f"{group}@{fact}", f"{group}_{fact}", fact


def facts_of(embeddings: Embeddings) -> dict[str, Any]:
    """Return all that is known of the rows, by written key: an array for items, a sequence for the rest."""
    return {
        fact_keys(name, fact)[0]: getattr(group, fact)
        for name, group in embeddings.items()
        for fact in FACTS
        if getattr(group, fact) is not None
    }


def fact_from_json(text: str, fact: str, n: int, where: str) -> Any:
    """Read the JSON list of one fact of ``n`` rows; ``where`` names it in messages."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{where} is not JSON, but a list of {n} entries was expected; write it again.") from error
    if not isinstance(values, list) or len(values) != n:
        found = f"a list of {len(values)}" if isinstance(values, list) else "no list"
        raise FormatError(f"{where} is {found}, but one entry for each of the {n} rows was expected; write it again.")
    kinds = {type(value) for value in values}
    if fact == "items":
        if kinds not in ({int}, {str}):
            raise FormatError(f"{where} must hold only integers or only strings; write one id for each row.")
        return items_or_none(values, where)
    if not kinds <= {str, type(None)}:
        raise FormatError(f"{where} must hold strings or null; write one string for each row.")
    return values


def items_or_none(values: Sequence[Any], where: str) -> np.ndarray:
    """Return ids as an array of integers or strings."""
    items = np.asarray(values)
    if items.dtype.kind not in "iuU":
        raise FormatError(f"{where} holds ids that are no 64-bit integers; write them as strings.")
    return items
