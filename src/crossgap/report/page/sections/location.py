"""Where the gap lies: along which axis, in which coordinates, and whether in directions in which the groups vary."""

from collections.abc import Mapping
from typing import Any

from crossgap.report.charts.gap_energy import gap_energy
from crossgap.report.charts.group_matrix import group_matrix
from crossgap.report.charts.linear_map import linear_map
from crossgap.report.charts.umap_map import umap_map
from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Globe, Paragraph, Section, Table
from crossgap.report.page.detail_entries import entries, missing_entry
from crossgap.report.page.measurement_table import chosen, measurement_table, not_measured
from crossgap.report.source_words import measure_command
from crossgap.report.verdict import gap_kind, group_pairs
from crossgap.results import told

__all__ = ["location"]

_QUANTITIES = (
    "centroid_distance",
    "centroid_distance_floor",
    "gap_energy_ratio",
    "gap_constancy",
    "gap_coordinate_share",
    "linear_separability",
)
_HALF = 0.5  # of a group's variance: the components that count as what it varies in
_NEAR = 1.5  # times chance, beyond which a share of energy is told as more, or less
_COMPONENTS = (1, 5, 20, 100)
_FEW = 10


def location(report: GapReport) -> Section:
    """Show the first two groups along the gap axis, the gap's energy by coordinate, and its angle to both spans."""
    blocks: list[Any] = []
    missing: list[str] = []
    pairs = group_pairs(report)
    for x, y in pairs[:1]:
        found = next((one for one in entries(report, "gap_location") if tuple(one["groups"]) == (x, y)), None)
        blocks += [Paragraph(text=sentence, tone="key") for sentence in _said(report, x, y, found)]
        if gap_kind(report, x, y) in ("none", "shape only"):
            blocks.append(Paragraph(text=_NO_OFFSET, tone="caution"))
        blocks.append(group_matrix(report))
        blocks.append(linear_map(report, x, y))
        if blocks[-1] is not None:
            blocks.append(Paragraph(text=_READING_MAP, tone="reading"))
        if len(pairs) > 1:
            blocks.append(linear_map(report, *(str(facts["group"]) for facts in report.inputs)))
            blocks += [] if blocks[-1] is None else [Paragraph(text=_READING_ALL, tone="reading")]
        blocks.append(gap_energy(report, x, y))
        if found is not None:
            blocks += [_angles(found, x, y), Paragraph(text=_READING_ANGLES, tone="reading")]
        blocks.append(umap_map(report, x, y))
        if blocks[-1] is not None:
            blocks.append(Paragraph(text=_READING_UMAP, tone="reading"))
        blocks += _globes(report)
        blocks.append(measurement_table(chosen(report, _QUANTITIES, (x, y)), f"Size and place of the gap, {x} and {y}"))
        missing += missing_entry(report, "gap_location", "Coordinates and angles of the gap")
        missing += _missing_maps(report)
        missing += not_measured(report, _QUANTITIES, (x, y))
    if len(pairs) > 1:
        blocks.append(_others(pairs))
    if not pairs:
        missing.append("Where a gap lies needs two groups.")
    return Section(
        name="location",
        title="Where the gap lies",
        blocks=tuple(block for block in blocks if block is not None),
        missing=tuple(dict.fromkeys(missing)),
    )


_NO_OFFSET = (
    "These centres lie no further apart than chance lets them, so where the distance lies, in which coordinates and "
    "directions, is chance too."
)
_READING_MAP = (
    "How to read the map: across is the line through both centres, so that the distance between the clouds is the gap "
    "at its true size; upwards is the direction in which the rows of a group differ most, a small part of what tells "
    "them apart. 0 is the middle between the centres. Thin lines, where there are any, join matches: where they run "
    "level, one shift would bring the groups together; where they fan out, the gap is not the same for all."
)
_READING_ALL = (
    "How to read this map: it shows all groups in the plane in which their centres differ most, so the distances "
    "between clouds are those of the gaps, or somewhat shorter."
)
_READING_ANGLES = (
    "How to read the angles: the gap's energy is its squared length, and a component is one of the directions in which "
    "a group varies, the strongest first. 90° means that the group does not vary along the gap at all, so that the gap "
    "can be taken out without touching what tells its rows apart; 0° means that the gap lies within what the group "
    "varies in. The more components one counts, the smaller the angle, so compare with what a random direction would "
    "have."
)
_READING_UMAP = (
    "How to read the UMAP map: who is near to whom is mostly true; distances between clouds, their sizes and empty "
    "places are not, so do not read the size of the gap from it."
)


def _said(report: GapReport, x: str, y: str, found: Mapping[str, Any] | None) -> list[str]:
    distance = report.find("centroid_distance", x, y)
    if distance is None or distance.value is None:
        return []
    floor = report.value("centroid_distance_floor", x, y)
    text = f"The centres of {x} and {y} lie {told(distance)} apart"
    text += (
        "" if floor is None else f"; two samples of one distribution of these sizes would lie about {floor:.3f} apart"
    )
    if found is None:
        return [f"{text}."]
    few, share = _largest(found)
    names = ", ".join(map(str, found["coordinates"][:few]))
    number, holds = ("number", "holds") if few == 1 else ("numbers", "hold")
    text += (
        f". {few} of {found['d']} coordinates ({number} {names}) {holds} {share:.1%} of the "
        f"gap's squared length, where an even spread would give them {few / found['d']:.1%}."
    )
    clauses = [_clause(report, group, found) for group in (x, y)]
    return [text, *([" ".join(clause for clause in clauses if clause)] if any(clauses) else [])]


