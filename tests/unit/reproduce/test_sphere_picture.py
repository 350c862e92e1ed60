import struct
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import torch

from crossgap.reproduce.sphere_picture import (
    X_COLOUR,
    Y_COLOUR,
    SphereStage,
    facing_view,
    sphere_chart,
    sphere_text,
    write_sphere_picture,
)

FRONT = np.eye(3)  # right, up and towards the eye are x, y and z


def _cloud(rng, n=30, centre=(0.0, 0.0, 3.0)):
    return rng.normal(size=(n, 3)) + centre


def _drawn(chart, panel=0):
    return chart["datasets"][f"points{panel}"]


def test_points_are_seen_from_far_away_along_the_third_axis():
    x = np.array([[0.0, 0.6, 0.8], [2.0, 0.0, 0.0]])
    y = np.array([[0.0, -0.6, -0.8]])
    chart = sphere_chart([SphereStage(when="now", x=x, y=y)], names=("a", "b"), view=FRONT)
    assert sorted(_drawn(chart), key=lambda point: (point["group"], point["u"])) == [
        {"u": 0.0, "v": 0.6, "front": True, "group": "a"},
        {"u": 1.0, "v": 0.0, "front": True, "group": "a"},
        {"u": 0.0, "v": -0.6, "front": False, "group": "b"},
    ]


def test_points_behind_are_drawn_first(rng):
    chart = sphere_chart([SphereStage(when="now", x=_cloud(rng, centre=0.0), y=_cloud(rng, centre=0.0))])
    fronts = [point["front"] for point in _drawn(chart)]
    assert fronts == sorted(fronts)
    assert 0 < sum(fronts) < len(fronts)


def test_each_stage_has_a_panel_with_its_moment_and_its_gap():
    stages = [
        SphereStage(when="epoch 0", x=np.eye(3)[[0]], y=-np.eye(3)[[0]]),
        SphereStage(when="epoch 9", x=np.eye(3)[[0]], y=np.eye(3)[[0]]),
    ]
    panels = sphere_chart(stages)["hconcat"]
    assert [panel["title"] for panel in panels] == [["epoch 0", "gap 2.00"], ["epoch 9", "gap 0.00"]]


def test_all_panels_share_the_view_of_the_first(rng):
    x, y = _cloud(rng), _cloud(rng, centre=(3.0, 0.0, 0.0))
    stages = [SphereStage(when="a", x=x, y=y), SphereStage(when="b", x=y, y=x)]
    chart = sphere_chart(stages, names=("a", "b"))
    swapped = [{**point, "group": "ba"["ab".index(point["group"])]} for point in _drawn(chart, 1)]
    key = lambda point: tuple(point.values())  # noqa: E731
    assert sorted(swapped, key=key) == sorted(_drawn(chart, 0), key=key)
    assert _drawn(sphere_chart(stages, view=FRONT), 1) != _drawn(chart, 1)


def test_the_view_faces_both_groups(rng):
    x, y = _cloud(rng, centre=(4.0, 0.0, 0.0)), _cloud(rng, centre=(0.0, 4.0, 1.0))
    stage = SphereStage(when="now", x=x, y=y)
    turn = facing_view(stage.x, stage.y)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)
    x_mean, y_mean = turn @ stage.x.mean(axis=0), turn @ stage.y.mean(axis=0)
    assert x_mean[0] < y_mean[0]
    assert x_mean[1] == pytest.approx(y_mean[1])
    assert x_mean[2] > 0
    assert y_mean[2] > 0


@pytest.mark.parametrize("x", [np.eye(3), np.array([[0.0, 0.0, 1.0]]), np.concatenate([np.eye(3), -np.eye(3)])])
def test_there_is_a_view_also_where_the_means_give_none(x):
    for y in (x, -x):
        turn = facing_view(x, y)
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(turn) == pytest.approx(1)


