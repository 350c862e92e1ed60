"""The shape of each group: in how many directions it varies, and how evenly it is spread."""

from typing import Any

from crossgap.report.charts.spectra import spectra
from crossgap.report.charts.uniformity_plane import uniform_law, uniformity_plane
from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Paragraph, Section
from crossgap.report.page.detail_entries import missing_entry
from crossgap.report.page.measurement_table import chosen, measurement_table, not_measured
from crossgap.report.source_words import source_words
from crossgap.report.verdict import group_pairs
from crossgap.results import Measurement, told

__all__ = ["shape"]

_QUANTITIES = (
    "effective_dimension",
    "participation_ratio",
    "entropy_rank",
    "spectrum_area",
    "uniformity",
    "resultant_length",
)
_INTRINSIC = ("two_nn_dimension", "levina_bickel_dimension", "correlation_dimension", "local_pca_dimension")
_OF_TWO = ("alignment", "cross_uniformity")
_READING_SPECTRA = (
    "How to read the curves: the sooner a curve reaches the top, the fewer directions the group uses. The effective "
    "dimension counts the directions for 99% of the variance, the participation ratio and the entropy rank weigh all "
    "directions by their variance and so are smaller. All grow with the number of rows, so compare groups of one size."
)
_READING_PLANE = (
    "How to read the plane: matches are identical at the left edge, and a group fills the sphere evenly at the dashed "
    "line. Training trades the two: good models are at the lower left. Rings are models of other data, for scale only, "
    "named by the loss that they were trained with: CLIP's own, and two (CUA, CUAXU) that also ask for even spread."
)


def shape(report: GapReport) -> Section:
    """Show spectra, dimensions, intrinsic dimensions where measured, and the plane of uniformity and alignment."""
    groups = [str(facts["group"]) for facts in report.inputs]
    blocks: list[Any] = [Paragraph(text=text, tone="key") for text in _said(report, groups)]
    blocks.append(spectra(report))
    if blocks[-1] is not None:
        blocks.append(Paragraph(text=_READING_SPECTRA, tone="reading"))
    blocks.append(uniformity_plane(report))
    if blocks[-1] is not None:
        blocks.append(Paragraph(text=_READING_PLANE, tone="reading"))
    single = [one for one in chosen(report, (*_QUANTITIES, *_INTRINSIC), groups) if len(one.groups) == 1]
    blocks.append(measurement_table(single, "Shape of each group"))
    blocks.append(measurement_table(chosen(report, _OF_TWO, groups), "Shape of each two groups"))
    missing = [*missing_entry(report, "spectra", "Spectra"), *not_measured(report, _QUANTITIES, groups)]
    if group_pairs(report):
        missing += not_measured(report, _OF_TWO, groups)
    missing += not_measured(report, [one for one in _INTRINSIC if chosen(report, [one], groups)], groups)
    if not chosen(report, _INTRINSIC, groups):
        missing.append(
            f"Intrinsic dimension, how many numbers it takes to say where a row lies among its neighbours: crossgap "
            f"measure {source_words(report)} --metrics {','.join(_INTRINSIC)} -o intrinsic.json measures it."
        )
    return Section(
        name="shape",
        title="The shape of each group",
        blocks=tuple(block for block in blocks if block is not None),
        missing=tuple(dict.fromkeys(missing)),
    )


def _said(report: GapReport, groups: list[str]) -> list[str]:
    """Say in how many directions the groups vary, which varies in more, and how evenly they are spread."""
    sentences = []
    found = {
        group: one
        for group in groups
        if (one := report.find("effective_dimension", group, quantile=0.99)) is not None and one.value is not None
    }
    if found:
        counts = ", ".join(f"{group} {told(one, 0)}" for group, one in found.items())
        d = next(iter(found.values())).options.get("d")
        sentences.append(f"Directions that hold 99% of the variance, of {d}: {counts}{_more(list(found.values()))}.")
    even = {
        group: one
        for group in groups
        if (one := report.find("uniformity", group)) is not None and one.value is not None
    }
    if even:
        law = uniform_law(int(report.inputs[0]["d"]))
        cones = [
            f"{group} {report.value('resultant_length', group):.2f}"
            for group in even
            if report.value("resultant_length", group) is not None
        ]
        lengths = f" The mean row has length {', '.join(cones)} (0: evenly spread, 1: all rows alike)." if cones else ""
        sentences.append(
            f"Uniformity: {', '.join(f'{group} {told(one)}' for group, one in even.items())}, where rows spread evenly "
            f"over the sphere have {law:.2f} and identical rows 0.{lengths}"
        )
    return sentences


def _more(found: list[Measurement]) -> str:
    """Say which group varies in more directions, where the intervals tell."""
    if len(found) != 2 or any(one.interval is None for one in found):
        return ""
    sizes = {one.options.get("n") for one in found}
    low, high = sorted(found, key=lambda one: one.value or 0.0)
    if low.interval is None or high.interval is None or low.interval[1] >= high.interval[0]:
        return "; the intervals overlap, so that neither clearly varies in more of them"
    but = "" if len(sizes) == 1 else ", though their numbers of rows differ, which alone may do that"
    return f"; {high.groups[0]} varies in more of them{but}"
