"""Local dimension and retrieval in the spaces of four losses: asked in each world, and judged over the worlds."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossgap import topology
from crossgap.errors import DegenerateError
from crossgap.reproduce.table import Ordering, Row, lower
from crossgap.reproduce.trained_spaces import TrainedSpace
from crossgap.topology import LocalDimensions

__all__ = ["Answers", "space_answers"]

_MAIN, _WITH_SIZE = "spectrum_area", "participation_ratio"  # blind to the size of clusters, and not
_WAYS = {"x": "recall_x_to_y", "y": "recall_y_to_x"}
_SIGNIFICANT = 0.05
_ERRORS = 1.96  # standard errors that chance exceeds once in twenty times, once in forty upwards


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What came of some pairs: a row for each way to ask, the claims judged, and the answers in words."""

    rows: tuple[Row, ...]
    orderings: tuple[Ordering, ...]
    notes: tuple[str, ...]


def space_answers(
    spaces: Iterable[TrainedSpace],
    *,
    source: str,
    subsets: int = 50,
    permutations: int = 2000,
    reduction: str = "linear",
    gallery: str = "all",
    seed: int = 0,
    step: Callable[[str], None] | None = None,
) -> Answers:
    """Correlate local dimension and recall@1 over the joint clusters of each space, and judge by all worlds together.

    Formula::

        a correlation is seen over worlds where their mean > 1.96 / sqrt((clusters - k) worlds)
        k = 1 for Spearman, 3 for the partial one; above random subsets: their mean and 1.96 sqrt(e_c^2 + e_s^2),
        e_c and e_s the standard errors of both means by chance

    How to read it: a claim about a loss counts as held only where it holds for both kinds of pairs and for queries of
    both sides. Where recall@1 is the same in all clusters (a loss that finds every partner) a world has no answer.
    Random subsets are a strict baseline: where dimension drives retrieval they show it too, by the rows they happen to
    hold.

    Parameters
    ----------
    spaces
        Of several losses and worlds.
    source
        Whose claims are judged, as ``Table.sources`` names it.
    subsets, permutations, reduction, gallery, seed
        As in ``local_dimension.run``.
    step
        Called after each space, with its name.

    Notes
    -----
    Cost: about a second for a space of 1,000 pairs. The bound by chance takes worlds as independent draws that may
    differ only by chance; the share of single worlds with p below 0.05 stands beside it. The two sides of a world are
    not independent of each other. No correction is made for asking about several losses.
    """
    gathered: dict[tuple[str, str, str, str], dict[str, list[float]]] = {}
    unanswered: dict[tuple[str, str, str], list[str]] = {}
    paths = []
    for space in spaces:
        clusters = topology.find_clusters(space.x, space.y, reduction=reduction, seed=seed)
        given: dict[str, Any] = {
            **dict(zip(("x_labels", "y_labels"), clusters.by_group(), strict=True)),
            "gallery": gallery,
            "seed": seed,
        }
        local = topology.local_dimensions(space.x, space.y, **given)
        random = topology.random_subset_dimensions(space.x, space.y, count=subsets, **given)
        purity = topology.cluster_purity(clusters.labels, clusters.groups())
        paths.append(clusters.path.split()[0])
        for side in _WAYS:
            for quantity in (_MAIN, _WITH_SIZE):
                found = {"recall_at_1": float(getattr(local.overall, _WAYS[side])), "cluster_purity": float(purity)}
                try:
                    found |= _numbers(local, random, side, quantity, permutations=permutations, seed=seed)
                except DegenerateError as error:
                    if quantity == _MAIN:
                        unanswered.setdefault((space.loss, space.pairs, side), []).append(str(error))
                place = gathered.setdefault((space.loss, space.pairs, side, quantity), {})
                for name, value in found.items():
                    place.setdefault(name, []).append(value)
        if step is not None:
            step(f"{space.loss}, {space.pairs}, world {space.world + 1}")
    rows = tuple(
        Row(
            condition={"on": f"{loss}, {pairs}", "of": "x and y", "queries": side, "dimension": quantity},
            measured={"worlds": (float(len(found.get("spearman", ()))),)}
            | {name: tuple(values) for name, values in found.items()},
        )
        for (loss, pairs, side, quantity), found in gathered.items()
    )
    cases: dict[str, dict[str, dict[str, Row]]] = {}
    for (loss, pairs, side, quantity), row in zip(gathered, rows, strict=True):
        cases.setdefault(quantity, {}).setdefault(loss, {})[f"{pairs}, {side}"] = row
    return Answers(
        rows=rows,
        orderings=tuple(claim for loss, own in cases[_MAIN].items() for claim in _claims(loss, own, source)),
        notes=(
            *(_answer(loss, own) for loss, own in cases[_MAIN].items()),
            *_without_answer(cases[_MAIN], unanswered),
            *(_counted(quantity, losses) for quantity, losses in cases.items()),
            _spread(cases[_MAIN]),
            f"clusters of x and y: k-means in {paths.count('k-means')} of {len(paths)} spaces, HDBSCAN in the rest.",
        ),
    )


