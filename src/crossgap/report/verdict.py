"""What the numbers mean, in sentences: how large the gap is, what it costs, what to do; drawn from the record alone."""

import itertools
from collections.abc import Iterator

from crossgap.report.gap_report import GapReport
from crossgap.results import Measurement

__all__ = ["group_pairs", "headline", "verdicts"]

_CLEARLY_SEPARATE = 0.95  # accuracy of telling the groups apart
_CHANCE = 2.0  # centroid distances below this many floors are left to the permutation test
_SIGNIFICANT = 0.05
_NOTICEABLE_SHARE = 0.05


def group_pairs(report: GapReport) -> list[tuple[str, str]]:
    """Return the pairs of groups in the report, two roles of one modality after two modalities, else in order."""
    pairs = itertools.combinations([str(facts["group"]) for facts in report.inputs], 2)
    return sorted(pairs, key=lambda pair: _modality(pair[0]) == _modality(pair[1]))


def headline(report: GapReport, x: str, y: str) -> str:
    """Say in one line how far two groups lie apart, how certain that is, and whether it is a gap at all."""
    distance = report.find("centroid_distance", x, y)
    if distance is None or distance.value is None:
        return f"{x} and {y}: the centroid distance was not measured."
    floor = report.value("centroid_distance_floor", x, y)
    if floor is None:  # only some quantities were asked for
        return f"{x} and {y}: centroid distance {_with_interval(distance)}."
    accuracy = report.value("linear_separability", x, y)
    if _is_chance(distance.value, floor, report.value("mmd_p_value", x, y)):
        size = f"no offset beyond chance (centroid distance {_with_interval(distance)}, chance alone gives {floor:.3f})"
        if accuracy is not None and accuracy >= _CLEARLY_SEPARATE:
            return f"{x} and {y} have {size}, yet a linear classifier tells them apart in {accuracy:.1%} of cases."
        return f"{x} and {y} have {size}."
    if accuracy is None:
        kind = "an offset"
    elif accuracy >= _CLEARLY_SEPARATE:
        kind = "a clear modality gap"
    else:
        kind = "an offset, but overlapping groups"
    told = "" if accuracy is None else f"; a linear classifier tells them apart in {accuracy:.1%} of cases"
    chance = "" if floor is None else f", chance alone {floor:.3f}"
    return f"{x} and {y} show {kind}: centroid distance {_with_interval(distance)}{chance}{told}."


def _is_chance(distance: float, floor: float, p: float | None) -> bool:
    """Tell an offset that two samples of one distribution show from a gap, if possible by the permutation test."""
    return distance < _CHANCE * floor and (p is None or p >= _SIGNIFICANT)


def verdicts(report: GapReport, x: str, y: str) -> Iterator[str]:
    """Say task by task what the gap costs, one sentence each, and what could not be said."""
    yield from _scores(report, x, y)
    for queries, other in ((x, y), (y, x)):
        yield from _mixed(report, queries, other)
    yield from _retrieval(report, x, y)
    yield from _nature(report, x, y)


def _with_interval(found: Measurement, digits: int = 3) -> str:
    """Write a value with its interval."""
    if found.value is None:
        return "-"
    text = f"{found.value:.{digits}f}"
    if found.interval is not None:
        text += f" [{found.interval[0]:.{digits}f}, {found.interval[1]:.{digits}f}]"
    return text


def _scores(report: GapReport, x: str, y: str) -> Iterator[str]:
    matched, unmatched, *within = (
        None if value is None else f"{value:.2f}".replace("-0.00", "0.00")
        for value in (
            report.value("matched_cosine", x, y),
            report.value("unmatched_cosine", x, y),
            report.value("within_cosine", x),
            report.value("within_cosine", y),
        )
    )
    if unmatched is None or None in within:
        return
    if matched is None:
        yield (
            f"Scores: two unrelated rows of {x} and {y} score {unmatched} on average, two of {x} {within[0]}, "
            f"two of {y} {within[1]}. What a match scores cannot be said without pairs."
        )
        return
    yield (
        f"Scores: a match scores {matched} on average and unrelated rows of {x} and {y} {unmatched}, yet two "
        f"unrelated rows of {x} score {within[0]} and of {y} {within[1]}: compare scores of one kind only."
    )
    for queries, gallery in ((x, y), (y, x)):
        yield from _threshold(report, queries, gallery)


def _threshold(report: GapReport, queries: str, gallery: str) -> Iterator[str]:
    cut = report.find("threshold_at_precision", queries, gallery, result="threshold")
    if cut is None:
        return
    asked = float(cut.options.get("asked", 0))
    if cut.value is None:
        best = report.value("threshold_at_precision", queries, gallery, result="best_precision")
        reached = "" if best is None else f"; the best cosine gives {best:.0%}"
        yield f"Threshold, {queries} searching {gallery}: no cosine gives precision {asked:.0%}{reached}."
        return
    precision, recall = (
        report.find("threshold_at_precision", queries, gallery, result=result) for result in ("precision", "recall")
    )
    if precision is not None and recall is not None and precision.value is not None and recall.value is not None:
        yield (
            f"Threshold, {queries} searching {gallery}: keep cosines from {_with_interval(cut)}; on rows held out that "
            f"gives precision {precision.value:.0%} (asked: {asked:.0%}) and finds {recall.value:.0%} of the matches."
        )


def _mixed(report: GapReport, queries: str, other: str) -> Iterator[str]:
    modality = _modality(other)
    share = report.find("modality_share_at_k", queries, modality)
    if share is None or share.value is None:
        return
    expected = float(share.options["corpus_share"])
    k = share.options["k"]
    ndcg = report.find("ndcg_at_k", queries)
    quality = f", NDCG@{k} {_with_interval(ndcg)}" if ndcg is not None and ndcg.value is not None else ""
    sentence = (
        f"Mixed index, {queries} searching everything: {modality} fills {share.value:.1%} of the top {k} and "
        f"{expected:.1%} of the corpus{quality}"
    )
    if share.value < expected - _NOTICEABLE_SHARE:
        yield f"{sentence}. Close the gap here: {modality} is hidden by it."
    elif share.value > expected + _NOTICEABLE_SHARE:
        yield f"{sentence}. It is favoured."
    else:
        yield f"{sentence}. Leave it."


def _modality(group: str) -> str:
    return group.partition("/")[0]


def _retrieval(report: GapReport, x: str, y: str) -> Iterator[str]:
    parts = []
    for queries, gallery in ((x, y), (y, x)):
        found = report.find("recall_at_k", queries, gallery, k=1)
        if found is not None and found.value is not None:
            parts.append(f"{queries} to {gallery} {_with_interval(found)}")
    if parts:
        yield (
            f"Retrieval across, recall@1: {', '.join(parts)}. Leave it: a constant offset moves all candidates of one "
            f"search alike, so closing it does not find more of them."
        )


def _nature(report: GapReport, x: str, y: str) -> Iterator[str]:
    ratio = report.find("gap_energy_ratio", x, y)
    if ratio is not None and ratio.value is not None:
        yield (
            f"Nature: {_with_interval(ratio)} of the mean squared pair distance is one constant offset, which a "
            f"translation can take away; the rest is noise between partners."
        )
    elif ratio is not None:
        yield f"Nature: how constant the gap is cannot be said ({ratio.reason})."
