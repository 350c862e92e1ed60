"""``crossgap demo``: the packaged sample, end to end."""

from typing import Annotated

import typer

from crossgap.cli.door import door
from crossgap.cli.options import Json, Replicates, Seed
from crossgap.cli.output import check_replaceable, output_path, write_text
from crossgap.cli.progress import few_threads, progress
from crossgap.cli.text import show_report

__all__ = ["demo"]


@door
def demo(
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="<path>", help="Folder for gap.json; made if missing.")
    ] = "crossgap-demo",
    replicates: Replicates = 200,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Measure the packaged sample of pictures and names, offline."""
    from crossgap.data import sample
    from crossgap.report.collect import collect

    folder = output_path(output)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "gap.json"
    check_replaceable(path)
    embeddings = sample()
    inputs = [
        {"group": name, "source": "packaged sample", "n": len(group), "d": embeddings.dimension}
        for name, group in embeddings.items()
    ]
    with few_threads(max(len(group) for group in embeddings.values())):
        report = collect(embeddings, replicates=replicates, seed=seed, inputs=inputs, progress=progress)
    write_text(path, report.to_json())
    if as_json:
        typer.echo(report.to_json(), nl=False)
        return
    typer.echo(
        "The sample: emoji drawings and their names, embedded by a small dual encoder that never saw them in training."
    )
    show_report(report, written=path)
