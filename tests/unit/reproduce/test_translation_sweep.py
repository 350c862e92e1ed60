"""The sweep along the gap: the toy, the values of the specification on MG500, and the table."""

import json

import numpy as np
import pytest
import torch

from crossgap import Embeddings, write
from crossgap.errors import DegenerateError
from crossgap.losses.clip import clip_loss
from crossgap.reproduce import translation_sweep
from crossgap.reproduce.spherical_toy import AZIMUTHS, lift_of_least_loss, lifted_pairs
from crossgap.reproduce.stored_pairs import SAMPLE, stored_pairs


@pytest.fixture(scope="module")
def mg500(shared_data):
    return translation_sweep.run(pairs=shared_data / "pairs" / "coco500_clip-vit-b16.npz", step=1.25)


@pytest.mark.parametrize("swapped", [False, True])
def test_the_toy_by_hand(swapped):
    x, y = lifted_pairs(30.0, swapped=swapped)
    order = [1, 0, 2, 3, 4, 5] if swapped else range(6)
    for row, azimuth in enumerate(AZIMUTHS):
        a = np.deg2rad(azimuth)
        assert x[row].tolist() == pytest.approx([np.cos(a), np.sin(a), 0.0])
        a = np.deg2rad(AZIMUTHS[order[row]])
        assert y[row].tolist() == pytest.approx([np.cos(a) * np.sqrt(0.75), np.sin(a) * np.sqrt(0.75), 0.5])


def test_a_low_temperature_and_wrong_pairs_want_a_gap():
    lift, least, without = lift_of_least_loss(100.0, swapped=True)
    assert lift > 45
    assert least < 0.5 * without
    for scale, swapped in ((1.0, True), (1.0, False), (100.0, False)):
        lift, least, without = lift_of_least_loss(scale, swapped=swapped)
        assert lift == 0.0
        assert least == without


def test_the_sign_of_the_lift_does_not_matter():
    losses = [float(clip_loss(*lifted_pairs(lift, swapped=True), 100.0)) for lift in (-78.0, 78.0)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-12)


def test_mg500_at_full_strength(mg500):
    """C1: with both sides moved by the whole gap it is 0.008, and recall@1 falls from 0.552 to 0.358."""
    start = mg500.row(moved="both", by=0.0)
    closed = mg500.row(moved="both", by=0.851352)
    assert start.middle("signed_centroid_distance") == pytest.approx(0.85135, abs=1e-5)
    assert start.middle("loss/100") == pytest.approx(1.8008860, abs=1e-6)
    assert start.middle("recall_at_1/x_to_y") == pytest.approx(0.552)
    assert start.middle("recall_at_1/y_to_x") == pytest.approx(0.506)
    assert closed.middle("signed_centroid_distance") == pytest.approx(0.008, abs=1e-3)
    assert closed.middle("recall_at_1/x_to_y") == pytest.approx(0.358, abs=1e-3)
    assert closed.middle("recall_at_1/y_to_x") == pytest.approx(0.366, abs=1e-3)


def test_the_sign_changes_where_the_groups_pass_each_other(mg500):
    for moved in ("both", "x alone"):
        for by in (-5.0, -2.5, -1.25, 0.0):
            assert mg500.row(moved=moved, by=by).middle("signed_centroid_distance") > 0
        for by in (1.25, 2.5, 5.0):
            row = mg500.row(moved=moved, by=by)
            assert row.middle("signed_centroid_distance") == -row.middle("centroid_distance") < 0


def test_the_claims_hold_on_mg500(mg500):
    assert all(claim.held for claim in mg500.orderings), mg500.text()
    assert len(mg500.orderings) == 5


def test_both_and_one_sided_moves_by_a_plain_loop(rng, tmp_path):
    x, y = rng.normal(size=(12, 4)) + 1.0, rng.normal(size=(12, 4)) - 1.0
    write(Embeddings.from_arrays(image=x, text=y), tmp_path / "pairs.npz")
    table = translation_sweep.run(pairs=tmp_path / "pairs.npz", step=2.5)
    x, y = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, y))
    u = x.mean(0) - y.mean(0)
    u = u / np.linalg.norm(u)
    for moved, a, b in (("both", x - 1.25 * u, y + 1.25 * u), ("x alone", x - 2.5 * u, y)):
        a, b = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (a, b))
        gap = a.mean(0) - b.mean(0)
        row = table.row(moved=moved, by=2.5)
        assert row.middle("signed_centroid_distance") == pytest.approx(np.sign(gap @ u) * np.linalg.norm(gap))
        for scale in translation_sweep.LOGIT_SCALES:
            expected = float(clip_loss(torch.from_numpy(a), torch.from_numpy(b), float(scale)))
            assert row.middle(f"loss/{scale}") == pytest.approx(expected, rel=1e-6)


def test_the_table(tmp_path):
    seen = []
    table = translation_sweep.run(step=5.0, output=tmp_path / "t.json", progress=lambda *told: seen.append(told))
    assert seen[-1][:2] == (8, 8)
    moved = [row.condition["moved"] for row in table.rows]
    assert [moved.count(kind) for kind in ("both", "x alone", "toy", "toy, swapped")] == [4, 4, 13, 13]
    assert table.settings["data"] == SAMPLE
    assert table.bands("Liang 2022")[1] == 0  # other data: shown, never judged
    assert "0.822" in table.text()
    assert json.loads((tmp_path / "t.json").read_text())["experiment"] == "translation_sweep"


def test_several_captions_are_no_negatives_of_each_other(rng, tmp_path):
    x, y = rng.normal(size=(10, 4)) + 1.0, rng.normal(size=(20, 4)) - 1.0
    items = {"image": np.arange(10), "text": np.repeat(np.arange(10), 2)}
    write(Embeddings.from_arrays(image=x, text=y, items=items), tmp_path / "pairs.parquet")
    table = translation_sweep.run(pairs=tmp_path / "pairs.parquet", step=5.0)
    assert "20 pairs" in table.title
    assert table.row(moved="both", by=0.0).middle("loss/1") > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step": 0.0}, "step must lie above 0 and not above 5"),
        ({"step": 6.0}, "step must lie above 0 and not above 5"),
        ({"scale": "big"}, "scale must be 'small' or 'full'"),
        ({"scale": "full"}, "the full scale needs pairs of a real model"),
        ({"x": "image"}, "x and y must both name a group or neither"),
        ({"x": "image", "y": "sound"}, "there is no group 'sound'"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        translation_sweep.run(**options)


def test_pairs_that_are_none(rng, tmp_path):
    write(Embeddings.from_arrays(image=rng.normal(size=(12, 4))), tmp_path / "one.npz")
    with pytest.raises(DegenerateError, match="needs two groups, but there is only image"):
        stored_pairs(tmp_path / "one.npz", scale="full")
    apart = Embeddings.from_arrays(image=rng.normal(size=(12, 4)), text=rng.normal(size=(9, 4)))
    write(apart, tmp_path / "apart.npz")
    with pytest.raises(DegenerateError, match="nothing pairs"):
        stored_pairs(tmp_path / "apart.npz", scale="full")
