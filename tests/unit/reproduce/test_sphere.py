import json

import numpy as np
import pytest
import torch

from crossgap import measure
from crossgap.reproduce import free_points, sphere
from crossgap.reproduce.free_points import opposite_clouds
from crossgap.reproduce.sphere import EVEN, measure_stage, sphere_table
from crossgap.reproduce.twins import TwinSettings

TINY = TwinSettings(points=40, hidden=16, layers=2, dimension=3, batch_size=20, epochs=4, gap_at_init=None)


def _stage(**values):
    plain = {"centroid_distance": 1.0, "linear_separability": 1.0, "uniformity": -1.0, "matched_cosine": 0.0}
    return plain | {"recall_at_1/x_to_y": 0.0, "explained_variance_1": 0.5, "explained_variance_2": 0.9} | values


END = {"centroid_distance": 0.02, "linear_separability": 0.5, "uniformity": -2.1, "explained_variance_1": 0.34}


def _held(start, *rest):
    table = sphere_table({epoch: [stage] for epoch, stage in enumerate((start, *rest))}, title="t", settings={})
    return [claim.held for claim in table.orderings], table


def test_an_even_sphere_has_the_uniformity_it_is_compared_with():
    """-4 + ln 0F1(; 3/2; 4) at t = 2 (spec section 3): on the sphere the cosine is uniform on [-1, 1]."""
    cosines = np.linspace(-1, 1, 200_001)
    assert np.log(np.trapezoid(np.exp(-2 * (2 - 2 * cosines)), cosines) / 2) == pytest.approx(EVEN, abs=1e-4)


def test_claims_hold_where_the_numbers_say_so():
    arc = _stage(explained_variance_1=0.9)
    assert _held(_stage(), arc, _stage(**END))[0] == [True, True, True]
    assert _held(_stage(), arc, _stage(**END | {"centroid_distance": 1.1}))[0] == [False, True, True]
    assert _held(_stage(), arc, _stage(**END | {"linear_separability": 1.0}))[0] == [False, True, True]
    assert _held(_stage(), arc, _stage(**END | {"uniformity": -1.5}))[0] == [True, False, True]
    assert _held(_stage(), _stage(explained_variance_1=0.4), _stage(**END))[0] == [True, True, False]
    assert _held(_stage(), _stage(**END))[0] == [True, True]


def test_a_ring_is_told_by_its_two_components():
    for most, held in ((0.99, True), (0.94, False)):
        found = {
            0: [_stage()],
            1: [_stage(explained_variance_2=most)],
            2: [_stage(**END | {"explained_variance_2": 0.7})],
        }
        table = sphere_table(found, title="t", settings={}, unit="step", shape="ring")
        assert table.orderings[2].held is held
        assert "ring" in table.orderings[2].sentence


def test_the_last_stage_is_judged_by_the_goal():
    _, table = _held(_stage(), _stage(**END))
    assert table.bands("goal") == (3, 3)
    assert "goal" not in table.rows[0].references
    assert "recipe" not in table.sources
    _, table = _held(_stage(), _stage(**END | {"centroid_distance": 0.11}))
    assert table.bands("goal") == (2, 3)


def test_a_stage_is_measured_by_the_functions_of_measure(rng):
    x, y = (torch.from_numpy(rows) for rows in rng.normal(size=(2, 30, 3)))
    found = measure_stage(x, y)
    assert found["centroid_distance"] == float(measure.centroid_distance(x, y))
    assert found["uniformity"] == pytest.approx(float(measure.uniformity(x) + measure.uniformity(y)) / 2)
    assert found["recall_at_1/x_to_y"] == float(measure.recall_at_k(x, y))
    assert 1 / 3 <= found["explained_variance_1"] < found["explained_variance_2"] < 1


