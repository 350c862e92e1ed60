"""Task by task: close it, leave it, or not enough data; drawn from the comparison alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossgap.close.comparison import NONE, CandidateRow, Change, Comparison
from crossgap.close.judged_quantities import Key, stored_groups
from crossgap.measure.certainty import change_bounds

__all__ = ["CLOSE", "FAIR", "LEAVE", "MATTERS", "NOT_ENOUGH", "TaskVerdict", "share_distance", "task_verdicts"]

CLOSE, LEAVE, NOT_ENOUGH = "close it", "leave it", "not enough data"
MATTERS = 0.05  # a change of a score that a user would notice
FAIR = 0.05  # of the places of a list: shares this near to those in the corpus are fair, nearer is chance
_STANDARDISES_SCORES = "ScoreStandardisation"


@dataclass(frozen=True, kw_only=True)
class TaskVerdict:
    """What closing does to one task.

    Parameters
    ----------
    task, groups
        Its name, and its groups; [queries, gallery] where direction matters.
    verdict
        "close it": the whole interval of the gain lies above 0. "leave it": it holds 0 and is narrow, or lies below.
        "leave it" too for the fairness of shares that are within 0.05 of those in the corpus already.
        "not enough data": it holds 0 and is wider than 0.1, so that a gain or a loss that matters (0.05) cannot be told
        from none; or there were too few items to judge by.
    sentence
        One sentence with the numbers.
    quantity, before, after, interval
        What was compared: its name, values, and the bounds of after - before.
    """

    task: str
    groups: tuple[str, ...]
    verdict: str
    sentence: str
    quantity: str | None = None
    before: float | None = None
    after: float | None = None
    interval: tuple[float, float] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "task": self.task,
            "groups": list(self.groups),
            "verdict": self.verdict,
            "sentence": self.sentence,
            "quantity": self.quantity,
            "before": None if self.before is None else round(self.before, 9),
            "after": None if self.after is None else round(self.after, 9),
            "interval": None if self.interval is None else [round(bound, 9) for bound in self.interval],
        }


def task_verdicts(found: Comparison, name: str) -> tuple[TaskVerdict, ...]:
    """Judge one candidate of a comparison, task by task.

    Tasks: a search over everything from each group, retrieval across in each direction, labels by class vectors where
    there are labels, and one score threshold for all pairs. A task that needs pairs, on a source that has none, is left
    out; a mixed search is then judged by the shares of the groups alone.

    Raises
    ------
    ValueError
        If there is no such candidate, or it could not be tried.
    """
    row = found.row(name)
    if row.reason is not None:
        raise ValueError(f"{name} could not be tried, so there is nothing to judge: {row.reason}.")
    return tuple(_verdicts(found, row))


def _verdicts(found: Comparison, row: CandidateRow) -> Iterator[TaskVerdict]:
    for queries in found.groups:
        yield _mixed(found, row, queries)
    for change in row.all_of("recall_at_k"):
        queries, gallery = change.groups
        yield _verdict("retrieval across", f"Retrieval across, {queries} to {gallery}", change, "recall@1")
    for change in row.all_of("label_accuracy"):
        queries, gallery = change.groups
        yield _verdict("zero-shot", f"Zero-shot, labels of {queries} by {gallery}", change, "accuracy")
    for change in row.all_of("match_auroc"):
        a, b = change.groups
        yield _verdict("one threshold", f"One score threshold for all pairs of {a} and {b}", change, "AUROC of a match")


def share_distance(values: Mapping[Key, np.ndarray | str], queries: str) -> np.ndarray:
    """Distance of the shares of the groups in the top 10 from those in the corpus, (1 + replicates,).

    Formula::

        mean over folds of  1/2 sum over groups |share in the top 10 - share of the corpus|

    The total variation distance: 0 for a search blind to modality, and for two groups the share by which one of them is
    favoured. It is taken within each fold: what a closer that was fitted on one half does to the other it does to the
    first the other way round, so that excesses of opposite sign would cancel over the folds and look like fairness.

    Raises
    ------
    ValueError
        If the shares were not measured.
    """
    found = values.get(("modality_share_distance", (queries,)))
    if not isinstance(found, np.ndarray):
        raise ValueError(f"the shares in the lists of {queries} were not measured; ask for 'modality_share_excess'.")
    return found


def _mixed(found: Comparison, row: CandidateRow, queries: str) -> TaskVerdict:
    label = f"Mixed search, {queries} searching everything"
    change = row.find("ndcg_at_k", queries)
    told = _shares(found, row, queries)
    if change is not None and change.after is not None:
        return _verdict("mixed search", label, change, "NDCG@10", told)
    before, after = (share_distance(found.samples[name], queries) for name in (NONE, row.name))
    if before[0] <= FAIR:
        told = f"; the shares were within {FAIR} of those in the corpus before{told}"
    gain = Change(
        name="fairness",
        groups=(queries,),
        before=1 - float(before[0]),
        after=1 - float(after[0]),
        interval=change_bounds(before - after, level=float(found.settings["level"])),
    )
    return _verdict("mixed search", label, gain, "fairness", told, needless=bool(before[0] <= FAIR))


def _verdict(
    task: str, label: str, change: Change, quantity: str, told: str = "", *, needless: bool = False
) -> TaskVerdict:
    verdict = LEAVE if needless and change.interval is not None else _of_interval(change.interval)
    difference = change.difference or 0.0
    bounds = "" if change.interval is None else f" [{change.interval[0]:+.3f}, {change.interval[1]:+.3f}]"
    why = {
        None: "",
        CLOSE: "",
        LEAVE: "" if needless else ", no clear gain" if (change.interval or (0, 0))[1] >= 0 else ", a loss",
        NOT_ENOUGH: f", too uncertain to tell a change of {MATTERS} from none",
    }[verdict]
    sentence = (
        f"{label}: {verdict}: {quantity} {change.before:.3f} -> {change.after:.3f}, "
        f"{difference:+.3f}{bounds}{why}{told}."
    )
    return TaskVerdict(
        task=task,
        groups=change.groups,
        verdict=verdict,
        sentence=sentence,
        quantity=change.name,
        before=change.before,
        after=change.after,
        interval=change.interval,
    )


def _of_interval(bounds: tuple[float, float] | None) -> str:
    if bounds is None:
        return NOT_ENOUGH
    low, high = bounds
    if low > 0:
        return CLOSE
    return NOT_ENOUGH if high > 0 and high - low > 2 * MATTERS else LEAVE


def _shares(found: Comparison, row: CandidateRow, queries: str) -> str:
    """Say which share of the list the other groups hold, and why it is not theirs where it is not."""
    others = [
        one for one in row.all_of("modality_share_excess") if one.groups[0] == queries and one.groups[1] != queries
    ]
    worst = max(others, key=lambda one: abs(one.after or 0.0), default=None)
    if worst is None or worst.before is None or worst.after is None:
        return ""
    other = worst.groups[1]
    stored = stored_groups(found.groups)
    own_rows = int(found.settings["folds"]) if queries in stored else 0  # one row a fold: the query itself
    of_corpus = found.sizes[other] / (sum(found.sizes[name] for name in stored) - own_rows)
    before, after = (max(0.0, of_corpus + excess) for excess in (worst.before, worst.after))
    text = f"; {other} fills {before:.1%} of the top 10 before, {after:.1%} after, and is {of_corpus:.1%} of the corpus"
    if abs(worst.after) <= FAIR:
        return text
    if worst.after > FAIR:
        return f"{text}: now favoured, by more than {FAIR}"
    return f"{text}: still more than {FAIR} off{_why_unfair(row, queries)}"


def _why_unfair(row: CandidateRow, queries: str) -> str:
    """Name what is left between the groups: an offset, or a difference in shape that no offset makes."""
    distances = [one for one in row.all_of("centroid_distance") if queries in one.groups]
    if not distances or row.closer == _STANDARDISES_SCORES:
        return ""
    left = max(distances, key=lambda one: one.after or 0.0)
    shape = row.find("frechet_covariance_part", *left.groups)
    if left.after is None or left.before is None or shape is None or shape.after is None:
        return ""
    offset = f"centroid distance {left.before:.2f} -> {left.after:.2f}"
    if left.after > left.before / 2:
        return f", since an offset is left ({offset})"
    return (
        f"; the offset is gone ({offset}), but each group varies along directions of its own (Fréchet covariance part "
        f"{shape.after:.2f}), so that its rows stay nearer to each other; crossgap.close.{_STANDARDISES_SCORES} acts "
        f"on that"
    )
