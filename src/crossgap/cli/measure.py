"""``crossgap measure``: the numbers of a source, and the file that holds them."""

from typing import Annotated

import typer

from crossgap.cli.door import door
from crossgap.cli.options import Groups, Json, Replicates, Seed, Sources
from crossgap.cli.output import check_folder, check_replaceable, output_path, write_text
from crossgap.cli.progress import few_threads, progress
from crossgap.cli.text import chosen_groups, shell_words, show_report

__all__ = ["measure"]


@door
def measure(
    sources: Sources,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="<path>", help="Write the numbers here (gap.json).")
    ] = None,
    metrics: Annotated[str | None, typer.Option(help="Comma-separated names; `crossgap explain` lists them.")] = None,
    groups: Groups = None,
    unpaired: Annotated[
        bool, typer.Option("--unpaired", help="Rows of different groups show different items, whatever their number.")
    ] = False,
    replicates: Replicates = 200,
    seed: Seed = 0,
    precision: Annotated[float, typer.Option(help="Precision for which a score threshold is sought.")] = 0.9,
    most_rows: Annotated[
        int, typer.Option("--rows", min=100, help="Rows of a group up to which quantities over all pairs are exact.")
    ] = 10_000,
    as_json: Json = False,
) -> None:
    """Measure the modality gap: its size, certainty and cost."""
    from crossgap.data import Embeddings, read_groups
    from crossgap.report.collect import collect

    path = None if output is None else output_path(output)
    if path is not None:
        check_folder(path)
        check_replaceable(path, sources)
    found = read_groups(*sources)
    names = chosen_groups(groups, found.groups) if groups else list(found.groups)
    embeddings = Embeddings({name: found.groups[name] for name in names})
    notes = [f"not used: {note}" for note in found.notes]
    if unpaired:
        embeddings = embeddings.without_pairs()
        notes.append("rows of different groups were taken to show different items (--unpaired).")
    with few_threads(max(len(group) for group in embeddings.values())):
        report = collect(
            embeddings,
            metrics=None if metrics is None else [name.strip() for name in metrics.split(",")],
            replicates=replicates,
            seed=seed,
            precision=precision,
            most_rows=most_rows,
            inputs=[facts for facts in found.inputs if facts["group"] in names],
            notes=notes,
            progress=progress,
        )
    if path is not None:
        write_text(path, report.to_json())
    if as_json:
        typer.echo(report.to_json(), nl=False)
    else:
        show_report(report, written=path, again=shell_words(sources, groups, unpaired))
