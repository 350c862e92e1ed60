"""``crossgap evaluate captions``: predictions against references."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from crossgap.cli.caption_files import read_predictions, read_references
from crossgap.cli.door import door
from crossgap.cli.options import Json, Replicates, Seed
from crossgap.cli.output import check_folder, check_replaceable, output_path, write_text
from crossgap.cli.text import terminal_width

if TYPE_CHECKING:
    from crossgap.evaluate.captions import CaptionScores

__all__ = ["captions"]

_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u3400-\u9fff]{8}"
)  # Thai to Han, eight in a run
_NEXT = "crossgap evaluate captions {} -o scores.json"


@door
def captions(
    predictions: Annotated[
        str, typer.Argument(metavar="PREDICTIONS", help="JSON lines with id and caption, or id, tab, caption; .gz too.")
    ],
    references: Annotated[
        str | None,
        typer.Argument(
            metavar="[REFERENCES]",
            help="JSON lines with id and captions, or one line a caption; .gz too. Those in PREDICTIONS if left out.",
            show_default=False,
        ),
    ] = None,
    scores: Annotated[
        str | None,
        typer.Option(metavar="<names>", help="Comma-separated: bleu, rouge_l, cider_d, meteor, spice; all by default."),
    ] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds that each Java program may take.")] = 1800.0,
    replicates: Replicates = 200,
    seed: Seed = 0,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="<path>", help="Write all scores here.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Score captions against references: BLEU, ROUGE-L, CIDEr-D.

    METEOR and SPICE need Java and the package pycocoevalcap; where something is missing they are left out, and the
    output says why.
    """
    import shlex

    from crossgap.evaluate import Resampling
    from crossgap.evaluate.captions import SCORES, caption_scores

    path = None if output is None else output_path(output)
    if path is not None:
        check_folder(path)
        check_replaceable(path, [predictions, *([] if references is None else [references])])
    named = SCORES if scores is None else tuple(dict.fromkeys(name.strip() for name in scores.split(",")))
    resampling = Resampling(replicates=replicates, seed=seed)
    place = predictions if references is None else references
    given, known = read_predictions(predictions), read_references(place)
    lost = [item for item in given if not known.get(item)]
    if lost:
        raise ValueError(
            f"each prediction must have references, but {len(lost)} of {len(given)} have none, the first with id "
            f"{lost[0]!r}; add them to {place!r}, or use the same ids in both."
        )
    unused = len(known) - len(given)
    notes = [f"of {len(known)} items with references {unused} have no prediction; they are left out."] if unused else []
    unspaced = sum(bool(_UNSPACED.search(text)) for text in given.values())
    if unspaced:
        notes.append(
            f"{unspaced} of {len(given)} captions have letters of a script without spaces, which are not cut into "
            f"words; put spaces between words, or give lists of words in Python."
        )
    found = caption_scores(
        list(given.values()),
        [known[item] for item in given],
        items=list(given),
        scores=named,
        resampling=resampling,
        timeout=timeout,
        notes=notes,
    )
    if path is not None:
        write_text(path, found.to_json())
    if as_json:
        typer.echo(found.to_json(), nl=False)
        return
    _show(found)
    if path is not None:
        typer.echo(f"\nWritten: {path}")
    else:
        words = [predictions, *([] if references is None else [references])]
        words += [] if scores is None else ["--scores", scores]
        typer.echo(f"\nNext: {_NEXT.format(shlex.join(words))}")


def _show(found: "CaptionScores") -> None:
    import textwrap

    from crossgap.results import told

    width = min(terminal_width(), 110)
    longest = max(len(measurement.name) for measurement in found.measurements)
    for measurement in found.measurements:
        if measurement.value is not None:
            typer.echo(f"{measurement.name:{longest}}  {told(measurement)}")
    settings = found.settings
    certainty = f"{settings['level']:.0%} intervals from {settings['bootstrap']} bootstrap replicates"
    if not settings["bootstrap"]:
        certainty = "no intervals"
    elif all(measurement.interval is None for measurement in found.measurements):
        certainty = "no intervals, which need at least 10 items"
    lines = [
        f"{settings['items']} items, {settings['references']} references; {certainty}, seed {settings['seed']}.",
        *(f"Left out: {reason}" for reason in found.left_out.values()),
        *settings["notes"],
    ]
    typer.echo("")
    for line in lines:
        for part in textwrap.wrap(line, width, subsequent_indent="  "):
            typer.echo(part)
