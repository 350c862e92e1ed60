"""The quantities of C12 on one judged fold, as sums that pool over folds and carry their bootstrap with them."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from crossgap.close.cross_fitting import JudgedFold
from crossgap.close.label_accuracy import label_hits_per_query
from crossgap.close.rank_preservation import list_kendall_per_query, within_spearman_per_row
from crossgap.close.score_comparability import match_auroc_per_pair
from crossgap.data.embeddings import Embeddings, document_groups
from crossgap.errors import DegenerateError
from crossgap.geometry.matches import join_items
from crossgap.geometry.neighbours import nearest_rows, shared_neighbours
from crossgap.measure.alignment import alignment_per_pair
from crossgap.measure.centroid_distance import centroid_distance
from crossgap.measure.cross_uniformity import cross_uniformity
from crossgap.measure.frechet_distance import frechet_covariance_part
from crossgap.measure.linear_separability import linear_separability
from crossgap.measure.mixed_search import MixedSearch, mixed_search
from crossgap.measure.relative_modality_gap import relative_modality_gap
from crossgap.measure.retrieval_ranks import retrieval_ranks_both
from crossgap.measure.uniformity import uniformity

__all__ = ["ACROSS", "LIST_LENGTH", "NEIGHBOURS", "FoldJudge", "Key", "Tally", "pooled", "stored_groups"]

Key = tuple[str, tuple[str, ...]]  # the name of a quantity and its groups
Move = Callable[[np.ndarray, str], np.ndarray]
Scales = Callable[[str], Mapping[str, tuple[float, float]]]  # mean and deviation of the cosines, by group of the query

NEIGHBOURS = 10
LIST_LENGTH = 50
ACROSS = {"neighbour_overlap": 1.0, "within_spearman": 1.0, "list_kendall": 1.0}  # compare after with before: 1 is same
_MOST_RANKED = 500  # rows of a group in a fold for which whole orders are compared
_MOST_MATCHED = 1000  # items of two groups in a fold whose matches meet strangers
_WITH = {"ndcg_at_k": ("modality_share_excess", "modality_share_distance")}  # what comes with it
_MOST_LOGISTIC = 2000  # rows of a group in a fold up to which the classifier is that of the papers


@dataclass(frozen=True, kw_only=True, eq=False)
class Tally:
    """A weighted sum and the weight behind it under each weighting, (1 + replicates,) each."""

    total: np.ndarray
    mass: np.ndarray

    @classmethod
    def over_rows(cls, values: np.ndarray, counts: np.ndarray) -> "Tally":
        """One value for each row that counts as often as ``counts`` (n, 1 + replicates) says."""
        wide = counts.astype(np.float64)
        return cls(total=np.asarray(values, dtype=np.float64) @ wide, mass=wide.sum(axis=0))

    @classmethod
    def of_fold(cls, values: Any, size: int) -> "Tally":
        """One value for the fold under each weighting; folds count by their size."""
        values = np.asarray(values, dtype=np.float64)
        return cls(total=values * size, mass=np.full(values.shape, float(size)))

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(total=self.total + other.total, mass=self.mass + other.mass)


def _stranger_distance(
    search: MixedSearch, query_items: np.ndarray, items: Mapping[str, np.ndarray], counts: np.ndarray
) -> np.ndarray:
    """Distance of the shares of the groups in the lists from those in the corpus, (1 + replicates,).

    Rows of the query's own item are counted on neither side: a partner found is a right answer and favours no group.
    """
    strangers = np.stack([search.group == number for number in range(len(items))])  # groups, queries, places
    rest = np.empty((len(items), len(query_items)))
    for here, left, own in zip(strangers, rest, items.values(), strict=True):
        here[here] = (own[np.where(here, search.row, 0)] != query_items[:, None])[here]
        size = 1 + max(int(own.max()), int(query_items.max()))
        left[:] = len(own) - np.bincount(own, minlength=size)[query_items]
    found, corpus = strangers.sum(axis=(0, 2)), rest.sum(axis=0)
    usable = np.flatnonzero((found > 0) & (corpus > 0))
    weights = counts[usable].astype(np.float64)
    shares = strangers.sum(axis=2)[:, usable] / found[usable]
    excess = (shares - rest[:, usable] / corpus[usable]) @ weights
    return np.abs(excess).sum(axis=0) / 2 / weights.sum(axis=0)


def stored_groups(names: Iterable[str]) -> list[str]:
    """Return the groups that a mixed search looks through: all but those of the role ``query``, if any other is there.

    Examples
    --------
    >>> stored_groups(["image", "text/query", "text/document"])
    ['image', 'text/document']
    """
    names = list(names)
    return document_groups(names) or names


def pooled(folds: list[dict[Key, Tally | str]]) -> dict[Key, np.ndarray | str]:
    """Pool the folds: values (1 + replicates,) by quantity, or the reason why a fold has none."""
    found: dict[Key, np.ndarray | str] = {}
    for key in folds[0]:
        parts = [fold[key] for fold in folds]
        reasons = [part for part in parts if isinstance(part, str)]
        if reasons:
            found[key] = reasons[0]
            continue
        first, *rest = [part for part in parts if isinstance(part, Tally)]
        whole = sum(rest, start=first)
        with np.errstate(divide="ignore", invalid="ignore"):  # a replicate may draw nothing that counts
            found[key] = whole.total / whole.mass
    return found


class FoldJudge:
    """Measures the rows of one fold as they are, or as a closer moves them."""

    def __init__(
        self,
        fold: JudgedFold,
        everything: Embeddings,
        *,
        seed: int,
        replicates: bool = True,
        quantities: Set[str] | None = None,
    ) -> None:
        self._wanted = quantities
        self._fold = fold
        self._everything = everything
        self._seed = seed
        self._names = list(fold.rows)
        self._pairs = list(itertools.combinations(self._names, 2))
        self._counts = fold.counts if replicates else {name: counts[:, :1] for name, counts in fold.counts.items()}

    def tallies(self, move: Move | None = None, scales: Scales | None = None) -> dict[Key, Tally | str]:
        """Return every quantity of the rows moved by ``move``, or as they are; a reason where one has no value.

        With ``scales`` the lists of a mixed search and the one threshold go by standardised cosines.
        """
        rows = {name: part if move is None else move(part, name) for name, part in self._fold.rows.items()}
        found: dict[Key, Tally | str] = {}
        for key, measured in self._quantities(rows, move, scales):
            if self._wanted is not None and self._wanted.isdisjoint((key[0], *_WITH.get(key[0], ()))):
                continue
            try:
                with np.errstate(divide="ignore", invalid="ignore"):  # a replicate may draw nothing that counts
                    found.update(measured())
            except DegenerateError as error:
                found[key] = str(error).rstrip(".")
            except np.linalg.LinAlgError as error:  # of this quantity alone: LAPACK gives up now and then
                found[key] = f"no value ({str(error).rstrip('.')})"
        return found

    def _quantities(
        self, rows: dict[str, np.ndarray], move: Move | None, scales: Scales | None
    ) -> Iterator[tuple[Key, Callable[[], dict[Key, Tally | str]]]]:
        for name in self._names:
            yield ("ndcg_at_k", (name,)), lambda name=name: self._mixed(rows, name, scales)
            yield ("uniformity", (name,)), lambda name=name: self._uniformity(rows, name)
            yield ("neighbour_overlap", (name,)), lambda name=name: self._overlap(rows, name)
            yield ("within_spearman", (name,)), lambda name=name: self._spearman(rows, name)
        for a, b in self._pairs:
            for quantity in ("centroid_distance", "frechet_covariance_part", "linear_separability"):
                yield (quantity, (a, b)), lambda q=quantity, a=a, b=b: self._unpaired(rows, q, a, b)
            for quantity in ("cross_uniformity", "relative_modality_gap", "alignment"):
                yield (quantity, (a, b)), lambda q=quantity, a=a, b=b: self._matched(rows, q, a, b)
            yield ("match_auroc", (a, b)), lambda a=a, b=b: self._match_auroc(rows, a, b, scales)
            yield ("recall_at_k", (a, b)), lambda a=a, b=b: self._recall(rows, a, b)
            queries, gallery = (b, a) if a.partition("/")[0] == "text" != b.partition("/")[0] else (a, b)
            yield (
                ("label_accuracy", (queries, gallery)),
                lambda q=queries, g=gallery: self._labels(rows, move, q, g),
            )
            for queries, gallery in ((a, b), (b, a)):
                yield ("list_kendall", (queries, gallery)), lambda q=queries, g=gallery: self._kendall(rows, q, g)

    def _mixed(self, rows: dict[str, np.ndarray], queries: str, scales: Scales | None) -> dict[Key, Tally | str]:
        names = stored_groups(self._names)
        own = queries if queries in names else None
        k = min(NEIGHBOURS, sum(len(rows[name]) for name in names) - (own is not None))
        kinds = None if scales is None else {name: scales(queries)[name] for name in names}
        corpus = {name: rows[name] for name in names}
        search = mixed_search(rows[queries], corpus, k=k, own=own, scales=kinds, check=False)
        counts = self._counts[queries]
        found: dict[Key, Tally | str] = {}
        for number, name in enumerate(search.names):
            taken = (search.group == number).mean(axis=1) - search.corpus_share(name)
            found[("modality_share_excess", (queries, name))] = Tally.over_rows(taken, counts)
        items = {name: self._fold.items[name] for name in names}
        found[("modality_share_distance", (queries,))] = Tally.of_fold(
            _stranger_distance(search, self._fold.items[queries], items, counts), len(counts)
        )
        try:
            answered, values = search.ndcg_per_query(self._fold.items[queries], items)
            found[("ndcg_at_k", (queries,))] = Tally.over_rows(values, counts[answered])
        except DegenerateError as error:
            found[("ndcg_at_k", (queries,))] = str(error).rstrip(".")
        return found

    def _uniformity(self, rows: dict[str, np.ndarray], name: str) -> dict[Key, Tally | str]:
        values = uniformity(rows[name], weights=self._counts[name], check=False)
        return {("uniformity", (name,)): Tally.of_fold(values, len(rows[name]))}

    def _overlap(self, rows: dict[str, np.ndarray], name: str) -> dict[Key, Tally | str]:
        values = shared_neighbours(self._lists_before[name], self._lists(rows[name]))
        return {("neighbour_overlap", (name,)): Tally.over_rows(values, self._counts[name])}

    def _spearman(self, rows: dict[str, np.ndarray], name: str) -> dict[Key, Tally | str]:
        ranked = self._ranked(name)
        values = within_spearman_per_row(self._fold.rows[name], rows[name], rows=ranked)
        return {("within_spearman", (name,)): Tally.over_rows(values, self._counts[name][ranked])}

    def _kendall(self, rows: dict[str, np.ndarray], queries: str, gallery: str) -> dict[Key, Tally | str]:
        ranked, before = self._ranked(queries), self._fold.rows
        values = list_kendall_per_query(
            (before[queries], before[gallery]),
            (rows[queries], rows[gallery]),
            length=min(LIST_LENGTH, len(rows[gallery])),
            rows=ranked,
        )
        return {("list_kendall", (queries, gallery)): Tally.over_rows(values, self._counts[queries][ranked])}

    def _unpaired(self, rows: dict[str, np.ndarray], quantity: str, a: str, b: str) -> dict[Key, Tally | str]:
        x, y, weights = rows[a], rows[b], (self._counts[a], self._counts[b])
        if quantity == "centroid_distance":
            values = centroid_distance(x, y, weights=weights, check=False)
        elif quantity == "frechet_covariance_part":
            values = frechet_covariance_part(x, y, weights=weights, check=False)
        else:
            values = linear_separability(
                x,
                y,
                classifier="logistic" if max(len(x), len(y)) <= _MOST_LOGISTIC else "lda",
                x_items=self._fold.items[a],
                y_items=self._fold.items[b],
                seed=self._seed,
                weights=weights,
                check=False,
            )
        return {(quantity, (a, b)): Tally.of_fold(values, len(x) + len(y))}

    def _matched(self, rows: dict[str, np.ndarray], quantity: str, a: str, b: str) -> dict[Key, Tally | str]:
        x, y, weights = rows[a], rows[b], (self._counts[a], self._counts[b])
        items = {"x_items": self._fold.items[a], "y_items": self._fold.items[b]}
        if quantity == "alignment":
            i, j = join_items(*items.values())
            if not len(i):
                raise DegenerateError(f"no row of {a} matches a row of {b}.")
            values = alignment_per_pair(x[i], y[j], check=False)
            return {(quantity, (a, b)): Tally.over_rows(values, weights[0][i])}
        measured: Any = cross_uniformity if quantity == "cross_uniformity" else relative_modality_gap
        values = measured(x, y, **items, weights=weights, check=False)
        return {(quantity, (a, b)): Tally.of_fold(values, len(x) + len(y))}

    def _match_auroc(
        self, rows: dict[str, np.ndarray], a: str, b: str, scales: Scales | None
    ) -> dict[Key, Tally | str]:
        items = self._fold.items
        i, j = self._some_items(a, b)
        pairs, values = match_auroc_per_pair(
            rows[a][i],
            rows[b][j],
            x_items=items[a][i],
            y_items=items[b][j],
            scales=None if scales is None else (scales(a)[a], scales(b)[b], scales(a)[b]),
        )
        return {("match_auroc", (a, b)): Tally.over_rows(values, self._counts[a][i][pairs])}

    def _recall(self, rows: dict[str, np.ndarray], a: str, b: str) -> dict[Key, Tally | str]:
        items = self._fold.items
        try:
            both = retrieval_ranks_both(rows[a], rows[b], x_items=items[a], y_items=items[b], check=False)
        except DegenerateError as error:
            return dict.fromkeys(
                [("recall_at_k", (a, b)), ("recall_at_k", (b, a))], f"needs pairs: {str(error).rstrip('.')}"
            )
        return {
            ("recall_at_k", names): Tally.over_rows(ranks.best <= 1, self._counts[names[0]][ranks.answered])
            for names, ranks in zip(((a, b), (b, a)), both, strict=True)
        }

    def _labels(
        self, rows: dict[str, np.ndarray], move: Move | None, queries: str, gallery: str
    ) -> dict[Key, Tally | str]:
        labels = self._fold.judged[queries].label
        classes = self._everything[gallery]
        if labels is None or classes.label is None:
            raise DegenerateError(f"{queries} and {gallery} do not both have labels.")
        vectors = np.asarray(classes.vectors)
        answered, right = label_hits_per_query(
            rows[queries],
            vectors if move is None else move(vectors, gallery),
            query_labels=labels,
            gallery_labels=classes.label,
            query_items=self._fold.items[queries],
            gallery_items=self._everything.row_items[gallery],
        )
        return {("label_accuracy", (queries, gallery)): Tally.over_rows(right, self._counts[queries][answered])}

    @cached_property
    def _lists_before(self) -> dict[str, np.ndarray]:
        return {name: self._lists(rows) for name, rows in self._fold.rows.items()}

    @staticmethod
    def _lists(rows: np.ndarray) -> np.ndarray:
        return nearest_rows(rows, rows, min(NEIGHBOURS, len(rows) - 1), leave_out_self=True, check=False).rows

    def _ranked(self, name: str) -> np.ndarray:
        """Rows of a group for which whole orders are compared: all, or as many as fit, drawn at random."""
        n = len(self._fold.rows[name])
        if n <= _MOST_RANKED:
            return np.arange(n)
        return np.sort(np.random.default_rng([self._seed, 3]).permutation(n)[:_MOST_RANKED])

    def _some_items(self, a: str, b: str) -> tuple[np.ndarray, np.ndarray]:
        """Rows of two groups that show some of their common items: all, or as many as fit, drawn at random."""
        x_items, y_items = self._fold.items[a], self._fold.items[b]
        common = np.intersect1d(x_items, y_items)
        if not len(common):
            raise DegenerateError(f"no row of {a} matches a row of {b}.")
        chosen = np.random.default_rng([self._seed, 4]).permutation(common)[:_MOST_MATCHED]
        return np.flatnonzero(np.isin(x_items, chosen)), np.flatnonzero(np.isin(y_items, chosen))