def _numbers(
    local: LocalDimensions, random: LocalDimensions, side: str, quantity: str, **options: Any
) -> dict[str, float]:
    """All numbers of one space and one way to ask; without a correlation over random subsets where they have none."""
    recalls = [getattr(one, _WAYS[side]) for one in local.clusters if getattr(one, side) is not None]
    if recalls and min(recalls) == max(recalls):
        raise DegenerateError(f"recall@1 is {recalls[0]:.3f} in all {len(recalls)} clusters")
    found = topology.dimension_and_retrieval(local, side=side, quantity=quantity, replicates=1, **options)
    numbers = {
        "clusters": float(found.n_clusters),
        "spearman": found.spearman.value,
        "spearman_p": found.p,
        "spearman_found": float(found.p < _SIGNIFICANT),
        "supported": float(found.verdict == "supported"),
        "dimension_spread": _variation(local, side, quantity),
        "subset_spread": _variation(random, side, quantity),
    }
    if found.partial is not None and found.partial_p is not None:
        numbers |= {
            "partial": found.partial.value,
            "partial_p": found.partial_p,
            "partial_found": float(found.partial_p < _SIGNIFICANT),
        }
    try:
        base = topology.dimension_and_retrieval(random, side=side, quantity=quantity, replicates=1, **options)
    except DegenerateError:
        return numbers
    return numbers | {"random_subsets": base.spearman.value, "subsets": float(base.n_clusters)}


def _variation(local: LocalDimensions, side: str, quantity: str) -> float:
    """Standard deviation over clusters of their dimension, as a share of its mean."""
    values = [getattr(found, quantity) for found in (getattr(one, side) for one in local.clusters) if found is not None]
    return float(np.std(values) / np.mean(values))


def _chance(row: Row, quantity: str, *, of: str = "clusters", held: int = 0) -> float:
    """Standard error by chance of a mean rank correlation over worlds, with ``held`` controls."""
    return float(1 / np.sqrt((row.middle(of) - 1 - held) * len(row.measured[quantity])))


def _claims(loss: str, cases: Mapping[str, Row], source: str) -> Iterator[Ordering]:
    """Judge the paper's three claims for one loss, by all cases that have an answer."""
    plain = {name: _compared(row, "spearman") for name, row in cases.items() if "spearman" in row.measured}
    held = {name: _compared(row, "partial") for name, row in cases.items() if "partial" in row.measured}
    above = {name: _compared(row, "random_subsets") for name, row in cases.items() if "random_subsets" in row.measured}
    if plain:
        yield lower(
            f"{loss}: recall@1 is higher in clusters of higher local dimension (most by chance < Spearman)",
            source,
            plain,
        )
    if held:
        yield lower(
            f"{loss}: it still is with size and mean cosine held fixed (most by chance < partial)", source, held
        )
    if above:
        yield lower(
            f"{loss}: the correlation over clusters is above that over random subsets (subsets and chance < clusters)",
            source,
            above,
        )


