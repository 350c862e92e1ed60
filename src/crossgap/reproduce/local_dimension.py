"""E3: whether retrieval is better where the space is locally of higher dimension, or only where clusters are small."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossgap import measure, topology
from crossgap.data.embeddings import Embeddings
from crossgap.errors import DegenerateError
from crossgap.geometry.rows import materialise
from crossgap.reproduce.local_spaces import Answers, space_answers
from crossgap.reproduce.local_worlds import local_world
from crossgap.reproduce.stored_pairs import stored_pairs
from crossgap.reproduce.table import Ordering, Progress, Reference, Row, Table, check_counts, ordering
from crossgap.reproduce.trained_spaces import PAIRS, SPACES, trained_spaces
from crossgap.topology import DIMENSIONS, DimensionAndRetrieval, LocalDimensions

__all__ = ["run"]

_PAPER = "Aziz 2024"
_WANTED = "acceptance"
_SOURCES = {
    _PAPER: (
        "arXiv 2405.18867, mechanism 2: retrieval goes with the effective dimension of clusters more than with the "
        "global one. Claims in words; it gives no coefficients and no settings."
    ),
    _WANTED: (
        "made-up clusters of known dimension: their order is recovered (Spearman above 0.9); where dimension drives "
        "retrieval, the correlation is seen and stays with size and mean cosine held fixed; where size alone drives "
        "it, the partial one is 0 within 3 standard errors of chance, each 1 / sqrt((clusters - 3) worlds)."
    ),
}
_COLUMNS = (
    "worlds",
    "clusters",
    "recovered",
    "spearman",
    "spearman_p",
    "spearman_found",
    "partial",
    "partial_p",
    "partial_found",
    "random_subsets",
    "recall_at_1",
    "dimension_spread",
)
_HEADINGS = {
    "clusters": "clusters",
    "spearman": "Spearman",
    "spearman_p": "p",
    "spearman_found": "p < 0.05",
    "partial_p": "partial p",
    "partial_found": "partial p < 0.05",
    "random_subsets": "random subsets",
    "dimension_spread": "spread",
}
_MAIN = DIMENSIONS[0]
_WITH_SIZE = "participation_ratio"  # a dimension that sees the size of clusters
_COUNTS_NOISE = "effective_dimension"  # at 0.99 noise in all directions counts: no band on its order
_DRIVERS = {"dimension": "dimension drives", "size": "size drives"}
_OVER = ("joint", "x", "y")
_SIDES = ("x", "y")
_SIGNIFICANT = 0.05


def run(
    *,
    scale: str = "small",
    seed: int = 0,
    output: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    pairs: str | os.PathLike[str] | None = None,
    x: str | None = None,
    y: str | None = None,
    worlds: int = 8,
    subsets: int = 50,
    permutations: int = 2000,
    reduction: str = "linear",
    gallery: str = "all",
    trained: int = 0,
) -> Table:
    """Correlate local dimension and recall@1 over clusters, in made-up worlds with a known answer and in stored pairs.

    How to read it: each row is one way to ask. "Spearman" is the correlation of dimension and recall@1 over clusters,
    "partial" the same with the cluster's log size and mean cosine held fixed, p by permutation. In the worlds the
    answer is known: "recovered" is the correlation of true and estimated dimension. For stored pairs clusters are those
    of both modalities together, or of one with partners in the same cluster; "random subsets" is the correlation over
    subsets of the clusters' sizes drawn from all rows. With ``trained`` the four losses of ``loss_ablation`` are asked
    in place of stored pairs, on pairs like those of training and on others: numbers are means over worlds, "p < 0.05"
    is the share of worlds that show it, and "spread" the standard deviation of the dimension over clusters as a share
    of its mean. Nothing is planted there: the latent vectors are Gaussian, clusters are parts of one cloud, and the
    answer is about what a loss does to such a cloud. The notes hold the answers in words.

    Parameters
    ----------
    scale
        "small": the packaged sample or ``pairs``; "full": ``pairs`` must be given.
    seed
        Of the first world, and of clusters, draws and permutations.
    output
        Where to write the JSON of the table; None for nowhere.
    progress
        Called after each world and each way to cluster.
    pairs, x, y
        File of paired vectors, and the names of its two groups (the first two without).
    worlds
        Worlds of each kind, at least 2.
    subsets
        Random subsets, at least 5.
    permutations
        Permutations behind each p, at least 100.
    reduction
        "linear" or "umap": where clusters are looked for.
    gallery
        "all" or "cluster": what a row of a cluster searches, all of the other modality or its cluster's partners.
    trained
        Worlds on which the four losses are trained and asked, in place of stored pairs; 0 for none.

    Returns
    -------
    Rows for the worlds (true and found clusters), then for the stored pairs or the trained spaces.

    Raises
    ------
    ValueError
        If an option is out of range, a file is missing at the full scale, or ``trained`` meets pairs or that scale.
    DegenerateError
        If nothing pairs.
    MissingExtraError
        If ``reduction`` is "umap" and umap-learn is missing.

    Notes
    -----
    Cost: a second a world, some 20 s for 1,000 pairs, and as much for each world of ``trained``. A way to cluster that
    leaves fewer than five clusters with both numbers is left out, and the notes say so. Claims are judged by
    ``spectrum_area``, over clusters of both modalities together; all other rows are there to see how far the answer
    turns on such choices, and at 24 of them one p below 0.05 comes by chance.

    References
    ----------
    Aziz and Rahim, *Topological Perspectives on Optimal Multimodal Embedding Spaces*, arXiv 2405.18867.
    """
    check_counts(worlds=worlds, subsets=subsets, permutations=permutations)
    for name, value, least in (("worlds", worlds, 2), ("subsets", subsets, 5), ("permutations", permutations, 100)):
        if value < least:
            raise ValueError(f"{name} must be at least {least}, but it is {value}; leave it out for the usual number.")
    for name, value, known in (("reduction", reduction, ("linear", "umap")), ("gallery", gallery, ("all", "cluster"))):
        if value not in known:
            raise ValueError(f"{name} must be {known[0]!r} or {known[1]!r}, but it is {value!r}; choose one.")
    if trained and scale not in ("small", "full"):
        raise ValueError(f"scale must be 'small' or 'full', but it is {scale!r}; choose one.")
    if trained < 0:
        raise ValueError(f"trained must be at least 0, but it is {trained}; give the number of worlds to train on.")
    if trained and (scale == "full" or (pairs, x, y) != (None, None, None)):
        raise ValueError("trained takes the place of stored pairs at the small scale; leave out pairs, x, y and scale.")
    options = _Options(seed, subsets, permutations, reduction, gallery)
    data, found = (
        stored_pairs(pairs, scale=scale, x=x, y=y) if not trained else (f"four losses on {trained} worlds", None)
    )
    told = _Told(progress, 2 * worlds + (SPACES * trained if found is None else len(_OVER)))
    made = [row for driver in _DRIVERS for row in _world_rows(driver, worlds, options, told)]
    if found is None:
        about, count = {"trained": trained}, PAIRS
        spaces = trained_spaces(worlds=trained, seed=seed)
        answers = space_answers(spaces, source=_PAPER, step=told.step, **vars(options))
    else:
        about, count = {"groups": list(found)}, len(found.pairs(*found))
        answers = _stored(data, found, options, told)
    rows = (*made, *answers.rows)
    table = Table(
        name="local_dimension",
        title=f"Local dimension and retrieval: {worlds} worlds of each kind; {data}, {count} pairs",
        columns=tuple(column for column in _COLUMNS if any(column in row.measured for row in rows)),
        rows=rows,
        sources=_SOURCES,
        orderings=(*_world_orderings(made, worlds), *answers.orderings),
        settings={"scale": scale, "data": data, **about, "worlds": worlds, **vars(options)},
        notes=answers.notes,
        headings=_HEADINGS,
    )
    if output is not None:
        table.write(output)
    return table


@dataclass(frozen=True)
class _Options:
    seed: int
    subsets: int
    permutations: int
    reduction: str
    gallery: str


class _Told:
    """Counts steps and tells the command line's bar of each."""

    def __init__(self, progress: Progress | None, total: int):
        self.progress, self.total, self.done = progress, total, 0

    def step(self, what: str) -> None:
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, self.total, what)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """One way to ask: whose clusters, whose queries, which dimension; and what came of it."""

    over: str
    side: str
    quantity: str
    found: DimensionAndRetrieval
    baseline: DimensionAndRetrieval | None


