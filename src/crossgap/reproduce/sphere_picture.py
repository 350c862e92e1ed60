"""Pictures of two groups of points on the sphere, one panel for each stage of a training, and the same in words."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from crossgap.data.atomic import atomic_path
from crossgap.geometry.rows import check_rows, materialise, unit_rows
from crossgap.measure import centroid_distance

__all__ = ["SphereStage", "facing_view", "sphere_chart", "sphere_text", "write_sphere_picture"]

X_COLOUR, Y_COLOUR = "#0072B2", "#D55E00"  # blue and vermilion, which all kinds of colour vision tell apart
_LINE, _INK = "#B8B8B8", "#333333"
_PANEL = 230
_DRAWN = 400
_SIZE = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class SphereStage:
    """Points of both groups at one moment of a training.

    Parameters
    ----------
    when
        The moment, as the panel's title says it: "epoch 12".
    x, y
        Rows (n, 3) and (m, 3), arrays or tensors; they are drawn at length 1.
    """

    when: str
    x: Any
    y: Any

    def __post_init__(self):
        for name, rows in (("x", self.x), ("y", self.y)):
            _, d = check_rows(rows, name)
            if d != 3:
                raise ValueError(
                    f"{name} must have 3 dimensions to be drawn on a sphere, but it has {d}; train with dimension 3, "
                    f"or take three principal components first."
                )
            object.__setattr__(self, name, unit_rows(_numpy(rows), name=name))


def write_sphere_picture(
    stages: Sequence[SphereStage],
    path: str | os.PathLike[str],
    *,
    names: tuple[str, str] = ("image", "text"),
    title: str = "",
    view: np.ndarray | None = None,
    points: int = _DRAWN,
) -> tuple[Path, Path, Path]:
    """Write a picture of the stages as SVG and PNG, and what it shows in words.

    Parameters
    ----------
    stages
        Panels from left to right.
    path
        Where to write: "rings.svg" gives rings.svg, rings.png and rings.txt; so does "rings".
    names, title, view, points
        As in ``sphere_chart``.

    Returns
    -------
    The three files.

    Raises
    ------
    ValueError
        As in ``sphere_chart``.
    OSError
        If a file cannot be written; each is written whole or not at all.

    Notes
    -----
    Nothing is fetched: fonts and the renderer come with vl-convert. The SVG carries the words as its description.
    """
    import vl_convert

    words = sphere_text(stages, names=names, title=title, points=points)
    chart = sphere_chart(stages, names=names, title=title, view=view, points=points)
    drawn = vl_convert.vegalite_to_svg(chart)
    head, rest = drawn.split(">", 1)
    svg = (
        f'{head} role="img"><title>{escape(title or "Points on the sphere")}</title><desc>{escape(words)}</desc>{rest}'
    )
    stem = Path(path)
    stem = stem.with_suffix("") if stem.suffix in (".svg", ".png", ".txt") else stem
    files = tuple(stem.with_name(stem.name + ending) for ending in (".svg", ".png", ".txt"))
    contents = (svg.encode(), vl_convert.svg_to_png(drawn, scale=2), words.encode())
    for file, content in zip(files, contents, strict=True):
        with atomic_path(file) as temporary:
            temporary.write_bytes(content)
    return files[0], files[1], files[2]


def sphere_chart(
    stages: Sequence[SphereStage],
    *,
    names: tuple[str, str] = ("image", "text"),
    title: str = "",
    view: np.ndarray | None = None,
    points: int = _DRAWN,
) -> dict[str, Any]:
    """Vega-Lite chart of the stages, as plain data: a sphere seen from far away (orthographic), one panel a stage.

    How to read it: points in front are drawn in full colour, those behind the sphere faintly. The two groups differ in
    colour and in shape. All panels have one view, so that motion from panel to panel is motion on the sphere.

    Parameters
    ----------
    stages
        Panels from left to right, at least one.
    names
        What the two groups are called in the legend.
    title
        Line above all panels.
    view
        Rotation (3, 3): its rows are the directions right, up and towards the eye. None takes ``facing_view`` of the
        first stage.
    points
        Rows of each group that are drawn at most, evenly chosen; the words say so.

    Returns
    -------
    The specification with all its data; ``altair.Chart.from_dict`` makes a chart of it.

    Raises
    ------
    ValueError
        If there are no stages, ``points`` is below 1, or ``view`` is no rotation.
    """
    import altair

    _check(stages, points)
    turn = facing_view(stages[0].x, stages[0].y) if view is None else _checked_view(view)
    place = {"x": _axis(altair, "u"), "y": _axis(altair, "v")}
    front = "datum.front"
    lines = (
        altair.Chart(altair.NamedData(name="lines"))
        .mark_line(strokeWidth=0.7, color=_LINE)
        .encode(
            **place,
            order="order:Q",
            detail="line:N",
            opacity=altair.condition(front, altair.value(0.9), altair.value(0.3)),
        )
    )
    outline = altair.Chart(altair.NamedData(name="outline")).mark_line(strokeWidth=1.2, color=_LINE)
    own = list(names)
    datasets = {"lines": _graticule(), "outline": _circle()}
    panels = []
    for number, stage in enumerate(stages):
        datasets[f"points{number}"] = _dots(stage, turn, names, points)
        dots = (
            altair.Chart(altair.NamedData(name=f"points{number}"))
            .mark_point(filled=True, size=_SIZE)
            .encode(
                **place,
                color=altair.Color("group:N", title=None, scale=altair.Scale(domain=own, range=[X_COLOUR, Y_COLOUR])),
                shape=altair.Shape(
                    "group:N", title=None, scale=altair.Scale(domain=own, range=["circle", "triangle-up"])
                ),
                opacity=altair.condition(front, altair.value(0.9), altair.value(0.2)),
            )
        )
        gap = float(centroid_distance(stage.x, stage.y))
        layers = altair.layer(lines, outline.encode(**place, order="order:Q"), dots)
        panels.append(layers.properties(width=_PANEL, height=_PANEL, title=[stage.when, f"gap {gap:.2f}"]))
    words = sphere_text(stages, names=names, title=title, points=points)
    row = altair.hconcat(*panels, spacing=8, description=words)
    if title:
        row = row.properties(title=altair.TitleParams(title, anchor="start", fontSize=15, offset=14))
    row = (
        row.configure_view(stroke=None)
        .configure_title(fontSize=13, fontWeight="normal", color=_INK)
        .configure_legend(orient="bottom", labelFontSize=13, symbolSize=90, symbolOpacity=1, labelColor=_INK)
    )
    return {**row.to_dict(), "datasets": datasets}


def sphere_text(
    stages: Sequence[SphereStage], *, names: tuple[str, str] = ("image", "text"), title: str = "", points: int = _DRAWN
) -> str:
    """Say in words what the picture shows: for each stage the gap, the angle of the means and how wide each group is.

    The width of a group is the angle from its mean direction within which half of its points lie: 90 degrees for
    points all over the sphere.

    Examples
    --------
    >>> stage = SphereStage(when="start", x=np.eye(3)[:1], y=-np.eye(3)[:1])
    >>> sphere_text([stage]).splitlines()[-1].split("; ")[:2]
    ['start: gap 2.00', 'mean directions 180 degrees apart']
    """
    _check(stages, points)
    lines = [title] if title else []
    lines.append(
        f"{len(stages)} {'panel' if len(stages) == 1 else 'panels'}, each a sphere seen from one side: {names[0]} as "
        f"blue circles, {names[1]} as orange triangles; points behind the sphere are faint."
    )
    largest = max(max(len(stage.x), len(stage.y)) for stage in stages)
    if largest > points:
        lines.append(f"At most {points} points of each group are drawn, of up to {largest}; all are measured.")
    for stage in stages:
        (x_mean, x_width), (y_mean, y_width) = _cap(stage.x), _cap(stage.y)
        if x_mean is None or y_mean is None:
            apart = "no mean direction"
        else:
            apart = f"mean directions {_degrees(float(x_mean @ y_mean)):.0f} degrees apart"
        lines.append(
            f"{stage.when}: gap {float(centroid_distance(stage.x, stage.y)):.2f}; {apart}; half of {names[0]} within "
            f"{x_width:.0f} degrees of its mean, half of {names[1]} within {y_width:.0f}."
        )
    return "\n".join(lines) + "\n"


def facing_view(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Rotation (3, 3) that puts both groups in front, side by side: its rows are right, up and towards the eye.

    The direction from the mean of ``x`` to that of ``y`` points right, and the mean of all points towards the eye as
    far as that allows.

    Examples
    --------
    >>> (facing_view(np.array([[0.0, 0.0, 1.0]]), np.array([[1.0, 0.0, 0.0]])).round(3) + 0.0).tolist()
    [[0.707, 0.0, -0.707], [0.0, 1.0, 0.0], [0.707, 0.0, 0.707]]
    """
    right = y.mean(axis=0) - x.mean(axis=0)
    eye = x.mean(axis=0) + y.mean(axis=0)
    axes = np.concatenate([[right, eye], np.eye(3)])
    kept: list[np.ndarray] = []
    for axis in axes:  # Gram-Schmidt, with the coordinate axes where a mean gives no direction
        rest = axis - sum(((axis @ other) * other for other in kept), start=np.zeros(3))
        length = float(np.linalg.norm(rest))
        if length > 1e-6 and len(kept) < 2:
            kept.append(rest / length)
    return np.stack([kept[0], np.cross(kept[1], kept[0]), kept[1]])


