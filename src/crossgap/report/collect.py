"""Measure everything that a report holds: ``collect(embeddings) -> GapReport``.

    Embeddings --select two groups--> Selection (rows, item codes, bootstrap counts) --quantities--> Measurement, ...

For each group, then for each two groups, the quantities of ``QUANTITIES`` are called one by one. Those over all pairs
of rows see a sub-sample of large groups; its size stands in their options.
"""

import difflib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from crossgap import __version__
from crossgap.data.embeddings import Embeddings
from crossgap.errors import DegenerateError
from crossgap.geometry.rows import check_lengths, check_rows
from crossgap.measure.certainty import LEAST_ITEMS, as_numbers, bounds
from crossgap.report.gap_report import GapReport
from crossgap.report.mixed_search import MIXED_SEARCH, mixed_search
from crossgap.report.quantities import (
    GROUP,
    INDEPENDENT,
    LISTS,
    MATCHES,
    PAIRS,
    QUANTITIES,
    RANKS,
    SPECTRUM,
    Quantity,
)
from crossgap.report.score_bands import SCORE_BANDS, cosine_bands, score_bands
from crossgap.report.selection import Selection, Settings
from crossgap.report.side_by_side import SCIKIT_LEARN, Step, side_by_side, workers_and_threads
from crossgap.report.topology import TOPOLOGY, Shape, topology_measurements
from crossgap.results import Measurement

__all__ = ["MEASURED", "collect"]

MEASURED = (*QUANTITIES, *SCORE_BANDS, *MIXED_SEARCH, *TOPOLOGY)  # every name that a report may hold

_MOST_PAIRS = 50_000


def collect(
    embeddings: Embeddings,
    *,
    metrics: Sequence[str] | None = None,
    replicates: int = 200,
    level: float = 0.95,
    seed: int = 0,
    precision: float = 0.9,
    most_rows: int = 10_000,
    inputs: Iterable[Mapping[str, Any]] | None = None,
    notes: Iterable[str] = (),
    command: str | None = None,
    details: bool = False,
    everything: bool = False,
    progress: Callable[[Sequence[Any], Callable[[Any], str]], Iterable[Any]] | None = None,
) -> GapReport:
    """Measure the groups of ``embeddings`` one by one and two by two.

    Parameters
    ----------
    embeddings
        The groups. Pairs are not needed; what needs them is skipped with the reason.
    metrics
        Names of quantities; None for the usual ones. A quantity asked for by name that cannot be measured on any
        groups is an error.
    replicates
        Bootstrap replicates for the intervals; 0 for none.
    level
        Confidence of the intervals.
    seed
        Seed of every random choice.
    precision
        The precision for which a score threshold is sought.
    most_rows
        Rows of a group up to which quantities over all pairs of rows are exact; above, a sub-sample of whole items.
    inputs, notes
        Facts about the groups' sources and sentences about what was left aside, for the report.
    command
        The command that measures this again, for the report.
    details
        Whether to add what a page shows beside the numbers: maps, examples, counts of scores.
    everything
        With ``details``: also those that take tens of seconds or extras (maps of UMAP, loops).
    progress
        Called with the steps and a function that names one; yields the steps. For a progress bar.

    Raises
    ------
    ValueError
        If a metric is unknown, or a row is zero.
    DegenerateError
        If a metric asked for by name has no value on any of the groups.
    """
    settings = Settings(replicates=replicates, level=level, seed=seed, precision=precision, most_rows=most_rows)
    for name, group in embeddings.items():
        _check_group(group.vectors, name)
    aside: dict[str, list[Any]] | None = {"score_cuts": [], "topology": []} if details else None
    measurements: list[Measurement] = []
    with workers_and_threads(embeddings) as workers:
        planned = _steps(embeddings, metrics, settings, aside, everything, ahead=workers > 1)
        with side_by_side(planned, workers) as steps:
            planned.clear()
            for number, step in enumerate(steps if progress is None else progress(steps, lambda step: step.label)):
                measurements += step.call()
                steps[number] = Step("", list, "")  # lets go of what only this step needed
    _refuse_metrics_without_value(metrics, measurements)
    return GapReport(
        version=__version__,
        inputs=tuple(inputs) if inputs is not None else _facts(embeddings),
        settings={
            "seed": seed,
            "bootstrap": replicates,
            "level": level,
            "precision": precision,
            "rows": most_rows,
            "metrics": None if metrics is None else list(metrics),
            "notes": [*notes, *(_too_few_items(embeddings) if replicates else ())],
            **({} if command is None else {"command": command}),
        },
        measurements=tuple(measurements),
        details={} if aside is None else _details(embeddings, settings, aside, everything, progress),
    )


