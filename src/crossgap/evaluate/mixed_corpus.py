"""The corpus of a mixed search: which rows stand in it, which fused documents, and what a query may not find."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from crossgap.close.mean_removal import MeanRemoval
from crossgap.data.embeddings import Embeddings, document_groups
from crossgap.errors import DegenerateError
from crossgap.evaluate.folds import Fold
from crossgap.geometry.rows import unit_rows

__all__ = ["DEAL_SEED", "FUSED", "FusedDocuments", "MixedCorpus", "lay_out"]

FUSED = "fused"
DEAL_SEED = 42


@dataclass(frozen=True, kw_only=True, eq=False)
class FusedDocuments:
    """Documents of two parts: row i of one group with row i of another.

    Parameters
    ----------
    groups, weights
        The two groups, and the weight of each in the sum.
    rows
        The rows of each group, (f,) by group.
    items
        The item of each document (f,).
    """

    groups: tuple[str, str]
    weights: Mapping[str, float]
    rows: Mapping[str, np.ndarray]
    items: np.ndarray

    def vectors(self, fold: Fold, *, closed: bool) -> np.ndarray:
        """Return one row for each document: the weighted sum of its parts, at length 1.

        With mean removal the weighted mean of the parts' means goes, before the sum has length 1 (GR-CLIP); with
        another closer the moved parts are summed.
        """
        if closed and isinstance(fold.closer, MeanRemoval):
            return self._fused({name: np.asarray(fold.judged[name].vectors) for name in self.groups}, fold.closer)
        return self._fused({name: fold.rows(name, closed=closed) for name in self.groups}, None)

    def learned(self, fold: Fold, *, closed: bool) -> np.ndarray:
        """Return fused documents of the rows that may be learned from, made in the same way."""
        if fold.learned is None or fold.learned is fold.judged:
            return self.vectors(fold, closed=closed)
        other = _fuse({name: np.asarray(fold.learned[name].items) for name in self.groups}, list(self.groups))
        built = replace(self, rows=other[0], items=other[1])
        return built.vectors(replace(fold, judged=fold.learned, _kept={}), closed=closed)

    def _fused(self, parts: Mapping[str, np.ndarray], closer: MeanRemoval | None) -> np.ndarray:
        parts = {name: rows[self.rows[name]] for name, rows in parts.items()}
        if closer is not None:
            return unit_rows(closer.fuse(parts, dict(self.weights)), name=FUSED)
        summed = sum((self.weights[name] * unit_rows(rows, name=name) for name, rows in parts.items()), start=0.0)
        return unit_rows(np.asarray(summed), name=FUSED)


@dataclass(frozen=True, kw_only=True, eq=False)
class MixedCorpus:
    """What one group of queries searches.

    Parameters
    ----------
    queries
        The group of the queries.
    own
        The same name where the queries are rows of the corpus, so that each leaves itself out; else None.
    rows
        The rows of each group that stand in the corpus, by group.
    fused
        The fused documents, or None.
    query_items, items
        Item numbers of the queries, and of the corpus rows of each group that shares items with them.
    hidden
        For each query the fused document that it is a part of, or -1; None where there is none.
    dealt
        Number of items that stand in the corpus in one form only, text, image or fused.
    """

    queries: str
    own: str | None
    rows: Mapping[str, np.ndarray]
    fused: FusedDocuments | None
    query_items: np.ndarray
    items: Mapping[str, np.ndarray]
    hidden: np.ndarray | None
    dealt: int

    def vectors(self, fold: Fold, *, closed: bool) -> dict[str, np.ndarray]:
        """Return the corpus by group, before or after closing."""
        corpus = {name: fold.rows(name, closed=closed) for name in self.rows}
        corpus = {
            name: part if len(self.rows[name]) == len(part) else part[self.rows[name]] for name, part in corpus.items()
        }
        if self.fused is not None:
            corpus[FUSED] = self.fused.vectors(fold, closed=closed)
        return corpus

    def sizes(self) -> dict[str, int]:
        """Return the number of rows of each group of the corpus."""
        sizes = {name: len(rows) for name, rows in self.rows.items()}
        return sizes if self.fused is None else {**sizes, FUSED: len(self.fused.items)}

    def expected_shares(self) -> np.ndarray:
        """Return for each query the share of each group among the rows that it can find, (q, groups)."""
        names = list(self.sizes())
        reachable = np.tile(np.array(list(self.sizes().values()), dtype=np.float64), (len(self.query_items), 1))
        if self.own is not None:
            reachable[:, names.index(self.own)] -= 1
        if self.hidden is not None:
            reachable[:, names.index(FUSED)] -= self.hidden >= 0
        return reachable / reachable.sum(axis=1, keepdims=True)


def lay_out(embeddings: Embeddings, queries: str, *, fused: float | None = None, seed: int = DEAL_SEED) -> MixedCorpus:
    """Lay out the corpus for one group of queries.

    Queries of the role ``query`` (``text/query``) search the other groups, and each item that has all forms stands
    there in one of them, drawn at random in equal parts: the protocol of MixBench. Other queries are rows of the corpus
    themselves: they search all rows of all groups, each leaving itself out, and with it the fused document that it is a
    part of.

    Parameters
    ----------
    embeddings
        Groups with item numbers as ids.
    queries
        Name of the group that searches.
    fused
        Weight of the text in a fused document; None for no such documents.
    seed
        Of the deal; MixBench takes 42.

    Raises
    ------
    ValueError
        If the weight is not between 0 and 1, a group is called ``fused`` already, or there are no two groups to fuse.
    DegenerateError
        If there is no corpus, or no item has both parts.
    """
    documents = document_groups(embeddings)
    if not documents:
        raise DegenerateError(f"{queries} has nothing to search, since all groups are queries; give documents too.")
    items = {name: np.asarray(group.items) for name, group in embeddings.items()}
    built = None
    if fused is not None:
        if not 0 < fused < 1:
            raise ValueError(f"the weight of the text in a fused document must lie between 0 and 1, but it is {fused}.")
        first, second = _parts(embeddings, documents)
        rows, ids = _fuse(items, [first, second])
        built = FusedDocuments(groups=(first, second), weights={first: fused, second: 1 - fused}, rows=rows, items=ids)
    own = queries if queries in documents else None
    rows = {name: np.arange(len(items[name])) for name in documents}
    dealt = 0
    if own is None:
        rows, built, dealt = _deal(items, rows, built, seed)
    hidden = None
    if own is not None and built is not None and queries in built.groups:
        hidden = np.full(len(items[queries]), -1)
        hidden[built.rows[queries]] = np.arange(len(built.items))
    related: dict[str, np.ndarray] = {name: items[name][own_rows] for name, own_rows in rows.items()}
    if built is not None:
        related[FUSED] = built.items
    related = {name: ids for name, ids in related.items() if np.isin(ids, items[queries]).any()}
    return MixedCorpus(
        queries=queries,
        own=own,
        rows=rows,
        fused=built,
        query_items=items[queries],
        items=related,
        hidden=hidden,
        dealt=dealt,
    )


def _parts(embeddings: Embeddings, documents: list[str]) -> tuple[str, str]:
    """Return the two groups to fuse: the first of texts, and the first of another modality."""
    if FUSED in embeddings:
        raise ValueError("a group is called 'fused', the name that fused documents get; rename the group.")
    modality = {name: name.partition("/")[0] for name in documents}
    first = next((name for name in documents if modality[name] == "text"), documents[0])
    second = next((name for name in documents if modality[name] != modality[first]), None)
    if second is None:
        raise ValueError(
            f"fused documents need two modalities, but the documents are {', '.join(documents)}; leave --fused out."
        )
    return first, second


def _fuse(items: Mapping[str, np.ndarray], groups: list[str]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the first row of each of two groups for every item that has both, and the items."""
    first, second = groups
    ids, a, b = np.intersect1d(items[first], items[second], return_indices=True)
    if not len(ids):
        raise DegenerateError(f"no item has rows of both {first} and {second}, so there is nothing to fuse.")
    return {first: a, second: b}, ids