def _dots(stage: SphereStage, turn: np.ndarray, names: tuple[str, str], points: int) -> list[dict[str, Any]]:
    """Return the points of both groups, those farther away first, so that neither group lies over the other."""
    places = []
    for name, rows in zip(names, (stage.x, stage.y), strict=True):
        chosen = np.linspace(0, len(rows) - 1, min(points, len(rows))).round().astype(int)
        places += [(*point, name) for point in (rows[chosen] @ turn.T).tolist()]
    places.sort(key=lambda place: place[2])
    return [{"u": round(u, 4), "v": round(v, 4), "front": depth >= 0, "group": name} for u, v, depth, name in places]


def _graticule() -> list[dict[str, Any]]:
    """Return meridians and circles of latitude every 30 degrees about the view's direction up, a little tilted."""
    tilt = np.radians(20.0)
    tip = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    around = np.radians(np.arange(0, 361, 5))
    curves = []
    for longitude in np.radians(np.arange(0, 180, 30)):
        flat = np.stack([np.sin(around), np.cos(around), np.zeros_like(around)], axis=1)
        spin = np.array(
            [[np.cos(longitude), 0, np.sin(longitude)], [0, 1, 0], [-np.sin(longitude), 0, np.cos(longitude)]]
        )
        curves.append(flat @ spin.T)
    for latitude in np.radians([-60, -30, 0, 30, 60]):
        ring = np.stack([np.sin(around), np.full_like(around, np.tan(latitude)), np.cos(around)], axis=1)
        curves.append(ring * np.cos(latitude))
    pieces: list[dict[str, Any]] = []
    line = 0
    for curve in curves:
        shown = curve @ tip.T
        front = shown[:, 2] >= 0
        for place in range(len(shown)):
            if place == 0 or front[place] != front[place - 1]:
                line += 1
                if place:
                    pieces.append(_piece(shown[place - 1], line, place - 1, bool(front[place])))
            pieces.append(_piece(shown[place], line, place, bool(front[place])))
    return pieces


