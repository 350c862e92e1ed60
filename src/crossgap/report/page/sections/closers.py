"""Closers compared: what each gains, what it costs, and why one was chosen or none."""

from collections.abc import Mapping
from typing import Any

from crossgap.report.charts.closers_plane import closers_plane
from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Paragraph, Section, Sentences, Table
from crossgap.report.page.detail_entries import entries, missing_entry

__all__ = ["closers"]


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
                    "A closer is a fitted map that moves stored vectors, or their scores, so that modalities can be "
                    "compared. Each is fitted on one part of the items and judged on the other. Order kept: the share "
                    "of the ten nearest rows within a group that stay."
                ),
                tone="reading",
            )
        )
    figure = closers_plane(report)
    blocks += [] if figure is None else [figure]
    for entry in found:
        rows = [one for one in entry.get("candidates") or () if isinstance(one, Mapping)]
        if rows:
            score = (entry.get("score") or {}).get("name") or "score"
            blocks.append(
                Table(
                    caption="Each closer against the best one before it, from simple to complex",
                    columns=("closer", "outcome", str(score), "order kept", "in words"),
                    rows=tuple(
                        (
                            str(one["name"]),
                            str(one.get("outcome", "–")),
                            one.get("score"),
                            one.get("overlap"),
                            _without_name(one),
                        )
                        for one in rows
                    ),
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
