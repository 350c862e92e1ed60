"""Closers compared: what each gains, what it costs, and why one was chosen or none."""

from collections.abc import Mapping
from typing import Any

from crossgap.report.charts.closers_plane import closers_plane
from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Paragraph, Section, Sentences, Table
from crossgap.report.page.closer_words import CLOSER_WORDS
from crossgap.report.page.detail_entries import entries, missing_entry

__all__ = ["closers"]

_SCORES_ONLY = (
    "score-standardisation leaves the vectors, and so the distance between the groups, as they are: it takes away what "
    "the gap costs, by making scores of different kinds comparable. On the chart it therefore stands straight "
    "above the vectors as they are."
)


def closers(report: GapReport) -> Section:
    """Show the reason of the choice, the plane of gain and cost, and what became of each candidate."""
    found = entries(report, "closers")
    blocks: list[Any] = [
        Paragraph(text=f"Chosen: {entry['chosen']}. {entry.get('why') or ''}".strip(), tone="key") for entry in found
    ]
    if found:
        blocks.append(
            Paragraph(
                text=(
                    "A closer is a fitted map that moves stored vectors, or rescales scores, so that modalities can be "
                    "compared. Each is fitted on one part of the items and judged on the other. mixed-ndcg is NDCG@10 "
                    "of a search over everything, the mean over the searching groups: 1 is a perfect list. Order kept "
                    "is the share of the ten nearest rows within a group that stay: 1 changes nothing there."
                ),
                tone="reading",
            )
        )
    blocks += [
        Paragraph(text=_SCORES_ONLY, tone="caution")
        for entry in found
        if str(entry.get("judged") or entry.get("chosen")) == "score-standardisation"
    ]
    figure = closers_plane(report)
    blocks += [] if figure is None else [figure]
    for entry in found:
        rows = [one for one in entry.get("candidates") or () if isinstance(one, Mapping)]
        if rows:
            score = str((entry.get("score") or {}).get("name") or "score")
            blocks.append(
                Table(
                    caption="Closers from simple to complex; each is tried against the best one before it",
                    columns=("closer", "outcome", score, "order kept"),
                    rows=tuple(
                        (
                            str(one["name"]),
                            str(one.get("outcome", "–")),
                            one.get("score"),
                            one.get("overlap"),
                        )
                        for one in rows
                    ),
                )
            )
            words = tuple(f"{one['name']} {CLOSER_WORDS[one['name']]}." for one in rows if one["name"] in CLOSER_WORDS)
            blocks += [Paragraph(text="What each of them does:"), Sentences(items=words)] if words else []
            blocks.append(
                Table(
                    caption="Each closer against the best one before it, in words",
                    columns=("closer", "in words"),
                    rows=tuple((str(one["name"]), _without_name(one)) for one in rows),
                    folded=True,
                )
            )
        notes = tuple(str(note) for note in entry.get("notes") or ())
        blocks += [Sentences(items=notes)] if notes else []
    return Section(
        name="closers",
        title="Closers compared",
        blocks=tuple(blocks),
        missing=missing_entry(report, "closers", "What each way of closing the gap gains and costs"),
    )


def _without_name(candidate: Mapping[str, Any]) -> str:
    """Return the sentence of a candidate without its name and outcome, which stand beside it."""
    sentence = str(candidate.get("sentence") or candidate.get("reason") or "")
    return sentence.removeprefix(f"{candidate['name']}: ").removeprefix(f"{candidate.get('outcome')}: ")