# worlds with a known answer


def _world_rows(driver: str, worlds: int, options: _Options, told: _Told) -> Iterator[Row]:
    kinds: dict[tuple[str, str], list[dict[str, float]]] = {}
    for number in range(worlds):
        world = local_world(driver=driver, seed=options.seed + number)
        clusters = topology.find_clusters(world.x, world.y, reduction=options.reduction, seed=options.seed)
        for kind, (a, b) in (("true", (world.clusters, world.clusters)), ("found", clusters.by_group())):
            local = topology.local_dimensions(
                world.x, world.y, x_labels=a, y_labels=b, gallery=options.gallery, seed=options.seed
            )
            truth = _truth(a, world.clusters, world.dimensions)
            for quantity in DIMENSIONS:
                found = topology.dimension_and_retrieval(
                    local, quantity=quantity, permutations=options.permutations, replicates=1, seed=options.seed
                )
                measured = {
                    name: value for name, value in _numbers(found).items() if not name.endswith(("low", "high"))
                }
                if driver == "dimension":
                    measured["recovered"] = _recovered(local, truth, quantity)
                kinds.setdefault((kind, quantity), []).append(measured)
        told.step(f"{_DRIVERS[driver]}, world {number + 1}")
    for (kind, quantity), several in kinds.items():
        measured = {name: tuple(found[name] for found in several if name in found) for name in several[0]}
        yield Row(
            condition={"on": _DRIVERS[driver], "of": kind, "queries": "x", "dimension": quantity},
            measured=measured,
            references={_WANTED: dict(_bands(driver, quantity, measured))},
        )