def _piece(point: np.ndarray, line: int, order: int, front: bool) -> dict[str, Any]:
    return {
        "u": round(float(point[0]), 4),
        "v": round(float(point[1]), 4),
        "line": line,
        "order": order,
        "front": front,
    }


def _circle() -> list[dict[str, float]]:
    angles = np.radians(np.arange(0, 361, 3))
    return [
        {"u": round(float(np.cos(angle)), 4), "v": round(float(np.sin(angle)), 4), "order": order}
        for order, angle in enumerate(angles)
    ]


def _axis(altair: Any, name: str) -> Any:
    channel = altair.X if name == "u" else altair.Y
    return channel(f"{name}:Q", axis=None, scale=altair.Scale(domain=[-1.04, 1.04], nice=False, zero=False))


def _cap(rows: np.ndarray) -> tuple[np.ndarray | None, float]:
    """Return the mean direction and the angle from it within which half of the rows lie."""
    mean = rows.mean(axis=0)
    length = float(np.linalg.norm(mean))
    if length < 1e-9:
        return None, 90.0
    return mean / length, _degrees(float(np.median(rows @ (mean / length))))


def _degrees(cosine: float) -> float:
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def _check(stages: Sequence[SphereStage], points: int) -> None:
    if not stages:
        raise ValueError("stages must hold at least one moment, but there are none; give SphereStage(when=, x=, y=).")
    if points < 1:
        raise ValueError(f"points must be at least 1, but it is {points}; 400 fill a sphere.")


def _checked_view(view: Any) -> np.ndarray:
    turn = np.asarray(view, dtype=np.float64)
    if turn.shape != (3, 3) or not np.allclose(turn @ turn.T, np.eye(3), atol=1e-6) or np.linalg.det(turn) < 0:
        raise ValueError(
            "view must be a rotation, 3 x 3 with determinant 1, but it is not; its rows are the directions right, up "
            "and towards the eye."
        )
    return turn


def _numpy(rows: Any) -> np.ndarray:
    rows = materialise(rows)
    return (rows if isinstance(rows, np.ndarray) else rows.detach().cpu().numpy()).astype(np.float64)
