"""A report for a terminal: headline, verdicts, a table of numbers, and what was skipped."""

import textwrap
from collections.abc import Iterator, Sequence

from crossgap.report.gap_report import GapReport
from crossgap.report.verdict import group_pairs, headline, verdicts
from crossgap.results import Measurement

__all__ = ["lines"]

_SECTIONS = {
    "The gap": (
        "centroid_distance",
        "centroid_distance_floor",
        "centroid_distance_p_value",
        "relative_modality_gap",
        "linear_separability",
        "mmd",
        "mmd_p_value",
        "energy_distance",
        "frechet_mean_part",
        "frechet_covariance_part",
        "sliced_wasserstein",
        "gap_energy_ratio",
        "alignment",
        "alignment_noise",
        "cross_uniformity",
    ),
    "Scores": ("matched_cosine", "unmatched_cosine", "within_cosine", "threshold_at_precision"),
    "Mixed index": ("modality_share_at_k", "ndcg_at_k"),
    "Retrieval": ("recall_at_k", "median_rank", "hubness"),
    "How the groups mix": (
        "cross_edge_share",
        "friedman_rafsky_z_score",
        "longest_merge_ratio",
        "neighbour_purity",
        "modality_silhouette",
        "cluster_purity",
        "modality_entropy",
        "pairs_in_one_cluster",
    ),
    "Shape of each group": (
        "uniformity",
        "resultant_length",
        "effective_dimension",
        "participation_ratio",
        "entropy_rank",
        "spectrum_area",
    ),
}
_MOST_PAIRS_IN_FULL = 1


def lines(report: GapReport, *, width: int = 100) -> Iterator[str]:
    """Yield the lines of the report: for the first two groups in full, for further ones the headline."""
    width = max(60, min(width, 120))
    pairs = group_pairs(report)
    for x, y in pairs:
        yield from textwrap.wrap(headline(report, x, y), width)  # none where only other quantities were asked for
    for x, y in pairs[:_MOST_PAIRS_IN_FULL]:
        for sentence in verdicts(report, x, y):
            yield from textwrap.wrap(f"- {sentence}", width, subsequent_indent="  ")
    shown = {group for pair in pairs[:_MOST_PAIRS_IN_FULL] for group in pair}
    if not pairs:
        shown = {str(facts["group"]) for facts in report.inputs}
        alone = f"One group, {', '.join(shown)}: its shape can be measured; a gap needs a second group."
        yield from textwrap.wrap(alone, width)
    rows = [m for m in report.measurements if set(m.groups) <= shown and m.value is not None]
    usual = report.settings.get("metrics") is None
    yield from _tables([m for m in rows if "from" not in m.options], width, usual)  # histograms are for the file
    if len(pairs) > _MOST_PAIRS_IN_FULL:
        yield ""
        yield from textwrap.wrap(
            f"Shown in full: {' and '.join(pairs[0])}. The file holds all {len(pairs)} pairs of groups; "
            f"--groups A,B shows others.",
            width,
        )
    yield from _aside(report, width)


def _tables(rows: Sequence[Measurement], width: int, everything: bool) -> Iterator[str]:
    """Yield a table for each section; quantities of no section were asked for by name and come last."""
    placed = {name for names in _SECTIONS.values() for name in names}
    in_file_only = [name for name in dict.fromkeys(row.name for row in rows) if name not in placed]
    sections = [*_SECTIONS.items(), *([] if everything else [("Asked for", tuple(in_file_only))])]
    cells: list[tuple[str, str, str, str] | str] = []
    for title, names in sections:
        chosen = [row for name in names for row in rows if row.name == name]
        if everything:
            chosen = [row for row in chosen if _is_usual(row)]
        if chosen:
            cells.append(title)
        for row in chosen:
            interval = "" if row.interval is None else f"[{_number(row.interval[0])}, {_number(row.interval[1])}]"
            cells.append((f"  {_label(row)}", _where(row), _number(row.value), interval))
    widths = [max((len(row[i]) for row in cells if not isinstance(row, str)), default=0) for i in range(4)]
    narrow = sum(widths) + 6 > width
    for row in cells:
        if isinstance(row, str):
            yield ""
            yield row
            continue
        first, *rest = row
        if narrow:
            yield first
            first, widths[0] = "", 2
        second, third, last = rest
        yield f"{first:<{widths[0]}}  {second:<{widths[1]}}  {third:>{widths[2]}}  {last}".rstrip()
    if everything and in_file_only:
        yield ""
        yield from textwrap.wrap(f"With -o, the file also holds: {', '.join(sorted(in_file_only))}.", width)


def _is_usual(row: Measurement) -> bool:
    """Leave out variants that a first look does not need."""
    if row.options.get("result") in ("best_precision", "precision"):
        return False
    return row.options.get("C", 1.0) == 1.0 and row.options.get("quantile", 0.99) == 0.99


def _label(row: Measurement) -> str:
    told = {key: value for key, value in row.options.items() if key in _TOLD}
    return row.name + (f" ({', '.join(f'{key} {value}' for key, value in told.items())})" if told else "")


_TOLD = ("k", "C", "quantile", "coordinates", "result", "pairs", "from", "to", "score", "threshold")


def _where(row: Measurement) -> str:
    return " > ".join(row.groups) if row.name in _DIRECTED else ", ".join(row.groups)


_DIRECTED = {
    "recall_at_k",
    "median_rank",
    "mean_reciprocal_rank",
    "mean_average_precision",
    "r_precision",
    "hubness",
    "threshold_at_precision",
    "modality_share_at_k",
    "modality_share_excess",
}


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    if value == int(value) and abs(value) >= 10:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) >= 10 else f"{value:.4f}"


def _aside(report: GapReport, width: int) -> Iterator[str]:
    """Yield what was skipped, sub-sampled or left aside."""
    skipped: dict[str, list[str]] = {}
    for row in report.measurements:
        if row.reason is not None and row.name != "threshold_at_precision":  # the verdict says it
            skipped.setdefault(row.reason, []).append(row.name)
    sampled = sorted({row.name for row in report.measurements if "sampled_from" in row.options})
    notes = [f"skipped: {', '.join(dict.fromkeys(names))}: {reason.rstrip('.')}." for reason, names in skipped.items()]
    if sampled:
        notes.append(f"on at most {report.settings['rows']} rows of a group (--rows): {', '.join(sampled)}")
    notes += report.settings.get("notes", [])
    inputs = ", ".join(f"{facts['group']} {facts['n']} x {facts['d']}" for facts in report.inputs)
    fewer = {int(row.options["replicates"]) for row in report.measurements if "replicates" in row.options}
    drawn = f"{min(fewer)} to {report.settings['bootstrap']}" if fewer else f"{report.settings['bootstrap']}"
    certainty = f"{report.settings['level']:.0%} intervals from {drawn} bootstrap replicates"
    if not report.settings["bootstrap"] or all(row.interval is None for row in report.measurements):
        certainty = "no intervals"
    yield ""
    yield from textwrap.wrap(f"{inputs}; rows brought to length 1; {certainty}, seed {report.settings['seed']}.", width)
    for note in notes:
        yield from textwrap.wrap(note, width, subsequent_indent="  ")