def _bands(driver: str, quantity: str, measured: Mapping[str, Sequence[float]]) -> Iterator[tuple[str, Reference]]:
    if quantity == _COUNTS_NOISE and driver == "dimension":
        return
    if driver == "dimension":
        yield "recovered", Reference.band(0.9, 1.0)
        yield "spearman", Reference.band(0.5, 1.0)
        yield "partial", Reference.band(0.5, 1.0)
        return
    clusters = float(np.mean(measured["clusters"]))
    reach = 3 / float(np.sqrt((clusters - 3) * len(measured["partial"])))
    if quantity != _MAIN:
        yield "spearman", Reference.band(-1.0, -0.5)
    yield "partial", Reference.band(-reach, reach, 0.0)


def _truth(labels: np.ndarray, clusters: np.ndarray, dimensions: np.ndarray) -> dict[int, int]:
    """Return for each cluster of x the true dimension of most of its rows."""
    names = np.unique(labels[labels >= 0])
    return {int(name): int(dimensions[np.bincount(clusters[labels == name]).argmax()]) for name in names}


def _recovered(local: LocalDimensions, truth: Mapping[int, int], quantity: str) -> float:
    from scipy.stats import rankdata

    known = [cluster for cluster in local.clusters if cluster.x is not None]
    true, estimated = [truth[one.cluster] for one in known], [getattr(one.x, quantity) for one in known]
    return float(np.corrcoef(rankdata(true), rankdata(estimated))[0, 1])


def _world_orderings(rows: Sequence[Row], worlds: int) -> Iterator[Ordering]:
    from scipy.stats import binom

    most = int(binom.ppf(0.99, worlds, _SIGNIFICANT))
    for kind in ("true", "found"):
        at = {row.condition["dimension"]: row for row in rows if row.condition["of"] == kind}  # of the last driver
        hits = {
            str(name): float(np.count_nonzero(np.array(row.measured["partial_p"]) < _SIGNIFICANT))
            for name, row in at.items()
        }
        yield ordering(
            f"size drives, {kind} clusters: the partial correlation has p < 0.05 in no more than {most} of "
            f"{worlds} worlds, as chance allows (worlds)",
            _WANTED,
            bool(max(hits.values()) <= most),
            hits,
        )


# stored pairs


def _stored(data: str, found: Embeddings, options: _Options, told: _Told) -> Answers:
    """Ask in every way, and say also why some ways have no answer, and how clusters were found."""
    names = list(found)
    items = [found.row_items[name] for name in names]
    a, b = (_in_memory(found[name].vectors) for name in names)
    asked, reasons, paths = [], [], []
    for over in _OVER:
        try:
            labels, path = _labels(over, (a, b), items, options)
            paths.append(f"{data}, clusters of {_spelled(over)}: {path}.")
            asked += list(_asked(over, (a, b), labels, items, options, reasons))
        except DegenerateError as error:
            reasons.append(f"left out: clusters of {_spelled(over)}: {error}")
        told.step(f"{data}, clusters of {_spelled(over)}")
    return Answers(
        rows=tuple(_row(data, one) for one in asked),
        orderings=tuple(_stored_orderings(data, asked)),
        notes=(*paths, *_answers(data, asked), *reasons, _overall(data, found)),
    )


def _labels(
    over: str, rows: tuple[np.ndarray, np.ndarray], items: Sequence[np.ndarray], options: _Options
) -> tuple[tuple[np.ndarray, np.ndarray], str]:
    settings = {"reduction": options.reduction, "seed": options.seed}
    if over == "joint":
        clusters = topology.find_clusters(*rows, **settings)
        a, b = clusters.by_group()
        purity = topology.cluster_purity(clusters.labels, clusters.groups())
        return (a, b), f"{clusters.path}; purity {purity:.3f}"
    own, other = _SIDES.index(over), 1 - _SIDES.index(over)
    clusters = topology.find_clusters(rows[own], **settings)
    partners = topology.partner_labels(
        clusters.labels, n=len(rows[other]), items=items[own], partner_items=items[other]
    )
    both = (clusters.labels, partners) if own == 0 else (partners, clusters.labels)
    return both, f"{clusters.path}; {clusters.noise_share:.0%} noise"