def test_lines_of_the_globe_lie_on_it_and_change_side_at_its_edge():
    lines = sphere_chart([SphereStage(when="now", x=np.eye(3), y=np.eye(3))])["datasets"]["lines"]
    radii = np.hypot([piece["u"] for piece in lines], [piece["v"] for piece in lines])
    assert radii.max() <= 1 + 1e-3
    sides = {}
    for piece in lines:
        sides.setdefault(piece["line"], set()).add(piece["front"])
    assert all(len(found) == 1 for found in sides.values())
    assert {True, False} == set.union(*sides.values())


def test_a_number_of_points_is_drawn_evenly_and_the_words_say_so(rng):
    x = _cloud(rng, n=50)
    stage = SphereStage(when="now", x=x, y=x[:3])
    chart = sphere_chart([stage], names=("a", "b"), points=10)
    assert [sum(point["group"] == name for point in _drawn(chart)) for name in "ab"] == [10, 3]
    assert "At most 10 points of each group are drawn, of up to 50" in sphere_text([stage], points=10)
    assert "At most" not in sphere_text([stage], points=50)


def test_words_say_where_the_groups_lie():
    tilt = np.radians(20)
    ring = np.array([[np.cos(tilt), s * np.sin(tilt), 0.0] for s in (-1, 1)])
    words = sphere_text(
        [SphereStage(when="epoch 3", x=ring, y=np.array([[0.0, 0.0, 1.0]]))], names=("a", "b"), title="T"
    )
    assert words.startswith("T\n1 panel, each a sphere")
    assert "epoch 3: gap 1.37; mean directions 90 degrees apart; half of a within 20 degrees of its mean" in words
    even = np.concatenate([np.eye(3), -np.eye(3)])
    assert "no mean direction; half of image within 90 degrees" in sphere_text(
        [SphereStage(when="end", x=even, y=even)]
    )


def test_the_files_are_written_and_the_drawing_describes_itself(rng, tmp_path):
    stages = [SphereStage(when=f"epoch {n}", x=_cloud(rng), y=torch.from_numpy(_cloud(rng)).float()) for n in (0, 5)]
    files = write_sphere_picture(stages, tmp_path / "rings.svg", names=("photo", "word & co"), title="From <a> to b")
    assert [file.name for file in files] == ["rings.svg", "rings.png", "rings.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rings.png", "rings.svg", "rings.txt"]
    root = ElementTree.fromstring(files[0].read_text(encoding="utf-8"))
    named = {child.tag.rpartition("}")[2]: child.text for child in root}
    assert root.get("role") == "img"
    assert named["title"] == "From <a> to b"
    assert named["desc"] == files[2].read_text(encoding="utf-8")
    drawn = files[0].read_text(encoding="utf-8")
    assert X_COLOUR.lower() in drawn.lower()
    assert Y_COLOUR.lower() in drawn.lower()
    assert "epoch 5" in drawn
    head = files[1].read_bytes()[:24]
    assert head.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", head[16:])
    assert width > height > 400
    again = write_sphere_picture(stages, tmp_path / "rings", names=("photo", "word & co"), title="From <a> to b")
    assert again == files


def test_what_is_refused(rng, tmp_path):
    stage = SphereStage(when="now", x=_cloud(rng), y=_cloud(rng))
    with pytest.raises(ValueError, match="y must have 3 dimensions to be drawn on a sphere, but it has 4"):
        SphereStage(when="now", x=np.ones((2, 3)), y=np.ones((2, 4)))
    with pytest.raises(ValueError, match="x must have rows of a length above zero, but row 1"):
        SphereStage(when="now", x=np.array([[1.0, 0, 0], [0, 0, 0]]), y=np.ones((2, 3)))
    with pytest.raises(ValueError, match="stages must hold at least one moment"):
        sphere_chart([])
    with pytest.raises(ValueError, match="points must be at least 1, but it is 0"):
        sphere_chart([stage], points=0)
    with pytest.raises(ValueError, match="view must be a rotation"):
        sphere_chart([stage], view=np.diag([1.0, 1.0, -1.0]))
    with pytest.raises(FileNotFoundError, match="does not exist; create it first"):
        write_sphere_picture([stage], tmp_path / "no" / "where.svg")
