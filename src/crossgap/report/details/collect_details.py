"""Everything that a page shows beside the numbers, by kind; ``docs/report_format.md`` is the contract."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from typing import Any

from crossgap.data.embeddings import Embeddings
from crossgap.report.details.closers import closers
from crossgap.report.details.explanation import explanation
from crossgap.report.details.gap_location import gap_location
from crossgap.report.details.health import health
from crossgap.report.details.maps import linear_maps, umap_maps
from crossgap.report.details.principal_axes import PrincipalAxes
from crossgap.report.details.ranking_examples import ranking_examples
from crossgap.report.details.sampled_rows import sampled_rows
from crossgap.report.details.spectra import spectrum
from crossgap.report.selection import Settings
from crossgap.report.side_by_side import SCIKIT_LEARN, Step, side_by_side, workers_and_threads

__all__ = ["collect_details"]

_MOST_PAIRS = 10  # of groups, for what is told of every two
_MOST_ROWS, _MOST_ROWS_WIDE = 5_000, 1_000  # of a group, for its components
_WIDE = 1_024  # dimensions above which the components of many rows cost too much
Progress = Callable[[Sequence[Any], Callable[[Any], str]], Iterable[Any]]


def collect_details(
    embeddings: Embeddings,
    settings: Settings,
    *,
    measured: Mapping[str, list[dict[str, Any]]] | None = None,
    everything: bool = False,
    progress: Progress | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Collect the details of a report.

    Every kind looks at a sub-sample of large groups, whole items drawn at random, and says of how many rows. What
    cannot be made stands there with its reason.

    Parameters
    ----------
    embeddings
        The groups, already checked.
    settings
        Replicates, level, seed, precision and rows of the report.
    measured
        Kinds that were made while measuring, from the same numbers: score cuts and topology.
    everything
        Also what takes tens of seconds: the maps of UMAP.
    progress
        Called with the steps and a function that names one; yields the steps. For a progress bar.
    """
    found: dict[str, list[dict[str, Any]]] = {
        kind: []
        for kind in (
            "score_cuts",
            "ranking_examples",
            "maps",
            "gap_location",
            "spectra",
            "topology",
            "closers",
            "health",
            "explanation",
        )
    }
    for kind, entries in (measured or {}).items():
        found[kind] = list(entries)
    planned = _steps(embeddings, settings, everything=everything)
    with workers_and_threads(embeddings, small=True) as workers, side_by_side(planned, workers) as steps:
        for step in steps if progress is None else progress(steps, lambda step: step.label):
            for kind, entries in step.call().items():
                found[kind] += entries
    return found


def _steps(embeddings: Embeddings, settings: Settings, *, everything: bool) -> list[Step]:
    compared = cache(partial(closers, embeddings, settings))
    steps = [
        Step("health", lambda: {"health": health(embeddings, seed=settings.seed)}, "health"),
        Step("closers", lambda: {"closers": [compared()]}, SCIKIT_LEARN),
        Step(
            "ranking examples",
            lambda: {"ranking_examples": ranking_examples(embeddings, settings, compared())},
            SCIKIT_LEARN,
        ),
        Step("explanation", lambda: {"explanation": explanation(embeddings, settings)}, "explanation"),
        Step("spectra", partial(_shapes, embeddings, settings), "spectra"),
        Step("maps", lambda: {"maps": linear_maps(embeddings, settings)}, "maps"),
    ]
    if everything:
        steps.append(Step("maps", lambda: {"maps": umap_maps(embeddings, settings)}, SCIKIT_LEARN))
    return steps


def _shapes(embeddings: Embeddings, settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """Return the spectra and where the gaps lie: both come from the same components."""
    most = _MOST_ROWS if embeddings.dimension <= _WIDE else _MOST_ROWS_WIDE
    axes = PrincipalAxes(sampled_rows(embeddings, most, seed=settings.seed))
    pairs = list(itertools.combinations(embeddings, 2))
    located = [gap_location(x, y, axes) for x, y in pairs[:_MOST_PAIRS]]
    if not pairs:
        names = list(embeddings)
        located.append({"groups": names, "reason": f"a gap needs two groups, but there is one, {names[0]}"})
    return {"gap_location": located, "spectra": [spectrum(name, axes) for name in embeddings]}