def _asked(
    over: str,
    rows: tuple[np.ndarray, np.ndarray],
    labels: tuple[np.ndarray, np.ndarray],
    items: Sequence[np.ndarray],
    options: _Options,
    reasons: list[str],
) -> Iterator[_Asked]:
    given: dict[str, Any] = {
        **dict(zip(("x_labels", "y_labels"), labels, strict=True)),
        **dict(zip(("x_items", "y_items"), items, strict=True)),
        "gallery": options.gallery,
        "seed": options.seed,
    }
    local = topology.local_dimensions(*rows, **given)
    random = topology.random_subset_dimensions(*rows, count=options.subsets, **given)
    asking: dict[str, Any] = {"permutations": options.permutations, "seed": options.seed}
    for side in _SIDES:
        for quantity in DIMENSIONS:
            try:
                found = topology.dimension_and_retrieval(local, side=side, quantity=quantity, **asking)
            except DegenerateError as error:
                reasons.append(f"left out: clusters of {_spelled(over)}, queries of {side}: {error}")
                break
            try:
                baseline = topology.dimension_and_retrieval(random, side=side, quantity=quantity, **asking)
            except DegenerateError as error:
                reasons.append(f"no baseline: clusters of {_spelled(over)}, queries of {side}, {quantity}: {error}")
                baseline = None
            yield _Asked(over=over, side=side, quantity=quantity, found=found, baseline=baseline)


def _row(data: str, asked: _Asked) -> Row:
    measured = {name: (value,) for name, value in _numbers(asked.found).items()}
    if asked.baseline is not None:
        measured["random_subsets"] = (asked.baseline.spearman.value,)
    return Row(
        condition={"on": data, "of": _spelled(asked.over), "queries": asked.side, "dimension": asked.quantity},
        measured=measured,
    )


def _numbers(found: DimensionAndRetrieval) -> dict[str, float]:
    numbers = {"clusters": float(found.n_clusters), "spearman_p": found.p}
    intervals = {"spearman": found.spearman, "pearson": found.pearson, "partial": found.partial}
    for name, interval in intervals.items():
        if interval is not None:
            numbers |= {name: interval.value, f"{name}/low": interval.low, f"{name}/high": interval.high}
    return numbers if found.partial_p is None else numbers | {"partial_p": found.partial_p}


def _stored_orderings(data: str, asked: Sequence[_Asked]) -> Iterator[Ordering]:
    for side in _SIDES:
        for main in asked:
            if (main.over, main.side, main.quantity) != ("joint", side, _MAIN):
                continue
            found, where = main.found, f"{data}, queries of {side}"
            plain = {"Spearman": found.spearman.value, "p": found.p}
            yield ordering(
                f"{where}: recall@1 is higher in clusters of higher local dimension",
                _PAPER,
                bool(found.p < _SIGNIFICANT and found.spearman.value > 0),
                plain,
            )
            held = {} if found.partial is None else {"partial": found.partial.value, "p": found.partial_p or 0.0}
            yield ordering(
                f"{where}: it still is with size and mean cosine held fixed",
                _PAPER,
                found.verdict == "supported",
                held,
            )
            if main.baseline is not None:
                base = main.baseline.spearman
                yield ordering(
                    f"{where}: the correlation over clusters lies above the interval of that over random subsets",
                    _PAPER,
                    bool(found.spearman.value > base.high),
                    {"clusters": found.spearman.value, "subsets": base.value, "up to": base.high},
                )


def _answers(data: str, asked: Sequence[_Asked]) -> Iterator[str]:
    for main in asked:
        if main.over == "joint" and main.quantity == _MAIN:
            yield f"{data}, queries of {main.side}, {_MAIN}: {main.found.answer(main.baseline)}"
    if asked:
        verdicts = [one.found.verdict for one in asked]
        counted = ", ".join(f"{verdicts.count(name)} {name}" for name in sorted(set(verdicts)))
        yield f"{data}, all {len(asked)} ways to ask: {counted}; about {len(asked) * _SIGNIFICANT:.0f} by chance."


def _overall(data: str, found: Embeddings) -> str:
    """Say what the two groups have as a whole: one number each, which no correlation over clusters can use."""
    numbers = []
    for side, name in zip(_SIDES, found, strict=True):
        rows = _in_memory(found[name].vectors)
        numbers.append(
            f"{side} ({name}) spectrum_area {float(measure.spectrum_area(rows)):.3f}, "
            f"participation_ratio {float(measure.participation_ratio(rows)):.1f}"
        )
    return f"{data}, all rows: {'; '.join(numbers)}."


def _spelled(over: str) -> str:
    return "x and y" if over == "joint" else over


def _in_memory(rows: Any) -> np.ndarray:
    return np.asarray(materialise(rows))
