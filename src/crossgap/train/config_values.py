"""One value of a table of a configuration: its default, and a check that returns it or says what is wrong."""

import difflib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, fields
from typing import Any

__all__ = [
    "check_table",
    "choice",
    "fill_choice",
    "flag",
    "fraction_or_count",
    "is_number",
    "nearest",
    "number",
    "strings",
    "two_names",
    "two_shares",
    "whole_number",
    "word",
]

_Check = Callable[[Any, str], Any]


def whole_number(default: Any, *, least: int) -> Any:
    """Return a field for a whole number."""

    def check(value: Any, name: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(
                f"{name} must be a whole number, but it is {value!r}; write for example {name} = {max(least, 1)}."
            )
        if value < least:
            raise ValueError(f"{name} must be at least {least}, but it is {value}; raise it.")
        return value

    return _field(default, check)


def number(default: Any, *, least: float = -math.inf, above: float = -math.inf, below: float = math.inf) -> Any:
    """Return a field for a finite number in a range."""
    wanted = f"above {above:g}" if above > -math.inf else f"of at least {least:g}"
    wanted += f" and below {below:g}" if below < math.inf else ""

    def check(value: Any, name: str) -> float:
        if not is_number(value):
            raise TypeError(f"{name} must be a number, but it is {value!r}; write for example {name} = 0.1.")
        if not (value >= least and above < value < below and math.isfinite(value)):
            raise ValueError(f"{name} must be a finite number {wanted}, but it is {value!r}; change it.")
        return float(value)

    return _field(default, check)


def flag(default: Any) -> Any:
    """Return a field for true or false."""

    def check(value: Any, name: str) -> bool:
        if not isinstance(value, bool):
            raise TypeError(f"{name} must be true or false, but it is {value!r}; write {name} = true.")
        return value

    return _field(default, check)


def choice(default: Any, *options: str) -> Any:
    """Return a field for one of several words."""

    def check(value: Any, name: str) -> str:
        if not isinstance(value, str):
            raise TypeError(f"{name} must be a string, but it is {value!r}; choose from {', '.join(options)}.")
        if value not in options:
            raise ValueError(f"{name} is {value!r}, but it is one of {', '.join(options)}; choose one.")
        return value

    return _field(default, check)


def strings() -> Any:
    """Return a field for one string or several, or none."""
    return _field(None, _check_strings)


def word(default: str | None) -> Any:
    """Return a field for one string, or none."""

    def check(value: Any, name: str) -> str:
        if not isinstance(value, str) or not value:
            raise TypeError(f"{name} must be a string that is not empty, but it is {value!r}; write {name} = '...'.")
        return value

    return _field(default, check)


def two_names() -> Any:
    """Return a field for two different names, or none."""

    def check(value: Any, name: str) -> tuple[str, ...]:
        names = _check_strings(value, name)
        if len(names) != 2 or names[0] == names[1]:
            raise ValueError(
                f"{name} must be two different names, but it is {list(names)}; write {name} = ['image', 'text']."
            )
        return names

    return _field(None, check)


def fraction_or_count(default: Any) -> Any:
    """Return a field for a fraction below 1, or a number of at least 2 items, or 0."""

    def check(value: Any, name: str) -> int | float:
        if not is_number(value):
            raise TypeError(
                f"{name} must be a fraction or a number of items, but it is {value!r}; write for example {name} = 0.1."
            )
        if not (0 <= value < 1 if isinstance(value, float) else value == 0 or value >= 2):
            raise ValueError(
                f"{name} must be a fraction below 1 or a number of at least 2 items, but it is {value!r}; write for "
                f"example {name} = 0.1, or 0 for none."
            )
        return value

    return _field(default, check)


def two_shares(default: tuple[float, float]) -> Any:
    """Return a field for two numbers from 0 to below 1."""

    def check(value: Any, name: str) -> tuple[float, ...]:
        if not isinstance(value, Sequence) or isinstance(value, str) or not all(map(is_number, value)):
            raise TypeError(f"{name} must be a list of two numbers, but it is {value!r}; write {name} = [0.9, 0.99].")
        if len(value) != 2 or not all(0 <= share < 1 for share in value):
            raise ValueError(
                f"{name} must be two numbers from 0 to below 1, but it is {list(value)}; write {name} = [0.9, 0.99]."
            )
        return tuple(map(float, value))

    return _field(default, check)


def check_table(table: Any, name: str) -> None:
    """Check the values of a frozen table, and keep them in the type that they are used in."""
    for f in fields(table):
        value = getattr(table, f.name)
        if value is not None or f.default is not None:
            object.__setattr__(table, f.name, f.metadata["check"](value, f"{name}.{f.name}"))


def fill_choice(table: Any, name: str, chooser: str, owned: Mapping[str, Mapping[str, Any]]) -> None:
    """Fill in the defaults of the keys that belong to a choice, and refuse keys that belong to another one.

    ``owned`` holds, for each choice that has keys of its own, these keys and their defaults.
    """
    chosen = getattr(table, chooser)
    own = owned.get(chosen, {})
    for f in fields(table):
        choices = [repr(other) for other, keys in owned.items() if f.name in keys]
        given = getattr(table, f.name) is not None
        if f.name in own and not given:
            object.__setattr__(table, f.name, own[f.name])
        elif choices and f.name not in own and given:
            raise ValueError(
                f"{name}.{f.name} belongs to {name}.{chooser} = {' or '.join(choices)}, but {name}.{chooser} is "
                f"{chosen!r}; leave it out."
            )


def nearest(name: str, known: Iterable[str], prefix: str = "") -> str:
    """Say which of the known names to write in place of an unknown one."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"write {prefix}{close[0]}." if close else f"choose from {', '.join(prefix + word for word in known)}."


def is_number(value: Any) -> bool:
    """Return whether a value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_strings(value: Any, name: str) -> tuple[str, ...]:
    values = (value,) if isinstance(value, str) else value
    if not isinstance(values, Sequence) or not values or not all(isinstance(word, str) for word in values):
        raise TypeError(f"{name} must be a string or a list of strings, but it is {value!r}; write {name} = '...'.")
    return tuple(values)


def _field(default: Any, check: _Check) -> Any:
    return field(default=default, metadata={"check": check})