def _details(embeddings: Embeddings, settings: Settings, aside: Any, everything: bool, progress: Any) -> dict[str, Any]:
    from crossgap.report.details import collect_details  # here, since numbers alone need none of its rooms

    return collect_details(embeddings, settings, measured=aside, everything=everything, progress=progress)


def _too_few_items(embeddings: Embeddings) -> Iterator[str]:
    for name, items in embeddings.row_items.items():
        count = len(np.unique(items))
        if count < LEAST_ITEMS:
            yield f"no interval for {name}: its rows show {count} items, and an interval needs at least {LEAST_ITEMS}."


def _check_group(vectors: Any, name: str) -> None:
    """Find a lone row, or one of zeros or of NaN, before the work and while its group is known by name."""
    check_rows(vectors, name, least=2)
    check_lengths(vectors, name)


def _steps(
    embeddings: Embeddings,
    metrics: Sequence[str] | None,
    settings: Settings,
    aside: Mapping[str, list[Any]] | None,
    everything: bool,
    *,
    ahead: bool,
) -> list[Step]:
    """List what is to be measured; with ``ahead`` what several lanes look at is computed now."""
    wanted = _wanted(metrics)
    steps: list[Step] = []

    def add(label: str, call: Callable[[], Iterable[Measurement]], lane: str | None = None) -> None:
        steps.append(Step(label, partial(_only, call, wanted), f"{len(steps)}" if lane is None else lane))

    singles = [(name, name) for name in embeddings]
    searches: dict[tuple[str, str], Selection] = {}  # for the mixed search, where it looks at the same rows
    for names in [*singles, *itertools.combinations(embeddings, 2)]:
        whole = Selection(embeddings=embeddings, names=names, settings=settings)
        sampled = replace(whole, most_rows=settings.most_rows)
        for name, quantity in QUANTITIES.items():
            if name in wanted and (quantity.takes in (GROUP, SPECTRUM)) == (names in singles):
                add(name, _step(quantity, sampled if quantity.all_pairs else whole), _lane(quantity, names))
        if "cosine_quantiles" in wanted:
            add("cosine_quantiles", partial(cosine_bands, sampled))
        if aside is not None or (names not in singles and not wanted.isdisjoint(TOPOLOGY)):
            shape = Shape(whole=embeddings.select(whole.measured), settings=settings)
            if names not in singles:
                add("topology", partial(topology_measurements, shape), SCIKIT_LEARN)
            if aside is not None and (names not in singles or len(embeddings) == 1):
                aside["topology"].append({})
                add("topology", partial(_keep_topology, shape, aside["topology"][-1], everything), SCIKIT_LEARN)
        if names not in singles and not wanted.isdisjoint(SCORE_BANDS[1:]):
            for way in (sampled, sampled.reversed):
                kept: dict[str, Any] | None = None
                if aside is not None:
                    kept = {}
                    aside["score_cuts"].append(kept)
                add("score bands", partial(_bands_and_cuts, way, wanted, kept), _LISTS)
        if names not in singles and all(len(group) <= settings.most_rows for group in embeddings.values()):
            searches |= {way.names: way for way in (sampled, sampled.reversed)}
        if ahead:
            _prepare(whole, sampled)
    if len(embeddings) > 1 and not wanted.isdisjoint(MIXED_SEARCH):
        for name in embeddings:
            add("mixed search", partial(mixed_search, embeddings, name, settings, searches), _LISTS)
    return steps


_LISTS = "lists of nearest rows"


def _lane(quantity: Quantity, names: tuple[str, str]) -> str | None:
    """Return the lane of the steps with which a quantity shares a computation; None where it shares none."""
    if quantity.name == "linear_separability":
        return SCIKIT_LEARN
    if quantity.takes == LISTS:
        return _LISTS
    if quantity.takes in (RANKS, SPECTRUM) or quantity.bandwidth:
        return f"{'bandwidth' if quantity.bandwidth else quantity.takes} of {names}"
    return None


