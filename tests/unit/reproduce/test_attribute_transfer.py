"""Attributes from the other modality: the latents, the worlds, and the table."""

import json

import numpy as np
import pytest

from crossgap.data.synthetic import two_cone_latents, two_cone_pairs
from crossgap.reproduce import attribute_transfer
from crossgap.reproduce.attribute_transfer import attribute_worlds


def test_latents_are_what_both_modalities_show():
    z = two_cone_latents(2000, seed=5)
    for rows in two_cone_pairs(2000, seed=5):
        explained = np.linalg.lstsq(np.c_[rows, np.ones(2000)], z, rcond=None)[0]
        left = z - np.c_[rows, np.ones(2000)] @ explained
        assert left.var() / z.var() < 0.6
    assert np.corrcoef(z[:, 0], two_cone_latents(2000, seed=6)[:, 0])[0, 1] < 0.1
    assert np.array_equal(two_cone_latents(10, seed=5, unlike=0), two_cone_latents(10, seed=5))
    with pytest.raises(ValueError, match="latent must be at least 1"):
        two_cone_pairs(10, latent=0)


@pytest.fixture
def short(monkeypatch):
    """Three epochs in place of thirty."""
    monkeypatch.setattr(attribute_transfer, "_EPOCHS", 3)


def test_a_world():
    (world,) = attribute_worlds(1, seed=2)
    assert world.image.shape == world.text.shape == (2000, 64)
    assert world.attributes.shape == (2000, 24)
    assert world.attributes_test.shape == (1000, 24)
    assert set(np.unique(world.attributes)) == {0.0, 1.0}
    assert np.linalg.norm(world.text_test, axis=1) == pytest.approx(np.ones(1000), abs=1e-5)


def test_the_table(short, tmp_path):
    told = []
    table = attribute_transfer.run(
        worlds=1,
        decoders=1,
        sigmas=(0.03, 0.1265),
        output=tmp_path / "table.json",
        progress=lambda *what: told.append(what),
    )
    assert [tuple(row.condition.values()) for row in table.rows] == [
        *((arm, "chosen") for arm in ("C1", "C2_1", "C2_2", "C3")),
        *((arm, sigma) for arm in ("C2_2", "C3") for sigma in ("0.03", "0.1265")),
    ]
    assert told[-1] == (6, 6, "C3, sigma 0.1265")
    assert table.row(arm="C3", noise="chosen").middle("sigma") in (0.03, 0.1265)
    at = {row.condition["arm"]: row.middle("accuracy") for row in table.rows if row.condition["noise"] == "chosen"}
    assert at["C1"] < at["C2_1"]
    assert all(0.5 < value < 1 for value in at.values())
    assert json.loads((tmp_path / "table.json").read_text())["settings"]["epochs"] == 3


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"scale": "full"}, "scale must be 'small', but it is 'full'"),
        ({"worlds": 0}, "worlds must be at least 1"),
        ({"sigmas": ()}, "sigmas must be above 0, but they are \\[\\]"),
        ({"sigmas": (0.1, 0.0)}, "sigmas must be above 0"),
    ],
)
def test_refusals(options, says):
    with pytest.raises(ValueError, match=says):
        attribute_transfer.run(**options)


@pytest.mark.slow
def test_the_bands_and_orders_of_four_worlds():
    table = attribute_transfer.run()
    assert table.bands("toy range") == (4, 4)
    assert all(claim.held for claim in table.orderings)
