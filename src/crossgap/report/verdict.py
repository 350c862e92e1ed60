"""What the numbers mean, in sentences: how large the gap is, what it costs, what to do; drawn from the record alone."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from crossgap.report.gap_report import GapReport
from crossgap.report.source_words import in_passing
from crossgap.results import Measurement, told

__all__ = [
    "CLOSE",
    "LEAVE",
    "NOT_MEASURED",
    "Task",
    "gap_kind",
    "group_pairs",
    "headline",
    "is_short",
    "tasks",
    "verdicts",
]

CLOSE, LEAVE, NOT_MEASURED = "close it", "leave it", "not measured"

_CLEARLY_SEPARATE = 0.9  # of the way from naming the larger group always to telling all rows apart
_CHANCE = 2.0  # floors that a centroid distance must exceed where rows are not independent
_SIGNIFICANT = 0.05
_NOTICEABLE = 0.2  # of the share of the corpus
_KINDS_OF_STRANGERS = 3  # across, and within each of two groups
_LISTS = 3  # a corpus shorter than so many lists is too small to judge


@dataclass(frozen=True, kw_only=True)
class Task:
    """What the numbers say about one task.

    Parameters
    ----------
    task, groups
        Its name, and its groups; [queries, gallery] where direction matters.
    decision
        "close it", "leave it", or "not measured" where these numbers cannot tell; None for a fact that is no task.
    sentence
        One sentence with the numbers.
    numbers
        The measurements that the sentence rests on.
    """

    task: str
    groups: tuple[str, ...]
    decision: str | None
    sentence: str
    numbers: tuple[Measurement, ...] = ()


def group_pairs(report: GapReport) -> list[tuple[str, str]]:
    """Return the pairs of groups in the report, two roles of one modality after two modalities, else in order."""
    pairs = itertools.combinations([str(facts["group"]) for facts in report.inputs], 2)
    return sorted(pairs, key=lambda pair: _modality(pair[0]) == _modality(pair[1]))


def headline(report: GapReport, x: str, y: str) -> str:
    """Say in one line how far two groups lie apart, how certain that is, and whether it is a gap at all."""
    distance = report.find("centroid_distance", x, y)
    if distance is None or distance.value is None:
        return ""
    floor = report.value("centroid_distance_floor", x, y)
    if floor is None:  # only some quantities were asked for
        return f"{x} and {y}: centroid distance {told(distance)}."
    apart, separate = _told_apart(report, x, y)
    size = f"centroid distance {told(distance)}, chance alone {floor:.3f}"
    if not _has_offset(report, x, y):
        but = ", yet they differ in shape" if separate else ""
        return f"{x} and {y} show no offset beyond chance{but}: {size}{apart}."
    overlapping = "an offset, but overlapping groups" if apart else "an offset"
    kind = "a clear modality gap" if separate else overlapping
    return f"{x} and {y} show {kind}: {size}{apart}."


def gap_kind(report: GapReport, x: str, y: str) -> str | None:
    """Say in a word what there is: "clear", "overlapping", "shape only" or "none"; None where it was not measured."""
    distance = report.find("centroid_distance", x, y)
    if distance is None or distance.value is None or report.value("centroid_distance_floor", x, y) is None:
        return None
    separate = _told_apart(report, x, y)[1]
    if not _has_offset(report, x, y):
        return "shape only" if separate else "none"
    return "clear" if separate else "overlapping"


def _told_apart(report: GapReport, x: str, y: str) -> tuple[str, bool]:
    """Return the clause on the classifier, and whether it does far better than naming the larger group always."""
    found = report.find("linear_separability", x, y)
    if found is None or found.value is None:
        return "", False
    n, m = (float(found.options.get(size, 1)) for size in "nm")
    majority = max(n, m) / (n + m)
    guess = "" if n == m else f" (naming the larger group always: {majority:.1%})"
    clause = f"; a linear classifier tells them apart in {found.value:.1%} of cases{guess}"
    return clause, found.value >= majority + _CLEARLY_SEPARATE * (1 - majority)


def _has_offset(report: GapReport, x: str, y: str) -> bool:
    """Tell a gap from the distance of two samples of one distribution: by permutation, else by the floor."""
    p = report.value("centroid_distance_p_value", x, y)
    if p is not None:
        return p < _SIGNIFICANT
    distance, floor = report.value("centroid_distance", x, y), report.value("centroid_distance_floor", x, y)
    return distance is None or floor is None or distance > _CHANCE * floor


def verdicts(report: GapReport, x: str, y: str) -> Iterator[str]:
    """Say task by task what the gap costs, one sentence each, and what could not be said."""
    for task in tasks(report, x, y):
        yield task.sentence


def tasks(report: GapReport, x: str, y: str) -> Iterator[Task]:
    """Yield what is known of each task, and of the nature of the gap."""
    yield from _scores(report, x, y)
    for queries, gallery in ((x, y), (y, x)):
        yield from _threshold(report, queries, gallery)
    for queries, other in ((x, y), (y, x)):
        yield from _mixed(report, queries, other)
    yield from _retrieval(report, x, y)
    yield from _nature(report, x, y)


def _scores(report: GapReport, x: str, y: str) -> Iterator[Task]:
    match = report.find("matched_cosine", x, y)
    numbers = [
        found
        for found in (
            report.find("unmatched_cosine", x, y),
            report.find("within_cosine", x),
            report.find("within_cosine", y),
        )
        if found is not None and found.value is not None
    ]
    if len(numbers) < _KINDS_OF_STRANGERS:
        return
    unmatched, within_x, within_y = (found.value or 0.0 for found in numbers)
    decision = NOT_MEASURED
    pairs = f"two rows of {x} and {y} of different items score {_score(unmatched)} on average"
    inside = f"two rows of {x} {_score(within_x)}, two of {y} {_score(within_y)}"
    if match is None or match.value is None:
        sentence = f"Scores: {pairs}, {inside}. What a match scores cannot be said without pairs."
    elif match.interval is not None and match.interval[0] <= unmatched:
        sentence = (
            f"Scores: a match scores {_score(match.value)}, no more than others: {pairs}. Are the rows of both groups "
            f"in one order? {in_passing(report, 'doctor')} tells."
        )
    else:
        outscored = max(within_x, within_y) > match.value
        warning = ": compare scores of one kind only" if outscored else ""
        sentence = f"Scores: a match scores {_score(match.value)}; {pairs}, {inside}{warning}."
        if not outscored:
            decision = LEAVE
        elif _has_offset(report, x, y):
            decision = CLOSE
    yield Task(
        task="one threshold",
        groups=(x, y),
        decision=decision,
        sentence=sentence,
        numbers=(*([] if match is None or match.value is None else [match]), *numbers),
    )


def _score(value: float) -> str:
    return f"{value:.2f}".replace("-0.00", "0.00")


def _threshold(report: GapReport, queries: str, gallery: str) -> Iterator[Task]:
    cut = report.find("threshold_at_precision", queries, gallery, result="threshold")
    if cut is None:
        return
    asked = float(cut.options.get("asked", 0))
    searched = f"{queries} searching {_gallery(cut, gallery)}"
    best = report.value("threshold_at_precision", queries, gallery, result="best_precision")
    precision, recall = (
        report.find("threshold_at_precision", queries, gallery, result=result) for result in ("precision", "recall")
    )
    if cut.value is None:
        if best is None or best >= asked:
            sentence = f"Threshold, {searched}: none ({str(cut.reason).rstrip('.')})."
        else:
            sentence = (
                f"Threshold, {searched}: no cosine gives precision {asked:.0%} reliably; the best gives {best:.0%}."
            )
    elif precision is not None and recall is not None and precision.value is not None and recall.value is not None:
        sentence = (
            f"Threshold, {searched}: keep cosines from {told(cut)}; on rows held out that gives precision "
            f"{told(precision, 2)} (asked: {asked:.2f}) and finds {recall.value:.0%} of the matches."
        )
    else:
        return
    yield Task(task="threshold", groups=(queries, gallery), decision=None, sentence=sentence, numbers=(cut,))


def _gallery(found: Measurement, gallery: str) -> str:
    """Name a gallery, with its size where it was cut down: a larger one holds more wrong answers."""
    full = found.options.get("sampled_from")
    return gallery if full is None else f"{found.options['m']} of {full[1]} rows of {gallery} (more in all of them)"


def _mixed(report: GapReport, queries: str, other: str) -> Iterator[Task]:
    share = report.find("modality_share_at_k", queries, other)
    if share is None or share.value is None:
        return
    expected = float(share.options["corpus_share"])
    k = int(share.options["k"])
    if is_short(share):
        return
    ndcg = report.find("ndcg_at_k", queries)
    quality = f", NDCG@{k} {told(ndcg)}" if ndcg is not None and ndcg.value is not None else ""
    decision, end = _fairness(report, share, expected)
    yield Task(
        task="mixed search",
        groups=(queries, other),
        decision=decision,
        sentence=(
            f"Mixed index, {queries} searching everything: {other} fills {share.value:.1%} of the top {k} and "
            f"{expected:.1%} of the corpus{quality}: {end}"
        ),
        numbers=(share, *([] if ndcg is None or ndcg.value is None else [ndcg])),
    )


def is_short(share: Measurement) -> bool:
    """Tell whether a corpus is so short that the shares of its lists say little."""
    corpus = share.options.get("corpus")
    return corpus is not None and sum(corpus.values()) <= _LISTS * int(share.options["k"])


def _fairness(report: GapReport, share: Measurement, expected: float) -> tuple[str, str]:
    """Say whether a group is hidden from the queries of another, and what follows."""
    queries, other = share.groups
    value = share.value or 0.0
    low, high = share.interval or (value, value)
    if high < expected and value < (1 - _NOTICEABLE) * expected:
        if _has_offset(report, *_in_order(report, queries, other)):
            return CLOSE, (
                f"{other} is hidden. This is the task for which to close the gap ({in_passing(report, 'close')})."
            )
        return NOT_MEASURED, (
            f"{other} is hidden, but not by an offset, so moving the centres will not help "
            f"({in_passing(report, 'explain')} takes apart what else there is)."
        )
    if low > expected and value > (1 + _NOTICEABLE) * expected:
        return NOT_MEASURED, f"{other} is favoured."
    return LEAVE, "no task for closing the gap."


def _in_order(report: GapReport, a: str, b: str) -> tuple[str, str]:
    """Return two groups in the order in which the report measured them."""
    return (a, b) if report.find("centroid_distance", a, b) is not None else (b, a)


def _modality(group: str) -> str:
    return group.partition("/")[0]


def _retrieval(report: GapReport, x: str, y: str) -> Iterator[Task]:
    parts, numbers = [], []
    for queries, gallery in ((x, y), (y, x)):
        found = report.find("recall_at_k", queries, gallery, k=1)
        if found is not None and found.value is not None:
            parts.append(f"{queries} to {_gallery(found, gallery)} {told(found)}")
            numbers.append(found)
    if parts:
        yield Task(
            task="retrieval across",
            groups=(x, y),
            decision=LEAVE,
            sentence=(
                f"Retrieval across, recall@1: {', '.join(parts)}. All candidates of such a search come from one group, "
                f"so the gap hides none of them; close it for this only if held-out pairs gain "
                f"({in_passing(report, 'close', '--score recall')} tells)."
            ),
            numbers=tuple(numbers),
        )


def _nature(report: GapReport, x: str, y: str) -> Iterator[Task]:
    ratio = report.find("gap_energy_ratio", x, y)
    if ratio is None:
        return
    sentence = f"Nature: how constant the gap is cannot be said ({ratio.reason})."
    if ratio.value is not None:
        sentence = (
            f"Nature: {told(ratio)} of the mean squared pair distance is one constant offset, which a "
            f"translation can take away; the rest is noise between partners."
        )
    yield Task(task="nature", groups=(x, y), decision=None, sentence=sentence, numbers=(ratio,))
