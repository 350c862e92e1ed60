import json
import math

import pytest

from crossgap.measure import stable_region_width
from crossgap.reproduce import same_modality, temperature_sweep
from crossgap.reproduce.temperature_sweep import widest_gap_at_rest
from crossgap.reproduce.twins import TwinSettings, train_twins


def _found(gap, separability=0.9, loss=0.001, **more):
    start = {"centroid_distance/start": 0.01, "linear_separability/start": 0.5, "loss/start": 3.6}
    end = {"centroid_distance": gap, "linear_separability": separability, "loss": loss, "matched_cosine": 0.96}
    return start | end | {"stable_region": 1.0, "redraws": 0.0} | more


@pytest.fixture
def trained(monkeypatch):
    """Replace training by numbers that fit the published story; the settings that were asked for are recorded."""
    asked = []

    def train(settings, *, seed):
        asked.append((settings, seed))
        if settings.temperature == 0.01:
            return _found(0.55, 1.0, 0.0)
        return _found(
            0.15 if settings.batch_size == 64 or settings.hidden == 256 else 0.02 if settings.beta2 > 0.99 else 0.06
        )

    monkeypatch.setattr(same_modality, "train_twins", train)
    monkeypatch.setattr(temperature_sweep, "train_twins", train)
    return asked


def test_the_cases_are_those_of_the_recipe(trained):
    same_modality.run(seeds=1)
    assert [
        (case.points, case.hidden, case.layers, case.dimension, case.batch_size, case.temperature, case.epochs)
        for case, _ in trained
    ] == [
        (1024, 256, 4, 512, 128, 0.07, 120),
        (512, 128, 3, 512, 128, 0.01, 150),
        (512, 128, 3, 512, 64, 0.07, 150),
        (512, 128, 3, 512, 128, 0.07, 150),
        (512, 128, 3, 128, 128, 0.07, 150),
        (512, 128, 3, 512, 128, 0.07, 150),
        (512, 128, 3, 512, 128, 0.07, 150),
    ]
    assert [case.gap_at_init for case, _ in trained] == [0.0, 0.0, 0.0, 0.0, 0.0, None, 0.0]
    assert [case.beta2 for case, _ in trained] == [0.99] * 6 + [0.999]


