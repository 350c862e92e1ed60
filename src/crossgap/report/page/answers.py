"""The first screen: is there a gap, what does it cost, what to do, how sure is this; from the report alone."""

from collections.abc import Iterator, Sequence

from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Answer, Card
from crossgap.report.page.detail_entries import findings, judged_closer
from crossgap.report.source_words import close_command, doctor_command, is_sample, measure_command
from crossgap.report.verdict import gap_kind, group_pairs, is_short
from crossgap.results import Measurement

__all__ = ["answers", "joined", "lead_reading"]

_FAIR = 0.05  # of the places of a list: nearer to the share of the corpus no one wins
_CLEAR = ("close it", "leave it")
_GAPS = ("clear", "overlapping")


def answers(report: GapReport, cards: tuple[Card, ...]) -> tuple[Answer, ...]:
    """Answer the questions that a reader comes with, in a few words and a sentence each."""
    return (_cost(report), _to_do(report, cards), _certainty(report, cards))


def joined(names: Sequence[str]) -> str:
    """Write a list of words as a sentence does.

    Examples
    --------
    >>> joined(["a", "b", "c"]), joined(["a"])
    ('a, b and c', 'a')
    """
    names = list(dict.fromkeys(names))
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


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
        why = f"{measure_command(report)} measures it" if found is None else str(found.reason).rstrip(".")
        return Answer(question=question, short="Not measured", sentences=(f"{why[:1].upper()}{why[1:]}.",))
    names = {None if winner is None else winner.groups[1] for _, winner in winners}
    few = report.find("modality_share_at_k")
    if few is not None and is_short(few):
        short = "Too few rows to say"
    elif names == {None}:
        short = "No modality wins"
    elif all(winner is not None and winner.groups[1] == queries for queries, winner in winners):
        short = "Each modality finds its own kind first"
    elif len(names) == 1:
        short = f"{next(iter(names))} wins"
    else:
        short = "; ".join(
            f"{'no one' if winner is None else winner.groups[1]} wins for {queries}" for queries, winner in winners
        )
    sentences = [_win(report, queries, winner) for queries, winner in winners]
    quality = [one for one in report.measurements if one.name == "ndcg_at_k" and one.value is not None]
    if quality:
        told = joined([f"{one.value:.2f} for {one.groups[0]}" for one in quality])
        sentences.append(
            f"Right answers of another kind in such a top {quality[0].options.get('k', 10)}, as NDCG: {told} (1: all "
            f"stand first, 0: there are none)."
        )
    return Answer(question=question, short=short, sentences=tuple(sentences))


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


def _to_do(report: GapReport, cards: tuple[Card, ...]) -> Answer:
    question = "What to do"
    errors = findings(report, "error")
    if errors:
        mended = tuple(dict.fromkeys(str(one["mend"]) for one in errors if one.get("mend")))
        return Answer(
            question=question,
            short="Mend the data first",
            sentences=(*mended, "Do not act on the numbers below before that."),
            command=doctor_command(report),
        )
    by_decision: dict[str, list[str]] = {}
    for card in cards:
        by_decision.setdefault(card.decision, []).append(card.task.lower())
    if not by_decision:
        return Answer(question=question, short="Not measured", sentences=("No task could be judged.",))
    close, leave = by_decision.get("close it", []), by_decision.get("leave it", [])
    pairs = group_pairs(report)
    kinds = {gap_kind(report, x, y) for x, y in pairs}
    if close:
        short = f"Close the gap for {joined(close)}"
    elif kinds == {"none"}:
        short = "Nothing: no gap was found"
    elif leave:
        short = "Leave the gap as it is"
    else:
        short = "Not decided yet"
    judged = judged_closer(report)
    sentences = [] if judged is None or not close else list(_gains(report))
    warnings = [str(one["name"]) for one in findings(report, "warning")]
    if warnings:
        sentences.insert(0, f"First look at what data health warns of: {joined(warnings)}.")
    if leave and (close or kinds != {"none"}):
        sentences.append(f"Leave it for {joined(leave)}.")
    unsure = by_decision.get("not enough data", [])
    if unsure:
        sentences.append(f"Too few data to tell for {joined(unsure)}.")
    unknown = by_decision.get("not measured", [])
    if unknown:
        sentences.append(f"Not measured for {joined(unknown)}.")
    sentences.append(
        "The cards below say why." if judged is None or not close else "The cards below say how much each task gains."
    )
    method = None if judged is None or judged.get("chosen") in (None, "none") else str(judged["chosen"])
    command = close_command(report, method) if close and not is_sample(report) else ""
    return Answer(question=question, short=short, sentences=tuple(sentences), command=command)


