"""Which closer to take for a stated purpose, by cross-fitting, and when to take none."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossgap import __version__
from crossgap.close.closer import Closer
from crossgap.close.comparison import NONE, CandidateRow, Comparison, Progress, compare, without_rounding
from crossgap.close.cross_fitting import fewest_items, rows_with_a_direction
from crossgap.close.purpose_scores import SCORES, lowest_overlap, score_values
from crossgap.close.tasks import FAIR, NOT_ENOUGH, TaskVerdict, task_verdicts
from crossgap.data.embeddings import Embeddings
from crossgap.errors import DegenerateError
from crossgap.measure.certainty import LEAST_ITEMS, change_bounds
from crossgap.results import to_json

__all__ = ["TOLERANCE", "Choice", "Trial", "choose", "chosen_from", "judge"]

BETTER, NOT_BETTER, ORDER_LOST, NOT_TRIED = "better", "not better", "order lost", "not tried"
TOLERANCE = 0.35  # mean removal changes up to 0.32 of the ten nearest rows on three real sets, and passes


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What happened when one candidate met the best one before it.

    Parameters
    ----------
    candidate, against
        Their names; ``against`` is the champion at that time.
    score
        The candidate's score; None where it has none.
    difference, interval
        Score of the candidate less that of the champion, and its bounds.
    overlap
        Lowest neighbour overlap within a group.
    outcome
        "better", "not better", "order lost" (the overlap is below what is asked for) or "not tried".
    sentence
        The same in words.
    """

    candidate: str
    against: str
    score: float | None = None
    difference: float | None = None
    interval: tuple[float, float] | None = None
    overlap: float | None = None
    outcome: str
    sentence: str

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "candidate": self.candidate,
            "against": self.against,
            "score": _rounded(self.score),
            "difference": _rounded(self.difference),
            "interval": None if self.interval is None else [_rounded(bound) for bound in self.interval],
            "overlap": _rounded(self.overlap),
            "outcome": self.outcome,
            "sentence": self.sentence,
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Choice:
    """Which candidate was chosen, why, and what it does to each task.

    Parameters
    ----------
    chosen
        Name of the candidate; "none" where none is clearly better than leaving the vectors as they are.
    score, before, after
        What was asked for, its value without any closer, and with the chosen one; None where one closer was judged
        without a choice.
    tolerance
        Share of the ten nearest rows within a group that may change.
    trials
        The candidates in the order in which they were tried.
    why
        The reason in a sentence.
    verdicts
        Task by task: close it, leave it, not enough data.
    judged
        The candidate that the verdicts are about: the chosen one, or the best of those that were not good enough.
    comparison
        The whole table; None where there were too few items to judge by.
    """

    chosen: str
    score: str | None
    before: float | None
    after: float | None
    tolerance: float | None
    trials: tuple[Trial, ...]
    why: str
    verdicts: tuple[TaskVerdict, ...]
    judged: str | None
    comparison: Comparison | None

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "schema": 1,
            "crossgap": __version__,
            "chosen": self.chosen,
            "why": self.why,
            "score": {"name": self.score, "before": _rounded(self.before), "after": _rounded(self.after)},
            "tolerance": self.tolerance,
            "trials": [trial.as_json() for trial in self.trials],
            "judged": self.judged,
            "verdicts": [verdict.as_json() for verdict in self.verdicts],
            "comparison": None if self.comparison is None else self.comparison.as_json(),
        }

    def to_json(self) -> str:
        """Return a JSON document; the same input, options and seed give the same bytes."""
        return to_json(self.as_json())


