"""A chart as a picture for a paper: SVG, PDF or PNG, drawn without a network, the same bytes for the same chart."""

import re

from crossgap.report.charts.themes import LIGHT
from crossgap.report.page.blocks import Figure

__all__ = ["PICTURES", "picture"]

PICTURES = ("svg", "pdf", "png")
_PNG_SCALE = 3  # pixels of the file for one of the chart
_REFERENCES = re.compile(rb"(?:^ +/\w+ \d+ 0 R\n){2,}", re.MULTILINE)


def picture(figure: Figure, kind: str, *, width: int) -> bytes:
    """Return a chart as the bytes of a file.

    Parameters
    ----------
    figure
        One of ``figures(report)``.
    kind
        "svg", "pdf" or "png".
    width
        In pixels of the chart, 1/72 inch in a PDF; a PNG has three times as many.
    """
    import vl_convert

    spec, config = {**figure.spec, "width": width}, dict(LIGHT)
    if kind == "svg":
        return vl_convert.vegalite_to_svg(spec, config=config, allowed_base_urls=[]).encode() + b"\n"
    if kind == "pdf":
        return _ordered(vl_convert.vegalite_to_pdf(spec, config=config, allowed_base_urls=[]))
    if kind == "png":
        return vl_convert.vegalite_to_png(spec, config=config, scale=_PNG_SCALE, allowed_base_urls=[])
    raise ValueError(f"a picture must be of a kind of {', '.join(PICTURES)}, but it is {kind!r}.")


def _ordered(pdf: bytes) -> bytes:
    """Put the names in each dictionary of resources in order, which the writer leaves to chance; no length changes."""
    return _REFERENCES.sub(lambda found: b"".join(sorted(found[0].splitlines(keepends=True))), pdf)
