"""Everything that a page shows beside the numbers, by kind; ``docs/report_format.md`` is the contract."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from threadpoolctl import threadpool_limits

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

__all__ = ["collect_details"]

_MOST_PAIRS = 10  # of groups, for what is told of every two
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
    steps = _steps(embeddings, settings, found, everything=everything)
    with threadpool_limits(limits=1, user_api="blas"):  # samples are small: threads would wait for each other
        for kind, made in steps if progress is None else progress(steps, lambda step: step[0].replace("_", " ")):
            found[kind] += made()
    return found


def _steps(
    embeddings: Embeddings, settings: Settings, found: Mapping[str, list[dict[str, Any]]], *, everything: bool
) -> list[tuple[str, Callable[[], list[dict[str, Any]]]]]:
    def ranked() -> list[dict[str, Any]]:
        return ranking_examples(embeddings, settings, found["closers"][0])

    steps: list[tuple[str, Callable[[], list[dict[str, Any]]]]] = [
        ("health", partial(health, embeddings, seed=settings.seed)),
        ("closers", lambda: [closers(embeddings, settings)]),
        ("ranking_examples", ranked),
        ("spectra", partial(_shapes, embeddings, settings, found)),
        ("maps", partial(linear_maps, embeddings, settings)),
        ("explanation", partial(explanation, embeddings, settings)),
    ]
    if everything:
        steps.append(("maps", partial(umap_maps, embeddings, settings)))
    return steps


def _shapes(
    embeddings: Embeddings, settings: Settings, found: Mapping[str, list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """Return the spectra, and add where the gaps lie: both come from the same components."""
    most = _MOST_ROWS if embeddings.dimension <= _WIDE else _MOST_ROWS_WIDE
    axes = PrincipalAxes(sampled_rows(embeddings, most, seed=settings.seed))
    pairs = list(itertools.combinations(embeddings, 2))
    found["gap_location"].extend(gap_location(x, y, axes) for x, y in pairs[:_MOST_PAIRS])
    if not pairs:
        names = list(embeddings)
        found["gap_location"].append(
            {"groups": names, "reason": f"a gap needs two groups, but there is one, {names[0]}"}
        )
    return [spectrum(name, axes) for name in embeddings]


_MOST_ROWS, _MOST_ROWS_WIDE = 5_000, 1_000  # of a group, for its components
_WIDE = 1_024  # dimensions above which the components of many rows cost too much
