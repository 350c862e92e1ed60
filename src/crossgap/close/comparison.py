"""C12: what each candidate does to a source, on rows that it was not fitted on, beside what was there before.

embeddings --folds--> fit on the others, judge on this one --pool--> before, after, the change and its interval
"""

import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import clone

from crossgap.close.closer import Closer
from crossgap.close.cross_fitting import JudgedFold, cross_fitted, rows_with_a_direction
from crossgap.close.judged_quantities import ACROSS, FoldJudge, Key, Tally, pooled
from crossgap.data.embeddings import Embeddings
from crossgap.errors import DegenerateError, MissingExtraError
from crossgap.measure.certainty import change_bounds

__all__ = ["NONE", "CandidateRow", "Change", "Comparison", "compare", "without_rounding"]

NONE = "none"
_ROUNDING = 1e-6  # of float32 rows: a smaller change is none
Progress = Callable[[Sequence[Any], Callable[[Any], str]], Iterable[Any]]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One quantity of the judged rows before and after a closer.

    Parameters
    ----------
    name, groups
        The quantity and its groups; [queries, gallery] where direction matters. For ``modality_share_excess`` the
        queries and the group whose places are counted.
    before, after
        The values; None where there is none.
    interval
        Bounds of after - before, both resampled together; None without a bootstrap.
    in_sample
        The value after a closer that was fitted on the judged rows themselves: what over-fitting would show.
    reason
        Why there is no value.
    """

    name: str
    groups: tuple[str, ...]
    before: float | None
    after: float | None
    interval: tuple[float, float] | None = None
    in_sample: float | None = None
    reason: str | None = None

    @property
    def difference(self) -> float | None:
        """After less before."""
        return None if self.after is None or self.before is None else self.after - self.before

    def as_json(self) -> dict[str, Any]:
        """Return plain data, numbers to nine decimals."""
        return {
            "name": self.name,
            "groups": list(self.groups),
            "before": _rounded(self.before),
            "after": _rounded(self.after),
            "change": _rounded(self.difference),
            "interval": None if self.interval is None else [_rounded(bound) for bound in self.interval],
            "in_sample": _rounded(self.in_sample),
            "reason": self.reason,
        }


@dataclass(frozen=True, kw_only=True)
class CandidateRow:
    """What one candidate did, or why it could not be tried.

    Parameters
    ----------
    name, closer, parameters
        Its name here, its class and what it was given.
    fit_rows
        Rows of each group that it was fitted on, in the first fold.
    dimension
        Columns of the moved rows.
    changes
        The quantities, in a fixed order.
    notes
        What it warned of while it was fitted.
    reason
        Why it could not be tried; None where it could.
    seconds
        Time to fit and to move, all folds; no part of the JSON, which the same input always gives in the same bytes.
    """

    name: str
    closer: str
    parameters: Mapping[str, Any]
    fit_rows: Mapping[str, int] = field(default_factory=dict)
    dimension: int | None = None
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()
    reason: str | None = None
    seconds: float = field(default=0.0, compare=False)

    def find(self, name: str, *groups: str) -> Change | None:
        """Return the first quantity of this name, on these groups where they are given."""
        found = (one for one in self.changes if one.name == name and (not groups or one.groups == groups))
        return next(found, None)

    def all_of(self, name: str) -> list[Change]:
        """Return every quantity of this name that has a value."""
        return [one for one in self.changes if one.name == name and one.after is not None]

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "name": self.name,
            "closer": self.closer,
            "parameters": {  # a temperature may be infinite, which JSON has no number for
                key: str(value) if isinstance(value, float) and not np.isfinite(value) else value
                for key, value in self.parameters.items()
            },
            "fit_rows": dict(self.fit_rows),
            "dimension": self.dimension,
            "reason": self.reason,
            "notes": list(self.notes),
            "changes": [change.as_json() for change in self.changes],
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """All candidates on one source.

    Parameters
    ----------
    groups, sizes, dimension
        The groups, their rows, and d.
    rows
        One for each candidate, in the order given.
    settings
        Folds, replicates, level, seed.
    notes
        What was left aside.
    samples
        For each candidate that could be tried the values of each quantity, (1 + replicates,), the first without
        resampling; under ``"none"`` those before. They share their draws, so that any two can be compared. No part of
        the JSON.
    """

    groups: tuple[str, ...]
    sizes: Mapping[str, int]
    dimension: int
    rows: tuple[CandidateRow, ...]
    settings: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    samples: Mapping[str, Mapping[Key, np.ndarray | str]] = field(repr=False)

    def row(self, name: str) -> CandidateRow:
        """Return the row of one candidate."""
        for row in self.rows:
            if row.name == name:
                return row
        raise ValueError(f"there is no candidate {name!r}; the candidates are {', '.join(r.name for r in self.rows)}.")

    def as_json(self) -> dict[str, Any]:
        """Return plain data: the same input and seed give the same bytes."""
        return {
            "groups": dict(self.sizes),
            "dimension": self.dimension,
            "settings": dict(self.settings),
            "notes": list(self.notes),
            "candidates": [row.as_json() for row in self.rows],
        }


def compare(
    embeddings: Embeddings,
    candidates: Mapping[str, Closer],
    *,
    folds: int = 2,
    replicates: int = 200,
    level: float = 0.95,
    seed: int = 0,
    in_sample: bool = False,
    quantities: Set[str] | None = None,
    progress: Progress | None = None,
    check_before: Callable[[Mapping[Key, np.ndarray | str]], object] | None = None,
) -> Comparison:
    """Fit each candidate on part of the items and measure what it does to the others, in turn.

    How to read it: every number is about rows that the closer has not seen, pooled over the folds; each fold is a
    corpus of its own, of 1 / ``folds`` of the rows, so recall is higher than on the whole. "neighbour_overlap",
    "within_spearman" and "list_kendall" compare after with before and are 1 where no order changed. An interval that
    does not hold 0 is a change that other queries of the kind would show too, with this corpus and this fit: neither
    the rows that are found nor the fit are drawn anew, so with few rows it is too narrow.

    Every group searches; all but those of the role ``query`` (``text/query``) are searched.

    Parameters
    ----------
    embeddings
        Two groups or more. Pairs are not needed; what needs them carries the reason.
    candidates
        Closers by name, not fitted; they are cloned. A method that cannot be fitted is listed with its reason.
    folds
        Parts that the items are dealt into, at random, whole items in one part.
    replicates, level, seed
        Bootstrap over items: 0 replicates for no intervals. The seed is also that of the folds.
    in_sample
        Also judge a closer that was fitted on the judged rows, as far too many papers do.
    quantities
        Names of what to measure; None for everything.
    progress
        Called with the candidates' names and a function that names one; yields them. For a progress bar.
    check_before
        Called with what was measured of the rows as they are, before any candidate is fitted; it may raise.

    Raises
    ------
    ValueError
        If an option is out of range, or a row is not finite.
    DegenerateError
        If there is only one group, or a group has fewer than 10 items in a fold.

    Notes
    -----
    Cost for each candidate and fold: about ten products of all rows with all rows, and a logistic regression (LDA
    above 2000 rows of a group in a fold). Whole orders (Spearman, Kendall) are taken of at most 500 rows of a group in
    a fold against all others, and "match_auroc" of at most 1000 items, drawn at random. Class vectors of
    "label_accuracy" are means over all rows of their group, also those that were fitted on; the rows that are labelled
    are not. Every score is a cosine, also
    of moved rows that were not brought to length 1; ``ScoreStandardisation`` is judged by its standardised cosines.

    References
    ----------
    Cross-fitting: Chernozhukov et al., *Double/debiased machine learning*, 2018, section 2.

    Examples
    --------
    >>> from crossgap.close.mean_removal import MeanRemoval
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(60, 8))
    >>> e = Embeddings.from_arrays(image=x + 1, text=x - 1)
    >>> found = compare(e, {"mean-removal": MeanRemoval()}, replicates=50)
    >>> change = found.row("mean-removal").find("centroid_distance", "image", "text")
    >>> change.before > 1, change.after < 0.5, change.interval[1] < 0
    (True, True, True)
    """
    if len(embeddings) < 2:
        raise DegenerateError(
            f"closing a gap needs at least two groups, but there is only {', '.join(embeddings)}; give a second one."
        )
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, but it is {level}; 0.95 is usual.")
    embeddings, notes = rows_with_a_direction(embeddings)
    judges = [
        (
            fold,
            FoldJudge(fold, embeddings, seed=seed, quantities=quantities),
            FoldJudge(fold, embeddings, seed=seed, quantities=quantities, replicates=False),
        )
        for fold in cross_fitted(embeddings, folds=folds, replicates=replicates, seed=seed)
    ]
    before = pooled([judge.tallies() for _, judge, _ in judges])
    if check_before is not None:
        check_before(before)
    samples: dict[str, Mapping[Key, np.ndarray | str]] = {NONE: before}
    rows = []
    names = [name for name in candidates if name != NONE]
    for name in names if progress is None else progress(names, str):
        row, values = _row(name, candidates[name], judges, before, level=level, in_sample=in_sample)
        rows.append(row)
        if values:
            samples[name] = values
    return Comparison(
        groups=tuple(embeddings),
        sizes={name: len(group) for name, group in embeddings.items()},
        dimension=embeddings.dimension,
        rows=tuple(rows),
        settings={"folds": folds, "bootstrap": replicates, "level": level, "seed": seed, "in_sample": in_sample},
        notes=tuple(notes),
        samples=samples,
    )


def _row(
    name: str,
    closer: Closer,
    judges: list[tuple[JudgedFold, FoldJudge, FoldJudge]],
    before: Mapping[Key, np.ndarray | str],
    *,
    level: float,
    in_sample: bool,
) -> tuple[CandidateRow, dict[Key, np.ndarray | str]]:
    told = {"name": name, "closer": type(closer).__name__, "parameters": closer.get_params(deep=False)}
    tallies: list[dict[Key, Tally | str]] = []
    inside: list[dict[Key, Tally | str]] = []
    seconds, fit_rows, dimension = 0.0, {}, None
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            for fold, judge, plain_judge in judges:
                start = time.perf_counter()
                fitted = _fitted(closer, fold.fit)
                seconds += time.perf_counter() - start
                tallies.append(_tallies(judge, fitted))
                fit_rows = fit_rows or dict(fitted.fit_rows_)
                dimension = fitted.move(fold.rows[fitted.groups_[0]][:1], fitted.groups_[0]).shape[1]
                if in_sample:
                    inside.append(_tallies(plain_judge, _fitted(closer, fold.judged)))
        except (ValueError, MissingExtraError) as error:  # of this candidate; the others may do
            return CandidateRow(**told, reason=" ".join(str(error).split()).rstrip("."), seconds=seconds), {}
    after = pooled(tallies)
    inner = pooled(inside) if inside else {}
    changes = tuple(_change(key, before[key], after[key], inner.get(key), level) for key in before)
    notes = dict.fromkeys(" ".join(str(one.message).split()) for one in warned)
    row = CandidateRow(
        **told, fit_rows=fit_rows, dimension=dimension, changes=changes, notes=tuple(notes), seconds=seconds
    )
    return row, after


def _fitted(closer: Closer, embeddings: Embeddings) -> Closer:
    fresh: Any = clone(closer)
    return fresh.fit_embeddings(embeddings)


def _tallies(judge: FoldJudge, fitted: Closer) -> dict[Key, Tally | str]:
    """Measure a closer as it is used: its rows, and the scales of its scores where it has any."""
    scales: Any = fitted.scales
    return judge.tallies(fitted.compared, None if scales(fitted.groups_[0]) is None else scales)


def _change(
    key: Key, before: np.ndarray | str, after: np.ndarray | str, inside: np.ndarray | str | None, level: float
) -> Change:
    name, groups = key
    if isinstance(before, str) or isinstance(after, str):
        reason = before if isinstance(before, str) else after
        return Change(name=name, groups=groups, before=None, after=None, reason=str(reason))
    change = without_rounding(after - before)
    return Change(
        name=name,
        groups=groups,
        before=ACROSS.get(name, float(before[0])),
        after=float(after[0]),
        interval=change_bounds(change, level=level),
        in_sample=None if inside is None or isinstance(inside, str) else float(inside[0]),
    )


def without_rounding(change: np.ndarray) -> np.ndarray:
    """Return changes with those at 0 that float32 rows make by being written anew: they are ties."""
    return np.where(np.abs(change) < _ROUNDING, 0.0, change)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 9)
