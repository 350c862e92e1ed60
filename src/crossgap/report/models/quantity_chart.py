"""One quantity of several models: a mark and an interval for each, below each other."""

import json
from typing import Any

from crossgap.report.charts.palette import COLOURS
from crossgap.report.charts.specification import rows_of, short, specification
from crossgap.report.models.model_comparison import ModelComparison
from crossgap.report.models.verdict import Headline, direction, found_of, places, where
from crossgap.report.page.blocks import Figure, Table
from crossgap.results import told

__all__ = ["quantity_chart"]

_ROW = 26  # pixels
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")


def quantity_chart(comparison: ModelComparison, headline: Headline) -> Figure | None:
    """Draw a headline quantity of each model, with its interval; None where no model has it."""
    found = [
        (model, groups, measurement)
        for groups in places(comparison, headline)
        for model in comparison.models
        if (measurement := found_of(comparison, model, headline, groups)[0]) is not None
        and measurement.value is not None
    ]
    if not found:
        return None
    import altair as alt

    several = len(places(comparison, headline)) > 1
    labels = [
        f"{short(model, 16)}: {short(where(headline, groups), 20)}" if several else short(model)
        for model, groups, _ in found
    ]
    order = [f"{number}" for number in range(len(found))]
    marks: dict[str, list[Any]] = {
        "place": order,
        "label": labels,
        "model": [model for model, _, _ in found],
        "value": [measurement.value for _, _, measurement in found],
        "low": [(measurement.interval or (measurement.value,) * 2)[0] for _, _, measurement in found],
        "high": [(measurement.interval or (measurement.value,) * 2)[1] for _, _, measurement in found],
        "told": [told(measurement) for _, _, measurement in found],
    }
    models = list(comparison.models)
    drawn = alt.Chart(alt.NamedData("marks"))
    named = json.dumps(dict(zip(order, labels, strict=True)))  # strings and escapes are those of JavaScript
    axis = alt.Axis(title=None, labelExpr=f"({named})[datum.value]", labelLimit=190, ticks=False, domain=False)
    down = alt.Y("place:N", sort=order, axis=axis)
    layers = [
        drawn.mark_rule(strokeWidth=2).encode(
            x=alt.X("low:Q", title=headline.label, scale=_scale(alt, marks), axis=alt.Axis(tickCount=6)),
            x2="high:Q",
            y=down,
        ),
        drawn.mark_point(filled=True, size=70, opacity=1).encode(
            x="value:Q",
            y=down,
            color=alt.Color(
                "model:N", legend=None, scale=alt.Scale(domain=models, range=_cycled(COLOURS, len(models)))
            ),
            shape=alt.Shape(
                "model:N", legend=None, scale=alt.Scale(domain=models, range=_cycled(_SHAPES, len(models)))
            ),
            tooltip=[alt.Tooltip("label:N", title="model"), alt.Tooltip("told:N", title=headline.label)],
        ),
    ]
    return Figure(
        name=f"models-{headline.name.replace('_', '-')}",
        title=headline.label[0].upper() + headline.label[1:],
        description=_description(comparison, headline, labels, found),
        spec=specification(alt.layer(*layers), height=_ROW * len(found), rows={"marks": rows_of(**marks)}),
        table=_table(comparison, headline, found),
    )


def _scale(alt: Any, marks: dict[str, list[Any]]) -> Any:
    """Return the scale of the numbers; where all are one, some room around it, for an axis needs two ends."""
    low, high = min(marks["low"]), max(marks["high"])
    if low < high:
        return alt.Scale(zero=False)
    room = max(0.1, 0.1 * abs(low))
    return alt.Scale(domain=[max(0.0, low - room) if low >= 0 else low - room, high + room], nice=False)


def _description(comparison: ModelComparison, headline: Headline, labels: list[str], found: list[Any]) -> str:
    order = sorted(range(len(found)), key=lambda place: found[place][2].value)
    ends = f"Lowest: {labels[order[0]]}, {told(found[order[0]][2])}; highest: {labels[order[-1]]}, "
    ends += f"{told(found[order[-1]][2])}."
    sure = any(measurement.interval is not None for _, _, measurement in found)
    drawn = f"the line is its {comparison.settings['level']:.0%} interval" if sure else "it has no interval"
    return f"{headline.way} One mark for each model; {drawn}. {ends}"


def _table(comparison: ModelComparison, headline: Headline, found: list[Any]) -> Table:
    rows = []
    for model, groups, measurement in found:
        change = found_of(comparison, model, headline, groups)[1]
        rows.append(
            (
                model,
                where(headline, groups),
                told(measurement),
                None if change is None else told(change, sign=True),
                None if change is None else direction(change, headline),
            )
        )
    return Table(
        caption=f"{headline.label}; change against {comparison.baseline}",
        columns=("model", "groups", "value", "change", "which is"),
        rows=tuple(rows),
    )


def _cycled(values: tuple[str, ...], count: int) -> list[str]:
    return [values[number % len(values)] for number in range(count)]