def choose(
    embeddings: Embeddings,
    *,
    candidates: Mapping[str, Closer],
    score: str = "mixed-ndcg",
    tolerance: float = TOLERANCE,
    folds: int = 2,
    replicates: int = 200,
    level: float = 0.95,
    seed: int = 0,
    in_sample: bool = False,
    progress: Progress | None = None,
) -> Choice:
    """Choose the simplest closer that is clearly better than all before it, or none.

    Formula::

        champion = none
        for each candidate, in the order given:
            champion = candidate   if  overlap(candidate) >= 1 - tolerance  and  the whole interval of
                                       score(candidate) - score(champion) lies above 0

    How to read it: list the candidates from simple to complex; a complex one must earn its place. All scores are of
    rows that the closer was not fitted on. ``"none"`` always takes part and wins ties: changes below 1e-6, which are
    rounding, and by "mixed-fairness" everything once the shares are within 0.05 of those in the corpus.

    Parameters
    ----------
    embeddings
        Two groups or more.
    candidates
        Closers by name, not fitted, from simple to complex.
    score
        What the closer is for: "mixed-ndcg", "mixed-fairness" (the one score that needs no pairs), "recall",
        "zero-shot" or "alignment".
    tolerance
        Share of the ten nearest rows within a group that may change, at most. In the group that loses most, mean
        removal changes 0.14 of them (1000 fashion pairs), 0.25 (500 COCO pairs) or 0.32 (the packaged sample), so the
        default lets it pass; whitening changes 0.55 to 0.65.
    folds, replicates, level, seed, in_sample, progress
        As in ``compare``.

    Raises
    ------
    ValueError
        If the score is unknown, or an option is out of range.
    DegenerateError
        If there is only one group, or the score has no value on this source: it needs pairs, or labels.

    Notes
    -----
    Many candidates are compared, each at ``level``, and the rows that choose also judge, so now and then one that is no
    better wins by chance, and the score of a winner flatters it a little. Of 100 sources without a gap (150 pairs in 24
    dimensions, all 16 methods of the command line) one was closed for "mixed-ndcg", none for "mixed-fairness", two for
    "recall" and twelve for "alignment". Intervals: see ``compare``. Fewer than 10 items of a group in a fold: "none",
    and every verdict is "not enough data".

    References
    ----------
    Defined here.

    Examples
    --------
    >>> from crossgap.close.mean_removal import MeanRemoval
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(80, 8))
    >>> e = Embeddings.from_arrays(image=x + 1, text=x + 0.1 * rng.normal(size=(80, 8)) - 1)
    >>> choice = choose(e, candidates={"mean-removal": MeanRemoval()}, replicates=50)
    >>> choice.chosen, choice.verdicts[0].verdict
    ('mean-removal', 'close it')
    """
    _check(score, tolerance, replicates)
    fewest = _fewest_items(embeddings, folds, seed)
    if fewest < LEAST_ITEMS:
        return Choice(chosen=NONE, score=score, tolerance=tolerance, **_too_few(embeddings, fewest, folds))
    found = compare(
        embeddings,
        candidates,
        folds=folds,
        replicates=replicates,
        level=level,
        seed=seed,
        in_sample=in_sample,
        progress=progress,
        check_before=lambda values: score_values(values, score),
    )
    return chosen_from(found, score=score, tolerance=tolerance)


def judge(
    embeddings: Embeddings,
    name: str,
    closer: Closer | None,
    *,
    folds: int = 2,
    replicates: int = 200,
    level: float = 0.95,
    seed: int = 0,
    in_sample: bool = False,
    progress: Progress | None = None,
) -> Choice:
    """Judge one closer as ``choose`` judges many, without a choice: it was asked for by name.

    Parameters
    ----------
    embeddings, folds, replicates, level, seed, in_sample, progress
        As in ``compare``.
    name, closer
        What the closer is called, and the closer, not fitted; None for ``"none"``.

    Raises
    ------
    ValueError
        If an option is out of range, or the closer cannot be fitted.
    DegenerateError
        If there is only one group.

    Examples
    --------
    >>> from crossgap.close.mean_removal import MeanRemoval
    >>> x = np.random.default_rng(0).normal(size=(80, 8))
    >>> e = Embeddings.from_arrays(image=x + 1, text=x - 1)
    >>> judge(e, "mean-removal", MeanRemoval(), replicates=50).verdicts[0].verdict
    'close it'
    """
    fewest = _fewest_items(embeddings, folds, seed)
    if fewest < LEAST_ITEMS:
        return Choice(chosen=name, score=None, tolerance=None, **_too_few(embeddings, fewest, folds))
    found = compare(
        embeddings,
        {} if closer is None else {name: closer},
        folds=folds,
        replicates=replicates,
        level=level,
        seed=seed,
        in_sample=in_sample,
        progress=progress,
    )
    for row in found.rows:
        if row.reason is not None:
            raise DegenerateError(f"{name} cannot be fitted on this source: {row.reason}.")
    kept = "".join(
        f" It keeps {lowest_overlap(row):.2f} of the ten nearest rows within each group." for row in found.rows
    )
    return Choice(
        chosen=name,
        score=None,
        before=None,
        after=None,
        tolerance=None,
        trials=(),
        why=f"{name} was asked for, so nothing was chosen.{kept}",
        verdicts=() if name == NONE else task_verdicts(found, name),
        judged=None if name == NONE else name,
        comparison=found,
    )