def _largest(found: Mapping[str, Any]) -> tuple[int, float]:
    """Return how many coordinates hold half of the gap, at most ten, and their share."""
    total = 0.0
    for number, share in enumerate(found["shares"][:_FEW], start=1):
        total += share
        if total >= 0.5:
            return number, total
    return min(_FEW, len(found["shares"])), total


def _clause(report: GapReport, group: str, found: Mapping[str, Any]) -> str:
    """Say how much of the gap lies where a group varies, against a random direction."""
    angles = found["angles"].get(group) or {}
    spectrum = next((one["cumulative"] for one in entries(report, "spectra") if one["group"] == group), None)
    if not angles.get("components") or spectrum is None:
        return ""
    shares = dict(zip(spectrum["counts"], spectrum["shares"], strict=True))
    place = next((i for i, count in enumerate(angles["components"]) if shares.get(count, 0.0) >= _HALF), None)
    if place is None:
        return ""
    count, energy, by_chance = (angles[key][place] for key in ("components", "energy", "random"))
    if energy > _NEAR * by_chance or 1 - energy < (1 - by_chance) / _NEAR:
        verdict, meaning = "more than", ", so taking the gap out also touches some of what tells these rows apart"
    elif energy < by_chance / _NEAR or 1 - energy > (1 - by_chance) * _NEAR:
        verdict, meaning = "less than", ", so the gap can go almost without touching what tells these rows apart"
    else:
        verdict, meaning = "about what", ""
    holds = "holds" if count == 1 else "hold"
    return (
        f"{_strongest(count)} of {group}, with {shares[count]:.0%} of its variance, {holds} "
        f"{energy:.1%} of the gap: {verdict} a random direction would have there ({by_chance:.1%}){meaning}."
    )


def _strongest(count: int) -> str:
    return "The strongest direction" if count == 1 else f"The {count} strongest directions"


def _angles(found: Mapping[str, Any], x: str, y: str) -> Table | None:
    rows = []
    for group in (x, y):
        angles = found["angles"].get(group) or {}
        counts = angles.get("components") or []
        for count, energy, by_chance, degrees in zip(
            counts, angles.get("energy", ()), angles.get("random", ()), angles.get("degrees", ()), strict=True
        ):
            if count in _COMPONENTS or count == counts[-1]:
                rows.append((group, count, f"{degrees:.1f}°", energy, by_chance))
    if not rows:
        return None
    return Table(
        caption="Angle between the gap and the span of each group's first components",
        columns=("group", "components", "angle", "gap's energy within", "of a random direction"),
        rows=tuple(rows),
    )


def _globes(report: GapReport) -> list[Globe]:
    found = [one for one in entries(report, "maps") if one.get("kind") == "umap-sphere"]
    return [
        Globe(
            name=f"umap-sphere{'' if number == 0 else f'-{number}'}",
            title=f"Neighbourhoods of {' and '.join(one['points'])} on a sphere, by UMAP",
            description=(
                "Every row as a point on a sphere that one turns; rows that are near in the space are mostly near on "
                "it, but distances and empty places say nothing. "
                + "; ".join(f"{len(points['rows'])} rows of {group}" for group, points in one["points"].items())
                + "."
            ),
            map=one,
            table=Table(
                caption="Places of the points on the sphere",
                columns=("group", "row", "x", "y", "z"),
                rows=tuple(
                    (group, row, *place)
                    for group, points in one["points"].items()
                    for row, place in zip(points["rows"], points["at"], strict=True)
                ),
                folded=True,
            ),
        )
        for number, one in enumerate(found)
    ]


def _missing_maps(report: GapReport) -> list[str]:
    kinds = {str(one.get("kind")) for one in report.details.get("maps", ())}
    reasons = {
        f"Map ({one.get('kind')}): {str(one['reason']).rstrip('.')}."
        for one in report.details.get("maps", ())
        if one.get("reason") is not None
    }
    missing = sorted(reasons)
    if "linear" not in kinds:
        missing.append(f"Map of the gap axis: this file holds none; {measure_command(report)} makes it.")
    if not kinds & {"umap", "umap-sphere"}:
        missing.append(
            f"UMAP maps, planar and on the sphere: {measure_command(report, '--everything')} makes them, after pip "
            f"install 'crossgap[umap]'."
        )
    return missing


def _others(pairs: list[tuple[str, str]]) -> Paragraph:
    (x, y), *others = pairs
    return Paragraph(
        text=(
            f"Shown in full: {x} and {y}. The file holds the numbers of {len(others)} more pairs of groups; crossgap "
            f"figures gap.json -o figures draws them all."
        ),
        tone="caution",
    )
