"""What a score means: which cosines occur, where to cut, and what a cut keeps."""

from typing import Any

from crossgap.report.charts.precision_recall import precision_recall
from crossgap.report.charts.score_bands import score_bands
from crossgap.report.charts.specification import figure_name
from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Paragraph, Section, Sentences, Slider
from crossgap.report.page.detail_entries import entries, missing_entry
from crossgap.report.source_words import measure_command
from crossgap.report.verdict import group_pairs, tasks

__all__ = ["scores"]


def scores(report: GapReport) -> Section:
    """Show the bands of cosines of the first two groups, a threshold to move each way, and precision and recall."""
    blocks: list[Any] = []
    missing: list[str] = []
    for x, y in group_pairs(report)[:1]:
        blocks.append(
            Paragraph(
                text=(
                    "A score is the cosine of two rows: 1 for the same direction, 0 for unrelated ones. A match is two "
                    "rows of one item, such as an image and its text. Where there is a gap, two rows of one kind often "
                    "score higher than a match across, so a score means something only beside scores of the same kind."
                ),
                tone="reading",
            )
        )
        said = tuple(task.sentence for task in tasks(report, x, y) if task.task in ("one threshold", "threshold"))
        if said:
            blocks.append(Sentences(items=said))
        bands = score_bands(report, x, y)
        blocks += [] if bands is None else [bands]
        if bands is None:
            missing.append(
                f"Which cosines occur: this file holds no cosine quantiles; {measure_command(report)} measures them."
            )
        cuts = {tuple(map(str, entry["groups"])): entry for entry in entries(report, "score_cuts")}
        for queries, gallery in ((x, y), (y, x)):
            if (queries, gallery) in cuts:
                blocks.append(_slider(report, queries, gallery, cuts[queries, gallery]))
            curve = precision_recall(report, queries, gallery)
            blocks += [] if curve is None else [curve]
        if not any((queries, gallery) in cuts for queries, gallery in ((x, y), (y, x))):
            missing += missing_entry(report, "score_cuts", "What each threshold keeps", (x, y))
    if not blocks:
        missing.append("Scores across need two groups.")
    return Section(
        name="scores", title="What a score means, and where to cut", blocks=tuple(blocks), missing=tuple(missing)
    )


def _slider(report: GapReport, queries: str, gallery: str, cuts: Any) -> Slider:
    name = figure_name(report, "cut", queries, gallery)
    return Slider(name=name, title=f"Move the threshold: {queries} searching {gallery}", cuts=cuts)
