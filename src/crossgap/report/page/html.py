"""A page as one HTML file: text escaped, charts and their runtime inlined, no network, equal bytes for equal pages."""

from functools import lru_cache
from importlib.resources import files

from crossgap.report.page.blocks import Page

__all__ = ["render"]


def render(page: Page) -> str:
    """Return the page as HTML."""
    from jinja2 import Environment, StrictUndefined

    assets = files("crossgap.report.page") / "assets"
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((assets / "page.html.jinja").read_text(encoding="utf-8"))
    return template.render(
        page=page,
        style=(assets / "page.css").read_text(encoding="utf-8"),
        script=(assets / "page.js").read_text(encoding="utf-8"),
        runtime=_runtime(),
    )


@lru_cache(maxsize=1)
def _runtime() -> str:
    """Return the JavaScript that draws Vega-Lite charts."""
    import vl_convert

    return vl_convert.javascript_bundle()
