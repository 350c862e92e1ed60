"""What the queries of a mixed search found: shares of their lists by group, and the NDCG of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.evaluate.corrected_search import Scoring, search_corpus
from crossgap.evaluate.folds import Fold
from crossgap.evaluate.mixed_corpus import FUSED, MixedCorpus
from crossgap.geometry.means import weighted_mean
from crossgap.measure.mixed_search import MixedSearch

__all__ = ["SearchScores", "modality_fairness", "search_scores"]


def modality_fairness(shares: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return how near the shares of the groups in the lists are to their shares of the corpus: 1 is the same.

    Formula::

        fairness = 1 - (1/2) sum over groups of | share in the top k - share of the corpus |

    How to read it: range [0, 1]; one less the total variation. With a corpus of two halves, 0.5 where one group takes
    every place. Right answers of one modality only lower it without any fault.

    Examples
    --------
    >>> float(modality_fairness(np.array([1.0, 0.0]), np.array([0.5, 0.5])))
    0.5
    """
    return 1.0 - np.abs(np.asarray(shares) - np.asarray(expected)).sum(axis=-1) / 2


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchScores:
    """What each query found: shares of its list by group, and its NDCG.

    Parameters
    ----------
    names
        The groups of the corpus.
    items
        The item of each query (q,).
    shares
        The share of each group in the first k places, (q, g) by k.
    expected
        The share of each group among what the query can find (q, g).
    answered, ndcg
        Whether a right answer can be found, and the NDCG (q,); 0 where none can.
    """

    names: tuple[str, ...]
    items: np.ndarray
    shares: Mapping[int, np.ndarray]
    expected: np.ndarray
    answered: np.ndarray
    ndcg: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence["SearchScores"]) -> "SearchScores":
        """Return the queries of all folds."""
        first = parts[0]
        return cls(
            names=first.names,
            items=np.concatenate([part.items for part in parts]),
            shares={k: np.concatenate([part.shares[k] for part in parts if k in part.shares]) for k in first.shares},
            expected=np.concatenate([part.expected for part in parts]),
            answered=np.concatenate([part.answered for part in parts]),
            ndcg=np.concatenate([part.ndcg for part in parts]),
        )

    def share(self, name: str, k: int, counts: np.ndarray | None = None) -> np.ndarray:
        """Mean share of one group in the first k places."""
        return weighted_mean(self.shares[k][:, self.names.index(name)], counts)

    def corpus_share(self, name: str) -> float:
        """Mean share of one group among what queries can find."""
        return float(self.expected[:, self.names.index(name)].mean())

    def fairness(self, k: int, counts: np.ndarray | None = None) -> np.ndarray:
        """``modality_fairness`` of the mean shares."""
        found = np.stack([np.asarray(self.share(name, k, counts)) for name in self.names], axis=-1)
        return modality_fairness(found, self.expected.mean(axis=0))

    def mean_ndcg(self, counts: np.ndarray | None = None) -> np.ndarray:
        """Mean NDCG of the queries that have a right answer."""
        return weighted_mean(self.ndcg[self.answered], None if counts is None else counts[self.answered])


def search_scores(
    folds: Sequence[Fold],
    corpora: Sequence[MixedCorpus],
    scorings: Sequence[Scoring],
    depths: Sequence[int],
    k: int,
    *,
    closed: bool,
) -> tuple[SearchScores, list[MixedSearch]]:
    """Search with all queries of all folds; return what they found, and the searches to the greatest depth by fold."""
    parts, searches = [], []
    for fold, corpus, scoring in zip(folds, corpora, scorings, strict=True):
        search = search_corpus(fold, corpus, k=max(depths), closed=closed, scoring=scoring)
        searches.append(search)
        taken = {
            depth: np.stack([(search.group[:, :depth] == g).mean(axis=1) for g in range(len(search.names))], axis=1)
            for depth in depths
        }
        answered, ndcg = _ndcg(replace(search, group=search.group[:, :k], row=search.row[:, :k]), corpus)
        parts.append(
            SearchScores(
                names=search.names,
                items=corpus.query_items,
                shares=taken,
                expected=corpus.expected_shares(),
                answered=answered,
                ndcg=ndcg,
            )
        )
    return SearchScores.joined(parts), searches


def _ndcg(search: MixedSearch, corpus: MixedCorpus) -> tuple[np.ndarray, np.ndarray]:
    """Return which queries have a right answer, and the NDCG of each; a hidden fused document is none."""
    answered, ndcg = np.zeros(len(search.group), dtype=bool), np.zeros(len(search.group))
    visible = {name: items for name, items in corpus.items.items() if name != FUSED}
    apart = np.zeros(len(answered), dtype=bool) if corpus.hidden is None else corpus.hidden >= 0
    for items, chosen in ((corpus.items, ~apart), (visible, apart)):
        if not items or not chosen.any():
            continue
        try:
            rows, values = search.ndcg_per_query(corpus.query_items, items)
        except DegenerateError:
            continue
        kept = chosen[rows]
        answered[rows[kept]] = True
        ndcg[rows[kept]] = values[kept]
    return answered, ndcg
