"""A closer as a folder to share: ``config.json``, ``model.safetensors`` and a model card."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crossgap.close.closer import Closer
from crossgap.close.closer_file import read_closer, read_closer_record, write_closer
from crossgap.close.model_card import model_card
from crossgap.data.atomic import atomic_path, write_whole
from crossgap.errors import FormatError

__all__ = ["from_pretrained", "save_pretrained"]

_ARRAYS = {"state", "steps"}  # what the header says of the arrays is of no use without them


def save_pretrained(
    closer: Closer,
    folder: str | os.PathLike[str],
    *,
    facts: Mapping[str, Any] | None = None,
    table: Sequence[Mapping[str, Any]] | None = None,
) -> Path:
    """Write a folder in the layout of model hubs, whole or not at all.

    Parameters
    ----------
    closer
        A fitted closer of ``crossgap.close``.
    folder
        A new folder. One that exists is never replaced.
    facts
        Whatever is worth knowing about the fit, as JSON: sources, seed.
    table
        What was measured before and after, one mapping of column names a line; it goes into the model card, and as
        ``facts["table"]`` into the other files.

    Returns
    -------
    The folder: ``model.safetensors`` (as ``write_closer``), ``config.json`` (what its header says) and ``README.md``.

    Raises
    ------
    TypeError, ValueError
        As ``write_closer`` says.
    OSError
        If the folder exists already or cannot be written.
    """
    known = {**(facts or {}), **({} if table is None else {"table": [dict(row) for row in table]})}
    card = model_card(closer, facts=facts, table=table)
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        record = read_closer_record(write_closer(closer, temporary / "model.safetensors", facts=known))
        config = {key: value for key, value in record.items() if key not in _ARRAYS}
        write_whole(temporary / "config.json", (json.dumps(config, indent=2) + "\n").encode())
        write_whole(temporary / "README.md", card.encode("utf-8", "backslashreplace"))
    return Path(folder)


def from_pretrained(folder: str | os.PathLike[str]) -> Closer:
    """Return the closer of a folder of ``save_pretrained``.

    Parameters
    ----------
    folder
        A local folder; one on a hub is fetched with the hub's own client first.

    Raises
    ------
    FormatError
        If a file is damaged, or ``config.json`` belongs to another closer.
    OSError
        If the folder or one of its files is missing.
    """
    place = Path(folder)
    for name in ("config.json", "model.safetensors"):
        if not (place / name).is_file():
            raise FileNotFoundError(
                f"{os.fspath(folder)!r} must be a folder that holds {name}, but there is none; give a folder that "
                f"save_pretrained wrote."
            )
    closer = read_closer(place / "model.safetensors")
    try:
        config = json.loads((place / "config.json").read_bytes())
    except (ValueError, RecursionError):
        config = None
    digest = read_closer_record(place / "model.safetensors")["digest"]
    if not isinstance(config, dict) or config.get("digest") != digest:
        raise FormatError(
            f"{os.fspath(folder)!r} holds a config.json that does not belong to its model.safetensors; copy both again."
        )
    return closer