def _gains(report: GapReport) -> Iterator[str]:
    """Say what closing brings to a mixed search, on rows held out."""
    closer = judged_closer(report) or {}
    gains = [
        f"from {one['before']:.2f} to {one['after']:.2f} for {one['groups'][0]}"
        for one in closer.get("verdicts") or ()
        if one["task"] == "mixed search"
        and one["verdict"] == "close it"
        and one.get("quantity") == "ndcg_at_k"
        and None not in (one.get("before"), one.get("after"))
    ]
    if gains:
        name = closer.get("judged") or closer.get("chosen")
        yield f"With {name}, NDCG@10 of a mixed search goes {joined(gains)}, on rows held out."


def _certainty(report: GapReport, cards: tuple[Card, ...]) -> Answer:
    question = "How sure this is"
    settings = report.settings
    sizes = joined([f"{facts.get('n', 0):,} {facts['group']}" for facts in report.inputs])
    level = f"{float(settings.get('level', 0.95)):.0%}"
    intervals = any(one.interval is not None for one in report.measurements)
    sentences = []
    if intervals:
        sentences.append(
            f"Brackets are {level} intervals from {settings.get('bootstrap')} resamplings of {sizes} rows."
        )
    else:
        sentences.append(f"No intervals: the numbers stand as measured on {sizes} rows.")
    pairs = group_pairs(report)
    kind = gap_kind(report, *pairs[0]) if pairs else None
    if kind in _GAPS:
        p = report.value("centroid_distance_p_value", *pairs[0])
        sentences.append(
            "That there is a gap is beyond chance"
            + ("." if p is None else f" (p = {p:.2g}: the chance that groups without one lie so far apart).")
        )
    elif kind is not None:
        sentences.append(_no_gap(report, *pairs[0], level))
    errors, warnings = ([str(one["name"]) for one in findings(report, severity)] for severity in ("error", "warning"))
    decided = [card for card in cards if card.decision in _CLEAR and card.certainty.startswith("Sure")]
    if cards and not errors:
        sentences.append(
            f"What to do rests on a clear interval for {len(decided)} of {len(cards)} tasks; the cards say which."
        )
    if errors:
        sentences.append(f"But the vectors have errors, which data health explains: {joined(errors)}.")
    elif warnings:
        sentences.append(f"Data health warns of: {joined(warnings)}.")
    missing = {one.name for one in report.measurements if one.reason is not None} - {"threshold_at_precision"}
    if missing:
        count = "One quantity" if len(missing) == 1 else f"{len(missing)} quantities"
        sentences.append(f"{count} could not be measured; data health says why.")
    sentences.append("All this holds for rows like these; another model or other data need a measurement of their own.")
    return Answer(
        question=question,
        short=_sure(errors, intervals, kind, all_decided=bool(cards) and len(decided) == len(cards)),
        sentences=tuple(sentences),
    )


def _no_gap(report: GapReport, x: str, y: str, level: str) -> str:
    """Say that none was found, and how large one may be all the same."""
    p = report.value("centroid_distance_p_value", x, y)
    found = report.find("centroid_distance", x, y)
    sentence = "A distance such as this comes about by chance" + ("." if p is None else f" (p = {p:.2g}).")
    if found is None or found.interval is None:
        return sentence
    return (
        f"{sentence} With more rows a small gap might still show: {level} sure, it is at most {found.interval[1]:.3f}."
    )


def _sure(errors: list[str], intervals: bool, kind: str | None, *, all_decided: bool) -> str:
    if errors:
        return "Check the data first"
    if not intervals:
        return "No intervals"
    if all_decided:
        return "Sure, for every task"
    if kind in _GAPS:
        return "Sure of the gap, not of every task"
    return "No gap was found in these rows" if kind == "none" else "Not for every task"