def chosen_from(found: Comparison, *, score: str, tolerance: float = TOLERANCE) -> Choice:
    """Choose from a comparison that is there already: for several scores or tolerances it is made only once.

    Raises
    ------
    ValueError
        If the score is unknown, the tolerance is out of range, or the comparison has no bootstrap.
    DegenerateError
        If the score has no value on this source.
    """
    _check(score, tolerance, int(found.settings["bootstrap"]))
    level = float(found.settings["level"])
    before = score_values(found.samples[NONE], score)
    champion, best, trials = NONE, before, []
    for row in found.rows:
        if row.reason is not None:
            sentence = f"{row.name}: not tried: {row.reason}."
            trials.append(Trial(candidate=row.name, against=champion, outcome=NOT_TRIED, sentence=sentence))
            continue
        values = score_values(found.samples[row.name], score)
        fair = score == "mixed-fairness" and best[0] >= 1 - FAIR
        trial = _trial(row, values, champion, best, level, tolerance, fair=fair)
        trials.append(trial)
        if trial.outcome == BETTER:
            champion, best = row.name, values
    judged = champion if champion != NONE else _best_tried(trials)
    return Choice(
        chosen=champion,
        score=score,
        before=float(before[0]),
        after=float(best[0]),
        tolerance=tolerance,
        trials=tuple(trials),
        why=_why(champion, trials, score, tolerance),
        verdicts=() if judged is None else task_verdicts(found, judged),
        judged=judged,
        comparison=found,
    )


def _check(score: str, tolerance: float, replicates: int) -> None:
    if score not in SCORES:
        raise ValueError(f"score must be one of {', '.join(SCORES)}, but it is {score!r}; choose one.")
    if not 0 <= tolerance <= 1:
        raise ValueError(f"tolerance must lie between 0 and 1, but it is {tolerance}; {TOLERANCE} is the default.")
    if replicates < 2:
        raise ValueError(
            f"choosing needs intervals, so replicates must be at least 2, but it is {replicates}; 200 is a good number."
        )


def _trial(
    row: CandidateRow,
    values: np.ndarray,
    champion: str,
    best: np.ndarray,
    level: float,
    tolerance: float,
    *,
    fair: bool,
) -> Trial:
    change = without_rounding(values - best)
    bounds = change_bounds(change, level=level)
    overlap = lowest_overlap(row)
    between = "no interval" if bounds is None else f"[{bounds[0]:+.3f}, {bounds[1]:+.3f}]"
    told = f"{values[0]:.3f}, {change[0]:+.3f} {between} against {champion}"
    if overlap < 1 - tolerance:
        outcome, end = ORDER_LOST, f"keeps only {overlap:.2f} of the nearest rows, {1 - tolerance:.2f} is asked for"
    elif fair:
        outcome, end = NOT_BETTER, f"{champion} is within {FAIR} of the shares in the corpus, which is fair enough"
    elif bounds is not None and bounds[0] > 0:
        outcome, end = BETTER, f"keeps {overlap:.2f} of the nearest rows"
    else:
        outcome, end = NOT_BETTER, f"keeps {overlap:.2f} of the nearest rows"
    return Trial(
        candidate=row.name,
        against=champion,
        score=float(values[0]),
        difference=float(change[0]),
        interval=bounds,
        overlap=overlap,
        outcome=outcome,
        sentence=f"{row.name}: {outcome}: {told}; {end}.",
    )


