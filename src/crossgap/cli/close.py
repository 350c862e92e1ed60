"""``crossgap close``: choose a closer, or judge one, on the source itself; fit it and write it."""

import json
import shlex
import textwrap
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossgap.cli.door import door
from crossgap.cli.options import Groups, Json, Replicates, Seed, Sources
from crossgap.cli.output import check_folder, named_errors, output_path
from crossgap.cli.progress import few_threads, progress
from crossgap.cli.text import apply_command, chosen_groups, closest_names, shell_words, terminal_width

if TYPE_CHECKING:
    from crossgap.close.choice import Choice
    from crossgap.close.closer import Closer
    from crossgap.data import Embeddings

__all__ = ["METHODS", "built", "close"]

METHODS: dict[str, tuple[str, str, dict[str, Any]]] = {  # from simple to complex: the order in which auto tries them
    "mean-removal": ("mean_removal", "MeanRemoval", {}),
    "translation": ("translation", "Translation", {}),
    "score-standardisation": ("score_standardisation", "ScoreStandardisation", {}),
    "centred-score-standardisation": ("score_standardisation", "ScoreStandardisation", {"centre": True}),
    "standardisation": ("standardisation", "Standardisation", {}),
    "subspace-removal": ("subspace_removal", "SubspaceRemoval", {}),
    "realign": ("realign", "ReAlign", {}),
    "joint-whitening": ("whitening", "Whitening", {"joint": True}),
    "whitening": ("whitening", "Whitening", {}),
    "coral": ("coral", "Coral", {}),
    "gaussian-transport": ("gaussian_transport", "GaussianTransport", {}),
    "procrustes": ("procrustes", "Procrustes", {}),
    "ridge-map": ("ridge_map", "RidgeMap", {}),
    "cca": ("canonical_map", "CanonicalMap", {}),
    "memory-projection": ("memory_projection", "MemoryProjection", {}),
    "bipartite-spectral": ("bipartite_spectral", "BipartiteSpectral", {}),
}
_AUTO, _NONE = "auto", "none"
_TARGETS = ("target", "memory")  # what the group that stays is called among the parameters of a closer


