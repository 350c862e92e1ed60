"""How rows join as one looks from farther and farther away: the bars of components (H0)."""

from collections.abc import Mapping
from typing import Any

from crossgap.report.charts.palette import OTHERS, group_styles
from crossgap.report.charts.specification import figure_name, rounded, rows_of, short, specification
from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Figure, Table

__all__ = ["barcodes", "found_topology"]

_HEIGHT = 240
_JOINT = "both together"
_MOST_STEPS = 200


def found_topology(report: GapReport, x: str, y: str) -> Mapping[str, Any] | None:
    """Return the topology of two groups; None if there is none."""
    for one in report.details.get("topology", ()):
        if tuple(one.get("groups", ())) == (x, y) and one.get("reason") is None:
            return one
    return None


def barcodes(report: GapReport, x: str, y: str) -> Figure | None:
    """Draw how many components are left at each distance, for each group and both; the last merge is marked."""
    found = found_topology(report, x, y)
    if found is None or not found.get("deaths"):
        return None
    import altair as alt

    styles = group_styles(report)
    parts = [name for name in (x, y, "joint") if found["deaths"].get(name)]
    names = [_JOINT if name == "joint" else short(name) for name in parts]
    looks = [(OTHERS, [2, 2]) if name == "joint" else (styles[name].colour, list(styles[name].dash)) for name in parts]
    steps = [
        (label, distance, left)
        for name, label in zip(parts, names, strict=True)
        for distance, left in _left(found["deaths"][name])
    ]
    merge = found.get("longest_between")
    colour = alt.Color("part:N", title=None, scale=alt.Scale(domain=names, range=[look[0] for look in looks]))
    dash = alt.StrokeDash("part:N", title=None, scale=alt.Scale(domain=names, range=[look[1] for look in looks]))
    across = alt.X(
        "distance:Q",
        title="distance up to which rows count as joined",
        scale=alt.Scale(zero=False, nice=False),
        axis=alt.Axis(tickCount=6),
    )
    up = alt.Y(
        "left:Q",
        title="components left (logarithmic)",
        scale=alt.Scale(type="log", nice=False, domainMin=0.9),
        axis=alt.Axis(tickCount=4, format="~s", grid=False),
    )
    layers: list[Any] = [
        alt.Chart(alt.NamedData("steps"))
        .mark_line(strokeWidth=2, interpolate="step-after")
        .encode(x=across, y=up, color=colour, strokeDash=dash)
    ]
    rows: dict[str, Any] = {
        "steps": rows_of(
            part=[part for part, _, _ in steps],
            distance=[distance for _, distance, _ in steps],
            left=[left for _, _, left in steps],
        )
    }
    said = ""
    if isinstance(merge, int | float):
        said = f" The last step between the groups is {merge:.3f} long (dashed)."
        first, last = min(step[1] for step in steps), max(step[1] for step in steps)
        layers += _drawn_merge(across, right=merge > (first + last) / 2)
        rows["merge"] = rows_of(distance=[float(merge)], text=[f"last step between groups: {merge:.2f}"])
    return Figure(
        name=figure_name(report, "barcodes", x, y),
        title=f"How rows of {short(x)} and {short(y)} join with growing distance",
        description=(
            f"Number of separate components over the distance up to which rows count as joined, for each group and for "
            f"both together. {_said(found, parts, names)}{said}"
        ),
        spec=specification(alt.layer(*layers), height=_HEIGHT, rows=rows),
        table=Table(
            caption="Components left from each distance on",
            columns=("of", "distance", "components"),
            rows=tuple((part, rounded(distance), left) for part, distance, left in steps),
        ),
    )


def _drawn_merge(across: Any, *, right: bool) -> list[Any]:
    import altair as alt

    drawn = alt.Chart(alt.NamedData("merge")).encode(x=across)
    label = drawn.mark_text(align="right" if right else "left", dx=-5 if right else 5, baseline="top")
    return [drawn.mark_rule(strokeDash=[4, 3]), label.encode(y=alt.value(2), text="text:N")]


def _left(deaths: list[float]) -> list[tuple[float, int]]:
    """Return distances and how many components are left there: n at the first, 1 at the last; thinned where many."""
    ordered = sorted(float(death) for death in deaths)
    found = [(ordered[0], len(ordered) + 1)]
    found += [(death, len(ordered) - number) for number, death in enumerate(ordered)]
    if len(found) <= _MOST_STEPS:
        return found
    kept: list[tuple[float, int]] = []
    for distance, left in found:  # few components are left at the interesting end, so thin by ratio
        if not kept or left <= 50 or left < 0.98 * kept[-1][1]:
            kept.append((distance, left))
    return kept


def _said(found: Mapping[str, Any], parts: list[str], names: list[str]) -> str:
    halves = ", ".join(
        f"{sorted(found['deaths'][part])[len(found['deaths'][part]) // 2]:.3f} in {name}"
        for part, name in zip(parts, names, strict=True)
    )
    lasts = ", ".join(f"{max(found['deaths'][part]):.3f}" for part in parts)
    return f"Half of the components are joined at {halves}; the last at {lasts}."