def _best_tried(trials: Sequence[Trial]) -> str | None:
    """The candidate of the highest score among those that keep enough order, or else among all."""
    tried = [trial for trial in trials if trial.score is not None]
    kept = [trial for trial in tried if trial.outcome != ORDER_LOST] or tried
    return max(kept, key=lambda trial: trial.score or 0.0).candidate if kept else None


def _why(champion: str, trials: Sequence[Trial], score: str, tolerance: float) -> str:
    wins = [trial for trial in trials if trial.outcome == BETTER]
    if not wins:
        return _why_none(trials, score, tolerance)
    last = wins[-1]
    low, high = last.interval or (0.0, 0.0)
    later = [trial for trial in trials[trials.index(last) + 1 :] if trial.outcome == NOT_BETTER]
    end = "; nothing after it is clearly better" if later else ""
    lost = _best_of_lost_order(trials, above=last.score or 0.0)
    if lost is not None:
        end += f"; {lost.candidate} has {lost.score:.3f}, but keeps only {lost.overlap:.2f}"
    return (
        f"{champion} has {score} {last.score:.3f}, {last.difference:+.3f} [{low:+.3f}, {high:+.3f}] against "
        f"{last.against}, on rows that it was not fitted on, and keeps {last.overlap:.2f} of the ten nearest rows "
        f"within each group ({1 - tolerance:.2f} is asked for){end}."
    )


def _why_none(trials: Sequence[Trial], score: str, tolerance: float) -> str:
    """Say that nothing is good enough, and what would have to be true."""
    tried = [trial for trial in trials if trial.score is not None]
    if not tried:
        return "No candidate could be tried, so the vectors stay as they are."
    text = (
        f"No candidate has a {score} clearly above that of the vectors as they are and keeps {1 - tolerance:.2f} of "
        f"the ten nearest rows within each group, so they stay as they are."
    )
    kept = [trial for trial in tried if trial.outcome == NOT_BETTER]
    if kept:
        best = max(kept, key=lambda trial: trial.score or 0.0)
        low, high = best.interval or (0.0, 0.0)
        text += (
            f" The best of those that keep enough order, {best.candidate}, changes {score} by {best.difference:+.3f} "
            f"[{low:+.3f}, {high:+.3f}]; all of that interval would have to lie above 0."
        )
    lost = _best_of_lost_order(tried, above=-np.inf)
    if lost is not None and lost.interval is not None and lost.interval[0] > 0:
        enough = math.ceil(100 * (1 - (lost.overlap or 0.0))) / 100
        text += (
            f" {lost.candidate} gains {lost.difference:+.3f}, but keeps only {lost.overlap:.2f} of the nearest rows: a "
            f"tolerance of {enough:.2f} would let it pass."
        )
    return text


def _best_of_lost_order(trials: Sequence[Trial], *, above: float) -> Trial | None:
    """The candidate of the highest score that did not keep enough order, if that score is above the one given."""
    lost = [trial for trial in trials if trial.outcome == ORDER_LOST and (trial.score or 0.0) > above]
    return max(lost, key=lambda trial: trial.score or 0.0, default=None)


def _fewest_items(embeddings: Embeddings, folds: int, seed: int) -> int:
    """Return the fewest items of a group in a fold, of rows that have a direction."""
    if len(embeddings) < 2:
        return LEAST_ITEMS  # see compare
    usable, _ = rows_with_a_direction(embeddings)
    items = min(len(np.unique(numbers)) for numbers in usable.row_items.values())
    return items // folds if folds >= 2 and items < LEAST_ITEMS else fewest_items(usable, folds, seed=seed)


def _too_few(embeddings: Embeddings, fewest: int, folds: int) -> dict[str, Any]:
    """What a choice says where there is nothing to judge by."""
    text = (
        f"judging needs at least {LEAST_ITEMS} items of each group in each of the {folds} folds, but one has {fewest}"
    )
    sentence = f"All tasks: {NOT_ENOUGH}: {text}."
    verdict = TaskVerdict(task="all", groups=tuple(embeddings), verdict=NOT_ENOUGH, sentence=sentence)
    return {
        "before": None,
        "after": None,
        "trials": (),
        "why": f"{text[0].upper()}{text[1:]}; give more items.",
        "verdicts": (verdict,),
        "judged": None,
        "comparison": None,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 9)
