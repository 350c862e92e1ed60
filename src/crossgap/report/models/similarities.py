"""How alike two models' spaces are, group by group, where both hold the same items."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from crossgap import compare
from crossgap.data.embeddings import Embeddings
from crossgap.errors import DegenerateError, MissingExtraError
from crossgap.geometry.rows import as_numpy
from crossgap.measure.certainty import LEAST_ITEMS, as_numbers, bounds, plain_and_drawn
from crossgap.results import Measurement

__all__ = ["MOST_ROWS", "QUICK", "SIMILARITIES", "similarities"]

MOST_ROWS = 2_000  # of a group; replicates of cka and of the correlations cost n^2
QUICK = ("cka", "mutual_neighbours", "representational_similarity", "procrustes_distance")
SIMILARITIES = (*QUICK, "representation_topology_divergence")
_NEIGHBOURS = 10
_CORRELATED_ROWS = 1_000  # of the correlation of all similarities, which ranks n^2 / 2 numbers
_RANGES = {"cka": (-1.0, 1.0), "mutual_neighbours": (0.0, 1.0), "representational_similarity": (-1.0, 1.0)}
_DIVERGENCE: dict[str, Any] = {"rows": 250, "batches": 5, "unit": True}


def similarities(
    models: Mapping[str, Embeddings],
    group: str,
    *,
    everything: bool = False,
    replicates: int = 200,
    level: float = 0.95,
    seed: int = 0,
    most_rows: int = MOST_ROWS,
) -> Iterator[Measurement]:
    """Yield each similarity of one group of two aligned models; ``everything`` adds the divergence.

    Of more than ``most_rows`` rows whole items are drawn, the same in both models. Replicates draw items, so that five
    captions of one picture count together.
    """
    shown: dict[str, Any] = {"models": list(models)}
    full = max(len(found[group]) for found in models.values())
    try:
        drawn = [found.select([group]).sample_items(most_rows, seed=seed) for found in models.values()]
    except DegenerateError as error:
        for name in SIMILARITIES:
            yield _skipped(name, group, {**shown, "n": 0, "sampled_from": full}, str(error))
        return
    x, y = (as_numpy(found[group].vectors) for found in drawn)
    n = len(x)
    shown |= {"n": n, **({"sampled_from": full} if n < full else {})}
    codes = np.unique(drawn[0].row_items[group], return_inverse=True)[1]
    counts = plain_and_drawn(int(codes.max()) + 1, replicates, seed=seed)
    weights = None if counts is None else counts[codes]
    k = max(1, min(_NEIGHBOURS, (n - 1) // 2))  # half of the rows are no neighbours
    few = {"n": min(n, _CORRELATED_ROWS), **({"sampled_from": full} if full > _CORRELATED_ROWS else {})}
    calls: tuple[tuple[Callable[..., Any], dict[str, Any], dict[str, Any]], ...] = (
        (compare.cka, {}, {}),
        (compare.mutual_neighbours, {"k": k}, {"k": k, "chance": k / (n - 1)}),
        (compare.representational_similarity, {"rows": _CORRELATED_ROWS, "seed": seed}, few),
        (compare.procrustes_distance, {}, {}),
    )
    for function, options, facts in calls:
        name = function.__name__
        facts = {**shown, **facts}
        try:
            values = np.atleast_1d(as_numbers(function(x, y, weights=weights, **options)))
            lowest, highest = _RANGES.get(name, (0.0, np.inf))
            found = None if len(values) < 2 else bounds(values, level=level, lowest=lowest, highest=highest)
        except DegenerateError as error:
            yield _skipped(name, group, facts, str(error))
            continue
        if weights is None:
            why = f"fewer than {LEAST_ITEMS} items" if replicates else "no replicates were asked for"
            facts["no_interval"] = why
        yield Measurement(name=name, groups=(group,), value=float(values[0]), interval=found, options=facts)
    yield _divergence(x, y, group, shown, everything, seed)


def _divergence(
    x: np.ndarray, y: np.ndarray, group: str, shown: Mapping[str, Any], everything: bool, seed: int
) -> Measurement:
    name = "representation_topology_divergence"
    if not everything:
        return _skipped(name, group, shown, "takes some seconds for each group of two models; --everything measures it")
    facts = {**shown, **_DIVERGENCE, "rows": min(len(x), _DIVERGENCE["rows"])}
    try:
        values = compare.representation_topology_divergence_per_batch(x, y, seed=seed, **_DIVERGENCE)
    except (DegenerateError, MissingExtraError) as error:
        return _skipped(name, group, facts, str(error))
    lowest, highest = float(values.min()), float(values.max())
    facts |= {"batches": len(values), "lowest": lowest, "highest": highest, "no_interval": "the mean of few batches"}
    return Measurement(name=name, groups=(group,), value=float(values.mean()), options=facts)


def _skipped(name: str, group: str, shown: Mapping[str, Any], reason: str) -> Measurement:
    return Measurement(name=name, groups=(group,), value=None, options=shown, reason=reason)
