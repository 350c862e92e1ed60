"""``crossgap evaluate``: mixed search, retrieval, zero-shot and approximate indexes, before and after; captions."""

from typing import TYPE_CHECKING, Annotated

import typer

from crossgap.cli.door import door
from crossgap.cli.evaluate_captions import captions
from crossgap.cli.evaluation_run import EvaluationRun
from crossgap.cli.options import Groups, Json, Replicates, Seed, Sources
from crossgap.cli.progress import few_threads, progress
from crossgap.cli.text import apply_command, chosen_groups

if TYPE_CHECKING:
    from crossgap.evaluate import Evaluation

__all__ = ["evaluate", "index", "mixed", "retrieval", "zero_shot"]

evaluate = typer.Typer(
    help="Evaluate a task before and after closing the gap, or captions.",
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

evaluate.command()(captions)

_STORED = {
    "csls": "csls_offsets",
    "inverted-softmax": "inverted_softmax_offsets",
    "sinkhorn": "sinkhorn_offsets",
}

CloserFile = Annotated[
    str | None,
    typer.Option("--closer", metavar="<path>", help="A closer of `crossgap close`; else mean removal, by halves."),
]
AsIs = Annotated[bool, typer.Option("--as-is", help="Measure the rows as they are; nothing is closed.")]
InSample = Annotated[
    bool,
    typer.Option("--in-sample", help="Judge the rows that were fitted on: too good, and recorded so."),
]
Output = Annotated[str | None, typer.Option("-o", "--output", metavar="<path>", help="Write the numbers here.")]
Rows = Annotated[int, typer.Option("--rows", min=100, help="Most rows of a group; more are sampled, whole items.")]
Unit = Annotated[
    str, typer.Option("--unit", metavar="item|row", help="What is split and resampled; row where items are classes.")
]
K = Annotated[int, typer.Option("-k", min=1, help="Length of the lists.")]


@evaluate.command()
@door
def mixed(
    sources: Sources,
    closer: CloserFile = None,
    as_is: AsIs = False,
    in_sample: InSample = False,
    queries: Annotated[
        str | None, typer.Option(help="Comma-separated groups that search; by default text/query and the like, or all.")
    ] = None,
    fused: Annotated[
        float | None, typer.Option(help="Add documents fused of text and picture, with this weight of the text.")
    ] = None,
    correction: Annotated[
        str | None,
        typer.Option(
            metavar="csls|inverted-softmax|query-bank|sinkhorn|score-standardisation",
            help="Correct the scores, with or without a closer.",
        ),
    ] = None,
    temperature: Annotated[float, typer.Option(help="Of a correction with a softmax.")] = 0.05,
    k: K = 10,
    groups: Groups = None,
    unit: Unit = "item",
    deal_seed: Annotated[int, typer.Option(min=0, help="Seed that deals items to forms; MixBench takes 42.")] = 42,
    rows: Rows = 10_000,
    replicates: Replicates = 200,
    seed: Seed = 0,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Search one index of all groups: shares, fairness and NDCG."""
    from crossgap.data.embeddings import document_groups
    from crossgap.evaluate import Correction, Resampling, evaluate_mixed

    chosen = None if correction is None else Correction(name=correction, temperature=temperature)
    run = EvaluationRun(
        sources,
        groups,
        closer=closer,
        as_is=as_is,
        in_sample=in_sample,
        unit=unit,
        most_rows=rows,
        seed=seed,
        output=output,
    )
    embeddings = run.embeddings
    if len(embeddings) < 2:
        raise ValueError(
            f"a mixed search needs at least two groups, but there is only {next(iter(embeddings))}; give a source with "
            f"more."
        )
    apart = [name for name in embeddings if name not in document_groups(embeddings)]
    names = chosen_groups(queries, list(embeddings)) if queries else apart or list(embeddings)
    with few_threads(run.most_rows):
        found = evaluate_mixed(
            run.folds(corrects=chosen is not None),
            queries=names,
            k=k,
            fused=fused,
            correction=chosen,
            unit=unit,
            deal_seed=deal_seed,
            resampling=Resampling(replicates=replicates, seed=seed),
            settings=run.settings(correction),
            inputs=run.inputs,
            progress=progress,
        )
    run.show(found, as_json=as_json, next_step=_after_mixed(run, found, correction))


@evaluate.command()
@door
def retrieval(
    sources: Sources,
    closer: CloserFile = None,
    as_is: AsIs = False,
    in_sample: InSample = False,
    groups: Groups = None,
    unit: Unit = "item",
    rows: Rows = 10_000,
    replicates: Replicates = 200,
    seed: Seed = 0,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Search one group with another: recall and ranks."""
    from crossgap.evaluate import Resampling, evaluate_retrieval

    run = EvaluationRun(
        sources,
        groups,
        closer=closer,
        as_is=as_is,
        in_sample=in_sample,
        unit=unit,
        most_rows=rows,
        seed=seed,
        output=output,
    )
    with few_threads(run.most_rows):
        found = evaluate_retrieval(
            run.folds(),
            unit=unit,
            resampling=Resampling(replicates=replicates, seed=seed),
            settings=run.settings(),
            inputs=run.inputs,
            progress=progress,
        )
    run.show(found, as_json=as_json, next_step=run.next_mixed())


@evaluate.command("zero-shot")
@door
def zero_shot(
    sources: Sources,
    queries: Annotated[
        str | None, typer.Option(help="The group to classify; by default the first that is no text.")
    ] = None,
    prompts: Annotated[
        str | None, typer.Option(help="The group whose rows name classes; by default the first text.")
    ] = None,
    closer: CloserFile = None,
    as_is: AsIs = False,
    in_sample: InSample = False,
    groups: Groups = None,
    rows: Rows = 10_000,
    replicates: Replicates = 200,
    seed: Seed = 0,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Sort rows into classes that prompts name.

    The class of a row is its label where both groups have labels, else its item id. Several prompts of one class are
    averaged.
    """
    from crossgap.evaluate import Resampling, evaluate_zero_shot, with_classes

    run = EvaluationRun(
        sources,
        groups,
        closer=closer,
        as_is=as_is,
        in_sample=in_sample,
        unit="row",
        most_rows=rows,
        seed=seed,
        output=output,
    )
    names = list(run.embeddings)
    texts = [name for name in names if name.partition("/")[0] == "text"]
    classes = chosen_groups(prompts, names)[0] if prompts else next(iter(texts), names[-1])
    rest = [name for name in names if name != classes]
    if not rest:
        raise ValueError(f"zero-shot needs a group to classify beside {classes}; give another source.")
    rows_of = chosen_groups(queries, names)[0] if queries else next((n for n in rest if n not in texts), rest[0])
    if rows_of == classes:
        raise ValueError(f"--queries and --prompts must name two groups, but both name {classes!r}.")
    run.replace(with_classes(run.embeddings, rows_of, classes))
    with few_threads(run.most_rows):
        found = evaluate_zero_shot(
            run.folds(whole=[classes]),
            queries=rows_of,
            prompts=classes,
            resampling=Resampling(replicates=replicates, seed=seed),
            settings=run.settings(),
            inputs=run.inputs,
        )
    run.show(found, as_json=as_json, next_step=run.next_mixed())


@evaluate.command()
@door
def index(
    sources: Sources,
    closer: CloserFile = None,
    as_is: AsIs = False,
    in_sample: InSample = False,
    kind: Annotated[str, typer.Option("--index", metavar="ivf-pq|hnsw|flat-pq", help="The index of faiss.")] = "ivf-pq",
    parameters: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="<key=value>", help="A parameter of the index: nprobe=8. May be repeated."),
    ] = None,
    k: K = 10,
    groups: Groups = None,
    rows: Annotated[int, typer.Option("--rows", min=100, help="Most rows of a group; more are sampled.")] = 100_000,
    replicates: Replicates = 200,
    seed: Seed = 0,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Compare an approximate index with exact search."""
    from crossgap.evaluate import Resampling, evaluate_index

    given = dict(_number(text) for text in parameters or [])
    run = EvaluationRun(
        sources,
        groups,
        closer=closer,
        as_is=as_is,
        in_sample=in_sample,
        unit="item",
        most_rows=rows,
        seed=seed,
        output=output,
    )
    with few_threads(run.most_rows):
        found = evaluate_index(
            run.folds(),
            kind=kind,
            k=k,
            parameters=given,
            resampling=Resampling(replicates=replicates, seed=seed),
            settings=run.settings(),
            inputs=run.inputs,
            progress=progress,
        )
    run.show(found, as_json=as_json, next_step=run.next_mixed())


def _number(text: str) -> tuple[str, int]:
    key, equals, value = text.partition("=")
    if not equals or not value.strip().isdecimal():
        raise ValueError(f"--set must be a name and a whole number, such as nprobe=8, but it is {text!r}.")
    return key.strip(), int(value)


def _after_mixed(run: EvaluationRun, found: "Evaluation", correction: str | None) -> str:
    """Say what to do with the verdicts."""
    decisions = {verdict.decision for verdict in found.verdicts}
    if "close it" not in decisions:
        return f"crossgap measure {run.words}" if "measured" in decisions else f"crossgap explain {run.words}"
    if run.closer is not None:
        return apply_command(run.closer_path or "", run.sources, run.groups)
    if correction is None and any(verdict.cause in ("level", "spread") for verdict in found.verdicts):
        return f"crossgap evaluate mixed {run.words} --correction score-standardisation"
    if correction in _STORED:
        return f"{_STORED[correction]}(gallery, bank) of crossgap.close gives one number to store with each row"
    if correction == "query-bank":
        return "query_bank_scores(queries, gallery, bank) of crossgap.close gives these scores"
    method = "mean-removal" if correction is None else correction
    return f"crossgap close {run.words} --method {method} -o closer.safetensors"
