"""The rows that a detail looks at: all, or whole items drawn at random, with their numbers in the source."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from crossgap.data.embeddings import Embeddings, Group
from crossgap.errors import DegenerateError
from crossgap.geometry.rows import materialise

__all__ = ["SampledRows", "sampled_rows"]


@dataclass(frozen=True, kw_only=True, eq=False)
class SampledRows:
    """Some rows of groups, in memory.

    Parameters
    ----------
    embeddings
        The rows taken, as NumPy arrays, with the items that they show in the whole source.
    rows
        By group their numbers in the source, ascending.
    sampled_from
        By group the rows of the source; None where all were taken.
    single_rows
        Whether rows were drawn one by one, since a whole item has more rows than were to be taken.
    """

    embeddings: Embeddings
    rows: Mapping[str, np.ndarray]
    sampled_from: dict[str, int] | None
    single_rows: bool = False

    @property
    def sizes(self) -> dict[str, int]:
        """By group the number of rows taken."""
        return {name: len(rows) for name, rows in self.rows.items()}

    @property
    def facts(self) -> dict[str, object]:
        """What an entry says of its rows."""
        return {"rows": self.sizes, "sampled_from": self.sampled_from}

    def vectors(self, name: str) -> np.ndarray:
        """Return the rows of one group."""
        return np.asarray(self.embeddings[name].vectors)


def sampled_rows(
    embeddings: Embeddings, most_rows: int, *, seed: int = 0, proportional: bool = False, whole_items: bool = False
) -> SampledRows:
    """Draw at most ``most_rows`` rows of each group, whole items as ``Embeddings.sample_items`` draws them.

    Where no whole item fits, single rows are drawn instead, unless ``whole_items`` asks for whole ones.

    Raises
    ------
    DegenerateError
        If no whole item fits, and none but whole ones were asked for.
    """
    items = embeddings.row_items
    numbered = Embeddings(
        {
            name: Group(vectors=np.arange(len(group), dtype=np.float64)[:, None], items=items[name])
            for name, group in embeddings.items()
        }
    )
    single = False
    try:
        drawn = numbered.sample_items(most_rows, seed=seed, proportional=proportional)
        rows = {name: np.asarray(group.vectors)[:, 0].astype(np.int64) for name, group in drawn.items()}
    except DegenerateError:
        if whole_items:
            raise
        single = True
        rng = np.random.default_rng(seed)
        rows = {
            name: np.sort(rng.permutation(len(group))[:most_rows].astype(np.int64))
            for name, group in embeddings.items()
        }
    whole = {name: len(group) for name, group in embeddings.items()}
    taken = {name: _taken(group, rows[name], items[name]) for name, group in embeddings.items()}
    cut = any(len(rows[name]) < size for name, size in whole.items())
    return SampledRows(embeddings=Embeddings(taken), rows=rows, sampled_from=whole if cut else None, single_rows=single)


def _taken(group: Group, rows: np.ndarray, items: np.ndarray) -> Group:
    part = group if len(rows) == len(group) else group.take(rows)
    vectors = materialise(part.vectors)
    array = np.asarray(vectors.detach().cpu() if hasattr(vectors, "detach") else vectors)
    return replace(part, vectors=array, items=items[rows])
