"""Two things that contrastive training trades: how near matches lie, and how evenly each group is spread."""

import math
from types import MappingProxyType

from crossgap.report.charts.palette import OTHERS, group_styles
from crossgap.report.charts.specification import figure_name, rounded, rows_of, short, specification
from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Figure, Table
from crossgap.report.verdict import group_pairs
from crossgap.results import told

__all__ = ["FINE_TUNED", "uniform_law", "uniformity_plane"]

_HEIGHT = 270
_ON_THE_RIGHT = "CUAXU"  # of its ring stands its name, of others on the left

# Fahim, Murphy and Fyshe (arXiv 2405.18570): CLIP ViT-B/32 fine-tuned on COCO with d = 128, means over three seeds:
# alignment, uniformity of images, of texts
FINE_TUNED = MappingProxyType(
    {
        "CLIP loss": (0.866, -1.868, -1.954),
        "CUA": (0.544, -3.655, -3.639),
        "CUAXU": (0.727, -3.764, -3.745),
    }
)


def uniformity_plane(report: GapReport) -> Figure | None:
    """Draw alignment against uniformity for each group of each two, beside models of other data and the uniform law."""
    points = []
    for x, y in group_pairs(report):
        near = report.find("alignment", x, y)
        for group in (x, y):
            even = report.find("uniformity", group)
            if near is not None and near.value is not None and even is not None and even.value is not None:
                points.append(((x, y), group, near, even))
    if not points:
        return None
    import altair as alt

    styles = group_styles(report)
    groups = list(dict.fromkeys(group for _, group, _, _ in points))
    names = [short(group) for group in groups]
    d = int(report.inputs[0]["d"])
    floor = uniform_law(d)
    others = [(name, a, (u + v) / 2) for name, (a, u, v) in FINE_TUNED.items()]
    furthest = max(*(near.value or 0.0 for _, _, near, _ in points), *(a for _, a, _ in others))
    across = alt.X(
        "alignment:Q",
        title="alignment: squared distance of matches (0: same)",
        scale=alt.Scale(domain=[0, rounded(1.08 * furthest)], nice=False),
        axis=alt.Axis(tickCount=5, titleLimit=310),
    )
    up = alt.Y(
        "uniformity:Q",
        title="uniformity (lower: more evenly spread)",
        scale=alt.Scale(domain=[-4.2, 0]),
        axis=alt.Axis(tickCount=5),
    )
    colour = alt.Color(
        "group:N", title=None, scale=alt.Scale(domain=names, range=[styles[group].colour for group in groups])
    )
    shape = alt.Shape(
        "group:N", title=None, scale=alt.Scale(domain=names, range=[styles[group].shape for group in groups])
    )
    here = alt.Chart(alt.NamedData("here"))
    elsewhere = alt.Chart(alt.NamedData("elsewhere")).encode(x=across, y=up)
    law = alt.Chart(alt.NamedData("law")).encode(y=up)
    chart = alt.layer(
        law.mark_rule(strokeDash=[4, 3]),
        law.mark_text(align="left", baseline="top", dx=4, dy=4).encode(x=alt.value(0), text="text:N"),
        elsewhere.mark_point(color=OTHERS, size=60, strokeWidth=2),
        elsewhere.transform_filter("!datum.left").mark_text(align="left", dx=9).encode(text="name:N"),
        elsewhere.transform_filter("datum.left").mark_text(align="right", dx=-9).encode(text="name:N"),
        here.mark_rule(strokeWidth=2).encode(x=alt.X("left:Q"), x2="right:Q", y=up, color=colour),
        here.mark_rule(strokeWidth=2).encode(x=across, y=alt.Y("low:Q"), y2="high:Q", color=colour),
        here.mark_point(filled=True, size=90, opacity=1).encode(
            x=across,
            y=up,
            color=colour,
            shape=shape,
            tooltip=[
                alt.Tooltip("group:N"),
                alt.Tooltip("pair:N", title="alignment of"),
                alt.Tooltip("alignment:Q"),
                alt.Tooltip("uniformity:Q"),
            ],
        ),
    )
    rows = {
        "here": rows_of(
            group=[short(group) for _, group, _, _ in points],
            pair=[" and ".join(map(short, pair)) for pair, _, _, _ in points],
            alignment=[near.value for _, _, near, _ in points],
            left=[(near.interval or (near.value,))[0] for _, _, near, _ in points],
            right=[(near.interval or (near.value,))[-1] for _, _, near, _ in points],
            uniformity=[even.value for _, _, _, even in points],
            low=[(even.interval or (even.value,))[0] for _, _, _, even in points],
            high=[(even.interval or (even.value,))[-1] for _, _, _, even in points],
        ),
        "elsewhere": rows_of(
            name=[f"{name}, other data" for name, _, _ in others],
            left=[name != _ON_THE_RIGHT for name, _, _ in others],
            alignment=[a for _, a, _ in others],
            uniformity=[u for _, _, u in others],
        ),
        "law": rows_of(uniformity=[floor], text=[f"evenly spread over the sphere, d = {d}: {floor:.2f}"]),
    }
    return Figure(
        name=figure_name(report, "uniformity-plane"),
        title="How near matches lie, and how evenly each group is spread",
        description=(
            "Alignment across, uniformity upwards; good is at the lower left. Here: "
            + "; ".join(
                f"{short(group)} with its matches in {short(pair[1] if pair[0] == group else pair[0])}: alignment "
                f"{told(near)}, uniformity {told(even)}"
                for pair, group, near, even in points
            )
            + f". Dashed line: the uniform law in {d} dimensions, {floor:.2f}. Grey rings are models of other data "
            f"(CLIP ViT-B/32 fine-tuned on COCO with d = 128, Fahim et al.): "
            + "; ".join(f"{name} {a:.2f}, {u:.2f}" for name, a, u in others)
            + "."
        ),
        spec=specification(chart, height=_HEIGHT, rows=rows),
        table=Table(
            caption="Alignment and uniformity here, and of models of other data",
            columns=("what", "alignment", "uniformity"),
            rows=(
                *((f"{group} ({' and '.join(pair)})", near.value, even.value) for pair, group, near, even in points),
                *((f"{name}, other data", a, u) for name, a, u in others),
                (f"uniform law, d = {d}", None, floor),
            ),
        ),
    )


def uniform_law(d: int, *, t: float = 2.0) -> float:
    """Return the uniformity of the uniform law on the unit sphere of ``d`` dimensions.

    Formula::

        U = -2t + log 0F1(; d/2; t^2)

    Examples
    --------
    >>> round(uniform_law(3), 4), round(uniform_law(512), 4)
    (-2.0798, -3.9844)
    """
    term = total = 1.0
    k = 0
    while term > 1e-17 * total:
        term *= t * t / ((k + 1) * (d / 2 + k))
        total += term
        k += 1
    return -2 * t + math.log(total)
