"""The first screen: is there a gap, what does it cost, what to do, how sure is this; from the report alone."""

from collections.abc import Iterator

from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Answer, Card
from crossgap.report.page.detail_entries import entries
from crossgap.report.verdict import gap_kind, group_pairs
from crossgap.results import Measurement

__all__ = ["answers", "lead_reading"]

_FAIR = 0.05  # of the places of a list: nearer to the share of the corpus no one wins
_CLEAR = ("close it", "leave it")


def answers(report: GapReport, cards: tuple[Card, ...]) -> tuple[Answer, ...]:
    """Answer the questions that a reader comes with, in a few words and a sentence each."""
    return (_cost(report), _to_do(cards), _certainty(report, cards))


def lead_reading(report: GapReport) -> str:
    """Say how to read the number of the headline."""
    pairs = group_pairs(report)
    if not pairs or report.value("centroid_distance", *pairs[0]) is None:
        return ""
    x, y = pairs[0]
    return (
        f"Centroid distance: how far the average of {x} lies from the average of {y}, all rows brought to length 1. "
        f"0 is the same place, 2 is opposite; the brackets hold its {report.settings.get('level', 0.95):.0%} interval, "
        f"and chance alone is what two samples without any gap would show."
    )


def _cost(report: GapReport) -> Answer:
    question = "What it costs in a search over everything"
    winners = list(_winners(report))
    if not winners:
        found = report.find("modality_share_at_k")
        why = "crossgap measure SOURCE -o gap.json measures it" if found is None else str(found.reason).rstrip(".")
        return Answer(question=question, short="Not measured", sentences=(f"{why[:1].upper()}{why[1:]}.",))
    names = {None if winner is None else winner.groups[1] for _, winner in winners}
    if names == {None}:
        short = "No modality wins"
    elif all(winner is not None and winner.groups[1] == queries for queries, winner in winners):
        short = "Each modality finds its own kind first"
    elif len(names) == 1:
        short = f"{next(iter(names))} wins"
    else:
        short = "; ".join(
            f"{'no one' if winner is None else winner.groups[1]} wins for {queries}" for queries, winner in winners
        )
    sentences = tuple(_win(report, queries, winner) for queries, winner in winners)
    return Answer(question=question, short=short, sentences=sentences)


def _winners(report: GapReport) -> Iterator[tuple[str, Measurement | None]]:
    """Yield for each searching group the modality that holds clearly more of the lists than of the corpus."""
    shares: dict[str, list[Measurement]] = {}
    for found in report.measurements:
        if found.name == "modality_share_excess" and found.value is not None:
            shares.setdefault(found.groups[0], []).append(found)
    for queries, found in shares.items():
        best = max(found, key=lambda one: one.value or 0.0)
        low = (best.interval or (best.value or 0.0, 0.0))[0]
        yield queries, best if (best.value or 0.0) > _FAIR and low > 0 else None


def _win(report: GapReport, queries: str, winner: Measurement | None) -> str:
    if winner is None:
        return f"{queries} searching: shares as in the corpus, within {_FAIR:.0%}."
    share = report.find("modality_share_at_k", *winner.groups)
    expected = float(winner.options["corpus_share"])
    value = expected + (winner.value or 0.0) if share is None or share.value is None else share.value
    bounds = "" if share is None or share.interval is None else f" [{share.interval[0]:.1%}, {share.interval[1]:.1%}]"
    return (
        f"{queries} searching: {winner.groups[1]} fills {value:.1%}{bounds} of the top {winner.options['k']}, "
        f"{100 * (value - expected):+.1f} points against its {expected:.1%} of the corpus."
    )


def _to_do(cards: tuple[Card, ...]) -> Answer:
    question = "What to do"
    by_decision: dict[str, list[str]] = {}
    for card in cards:
        by_decision.setdefault(card.decision, []).append(card.task.lower())
    if not by_decision:
        return Answer(question=question, short="Not measured", sentences=("No task could be judged.",))
    close, leave = by_decision.get("close it", []), by_decision.get("leave it", [])
    if close:
        short = f"Close the gap for {_joined(close)}"
    elif leave:
        short = "Leave the gap as it is"
    else:
        short = "Not decided yet"
    sentences = [] if not (close and leave) else [f"Leave it for {_joined(leave)}."]
    if leave and not close:
        sentences.append(f"No clear gain for {_joined(leave)}.")
    unsure = by_decision.get("not enough data", [])
    if unsure:
        sentences.append(f"Too few data to tell for {_joined(unsure)}.")
    unknown = by_decision.get("not measured", [])
    if unknown:
        sentences.append(f"Not measured for {_joined(unknown)}.")
    sentences.append("The cards below say how much each gains.")
    return Answer(question=question, short=short, sentences=tuple(sentences))


def _joined(names: list[str]) -> str:
    names = list(dict.fromkeys(names))
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _certainty(report: GapReport, cards: tuple[Card, ...]) -> Answer:
    question = "How sure this is"
    settings = report.settings
    sizes = ", ".join(f"{facts.get('n', 0):,} {facts['group']}" for facts in report.inputs)
    intervals = any(one.interval is not None for one in report.measurements)
    sentences = []
    if intervals:
        sentences.append(
            f"Brackets are {float(settings.get('level', 0.95)):.0%} intervals from {settings.get('bootstrap')} "
            f"resamplings of {sizes} rows."
        )
    else:
        sentences.append(f"No intervals: the numbers stand as measured on {sizes} rows.")
    pairs = group_pairs(report)
    kind = gap_kind(report, *pairs[0]) if pairs else None
    p = report.value("centroid_distance_p_value", *pairs[0]) if pairs else None
    if kind in ("clear", "overlapping"):
        sentences.append("That there is a gap is beyond chance" + ("." if p is None else f" (p = {p:.2g})."))
    decided = [card for card in cards if card.decision in _CLEAR and card.certainty.startswith("Sure")]
    if cards:
        sentences.append(
            f"What to do rests on a clear interval for {len(decided)} of {len(cards)} tasks; the cards say which."
        )
    found = entries(report, "health")
    errors, warnings = ([str(one["name"]) for one in found if one["severity"] == kind] for kind in ("error", "warning"))
    if errors:
        sentences.append(f"But the vectors have errors, which data health explains: {_joined(errors)}.")
    elif warnings:
        sentences.append(f"Data health warns of: {_joined(warnings)}.")
    missing = {one.name for one in report.measurements if one.reason is not None} - {"threshold_at_precision"}
    if missing:
        count = "One quantity" if len(missing) == 1 else f"{len(missing)} quantities"
        sentences.append(f"{count} could not be measured; data health says why.")
    if errors:
        short = "Check the data first"
    elif not intervals:
        short = "No intervals"
    elif cards and len(decided) == len(cards):
        short = "Sure, for every task"
    else:
        short = "Sure of the gap, not of every task" if kind in ("clear", "overlapping") else "Not for every task"
    return Answer(question=question, short=short, sentences=tuple(sentences))
