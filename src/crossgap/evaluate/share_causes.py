"""Why a group takes more or fewer places of the lists than its share of the corpus: a decomposition of the excess.

    excess = right answers + level + spread + rest

The scores of a query with the rows of a group have a mean (level) and a standard deviation (spread). From these two,
and the sizes of the groups, a normal law says how many of the group's rows should stand among the k best.
"""

from dataclasses import dataclass

import numpy as np

from crossgap.evaluate.corrected_search import Scoring
from crossgap.evaluate.folds import Fold
from crossgap.evaluate.mixed_corpus import FUSED, MixedCorpus
from crossgap.geometry.score_offsets import cosine_matrix
from crossgap.measure.mixed_search import MixedSearch

__all__ = ["ScoreLaw", "ShareCauses", "expected_places", "score_law", "share_causes"]

_MOST_QUERIES = 1000
_AT_A_TIME = 250
_STEPS = 60  # of a bisection


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoreLaw:
    """Mean, standard deviation and number of the scores of each query with the wrong answers of each group, (q, g).

    ``queries`` are the rows of the queries that were looked at (q,).
    """

    names: tuple[str, ...]
    queries: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    count: np.ndarray


@dataclass(frozen=True, kw_only=True)
class ShareCauses:
    """Parts of the excess of one group's share in the top k; they sum to the excess.

    Parameters
    ----------
    group
        The group.
    right_answers
        Because right answers stand high and are of this group more, or less, often than its share of the corpus.
    level
        Because the scores of this group are higher, or lower, on average.
    spread
        Because they spread wider, or less, about their mean, so that the extremes lie there.
    rest
        What mean and standard deviation do not say: rows of the same subject, hubs, heavy tails.
    """

    group: str
    right_answers: float
    level: float
    spread: float
    rest: float

    @property
    def main(self) -> str:
        """The name of the largest part of the excess' sign."""
        parts = {name: getattr(self, name) for name in ("right_answers", "level", "spread", "rest")}
        sign = np.sign(sum(parts.values())) or 1.0
        return max(parts, key=lambda name: sign * parts[name])


def score_law(
    fold: Fold, corpus: MixedCorpus, *, closed: bool, scoring: Scoring, corrected: np.ndarray | None = None
) -> ScoreLaw:
    """Measure the scores of the queries with all rows that they can find and that answer nothing.

    Of more than 1000 queries, 1000 are looked at, evenly spaced. ``corrected`` says which queries a scoring corrects;
    None for all.
    """
    queries, rows = fold.rows(corpus.queries, closed=closed), corpus.vectors(fold, closed=closed)
    chosen = np.arange(len(queries))
    if len(chosen) > _MOST_QUERIES:
        chosen = np.linspace(0, len(queries) - 1, _MOST_QUERIES).astype(np.int64)
    law = np.empty((3, len(chosen), len(rows)))
    for first in range(0, len(chosen), _AT_A_TIME):
        some = chosen[first : first + _AT_A_TIME]
        for place, (name, group) in enumerate(rows.items()):
            asked = None if corrected is None else corrected[some]
            scores = scoring.apply(cosine_matrix(queries[some], group, check=False), name, asked)
            wrong = _wrong_answers(corpus, name, some, len(group))
            count = np.maximum(wrong.sum(axis=1), 1)
            mean = scores.sum(axis=1, where=wrong) / count
            square = ((scores - mean[:, None]) ** 2).sum(axis=1, where=wrong) / count
            law[:, first : first + len(some), place] = mean, np.sqrt(square), wrong.sum(axis=1)
    return ScoreLaw(names=tuple(rows), queries=chosen, mean=law[0], deviation=law[1], count=law[2])


def _wrong_answers(corpus: MixedCorpus, name: str, queries: np.ndarray, rows: int) -> np.ndarray:
    """Return which rows of a group a query can find that are no right answer."""
    wrong = np.ones((len(queries), rows), dtype=bool)
    if name in corpus.items:
        wrong &= corpus.query_items[queries][:, None] != corpus.items[name][None, :]
    if name == corpus.own:
        wrong[np.arange(len(queries)), queries] = False
    if name == FUSED and corpus.hidden is not None:
        hidden = corpus.hidden[queries]
        wrong[np.flatnonzero(hidden >= 0), hidden[hidden >= 0]] = False
    return wrong


def expected_places(mean: np.ndarray, deviation: np.ndarray, count: np.ndarray, k: int) -> np.ndarray:
    """Return the share of each group among the k best of normal scores, (q, g).

    Formula::

        t such that sum_g count_g P(N(mean_g, deviation_g^2) > t) = k;   share_g = count_g P(N_g > t) / k

    Examples
    --------
    Two groups of one mean; the wider one takes most of the top.

    >>> shares = expected_places(np.zeros((1, 2)), np.array([[0.1, 0.15]]), np.array([[500.0, 500.0]]), 10)
    >>> shares.round(2).tolist()
    [[0.05, 0.95]]
    """
    from scipy.special import ndtr

    deviation = np.maximum(deviation, 1e-12)
    low = (mean - 40 * deviation).min(axis=1)
    high = (mean + 40 * deviation).max(axis=1)
    places = min(float(k), float(count.sum(axis=1).min()) / 2)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        above = (count * ndtr((mean - middle[:, None]) / deviation)).sum(axis=1)
        low, high = np.where(above > places, middle, low), np.where(above > places, high, middle)
    taken = count * ndtr((mean - ((low + high) / 2)[:, None]) / deviation)
    return taken / taken.sum(axis=1, keepdims=True)


def share_causes(search: MixedSearch, corpus: MixedCorpus, law: ScoreLaw, group: str, k: int) -> ShareCauses:
    """Take apart by how much one group's share in the top k exceeds its share of the corpus."""
    place = law.names.index(group)
    groups, rows = search.group[law.queries, :k], search.row[law.queries, :k]
    expected = corpus.expected_shares()[law.queries, place]
    taken = (groups == place).mean(axis=1)
    right = np.zeros(groups.shape, dtype=bool)
    for number, name in enumerate(search.names):
        if name in corpus.items:
            here = groups == number
            ids = corpus.items[name][np.where(here, rows, 0)]
            right |= here & (ids == corpus.query_items[law.queries, None])
    ours = right & (groups == place)
    left = 1.0 - right.mean(axis=1)  # the share of the places that wrong answers take
    blind = law.count[:, place] / law.count.sum(axis=1)
    pooled_mean = (law.count * law.mean).sum(axis=1) / law.count.sum(axis=1)
    pooled_square = (law.count * law.deviation**2).sum(axis=1) / law.count.sum(axis=1)
    flat = np.broadcast_to(np.sqrt(pooled_square)[:, None], law.mean.shape)
    level = expected_places(law.mean, flat, law.count, k)[:, place] - blind
    spread = expected_places(np.broadcast_to(pooled_mean[:, None], law.mean.shape), law.deviation, law.count, k)
    both = expected_places(law.mean, law.deviation, law.count, k)[:, place] - blind
    alone = spread[:, place] - blind
    joint = both - level - alone  # what only both together do is shared by halves
    answers = ours.mean(axis=1) + left * blind - expected
    parts = {
        "right_answers": answers,
        "level": left * (level + joint / 2),
        "spread": left * (alone + joint / 2),
        "rest": taken - ours.mean(axis=1) - left * (blind + both),
    }
    return ShareCauses(group=group, **{name: float(part.mean()) for name, part in parts.items()})
