"""A page as one HTML file: text escaped, charts and their runtime inlined, no network, equal bytes for equal pages."""

import base64
import gzip
import hashlib
import re
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from importlib.resources import files
from typing import Any

from crossgap.report.page.blocks import Page, Table
from crossgap.report.page.chart_json import chart_json, script_json
from crossgap.report.page.safe_text import LONGEST_TEXT, picture, plain

__all__ = ["prepare", "render"]

_LONGEST_TABLE = 300  # rows; the rest is in the document
_LONGEST_PRINTED = 60  # rows of a folded table that is opened on paper
_NUMBER = re.compile(r"[\[<≤≥±+−-]?[0-9][0-9.,%°eE+−-]*( ?\[[^\]]*\])?|\[[^\]]*\]|–|")


def render(page: Page) -> str:
    """Return the page as HTML.

    The file needs no network and forbids it to itself: no script runs but its own, by their digests, so that not even
    a text that slipped through the escaping could. It can be read without JavaScript: text, tables, cards, examples.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_plain
    )
    environment.filters.update(
        cell=_cell,
        fixed=_fixed,
        numeric_columns=_numeric_columns,
        chart=lambda spec: Markup(chart_json(spec)),
        script=lambda value: Markup(script_json(value)),
        short=lambda text: plain(text, LONGEST_TEXT),
        picture=picture,
    )
    script = _asset("page.js")
    return environment.from_string(_asset("page.html.jinja")).render(
        page=page,
        style=Markup(_asset("page.css")),
        scripts=[Markup(_runtime()), Markup(script)],
        digests=[_digest(_runtime()), _digest(script)],
        archive=_archive(page.document),
        longest_table=_LONGEST_TABLE,
        longest_printed=_LONGEST_PRINTED,
        cuts_shown=_cuts_shown,
        quantities=_explained(page),
    )


def _explained(page: Page) -> frozenset[str]:
    """Return the names of the reference entries, which tables lead to."""
    blocks = [block for section in page.sections for block in section.blocks]
    return frozenset(entry.name for block in blocks if block.kind == "entries" for entry in block.items)


def _asset(name: str) -> str:
    return (files("crossgap.report.page") / "assets" / name).read_text(encoding="utf-8")


def prepare() -> None:
    """Load what a page is drawn with, which takes two seconds, so that it can happen beside other work."""
    import altair  # noqa: F401
    import jinja2  # noqa: F401

    _runtime()


@lru_cache(maxsize=1)
def _runtime() -> str:
    """Return the JavaScript that draws Vega-Lite charts, in a scope of its own."""
    import vl_convert

    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    bundle = bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    return f'(function(){{"use strict";{bundle}\n}})();'


def _digest(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _archive(document: str) -> str:
    """Return the document packed, in base64; a lone surrogate is written as JSON escapes it."""
    packed = gzip.compress(document.encode("utf-8", errors="backslashreplace"), compresslevel=9, mtime=0)
    return base64.b64encode(packed).decode()


def _plain(value: Any) -> Any:
    """Make every text plain that the template writes; what it marks as safe is ours already."""
    return plain(value) if type(value) is str else value


def _cell(value: Any, digits: int = 3) -> str:
    """Write a cell of a table: numbers with a comma for thousands, never -0.000 and never 0.000 for a small number."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if not isinstance(value, float):
        return plain(value, LONGEST_TEXT)
    if value and abs(value) < 0.5 * 10**-digits:
        return f"{value:.0e}"
    if abs(value) >= 100:
        return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
    return f"{round(value, digits) + 0.0:.{digits}f}"


def _fixed(value: float | None, digits: int, *, percent: bool = False) -> str:
    """Write a number as JavaScript's toFixed does, which the page's script goes on with: ties away from zero.

    Examples
    --------
    >>> _fixed(0.125, 2), _fixed(0.0625, 1, percent=True), _fixed(None, 1)
    ('0.13', '6.3%', '–')
    """
    if value is None:
        return "–"
    exact = Decimal(100 * value if percent else value)
    written = exact.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)
    return f"{written}%" if percent else str(written)


def _numeric_columns(table: Table) -> list[bool]:
    """Tell which columns hold numbers, which stand right, one below the other."""
    return [all(map(_is_number, cells)) and any(cells) for cells in zip(*table.rows, strict=True)] or [
        False for _ in table.columns
    ]


def _is_number(cell: Any) -> bool:
    return cell is None or isinstance(cell, int | float) or _NUMBER.fullmatch(str(cell)) is not None


def _cuts_shown(cuts: dict[str, Any]) -> dict[str, Any]:
    """Return where a slider starts, and the few cuts that its table shows."""
    thresholds = cuts["thresholds"]
    last = len(thresholds) - 1
    chosen = cuts.get("chosen")
    start = last // 2
    if chosen is not None:
        start = min(range(last + 1), key=lambda place: abs(thresholds[place] - chosen))
    steps = 8
    places = sorted({start, *(round(last * step / steps) for step in range(steps + 1))})
    return {
        "start": start,
        "rows": [{**_kept(cuts, place), "first": place == start} for place in places],
        "at_start": _kept(cuts, start),
    }


def _kept(cuts: dict[str, Any], place: int) -> dict[str, Any]:
    right, wrong = cuts["right"][place], cuts["wrong"][place]
    kept, matches, queries = right + wrong, cuts["matches"], cuts["queries"]
    return {
        "threshold": cuts["thresholds"][place],
        "precision": right / kept if kept else None,
        "recall": right / matches if matches else None,
        "each": kept / queries if queries else None,
    }