def _deal(
    items: Mapping[str, np.ndarray], rows: dict[str, np.ndarray], fused: FusedDocuments | None, seed: int
) -> tuple[dict[str, np.ndarray], FusedDocuments | None, int]:
    """Leave each item that has all forms in the corpus in one of them."""
    forms: dict[str, Any] = {name: items[name] for name in rows}
    if fused is not None:
        forms[FUSED] = fused.items
    complete = np.unique(next(iter(forms.values())))
    for ids in forms.values():
        complete = np.intersect1d(complete, ids)
    if not len(complete) or len(forms) < 2:
        return rows, fused, 0
    number = np.empty(len(complete), dtype=np.int64)
    number[np.random.default_rng(seed).permutation(len(complete))] = np.arange(len(complete)) % len(forms)
    form = dict(zip(complete.tolist(), number.tolist(), strict=True))
    kept = {
        name: np.array([form.get(item, place) == place for item in ids.tolist()], dtype=bool)
        for place, (name, ids) in enumerate(forms.items())
    }
    rows = {name: own[kept[name]] for name, own in rows.items()}
    if fused is not None:
        parts = {name: own[kept[FUSED]] for name, own in fused.rows.items()}
        fused = replace(fused, rows=parts, items=fused.items[kept[FUSED]])
    return rows, fused, len(complete)