def _compared(row: Row, quantity: str) -> tuple[float, float]:
    """Return the most that chance allows, and what was found."""
    if quantity == "random_subsets":
        error = np.hypot(_chance(row, "spearman"), _chance(row, quantity, of="subsets"))
        return row.middle(quantity) + _ERRORS * float(error), row.middle("spearman")
    return _ERRORS * _chance(row, quantity, held=2 * (quantity == "partial")), row.middle(quantity)


def _is_supported(row: Row) -> bool:
    both = [_compared(row, quantity) for quantity in ("spearman", "partial") if quantity in row.measured]
    return len(both) == 2 and all(most < found for most, found in both)


def _answer(loss: str, cases: Mapping[str, Row]) -> str:
    asked = {name: row for name, row in cases.items() if "spearman" in row.measured}
    if not asked:
        return f"{loss}, {_MAIN}: cannot be asked, since no world has an answer."
    seen = [name for name, row in asked.items() if _is_supported(row)]
    verdict = "supported" if len(seen) == len(asked) else f"supported in part ({'; '.join(seen)})"
    single = [value for row in asked.values() for value in row.measured["supported"]]
    means = "; ".join(
        f"{name}: {row.middle('spearman'):.2f}"
        + (f", partial {row.middle('partial'):.2f}" if "partial" in row.measured else "")
        for name, row in asked.items()
    )
    return (
        f"{loss}, {_MAIN}: {verdict if seen else 'not supported'} over worlds: mean Spearman {means}. Asked singly, "
        f"{sum(single):.0f} of {len(single)} worlds and sides support it, and chance gives at most one in 40."
    )


def _without_answer(
    losses: Mapping[str, Mapping[str, Row]], unanswered: Mapping[tuple[str, str, str], list[str]]
) -> Iterator[str]:
    for (loss, pairs, side), reasons in unanswered.items():
        recall = losses[loss][f"{pairs}, {side}"].measured["recall_at_1"]
        yield (
            f"{loss}, {pairs}, queries of {side}: no answer in {len(reasons)} of {len(recall)} worlds; in the first of "
            f"them, {reasons[0].rstrip('.')}."
        )


def _counted(quantity: str, losses: Mapping[str, Mapping[str, Row]]) -> str:
    rows = [row for cases in losses.values() for row in cases.values() if "spearman" in row.measured]
    seen = sum(map(_is_supported, rows))
    plain, held = (
        [value for row in rows for value in row.measured.get(name, ())] for name in ("spearman_found", "partial_found")
    )
    return (
        f"all losses, {quantity}: {seen} of {len(rows)} cases (loss, kind of pairs, side) are supported over worlds; "
        f"in single worlds p is below 0.05 for {sum(plain):.0f} of {len(plain)} Spearman and {sum(held):.0f} of "
        f"{len(held)} partial correlations, of either sign, where chance gives "
        f"{len(plain) * _SIGNIFICANT:.1f} and {len(held) * _SIGNIFICANT:.1f}."
    )


def _spread(losses: Mapping[str, Mapping[str, Row]]) -> str:
    """Say what it means that nothing was planted, with how much the dimension differs between clusters at all."""
    rows = [row for cases in losses.values() for row in cases.values() if "dimension_spread" in row.measured]
    told = (
        "the latent vectors are Gaussian, so nothing made the dimension differ from place to place: clusters are parts "
        "of one cloud. An answer here is about what a loss does to such a cloud, and not about photos and texts."
    )
    if not rows:
        return told
    over, by_chance = (np.mean([row.middle(name) for row in rows]) for name in ("dimension_spread", "subset_spread"))
    return f"{told} {_MAIN} varies by {over:.1%} of its mean over clusters, and by {by_chance:.1%} over random subsets."
