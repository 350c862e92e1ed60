"""A configuration as a TOML file: read, changed by words such as ``run.epochs=3``, and written."""

import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from crossgap.errors import FormatError
from crossgap.train.config import TrainingConfig, as_tables, config_from

__all__ = ["config_text", "parsed_value", "read_config"]

_KEY = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+")
_BARE = re.compile(r"[^\s\"'\[\]{},#]+")


def read_config(path: str | os.PathLike[str], changes: Iterable[str] = ()) -> TrainingConfig:
    """Read a configuration, and change it.

    Parameters
    ----------
    path
        A TOML file.
    changes
        Words ``table.key=value``, applied in order. The value is one of TOML; a single word needs no quotes.

    Raises
    ------
    FormatError
        If the file is no TOML.
    TypeError, ValueError
        If it, or a change, holds anything but a configuration; see ``config_from``.
    OSError
        If there is no such file or it cannot be read.
    """
    name = os.fspath(path)
    if not Path(path).is_file():
        raise FileNotFoundError(f"{name!r} does not exist or is no file; give the path of a configuration in TOML.")
    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"{name!r} is no TOML ({_told(error)}); mend it there.") from None
    for change in changes:
        _apply(tables, change)
    return config_from(tables)


def config_text(config: TrainingConfig) -> str:
    """Return a configuration as TOML, with every default written out.

    Examples
    --------
    >>> from crossgap.train.config import config_from
    >>> print(config_text(config_from({"data": {"source": "pairs.npz", "held_out": 200}})))
    [data]
    source = ["pairs.npz"]
    held_out = 200
    ...
    """
    blocks = []
    for name, table in as_tables(config).items():
        blocks.append("\n".join([f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]))
    return "\n\n".join(blocks) + "\n"


def _apply(tables: dict[str, Any], change: str) -> None:
    key, equals, text = (part.strip() for part in change.partition("="))
    if not equals or not _KEY.fullmatch(key):
        raise ValueError(
            f"a change must be table.key=value, but it is {change!r}; write for example optimiser.learning_rate=1e-3."
        )
    *path, last = key.split(".")
    table: Any = tables
    for depth, part in enumerate(path):
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            given = ".".join(path[: depth + 1])
            raise ValueError(f"{change!r} sets a key of {given}, but {given} is {table!r}; set {given} as a whole.")
    table[last] = parsed_value(text, change)


def parsed_value(text: str, change: str) -> Any:
    """Return a value of TOML; a single word needs no quotes. ``change`` is what to quote in an error.

    Examples
    --------
    >>> parsed_value("[32, 64]", ""), parsed_value("1e-3", ""), parsed_value("bf16", "")
    ([32, 64], 0.001, 'bf16')
    """
    try:
        found = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError as error:
        if _BARE.fullmatch(text):
            return text
        raise ValueError(
            f"the value of {change!r} is none of TOML ({_told(error)}); write a number, true, a word, or [a, list]."
        ) from None
    if len(found) != 1:
        raise ValueError(f"a change must set one key, but {change!r} holds several lines; give each on its own.")
    return found["value"]


def _told(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].lower()}{text[1:]}".rstrip(".")


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return f"[{', '.join(_toml(part) for part in value)}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {_toml(part)}' for key, part in value.items())} }}"
    return repr(value)
