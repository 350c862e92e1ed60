"""The page of one report: its sections in the order in which a reader asks."""

from crossgap.report.charts.palette import group_styles
from crossgap.report.gap_report import GapReport
from crossgap.report.page.answers import answers, lead_reading
from crossgap.report.page.blocks import Page
from crossgap.report.page.sections.closers import closers
from crossgap.report.page.sections.health import health
from crossgap.report.page.sections.location import location
from crossgap.report.page.sections.method import method
from crossgap.report.page.sections.ranking import ranking
from crossgap.report.page.sections.retrieval import retrieval
from crossgap.report.page.sections.scores import scores
from crossgap.report.page.sections.shape import shape
from crossgap.report.page.sections.topology import topology
from crossgap.report.page.sections.verdict import task_cards, verdict
from crossgap.report.source_words import measure_command
from crossgap.report.verdict import group_pairs, headline

__all__ = ["gap_page"]

_SECTIONS = (verdict, scores, ranking, location, shape, topology, retrieval, closers, health, method)


def gap_page(report: GapReport) -> Page:
    """Lay out a report as its file holds it: numbers are rounded there, and a page is drawn from the file alone."""
    document = report.to_json()
    report = GapReport.from_json(document)
    pairs = group_pairs(report)
    lead, numbers = _lead(report)
    return Page(
        title="Modality gap report",
        lead=lead,
        after_lead=tuple(text for text in (numbers, lead_reading(report)) if text),
        answers=answers(report, task_cards(report)) if pairs else (),
        facts=tuple(_facts(report)),
        sections=tuple(section(report) for section in _SECTIONS),
        document=document,
        file_name="gap.json",
        colours={name: style.colour for name, style in group_styles(report).items()},
    )


def _lead(report: GapReport) -> tuple[str, str]:
    """Say in one sentence whether there is a gap, and in the next by which numbers."""
    pairs = group_pairs(report)
    if not pairs:
        names = ", ".join(str(facts["group"]) for facts in report.inputs)
        return f"One group, {names}: its shape can be measured; a gap needs a second group.", ""
    x, y = pairs[0]
    sentence = headline(report, x, y)
    if not sentence:
        return (
            f"How far {x} and {y} lie apart was not measured.",
            f"{measure_command(report)}, without --metrics, measures it.",
        )
    kind, colon, numbers = sentence.rpartition(": centroid distance ")
    return (f"{kind}.", f"Centroid distance {numbers}") if colon else (sentence, "")


def _facts(report: GapReport) -> list[str]:
    groups = [
        f"{facts['group']}: {facts.get('n', 0):,} rows × {facts.get('d', '–')} dimensions" for facts in report.inputs
    ]
    return [*groups, f"seed {report.settings.get('seed', '–')}", f"crossgap {report.version}"]
