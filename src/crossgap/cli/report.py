"""``crossgap report``: a page from the file of a measuring run."""

from typing import Annotated

import typer

from crossgap.cli.door import door
from crossgap.cli.output import check_folder, check_page, output_path, write_text

__all__ = ["report"]


@door
def report(
    file: Annotated[str, typer.Argument(metavar="GAP.JSON", help="What `crossgap measure -o gap.json` wrote.")],
    output: Annotated[str, typer.Option("-o", "--output", metavar="<path>", help="Write the page here.")] = "gap.html",
) -> None:
    """Draw the report page from gap.json alone."""
    from crossgap.cli.report_file import drawn_from, read_report

    path = output_path(output)
    check_folder(path)
    check_page(path)
    with drawn_from(file):
        page = read_report(file).to_html()
    write_text(path, page)
    typer.echo(f"Written: {path}")
    typer.echo(f"Next: open {path} in a browser, or draw its charts for a paper: crossgap figures {file} -o figures")
