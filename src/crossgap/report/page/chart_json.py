"""A chart's specification as JSON for a page: the same bytes in every process, harmless within a script element."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from crossgap.report.page.safe_text import LONGEST_SENTENCE, plain, plain_values

__all__ = ["chart_json", "script_json"]

_GENERATED = re.compile(r"(view|param|concat|layer)_\d+")  # names by counters that live as long as the process
_DATA = ("values", "datasets")
_LEFT_OUT = ("$schema", "config", "usermeta")  # the page's
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def chart_json(spec: Mapping[str, Any]) -> str:
    """Return a specification with its generated names numbered from 1, and the texts in its data made plain."""
    kept = {key: value for key, value in spec.items() if key not in _LEFT_OUT}
    generated = dict.fromkeys(_generated_names(kept))
    names = {name: f"{name.partition('_')[0]}_{number}" for number, name in enumerate(generated, start=1)}
    pattern = re.compile(rf"\b({'|'.join(names)})\b") if names else None
    return script_json(_rewritten(kept, pattern, names))


def script_json(value: Any) -> str:
    r"""Return JSON that may stand in a script element: nothing in it ends the element or opens a comment.

    Examples
    --------
    >>> print(script_json({"a": "</script>"}))
    {"a":"\u003c/script\u003e"}
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).translate(_ESCAPES)


def _generated_names(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        name = value.get("name")
        if isinstance(name, str) and _GENERATED.fullmatch(name):
            yield name
        for key, entry in value.items():
            if key not in _DATA:
                yield from _generated_names(entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _generated_names(entry)


def _rewritten(value: Any, pattern: re.Pattern[str] | None, names: Mapping[str, str]) -> Any:
    """Put the new names in, and make texts plain: short within data, elsewhere as long as an expression may be."""
    if isinstance(value, Mapping):
        return {
            key: plain_values(entry) if key in _DATA else _rewritten(entry, pattern, names)
            for key, entry in value.items()
        }
    if isinstance(value, list | tuple):
        return [_rewritten(entry, pattern, names) for entry in value]
    if not isinstance(value, str):
        return value
    return plain(value if pattern is None else pattern.sub(lambda found: names[found[1]], value), LONGEST_SENTENCE)