@door
def close(
    sources: Sources,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="<path>", help="closer.safetensors, or FOLDER/ for one to share."),
    ] = None,
    method: Annotated[str, typer.Option(help=f"auto, or one of {', '.join(METHODS)}, none.")] = _AUTO,
    score: Annotated[
        str | None,
        typer.Option(help="What auto is for: mixed-ndcg (default), mixed-fairness, recall, zero-shot, alignment."),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(help="Share of the ten nearest rows within a group that auto lets change (default 0.35)."),
    ] = None,
    groups: Groups = None,
    target: Annotated[
        str | None, typer.Option(help="Group that stays while others move onto it; the first by default.")
    ] = None,
    unpaired: Annotated[
        bool, typer.Option("--unpaired", help="Rows of different groups show different items, whatever their number.")
    ] = False,
    given: Annotated[
        list[str] | None, typer.Option("--set", metavar="key=value", help="A parameter of the method; repeatable.")
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="Parts that items are dealt into: one judges, the rest fit.")] = 2,
    most_rows: Annotated[
        int, typer.Option("--rows", min=20, help="Most rows of a group used to fit and to judge, whole items.")
    ] = 5_000,
    in_sample: Annotated[
        bool, typer.Option("--in-sample", help="Show beside it what a closer does to the rows it was fitted on.")
    ] = False,
    replicates: Replicates = 200,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Close the gap: choose a closer on held-out rows, or none."""
    from crossgap.close.choice import TOLERANCE, choose, judge
    from crossgap.close.cross_fitting import rows_with_a_direction
    from crossgap.results import to_json

    start = time.monotonic()
    path = None if output is None else _checked_output(output, sources)
    candidates = _candidates(method, target, given or [])
    embeddings, facts, notes = _read(sources, groups, unpaired, most_rows, seed)
    if target is not None and target not in embeddings:
        raise ValueError(f"--target must be one of the groups {', '.join(embeddings)}, but it is {target!r}.")
    embeddings, left_out = rows_with_a_direction(embeddings)
    notes += left_out
    settings: dict[str, Any] = {"folds": folds, "replicates": replicates, "seed": seed, "in_sample": in_sample}
    with few_threads(max(len(group) for group in embeddings.values())):
        if method == _AUTO:
            score = _score(embeddings) if score is None else score
            limit = TOLERANCE if tolerance is None else tolerance
            choice = choose(
                embeddings, candidates=candidates, score=score, tolerance=limit, progress=progress, **settings
            )
        else:
            if score is not None or tolerance is not None:
                raise ValueError(
                    f"--score and --tolerance must go with --method auto, which chooses by them, but the method is "
                    f"{method}; leave them out."
                )
            choice = judge(embeddings, method, candidates.get(method), progress=progress, **settings)
        closer = None
        if choice.chosen != _NONE:
            closer, warned = _fitted(candidates[choice.chosen], embeddings)
            judged = None if choice.comparison is None else choice.comparison.row(choice.chosen)
            notes += warned if judged is None or not judged.notes else []  # then the table has said it
    written = None
    if closer is not None and path is not None:
        known = {"sources": list(sources), **facts, "method": choice.chosen, "seed": seed}
        written = _write(closer, path, choice, known, as_folder=str(output).endswith("/"))
    if as_json:
        document = {**choice.as_json(), "inputs": list(sources), **facts, "method": method, "notes": notes}
        typer.echo(to_json({**document, "written": written}), nl=False)
    else:
        words = shell_words(sources, groups, unpaired)
        if written is not None:
            step = apply_command(written, sources, groups)
        elif closer is None:
            step = f"crossgap measure {words}"
        else:
            more = [*([] if target is None else ["--target", target]), *(f"--set={text}" for text in given or [])]
            again = shlex.join(["--method", choice.chosen, *more])
            step = f"crossgap close {words} {again} -o closer.safetensors"
        _show(choice, closer, notes, written)
        typer.echo(f"({time.monotonic() - start:.1f} s)\nNext: {step}")


def _read(
    sources: list[str], groups: str | None, unpaired: bool, most_rows: int, seed: int
) -> tuple["Embeddings", dict[str, Any], list[str]]:
    """Read the groups asked for, cut down to whole items; with the numbers of rows, and what was left aside."""
    from crossgap.data import Embeddings, read_groups

    found = read_groups(*sources)
    names = chosen_groups(groups, found.groups) if groups else list(found.groups)
    whole = Embeddings({name: found.groups[name] for name in names})
    notes = [f"not used: {note}" for note in found.notes]
    if unpaired:
        whole = whole.without_pairs()
        notes.append("rows of different groups were taken to show different items (--unpaired).")
    cut = whole.sample_items(most_rows, seed=seed)
    notes += _doubtful_pairs(cut)
    rows = {name: len(group) for name, group in cut.items()}
    for name, group in whole.items():
        if len(group) > rows[name]:
            notes.append(f"fitted and judged on {rows[name]:,} of {len(group):,} rows of {name} (--rows).")
    return cut, {"rows_used": rows, "rows_given": {name: len(group) for name, group in whole.items()}}, notes


def _doubtful_pairs(embeddings: "Embeddings") -> Iterator[str]:
    """Say so where partners are no more alike than strangers: then the rows are probably not in one order."""
    import itertools

    import numpy as np

    from crossgap.measure import matched_cosine_per_pair

    for a, b in itertools.combinations(embeddings, 2):
        if embeddings.item_codes(a, b).reason is not None:
            continue
        pairs = embeddings.pairs(a, b)
        x, y = np.asarray(pairs.x[:]), np.asarray(pairs.y[:])
        partners, strangers = (
            np.asarray(matched_cosine_per_pair(x, other, check=False)) for other in (y, np.roll(y, len(y) // 2, axis=0))
        )
        lead = partners - strangers
        if len(lead) > 2 and lead.mean() <= 2 * lead.std() / np.sqrt(len(lead)):
            yield (
                f"partners of {a} and {b} are no more alike (cosine {partners.mean():.3f}) than strangers "
                f"({strangers.mean():.3f}): are the rows of both in one order? crossgap doctor tells; --unpaired "
                f"judges without pairs. What follows rests on these pairs."
            )


def _candidates(method: str, target: str | None, given: list[str]) -> dict[str, "Closer"]:
    """Build what is to be tried: all methods, or the one that is named, with its parameters."""
    if method == _AUTO:
        if given:
            raise ValueError(
                "--set must go with one method, but the method is auto; name it: --method NAME --set key=value."
            )
        return {name: built(name, target) for name in METHODS}
    if method == _NONE:
        return {}
    if method not in METHODS:
        raise ValueError(f"there is no method {method!r}; {closest_names(method, [_AUTO, *METHODS, _NONE])}")
    closer = built(method, target, dict(_setting(text) for text in given))
    if target is not None and not any(name in closer.get_params() for name in _TARGETS):
        raise ValueError(f"--target must go with a method that moves onto a group, but {method} does not.")
    return {method: closer}


def built(method: str, target: str | None = None, given: Mapping[str, Any] | None = None) -> "Closer":
    """Return the closer of a method of the command line, not fitted."""
    import importlib
    import inspect

    given = given or {}
    module, name, parameters = METHODS[method]
    kind = getattr(importlib.import_module(f"crossgap.close.{module}"), name)
    closer = kind(**parameters)
    known = closer.get_params()
    for key, value in given.items():
        if key not in known:
            raise ValueError(f"{method} has no parameter {key!r}; {closest_names(key, list(known))}")
        wanted = inspect.signature(kind).parameters[key].annotation
        if not _is_of_kind(value, wanted):
            told = getattr(wanted, "__name__", str(wanted))
            raise ValueError(f"{key} of {method} must be of type {told}, but --set gives {value!r}.")
    goal = {name: target for name in _TARGETS if name in known and target is not None}
    return closer.set_params(**{**goal, **given})


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ValueError(f"--set must be key=value, but it is {text!r}; for example --set renormalise=false.")
    try:
        return key, json.loads(value, parse_constant=_no_number)
    except ValueError:
        return key, {"None": None, "True": True, "False": False}.get(value, value)


def _is_of_kind(value: Any, wanted: Any) -> bool:
    """Whether a value is of a type, or of one of a union; whole numbers are real ones too, truth values are not."""
    kinds = getattr(wanted, "__args__", (wanted,))
    return type(value) in kinds or (type(value) is int and float in kinds)


def _no_number(text: str) -> float:
    raise ValueError(text)


def _score(embeddings: "Embeddings") -> str:
    """What auto is for where nobody said: the shares alone where nothing pairs."""
    import itertools

    pairs = itertools.combinations(embeddings, 2)
    return "mixed-ndcg" if any(embeddings.item_codes(a, b).reason is None for a, b in pairs) else "mixed-fairness"


def _fitted(closer: "Closer", embeddings: "Embeddings") -> tuple["Closer", list[str]]:
    import warnings

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        fitted = closer.fit_embeddings(embeddings)
    return fitted, list(dict.fromkeys(" ".join(str(one.message).split()) for one in warned))


def _checked_output(output: str, sources: list[str]) -> Path:
    """Fail before the work where the result could not be written, or would replace anything but a closer."""
    from crossgap.close.closer_file import read_closer_record
    from crossgap.errors import FormatError

    path = output_path(output)
    if output.endswith("/"):
        if path.exists():
            raise ValueError(f"the output folder {output!r} exists, and none is ever replaced; give a new name.")
        check_folder(path)
        return path
    if path.is_dir():
        raise ValueError(
            f"the output must be a file, or a new folder written with / at its end, but {output!r} is a folder; give "
            f"for example {str(path / 'closer.safetensors')!r}."
        )
    if path.suffix != ".safetensors":
        raise ValueError(
            f"the output must end in .safetensors, or in / for a folder, but it is {output!r}; crossgap export turns "
            f"the file into other forms."
        )
    check_folder(path)
    if path.exists():
        try:
            read_closer_record(path)
        except FormatError:
            raise ValueError(
                f"the output {output!r} exists and is no closer of an earlier run; give another name."
            ) from None
    return path


def _write(closer: "Closer", path: Path, choice: "Choice", facts: dict[str, Any], *, as_folder: bool) -> str:
    from crossgap.close.closer_file import write_closer
    from crossgap.close.comparison_table import table_rows
    from crossgap.close.pretrained import save_pretrained

    table = [] if choice.comparison is None else table_rows(choice.comparison, choice.chosen)
    judged = {} if choice.comparison is None else {"judged": dict(choice.comparison.settings)}
    facts = {
        **facts,
        **judged,
        "score": choice.score,
        "why": choice.why,
        "verdicts": [verdict.sentence for verdict in choice.verdicts],
    }
    with named_errors(path):
        if as_folder:
            save_pretrained(closer, path, facts=facts, table=table)
        else:
            write_closer(closer, path, facts={**facts, "table": table})
    return str(path / "model.safetensors" if as_folder else path)


def _show(choice: "Choice", closer: "Closer | None", notes: list[str], written: str | None) -> None:
    """Print the choice, how to apply the closer anywhere, and what was written."""
    from crossgap.close.choice_text import choice_lines
    from crossgap.close.closer import LinearCloser
    from crossgap.close.recipe import numpy_recipe

    width = terminal_width()
    for note in notes:
        typer.echo(textwrap.fill(f"Note: {note}", width, subsequent_indent="  ", break_long_words=False))
    use = () if closer is None or written is None else _score_lines(closer)
    for line in choice_lines(choice, width=width, use=use):
        typer.echo(line)
    if closer is None:
        why = "no closer is clearly better than these vectors as they are" if choice.score else "none moves nothing"
        if choice.comparison is None:
            why = "there are too few items to judge by"
        typer.echo(f"\nNothing was written: {why}.")
        return
    rows = ", ".join(f"{count:,} rows of {name}" for name, count in closer.fit_rows_.items())
    typer.echo(f"\nThe closer itself is fitted on all of {rows}.")
    if written is None:
        typer.echo("Nothing was written.")
        return
    if isinstance(closer, LinearCloser):
        typer.echo(
            f"\nWithout crossgap, in NumPy:\n\n{textwrap.indent(numpy_recipe(closer, written).rstrip(), '    ')}"
        )
    else:
        typer.echo(f"{type(closer).__name__} is not linear, so only crossgap can apply it.")
    typer.echo(f"\nWritten: {written} ({Path(written).stat().st_size:,} bytes)")


def _score_lines(closer: "Closer") -> Iterator[str]:
    """Say how lists are merged by a closer that standardises scores; nothing for all others."""
    from crossgap.close.score_standardisation import ScoreStandardisation

    if not isinstance(closer, ScoreStandardisation):
        return
    yield "\nSearch each group on its own, then merge the lists by z = (cosine - mean) / deviation:\n"
    width = max(10, *map(len, closer.groups_)) + 2
    yield f"    {'queries':{width}}{'documents':{width}}{'mean':>8}{'deviation':>11}"
    for queries in closer.groups_:
        for documents, (mean, deviation) in closer.scales(queries).items():
            yield f"    {queries:{width}}{documents:{width}}{mean:8.4f}{deviation:11.4f}"
    yield ""
    yield from textwrap.wrap(
        f"Or let one index by inner product do it: crossgap apply writes the documents with one more coordinate, for "
        f"queries of {closer.served()} only (--method score-standardisation --set queries=GROUP chooses); a query "
        f"is its row at length 1 with a 1 behind it.",
        terminal_width(),
    )