def test_stages_are_taken_drawn_and_written(tmp_path):
    seen = []
    table = sphere.run(
        settings=TINY, stages=(4, 0, 2), seeds=2, seed=5, output=tmp_path / "s.json", progress=lambda *c: seen.append(c)
    )
    assert [row.condition for row in table.rows] == [{"epoch": 0}, {"epoch": 2}, {"epoch": 4}]
    assert all(row.summary("centroid_distance").n == 2 for row in table.rows)
    assert seen == [(1, 2, "seed 5"), (2, 2, "seed 6")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.json", "s.png", "s.svg", "s.txt"]
    words = (tmp_path / "s.txt").read_text()
    first = table.rows[0].measured["centroid_distance"][0]
    assert f"epoch 0: gap {first:.2f}; mean directions" in words
    assert "epoch 4: " in words
    assert "recipe" not in table.sources
    assert json.loads((tmp_path / "s.json").read_text())["settings"]["points"] == 40
    again = sphere.run(settings=TINY, stages=(4, 0, 2), seeds=2, seed=5)
    assert again.rows == table.rows


def test_what_is_refused():
    with pytest.raises(ValueError, match="scale must be 'small' or 'full', but it is 'tiny'"):
        sphere.run(scale="tiny")
    with pytest.raises(ValueError, match="images belongs to the full scale, but scale is 'small'"):
        sphere.run(images="photos")
    with pytest.raises(ValueError, match=r"stages must be epochs from 0 to 4, but they are \(0, 5\)"):
        sphere.run(settings=TINY, stages=(0, 5))
    with pytest.raises(ValueError, match="scale must be 'small' or 'full', but it is 'tiny'"):
        free_points.run(scale="tiny")
    with pytest.raises(ValueError, match="from 0 to 3"):
        free_points.run(points=20, steps=3, stages=(4,))


# free points


def test_clouds_lie_at_opposite_poles_as_wide_as_asked():
    x, y = opposite_clouds(20_000, seed=0, spread=0.1)
    torch.testing.assert_close(x.norm(dim=1), torch.ones(20_000))
    assert float(x[:, 1].mean()) == pytest.approx(0.99, abs=2e-3)  # cosine of a small angle of variance 2 x 0.01
    assert float(y[:, 1].mean()) == pytest.approx(-0.99, abs=2e-3)
    assert float(x[:, 0].std()) == pytest.approx(0.1, abs=0.005)
    assert float(opposite_clouds(1000, seed=0, spread=0.2)[0][:, 0].std()) == pytest.approx(0.2, abs=0.02)
    assert not torch.equal(x, opposite_clouds(20_000, seed=1)[0])


def test_the_loss_alone_closes_the_gap_in_three_dimensions(tmp_path):
    table = free_points.run(points=48, steps=800, stages=(0, 100, 800), seeds=1, output=tmp_path / "free.json")
    first, between, last = table.rows
    assert first.middle("centroid_distance") > 1.9
    assert between.middle("centroid_distance") > 0.3
    assert [claim.held for claim in table.orderings] == [True, True, True]
    assert last.middle("centroid_distance") < 0.02
    assert last.middle("matched_cosine") > 0.999
    assert last.middle("uniformity") == pytest.approx(EVEN, abs=0.3)
    assert (tmp_path / "free.png").stat().st_size > 10_000
    assert "step 800: gap 0.0" in (tmp_path / "free.txt").read_text()


def test_free_points_are_a_function_of_the_seed():
    tables = [free_points.run(points=20, steps=3, seeds=1, seed=seed) for seed in (0, 0, 1)]
    assert tables[0].rows == tables[1].rows
    assert tables[0].rows != tables[2].rows
    assert [row.condition for row in tables[0].rows] == [{"step": 0}, {"step": 3}]
    parts = free_points.run(points=20, steps=3, seeds=1, seed=0, batch_size=8)
    assert parts.rows[0] == tables[0].rows[0]
    assert parts.rows[1] != tables[0].rows[1]


@pytest.mark.slow
def test_the_goal_is_reached_from_cones_to_a_filled_sphere():
    table = sphere.run()
    assert table.bands("goal") == (3, 3)
    assert [claim.held for claim in table.orderings] == [True, True, True]
    assert table.rows[0].held("recipe", "centroid_distance")
    assert table.rows[0].held("recipe", "linear_separability")


@pytest.mark.slow
def test_free_points_close_the_gap_at_the_small_scale():
    table = free_points.run()
    assert table.bands("goal") == (3, 3)
    assert table.rows[-1].summary("centroid_distance").greatest < 0.01