def _prepare(*selections: Selection) -> None:
    """Compute what steps in several lanes look at."""
    for chosen in selections:
        _ = chosen.counts, chosen.one_row_an_item, chosen.reversed.codes, chosen.codes.reason is None and chosen.pairs


def _bands_and_cuts(chosen: Selection, wanted: set[str], kept: dict[str, Any] | None) -> list[Measurement]:
    """Measure the score bands; for a page also count the scored pairs, while they are there."""
    measurements = _only(partial(score_bands, chosen), wanted)
    if kept is not None:
        from crossgap.report.details.score_cuts import score_cuts

        kept.update(score_cuts(chosen, measurements))
    return measurements


def _keep_topology(shape: Shape, kept: dict[str, Any], loops: bool) -> tuple[Measurement, ...]:
    """Describe trees and clusters for a page, while they are there."""
    from crossgap.report.details.topology import topology

    kept.update(topology(shape, loops=loops))
    return ()


def _only(step: Callable[[], Iterable[Measurement]], wanted: set[str]) -> list[Measurement]:
    return [measurement for measurement in step() if measurement.name in wanted]


def _step(quantity: Quantity, chosen: Selection) -> Callable[[], Iterator[Measurement]]:
    def measured() -> Iterator[Measurement]:
        directions = (chosen, chosen.reversed) if quantity.takes in (LISTS, RANKS) else (chosen,)
        for direction in directions:
            for options in quantity.variants:
                reason = _beyond(options, direction)
                if reason is None:
                    yield _measured(quantity, direction, options)
                else:
                    yield _skipped(quantity, direction, options, reason)

    return measured


def _beyond(options: Mapping[str, Any], chosen: Selection) -> str | None:
    """Say why an option asks for more than there is; None if it does not."""
    d, gallery = chosen.groups.dimension, chosen.names[-1]
    if options.get("coordinates", 1) > d:
        return f"the vectors have only {d} coordinates"
    if options.get("k", 1) > len(chosen.groups[gallery]):
        return f"{gallery} has only {len(chosen.groups[gallery])} rows"
    return None


def _measured(quantity: Quantity, chosen: Selection, options: Mapping[str, Any]) -> Measurement:
    codes = chosen.codes
    if codes.reason is not None and (quantity.needs_pairs or quantity.takes in (PAIRS, RANKS)):
        return _skipped(quantity, chosen, options, f"needs pairs: {codes.reason}")
    rows = own = tuple(chosen.groups[name].vectors for name in chosen.measured)
    keywords: dict[str, Any] = {}
    facts: dict[str, Any] = {}
    weights: Any = None
    if quantity.takes == INDEPENDENT:
        if not chosen.one_row_an_item:
            return _skipped(quantity, chosen, options, "needs independent rows, but several rows show one item")
        if codes.reason is None:
            rows = (chosen.pairs.x, chosen.pairs.y)
            facts = {"pair_count": len(chosen.pairs)}
        keywords = {"paired": codes.reason is None}
    elif quantity.takes in (GROUP, SPECTRUM):
        weights = chosen.weights(codes.x)
    elif quantity.takes == PAIRS:
        rows = (chosen.pairs.x, chosen.pairs.y)
        facts = {"pair_count": len(chosen.pairs)}
        if quantity.all_pairs_of_pairs:
            if len(chosen.pairs) > _MOST_PAIRS:
                return _skipped(quantity, chosen, options, f"{len(chosen.pairs)} pairs are too many")
            keywords = {"items": chosen.pairs.items}
        if len(np.unique(chosen.pairs.items)) >= LEAST_ITEMS:
            weights = chosen.weights(chosen.pairs.items)
    elif quantity.takes == RANKS:
        answered = chosen.both_ranks[0].answered
        facts = {"answered": len(answered)}
        if len(np.unique(codes.x[answered])) >= LEAST_ITEMS:
            weights = chosen.weights(codes.x)
    elif quantity.takes == LISTS:
        weights = chosen.weights(codes.x)
    else:
        keywords = {"x_items": codes.x, "y_items": codes.y} if quantity.takes == MATCHES else {}
        weights = None if chosen.counts is None else (chosen.weights(codes.x), chosen.weights(codes.y))
    if quantity.bandwidth and rows[0] is own[0] and rows[1] is own[1]:  # pairs in another order would draw others
        try:
            keywords["bandwidth"] = chosen.bandwidth
        except DegenerateError as error:
            return _skipped(quantity, chosen, options, str(error))
    return _value(quantity, chosen, rows, options, keywords, weights, facts)


