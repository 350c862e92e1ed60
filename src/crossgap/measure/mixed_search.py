"""Search over a corpus of several modalities: who stands in the top k."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.means import weighted_mean
from crossgap.geometry.neighbours import Neighbours, nearest_rows
from crossgap.geometry.rows import Rows, check_rows, check_same_dimension
from crossgap.measure.retrieval_ranks import query_weights

__all__ = ["MixedSearch", "mixed_search"]


@dataclass(frozen=True, kw_only=True, eq=False)
class MixedSearch:
    """The k best rows of a corpus of several groups for each query, and the scores that follow from them.

    The methods take ``weights`` (n, b) over the queries, the corpus kept as it is, and then return (b,).

    Parameters
    ----------
    names, sizes
        Groups of the corpus and their numbers of rows.
    own
        Name of the group that the queries are themselves; each query left its own row out. None where they are new.
    group, row
        For each query and place (n, k): the number of the group in ``names``, and the row in it.
    cosine
        Cosine at each place (n, k); descending unless the groups were merged by ``scales``.
    nearest
        For each group the rows of highest cosine (n, k, or all of a smaller group), from which the lists were merged.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    own: str | None
    group: np.ndarray
    row: np.ndarray
    cosine: np.ndarray
    nearest: tuple[np.ndarray, ...] = ()

    def modality_share(self, modality: str, weights: Any = None) -> np.ndarray:
        """Share of the places that rows of one modality take, mean over queries."""
        taken = np.isin(self.group, self._groups_of(modality)).mean(axis=1)
        return weighted_mean(taken, query_weights(weights, len(taken)))

    def corpus_share(self, modality: str) -> float:
        """Share of one modality among the rows that a query can find: its expected share in a blind search."""
        sizes = np.array(self.sizes) - np.array([name == self.own for name in self.names])
        return float(sizes[self._groups_of(modality)].sum() / sizes.sum())

    def modality_shares(self) -> dict[str, float]:
        """Share of the places for each group of the corpus."""
        return {name: float((self.group == number).mean()) for number, name in enumerate(self.names)}

    def ndcg_per_query(self, query_items: Any, corpus_items: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the queries that have a relevant row in the corpus (q,), and the NDCG of each (q,)."""
        query, corpus = self._item_numbers(query_items, corpus_items)
        every = np.concatenate([items for items in corpus if items is not None])
        relevant = np.bincount(every, minlength=int(query.max()) + 1)[query]
        own = None if self.own is None else corpus[self.names.index(self.own)]
        if own is not None:
            relevant = relevant - (own == query)
        k = self.group.shape[1]
        hits = np.zeros(self.group.shape, dtype=bool)
        for number, items in enumerate(corpus):
            if items is not None:
                here = self.group == number
                hits[here] = (items[np.where(here, self.row, 0)] == query[:, None])[here]
        discounts = 1.0 / np.log2(np.arange(2, k + 2))
        answered = np.flatnonzero(relevant)
        if not len(answered):
            raise DegenerateError("no query has a relevant row in the corpus; give item ids that match.")
        ideal = np.cumsum(discounts)[np.minimum(relevant[answered], k) - 1]
        return answered, (hits[answered] @ discounts) / ideal

    def ndcg(self, query_items: Any, corpus_items: Mapping[str, Any], weights: Any = None) -> np.ndarray:
        """Mean NDCG of the queries that have a relevant row in the corpus."""
        answered, values = self.ndcg_per_query(query_items, corpus_items)
        weights = query_weights(weights, len(self.group))
        return weighted_mean(values, None if weights is None else weights[answered])

    def _groups_of(self, modality: str) -> np.ndarray:
        """Return the numbers of the groups named ``modality`` or ``modality/role``."""
        found = [i for i, name in enumerate(self.names) if name == modality or name.startswith(f"{modality}/")]
        if not found:
            raise ValueError(f"modality must be one of the corpus ({', '.join(self.names)}), but it is {modality!r}.")
        return np.array(found)

    def _item_numbers(
        self, query_items: Any, corpus_items: Mapping[str, Any]
    ) -> tuple[np.ndarray, list[np.ndarray | None]]:
        unknown = [name for name in corpus_items if name not in self.names]
        if unknown or not corpus_items:
            raise ValueError(
                f"corpus_items must name groups of the corpus ({', '.join(self.names)}), but it names "
                f"{', '.join(unknown) or 'none'}; give the ids of at least one group."
            )
        wanted = [("query_items", np.asarray(query_items), len(self.group))]
        for name, size in zip(self.names, self.sizes, strict=True):
            if name in corpus_items:
                wanted.append((f"corpus_items[{name!r}]", np.asarray(corpus_items[name]), size))
        for label, items, rows in wanted:
            if items.shape != (rows,):
                raise ValueError(
                    f"{label} must hold one id for each of the {rows} rows, but its shape is {items.shape}."
                )
        numbers = np.unique(np.concatenate([items for _, items, _ in wanted]), return_inverse=True)[1]
        parts = iter(np.split(numbers, np.cumsum([rows for _, _, rows in wanted])[:-1]))
        query = next(parts)
        return query, [next(parts) if name in corpus_items else None for name in self.names]


def mixed_search(
    queries: Rows,
    corpus: Mapping[str, Rows],
    *,
    k: int = 10,
    own: str | None = None,
    scales: Mapping[str, tuple[float, float]] | None = None,
    nearest: Mapping[str, Neighbours] | None = None,
    check: bool = True,
) -> MixedSearch:
    """Find the k rows of highest cosine for each query over a corpus of several groups.

    How to read it: one search serves all scores: ``search.modality_share("image")``, ``search.corpus_share("image")``,
    ``search.ndcg(query_items, corpus_items)``.

    Parameters
    ----------
    queries
        Rows (n, d).
    corpus
        Groups of rows by name, ``modality`` or ``modality/role``; pairs are not needed.
    k
        Length of the list, between 1 and the rows that a query can find.
    own
        Name of the corpus group that holds the queries themselves, row i being query i: each then leaves its own row
        out. None where the queries are no part of the corpus.
    scales
        Mean and deviation by group of the corpus: then groups are merged by (cosine - mean) / deviation, and by the
        cosine where it is None. ``close.ScoreStandardisation`` gives them.
    nearest
        By group of the corpus the k nearest rows (all of a smaller group) of each query, where they were found already,
        the query itself left out of its own group. Groups that are not named are searched.
    check
        Refuse zero and non-finite rows.

    Raises
    ------
    ValueError
        If the corpus is empty, ``scales`` do not give each of its groups a mean and a deviation above 0, ``own`` names
        no group of it or one of another size, ``k`` is out of range, ``nearest`` is of another search, the dimensions
        differ, or a row is zero or not finite.

    Notes
    -----
    Cost: 2 n m d flops for m rows of the corpus, in blocks. Equal scores: the group named first, then the lower row.

    References
    ----------
    Defined here; no paper states it.

    Examples
    --------
    >>> corpus = {"image": np.array([[0.0, 1.0]]), "text": np.array([[1.0, 0.1], [1.0, 0.2]])}
    >>> search = mixed_search(np.array([[1.0, 0.0]]), corpus, k=2)
    >>> [(search.names[group], int(row)) for group, row in zip(search.group[0], search.row[0])]
    [('text', 0), ('text', 1)]
    """
    n, _ = check_rows(queries, "queries")
    if not corpus:
        raise ValueError("corpus must hold at least one group of rows, but it is empty; give name: rows.")
    for name, rows in corpus.items():
        check_rows(rows, f"corpus[{name!r}]")
        check_same_dimension(queries, rows, ("queries", f"corpus[{name!r}]"))
    if own is not None and (own not in corpus or corpus[own].shape[0] != n):
        raise ValueError(
            f"own must name the corpus group that holds the {n} queries, but {own!r} "
            f"{f'has {corpus[own].shape[0]} rows' if own in corpus else 'is not in the corpus'}; "
            f"give None for new queries."
        )
    sizes = tuple(int(rows.shape[0]) for rows in corpus.values())
    reachable = sum(sizes) - (own is not None)
    if not 1 <= k <= reachable:
        raise ValueError(
            f"k must lie between 1 and the {reachable} rows that a query can find, but it is {k}; choose a smaller k."
        )
    if scales is not None and (set(scales) != set(corpus) or not all(scale[1] > 0 for scale in scales.values())):
        raise ValueError(
            f"scales must give a mean and a deviation above 0 for each group of the corpus ({', '.join(corpus)}), but "
            f"they are {dict(scales)}; fit them on rows of these groups."
        )
    found = []
    for (name, rows), size in zip(corpus.items(), sizes, strict=True):
        lists = None if nearest is None else nearest.get(name)
        if lists is None:
            lists = nearest_rows(queries, rows, min(k, size), leave_out_self=name == own, check=check)
        elif lists.rows.shape != (n, min(k, size)):
            raise ValueError(
                f"nearest must hold {min(k, size)} rows of {name} for each of {n} queries, but it has "
                f"{lists.rows.shape}."
            )
        found.append(lists)
    group = np.repeat(np.arange(len(found)), [one.rows.shape[1] for one in found])
    row = np.concatenate([one.rows for one in found], axis=1)
    cosine = np.concatenate([one.cosines for one in found], axis=1)
    score = cosine
    if scales is not None:
        mean, deviation = np.array([scales[name] for name in corpus], dtype=cosine.dtype).T
        score = (cosine - mean[group]) / deviation[group]
    order = np.argsort(-score, axis=1, kind="stable")[:, :k]
    return MixedSearch(
        names=tuple(corpus),
        sizes=sizes,
        own=own,
        group=group[order],
        row=np.take_along_axis(row, order, 1),
        cosine=np.take_along_axis(cosine, order, 1),
        nearest=tuple(one.rows for one in found),
    )
