"""``crossgap demo``: the packaged sample, end to end: measure, explain, close."""

import textwrap
from typing import Annotated

import typer

from crossgap.cli.door import door
from crossgap.cli.options import Json, Replicates, Seed
from crossgap.cli.output import check_page, check_replaceable, output_path, write_text
from crossgap.cli.progress import few_threads, progress
from crossgap.cli.text import show_report, terminal_width, with_options

__all__ = ["demo"]

_TRIED = ("mean-removal", "score-standardisation", "centred-score-standardisation")
_SHOWN = 3  # findings


@door
def demo(
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="<path>", help="Folder for the results; made if missing.")
    ] = "crossgap-demo",
    replicates: Replicates = 200,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Measure, explain and close the gap of the packaged sample."""
    from crossgap.cli.close import built
    from crossgap.close import choose, write_closer
    from crossgap.data import sample
    from crossgap.explain import explain
    from crossgap.report import GapReport, collect

    folder = output_path(output)
    folder.mkdir(parents=True, exist_ok=True)
    gap, page, why, closed = (folder / name for name in ("gap.json", "gap.html", "explain.json", "closer.safetensors"))
    for file in (gap, why):
        check_replaceable(file)
    check_page(page)
    embeddings = sample()
    inputs = [
        {"group": name, "source": "packaged sample", "n": len(group), "d": embeddings.dimension}
        for name, group in embeddings.items()
    ]
    report = collect(
        embeddings,
        replicates=replicates,
        seed=seed,
        inputs=inputs,
        command=with_options("crossgap demo", {"--bootstrap": (replicates, 200), "--seed": (seed, 0)}),
        details=True,
        progress=progress,
    )
    with few_threads(max(len(group) for group in embeddings.values())):
        found = explain(embeddings, replicates=replicates, seed=seed, inputs=inputs)
        candidates = {name: built(name) for name in _TRIED}
        choice = choose(embeddings, candidates=candidates, replicates=max(replicates, 20), seed=seed)
        closer = candidates[choice.chosen].fit_embeddings(embeddings) if choice.chosen in candidates else None
    text = report.to_json()
    write_text(gap, text)
    write_text(page, GapReport.from_json(text).to_html())  # as `crossgap report` draws it from the file
    write_text(why, found.to_json())
    written = [gap, page, why]
    if closer is not None:
        facts = {"sources": ["packaged sample"], "method": choice.chosen, "seed": seed}
        written.append(write_closer(closer, closed, facts=facts))
    if as_json:
        typer.echo(text, nl=False)
        return
    typer.echo(
        "The sample: emoji drawings and their names, embedded by a small dual encoder that never saw them in training."
    )
    show_report(report)
    told = [finding.sentence for finding in found.findings if finding.reason is None]
    _show("Where it comes from (crossgap explain):", told[: 1 + _SHOWN])
    _show("What closes it (crossgap close):", [choice.why, *(verdict.sentence for verdict in choice.verdicts)])
    typer.echo(f"\nWritten: {', '.join(map(str, written))}")
    typer.echo(
        f"Next: open {page} in a browser, then measure your own: crossgap measure image=images.npy text=texts.npy"
    )


def _show(head: str, sentences: list[str]) -> None:
    typer.echo(f"\n{head}")
    for sentence in sentences:
        width = max(60, min(terminal_width(), 110))
        for line in textwrap.wrap(f"- {sentence}", width, subsequent_indent="  ", break_long_words=False):
            typer.echo(line)