def _value(
    quantity: Quantity,
    chosen: Selection,
    rows: tuple[Any, ...],
    options: Mapping[str, Any],
    keywords: Mapping[str, Any],
    weights: Any,
    facts: Mapping[str, Any],
) -> Measurement:
    seeded = {"seed": chosen.settings.seed} if quantity.seeded else {}
    call = {**options, **seeded, **keywords}
    function = quantity.function
    if quantity.takes == RANKS:
        function, rows = getattr(chosen.both_ranks[0], quantity.name), ()
    elif quantity.takes == SPECTRUM:
        function, rows = partial(_of_spectrum, quantity, chosen), ()
    elif quantity.takes == LISTS:
        function, rows = quantity.form, (chosen.nearest.rows, len(chosen.groups[chosen.names[1]]))
    values = None
    if quantity.weighted and weights is not None:
        try:
            with np.errstate(divide="ignore", invalid="ignore"):  # a replicate may draw nothing that counts
                values = as_numbers(function(*rows, weights=weights, **call))
        except DegenerateError:  # of a replicate; the plain value may exist
            values = None
    try:
        value = float(as_numbers(function(*rows, **call))) if values is None else float(values[0])
        found = None if values is None else _bounds(quantity, chosen, values)
    except DegenerateError as error:
        return _skipped(quantity, chosen, options, str(error))
    shown = {**options, **facts, **chosen.sizes}
    if quantity.weighted and weights is not None and found is None:
        shown["no_interval"] = "some replicates have no value"
    drawn = None if found is None or values is None else tuple(map(float, values[1:]))
    return Measurement(
        name=quantity.name, groups=chosen.measured, value=value, interval=found, options=shown, replicates=drawn
    )


def _of_spectrum(quantity: Quantity, chosen: Selection, *, weights: Any = None, **options: Any) -> Any:
    values = chosen.spectrum if weights is None else chosen.drawn_spectra
    return quantity.form(values, len(chosen.groups[chosen.names[0]]), **options)


def _bounds(quantity: Quantity, chosen: Selection, values: np.ndarray) -> tuple[float, float] | None:
    n = len(chosen.groups[chosen.names[0]])
    highest = min(quantity.highest, n - 1, chosen.groups.dimension) if quantity.dimension else quantity.highest
    items = chosen.codes.count if quantity.share else None
    try:
        low, high = bounds(values, level=chosen.settings.level, lowest=quantity.lowest, highest=highest, share_of=items)
    except DegenerateError:
        return None
    if quantity.floor is not None:
        x, y = (chosen.groups[name].vectors for name in chosen.names)
        items_of = {"x_items": chosen.codes.x, "y_items": chosen.codes.y}
        floor = float(as_numbers(quantity.floor(x, y, **items_of)))
        low = max(0.0, low**2 - floor**2) ** 0.5
    return low, high


def _skipped(quantity: Quantity, chosen: Selection, options: Mapping[str, Any], reason: str) -> Measurement:
    return Measurement(
        name=quantity.name, groups=chosen.measured, value=None, options={**options, **chosen.sizes}, reason=reason
    )


def _wanted(metrics: Sequence[str] | None) -> set[str]:
    if metrics is None:
        return {name for name in MEASURED if name not in QUANTITIES or QUANTITIES[name].by_default}
    for name in metrics:
        if name not in MEASURED:
            close = difflib.get_close_matches(name, MEASURED, n=3, cutoff=0.5) or MEASURED
            raise ValueError(f"there is no metric {name!r}; choose from {', '.join(close)}.")
    return set(metrics)


def _refuse_metrics_without_value(metrics: Sequence[str] | None, measurements: Sequence[Measurement]) -> None:
    for name in metrics or ():
        found = [measurement for measurement in measurements if measurement.name == name]
        if all(measurement.value is None for measurement in found):
            reason = found[0].reason if found else "it needs two groups"
            raise DegenerateError(f"{name} has no value on this input: {str(reason).rstrip('.')}.")


def _facts(embeddings: Embeddings) -> tuple[dict[str, Any], ...]:
    return tuple(
        {"group": name, "n": len(group), "d": embeddings.dimension, "dtype": str(group.vectors.dtype)}
        for name, group in embeddings.items()
    )
