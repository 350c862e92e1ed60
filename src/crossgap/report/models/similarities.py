"""How alike two models' spaces are, group by group, where both hold the same items."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from crossgap import compare
from crossgap.data.embeddings import Embeddings
from crossgap.errors import DegenerateError, MissingExtraError
from crossgap.geometry.rows import take_rows
from crossgap.measure.certainty import as_numbers, bounds, plain_and_drawn
from crossgap.results import Measurement

__all__ = ["similarities"]

_NEIGHBOURS = 10
_PAIRED_ROWS = 2000  # of the correlation of all similarities, which ranks n^2 / 2 numbers
_DIVERGENCE = {"rows": 250, "batches": 5, "unit": True}


def similarities(
    models: Mapping[str, Embeddings],
    *,
    everything: bool = False,
    replicates: int = 200,
    level: float = 0.95,
    seed: int = 0,
    most_rows: int = 10_000,
) -> Iterator[Measurement]:
    """Yield each similarity of two aligned models, for each group of theirs; ``everything`` adds the divergence."""
    first, second = models.values()
    for group in first:
        n = len(first[group])
        index = np.arange(n) if n <= most_rows else np.sort(np.random.default_rng(seed).permutation(n)[:most_rows])
        x, y = (np.asarray(take_rows(found[group].vectors, index)) for found in (first, second))
        shown: dict[str, Any] = {"models": list(models), "n": len(index)}
        if len(index) < n:
            shown["sampled_from"] = n
        weights = plain_and_drawn(len(index), replicates, seed=seed)
        k = min(_NEIGHBOURS, len(index) - 1)
        for function, options in (
            (compare.cka, {}),
            (compare.mutual_neighbours, {"k": k}),
            (compare.representational_similarity, {"rows": _PAIRED_ROWS, "seed": seed}),
            (compare.procrustes_distance, {}),
        ):
            facts = {**shown, **options, **({"chance": k / (len(index) - 1)} if "k" in options else {})}
            try:
                values = np.atleast_1d(as_numbers(function(x, y, weights=weights, **options)))
                found = None if len(values) < 2 else bounds(values, level=level)
            except DegenerateError as error:
                yield _skipped(function.__name__, group, facts, str(error))
                continue
            yield Measurement(
                name=function.__name__, groups=(group,), value=float(values[0]), interval=found, options=facts
            )
        yield _divergence(x, y, group, {**shown, **_DIVERGENCE, "seed": seed}, everything)


def _divergence(x: np.ndarray, y: np.ndarray, group: str, facts: Mapping[str, Any], everything: bool) -> Measurement:
    name = "representation_topology_divergence"
    if not everything:
        return _skipped(name, group, facts, "takes some seconds for each group of two models; --everything measures it")
    try:
        value = float(compare.representation_topology_divergence(x, y, seed=facts["seed"], **_DIVERGENCE))
    except (DegenerateError, MissingExtraError) as error:
        return _skipped(name, group, facts, str(error))
    return Measurement(name=name, groups=(group,), value=value, options=facts)


def _skipped(name: str, group: str, shown: Mapping[str, Any], reason: str) -> Measurement:
    return Measurement(name=name, groups=(group,), value=None, options=shown, reason=reason)