def test_the_table_stands_beside_the_published_one_and_says_what_held(trained, tmp_path):
    seen = []
    table = same_modality.run(seeds=2, seed=7, output=tmp_path / "table.json", progress=lambda *call: seen.append(call))
    assert sorted({seed for _, seed in trained}) == [7, 8]
    assert [call[:2] for call in seen] == [(number, 14) for number in range(1, 15)]
    assert seen[0][2] == "wide, seed 7"
    wide = table.row(case="wide")
    assert wide.references["paper"]["centroid_distance"].value == 0.06
    assert wide.references["paper"]["loss/start"].value == 4.83
    assert wide.held("recipe", "centroid_distance")
    assert wide.held("start", "linear_separability/start")
    assert "start" not in table.row(case="not turned").references
    held = {claim.sentence: claim.held for claim in table.orderings}
    assert held.pop("separability ends at 1.00 (wide, temperature 0.07)") is False
    assert len(held) == 9
    assert all(held.values())
    assert json.loads((tmp_path / "table.json").read_text())["experiment"] == "same-modality"
    assert "NOT HELD: separability ends at 1.00 (wide" in table.text()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"gap": 0.05, "temperature": 0.01}, "the lower temperature creates the larger gap"),
        ({"gap": 0.05, "hidden": 256}, "the wider network on more points creates the larger gap"),
        ({"gap": 0.05, "batch_size": 64}, "the smaller batch creates the larger gap"),
        ({"gap": 0.07, "beta2": 0.999}, "a shorter memory of AdamW's second moment creates the larger gap"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_ordering_that_does_not_hold_is_said(trained, monkeypatch, change, sentence):
    train = same_modality.train_twins
    gap = change.pop("gap")

    def other(settings, *, seed):
        changed = all(getattr(settings, name) == value for name, value in change.items())
        return train(settings, seed=seed) | ({"centroid_distance": gap} if changed else {})

    monkeypatch.setattr(same_modality, "train_twins", other)
    held = {claim.sentence: claim.held for claim in same_modality.run(seeds=1).orderings}
    assert held[sentence] is False
    assert sum(not one for one in held.values()) == 2  # this one, and separability at 0.07


def test_a_gap_that_is_left_at_the_start_is_passed_on(trained):
    table = same_modality.run(seeds=1, gap_at_init=0.5)
    assert [case.gap_at_init for case, _ in trained] == [0.5, 0.5, 0.5, 0.5, 0.5, None, 0.5]
    assert table.orderings == ()
    assert all("start" not in row.references for row in table.rows)
    assert table.settings["gap_at_init"] == 0.5


def test_what_is_refused(trained, tmp_path):
    with pytest.raises(ValueError, match="scale must be 'small' or 'full', but it is 'tiny'"):
        same_modality.run(scale="tiny")
    with pytest.raises(ValueError, match="images must name a folder of photos at full scale"):
        same_modality.run(scale="full")
    with pytest.raises(ValueError, match="epochs belongs to the full scale, but scale is 'small'"):
        same_modality.run(epochs=3)
    with pytest.raises(ValueError, match="scale must be 'small' or 'full', but it is 'tiny'"):
        temperature_sweep.run(scale="tiny")


# training itself, reduced


def test_cold_training_creates_a_gap_and_warm_training_hardly_one():
    """At 0.01 the loss is spent while the pairs are far from each other; at 0.07 they are drawn together."""
    sizes = {"points": 256, "hidden": 128, "dimension": 512, "batch_size": 64, "epochs": 40}
    cold, warm = (train_twins(TwinSettings(**sizes, temperature=t), seed=0) for t in (0.01, 0.07))
    for found in (cold, warm):
        assert found["centroid_distance/start"] < 0.1
        assert found["linear_separability/start"] < 0.6
        assert found["loss"] < 0.1  # chance is ln 64 = 4.2; at 0.01 the last steps leave 0.001 to 0.04, by thread count
    assert cold["centroid_distance"] > 0.5
    assert cold["linear_separability"] > 0.99
    assert cold["matched_cosine"] < 0.7
    assert cold["stable_region"] > 0.95
    assert warm["centroid_distance"] < 0.1
    assert warm["matched_cosine"] > 0.85


# the sweep


def test_the_widest_gap_at_rest_is_where_pairs_have_the_margin_of_the_stable_region():
    width = stable_region_width(128, 0.07)
    assert widest_gap_at_rest(128, 0.07) == pytest.approx(math.sqrt(2 - 2 * width))
    assert widest_gap_at_rest(64, 0.07) > widest_gap_at_rest(128, 0.07) > widest_gap_at_rest(128, 0.08)
    assert widest_gap_at_rest(128, 0.5) == 0.0
    with pytest.raises(ValueError, match="n must be at least 2"):
        widest_gap_at_rest(1, 0.1)


def test_the_sweep_has_a_row_for_each_cell(trained, tmp_path):
    seen = []
    table = temperature_sweep.run(
        temperatures=(0.01, 0.1), dimensions=(8, 32), batch_sizes=(64, 128), seeds=2, seed=3,
        progress=lambda *call: seen.append(call), output=tmp_path / "sweep.json",
    )  # fmt: skip
    assert [tuple(row.condition.values()) for row in table.rows] == [
        (batch, d, t) for batch in (64, 128) for d in (8, 32) for t in (0.01, 0.1)
    ]
    assert [call[:2] for call in seen] == [(number, 16) for number in range(1, 17)]
    assert {seed for _, seed in trained} == {3, 4}
    cell = table.row(B=64, d=8, temperature=0.1)
    assert cell.references["bound"]["centroid_distance"].high == widest_gap_at_rest(64, 0.1)
    assert table.bands("bound") == (8, 8)
    held = {claim.sentence: claim.held for claim in table.orderings}
    assert all(held.values())
    assert len(held) == 4
    assert json.loads((tmp_path / "sweep.json").read_text())["settings"]["network"] == "3 x 128"


def test_the_sweep_says_where_temperature_makes_no_difference(trained, monkeypatch):
    monkeypatch.setattr(temperature_sweep, "train_twins", lambda settings, *, seed: _found(0.005))
    claims = temperature_sweep.run(temperatures=(0.01, 0.1), dimensions=(8,)).orderings
    assert [claim.held for claim in claims] == [False, False]


def test_the_scales_of_the_sweep(trained):
    temperature_sweep.run()
    assert len(trained) == 20
    assert {(case.points, case.hidden, case.batch_size) for case, _ in trained} == {(512, 128, 128)}
    trained.clear()
    temperature_sweep.run(scale="full")
    assert len(trained) == 40
    assert {(case.points, case.hidden, case.batch_size) for case, _ in trained} == {(1024, 256, 64), (1024, 256, 128)}
    trained.clear()
    temperature_sweep.run(settings=TwinSettings(points=9), dimensions=(8,), temperatures=(0.1,))
    assert [case.points for case, _ in trained] == [9]


@pytest.mark.slow
def test_the_bands_of_the_recipe_hold_over_four_seeds():
    table = same_modality.run()
    assert table.bands("start") == (12, 12)
    assert table.bands("recipe") == (12, 12)
    for case, gap, separability in (
        ("small batch", 0.134, 0.77),
        ("few dimensions", 0.056, 0.54),
        ("not turned", 0.070, 0.63),
    ):
        row = table.row(case=case)
        assert row.middle("centroid_distance") == pytest.approx(gap, abs=0.03)
        assert row.middle("linear_separability") == pytest.approx(separability, abs=0.08)
    failed = [claim.sentence for claim in table.orderings if not claim.held]
    assert failed == ["separability ends at 1.00 (wide, temperature 0.07)"]
