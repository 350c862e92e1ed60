"""C10: make the scores of different groups comparable, so that one list over all of them is fair."""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from crossgap.close.affine_step import AffineStep
from crossgap.close.closer import Calibration
from crossgap.close.mean_removal import MeanRemoval
from crossgap.close.moments import MomentCloser, Moments
from crossgap.errors import DegenerateError
from crossgap.geometry.rows import unit_rows

__all__ = ["ScoreStandardisation"]


class ScoreStandardisation(MomentCloser):
    """Standardise cosines by the groups of the query and of the document, so that lists over all groups can be merged.

    Formula::

        z(q, x) = (cos(q, x) - M_ab) / S_ab,   a: group of the query, b: group of the document
        M_ab = mean,  S_ab = deviation of the cosines of all pairs of distinct rows of a and b

    How to read it: the remedy where a mixed index still prefers one group after its mean was removed. Rows of one group
    share more than their mean: the cosines of two texts vary far more than those of a text and a picture, so the best
    texts outrank the right picture however the clouds are moved. z asks how far a score stands out among the scores of
    *its kind*. The order within a group of documents does not change at all, only the places at which the groups'
    lists are merged; so recall across groups stays exactly what it is. On 500 CLIP pairs, means of the cosines from one
    half of the items: NDCG@10 of pictures searching everything goes from 0.00 to 0.72, with mean removal to 0.24.

    Use it in one of three ways: merge one list for each group by ``standardise``; pass ``scales(a)`` to
    ``measure.mixed_search``; or store the documents as ``transform`` gives them, with one more coordinate, in an index
    by inner product, and search it with ``as_queries``.

    Parameters
    ----------
    queries
        The group whose queries ``transform`` prepares the documents for, since an index by inner product serves one
        group of queries. None: a group of the role ``query``, else of the modality ``text``, else the first.
    centre
        Remove each group's mean first (``MeanRemoval``), and standardise the cosines after it. Shares come out more
        even, NDCG mostly a little lower.

    Attributes
    ----------
    score_means_, score_deviations_
        M_a and S_a (groups,) by the group a of the query, in the order of ``groups_``.
    means_
        With ``centre``: the groups' means (d,).

    Raises
    ------
    ValueError
        If ``queries`` is none of the groups.
    DegenerateError
        If a group has fewer than three rows, or the cosines of two groups do not vary.

    Notes
    -----
    Computed from the sums of x and of x x^T alone, M_ab = m_a . m_b and mean cos^2 = <mean x x^T, mean y y^T>, so no
    pair is ever formed. A row is never compared with itself; partners, 1 in n pairs, count like all others.
    ``partial_fit`` takes batches where ``centre`` is False. Cost: n d^2 flops.

    Cosines of documents and queries must be scored as here: rows of length 1, for ``transform`` the plain inner product
    (the moved documents are not of length 1, and must not be brought to it).

    References
    ----------
    Standardising the scores of several retrieval systems before their lists are merged is an old remedy: Montague and
    Aslam, *Relevance score normalization for metasearch*, CIKM 2001 (zero mean, unit variance). That it repairs mixed
    search across a modality gap is measured here.

    Examples
    --------
    >>> X = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [-1.0, 0.0], [-0.8, 0.6], [-0.6, 0.8]])
    >>> closer = ScoreStandardisation().fit(X, groups=["text"] * 3 + ["image"] * 3)
    >>> mean, deviation = closer.scales("text")["image"]  # of the nine cosines between them
    >>> round(mean, 4), round(deviation, 4)
    (-0.1467, 0.6004)
    >>> closer.standardise([-0.6, 0.0], "text", "image").round(4).tolist()
    [-0.755, 0.2443]
    """

    _products = True
    _least_rows = 3  # two have one cosine, which has no spread

    def __init__(self, *, queries: str | None = None, centre: bool = False):
        self.queries = queries
        self.centre = centre

    def partial_fit(self, X: Any, y: Any = None, *, groups: Any = None) -> "ScoreStandardisation":
        """Learn from one more batch; not with ``centre``, whose second step needs all rows at once."""
        if self.centre:
            raise ValueError(
                "centre must be False to learn batch by batch, since cosines change with the mean; use fit."
            )
        super().partial_fit(X, groups=groups)
        return self

    def _learn(self, calibration: Calibration) -> None:
        if not self.centre:
            vars(self).pop("means_", None)  # of a fit with centre
            super()._learn(calibration)
            return
        self._moments = {}  # sums of a fit without centre are no sums of this one
        removal = MeanRemoval()
        removal._learn(calibration)
        self.means_ = removal.means_
        rows = {name: removal._move(part, name) for name, part in calibration.rows.items()}
        self._learn_from({name: Moments.of(part, products=True) for name, part in rows.items()})

    def _learn_from(self, moments: dict[str, Moments]) -> None:
        if self.queries is not None and self.queries not in moments:
            raise ValueError(f"queries must be one of the groups {', '.join(moments)}, but it is {self.queries!r}.")
        means: dict[str, Any] = {}
        deviations: dict[str, Any] = {}
        for a, left in moments.items():
            found = [_mean_and_deviation(left, right, (a, b)) for b, right in moments.items()]
            means[a], deviations[a] = np.ascontiguousarray(np.array(found).T)
        self.score_means_, self.score_deviations_ = means, deviations

    def scales(self, queries: str) -> dict[str, tuple[float, float]]:
        """Return mean and deviation of the cosines between queries of a group and the rows of each group."""
        self._check_group(queries)
        return {
            name: (float(mean), float(deviation))
            for name, mean, deviation in zip(
                self.groups_, self.score_means_[queries], self.score_deviations_[queries], strict=True
            )
        }

    def standardise(self, cosines: Any, queries: str, documents: str) -> np.ndarray:
        """Return z of cosines between queries of one group and documents of another."""
        self._check_group(documents)
        mean, deviation = self.scales(queries)[documents]
        return (np.asarray(cosines) - mean) / deviation

    def compared(self, rows: np.ndarray, group: str) -> np.ndarray:
        """Return a block of rows of one group as their cosines are compared: at length 1, with ``centre`` centred."""
        self._check_block(rows, group)
        unit = unit_rows(rows, name=group)
        return AffineStep(offset=-self.means_[group]).apply(unit, name=group) if self.centre else unit

    def as_queries(self, rows: np.ndarray) -> np.ndarray:
        """Return queries (n, d) of the group ``served()`` as an index of moved documents wants them: a 1 behind."""
        moved = self.compared(rows, self.served())
        return np.concatenate([moved, np.ones((len(moved), 1), moved.dtype)], axis=1)

    def steps(self, group: str) -> tuple[AffineStep, ...]:
        """Return (x / S, -M / S): the document whose inner product with (q, 1) is z."""
        mean, deviation = self.scales(self.served())[group]
        factors = np.full(self.n_features_in_, 1 / deviation)
        last = AffineStep(matrix=factors, appended=np.array([-mean / deviation]), renormalise=False)
        return (AffineStep(offset=-self.means_[group]), last) if self.centre else (last,)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns: those of the input, and ``offset``."""
        own: Any = super().get_feature_names_out(input_features)
        return np.array([*own, "offset"], dtype=object)

    def served(self) -> str:
        """Return the group whose queries the documents are prepared for; those of another need other documents."""
        check_is_fitted(self)
        if self.queries is not None:
            return self.queries
        asking = [name for name in self.groups_ if name.partition("/")[2] == "query"]
        texts = [name for name in self.groups_ if name.partition("/")[0] == "text"]
        return [*asking, *texts, *self.groups_][0]


def _mean_and_deviation(a: Moments, b: Moments, names: tuple[str, str]) -> tuple[float, float]:
    """Mean and deviation of the cosines of all pairs of distinct rows."""
    total, pairs = float(a.total @ b.total), a.count * b.count
    squares = float(np.sum(a.products * b.products))
    if names[0] == names[1]:  # without each row and itself, whose cosine is 1
        total, squares, pairs = total - a.count, squares - a.count, pairs - a.count  # each row has length 1
    mean = total / pairs
    variance = squares / pairs - mean**2
    if not variance > 1e-12:
        raise DegenerateError(
            f"cosines between rows of {names[0]} and {names[1]} must vary to be standardised, but all are {mean:.3f} "
            f"(n_features={len(a.total)}); give more rows, or rows that differ."
        )
    return mean, variance**0.5
