"""Every chart that a report has numbers for, in the order of the page."""

from crossgap.report.charts.barcodes import barcodes
from crossgap.report.charts.closers_plane import closers_plane
from crossgap.report.charts.clusters import clusters
from crossgap.report.charts.gap_energy import gap_energy
from crossgap.report.charts.group_matrix import group_matrix
from crossgap.report.charts.linear_map import linear_map
from crossgap.report.charts.loops import loops
from crossgap.report.charts.mixed_shares import mixed_shares
from crossgap.report.charts.precision_recall import precision_recall
from crossgap.report.charts.retrieval import retrieval
from crossgap.report.charts.score_bands import score_bands
from crossgap.report.charts.spectra import spectra
from crossgap.report.charts.umap_map import umap_map
from crossgap.report.charts.uniformity_plane import uniformity_plane
from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Figure
from crossgap.report.verdict import group_pairs

__all__ = ["figures"]


def figures(report: GapReport) -> tuple[Figure, ...]:
    """Return every chart of a report: of all its pairs of groups, each once.

    Parameters
    ----------
    report
        What ``collect`` or ``GapReport.from_json`` returned. What it holds no numbers for has no chart.

    Returns
    -------
    Figures with different names; equal reports give equal figures.
    """
    pairs = group_pairs(report)
    found = [group_matrix(report)]
    for x, y in pairs:
        found += [score_bands(report, x, y), precision_recall(report, x, y), precision_recall(report, y, x)]
    found.append(mixed_shares(report))
    found += [linear_map(report, *groups) for groups in [*pairs, [str(facts["group"]) for facts in report.inputs]]]
    found += [umap_map(report, x, y) for x, y in pairs]
    found += [gap_energy(report, x, y) for x, y in pairs]
    found += [spectra(report), uniformity_plane(report)]
    for chart in (barcodes, loops, clusters, retrieval):
        found += [chart(report, x, y) for x, y in pairs]
    found.append(closers_plane(report))
    return tuple({figure.name: figure for figure in found if figure is not None}.values())
