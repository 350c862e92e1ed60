"""The page that goes with a shared closer: what it does, what it was fitted on, how to apply it, where it ends."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from crossgap.close.closer import Closer
from crossgap.close.closer_record import pack_closer
from crossgap.close.recipe import numpy_recipe

__all__ = ["model_card"]

_HEAD = """\
---
library_name: crossgap
tags:
- crossgap
- embeddings
- modality-gap
---
"""
_LIMITS = """\
- It was fitted on the rows counted above. Rows of another kind (other pictures, another language, another prompt) have
  other means: measure before and after on your own vectors.
- It fits vectors of the model and the dimension it was fitted on. Never move another model's vectors with it, and never
  vectors that were moved already.
- Move everything that is compared: the stored vectors and the queries, each as its own group.
- Cosines spread once the gap is closed, so thresholds and temperatures must be set anew.
- This page states no licence; whoever shares the files adds one that the rows allow.
"""


def model_card(
    closer: Closer, *, facts: Mapping[str, Any] | None = None, table: Sequence[Mapping[str, Any]] | None = None
) -> str:
    """Return a model card in Markdown, with a head in YAML as model hubs read it.

    Parameters
    ----------
    closer
        A fitted closer of ``crossgap.close``.
    facts
        What is known about the fit (sources, seed, ...), as JSON; listed as it stands.
    table
        What was measured before and after, one mapping of column names a line; the first line has all columns.

    Raises
    ------
    TypeError, ValueError
        As ``write_closer`` says.

    Notes
    -----
    Names and facts may come from anywhere, so they are shown as code or escaped: none of them can become a heading, a
    link or HTML. The same input gives the same text.
    """
    record = pack_closer(closer, facts=facts)[0]
    name = record["method"]
    given = [f"{key}={json.dumps(value)}" for key, value in record["parameters"].items()]
    rows = [f"- {_code(group)}: fitted on {count:,} rows" for group, count in record["fit_rows"].items()]
    told = [f"- {_code(key)}: {_code(_brief(value))}" for key, value in record["facts"].items()]
    parts = [
        _HEAD,
        f"# {name}: a closer of the modality gap",
        (type(closer).__doc__ or "").strip().splitlines()[0],
        f"It moves stored vectors of {record['dimension']} dimensions; nothing is encoded again. Made by crossgap "
        f"{record['crossgap']} with {_code(', '.join(given) or 'no parameters')}.",
        "## Groups",
        "\n".join(rows),
    ]
    if told:
        parts += ["## The fit", "\n".join(told)]
    if table:
        parts += ["## Before and after", _table(table)]
    group = closer.groups_[-1]
    parts += [
        "## How to apply it",
        f"```python\nfrom crossgap.close import from_pretrained\n\n"
        f'closer = from_pretrained("this folder")\nmoved = closer.move(rows, {group!a})\n```',
    ]
    if record["steps"] is not None:
        parts += ["Without crossgap, in NumPy:", f"```python\n{numpy_recipe(closer, 'model.safetensors')}```"]
    return "\n\n".join([*(part.rstrip("\n") for part in parts), "## Limits", _LIMITS])


def _table(table: Sequence[Mapping[str, Any]]) -> str:
    columns = list(table[0])
    lines = [columns, ["---"] * len(columns), *([_cell(row.get(column)) for column in columns] for row in table)]
    lines[0] = [_escaped(column) for column in columns]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else _escaped(str(value))


def _brief(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _escaped(text: str) -> str:
    """Return text as one line in which nothing is markup."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", _one_line(text))


def _code(text: str) -> str:
    """Return text as one span of code."""
    text = _one_line(text)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    room = " " if text[:1] in ("`", "", " ") or text[-1:] in ("`", " ") else ""
    return f"{fence}{room}{text}{room}{fence}"


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split()) or "(empty)"
