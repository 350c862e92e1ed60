"""InfoNCE and InfoLOOB with and without retrieval: the mechanics, one robust ordering, and the whole bands."""

import json

import pytest
import torch

from crossgap.losses.clip import clip_loss
from crossgap.losses.infoloob import infoloob_loss
from crossgap.reproduce import loss_ablation


@pytest.fixture(scope="module")
def table():
    return loss_ablation.run(worlds=1, heads=1)


def test_the_four_losses(rng):
    x, y = (torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(6, 4))), dim=1) for _ in range(2))
    values = {name: float(loss.function(x, y, 3.0)) for name, loss in loss_ablation.LOSSES.items()}
    assert values["InfoNCE"] == pytest.approx(float(clip_loss(x, y, 3.0)) * 2 / 3)
    assert values["InfoLOOB"] == pytest.approx(float(infoloob_loss(x, y, 3.0)))
    assert len({round(value, 6) for value in values.values()}) == 4
    assert {loss.logit_scale for loss in loss_ablation.LOSSES.values()} == {30.0}


def test_infoloob_narrows_the_gap_and_retrieval_spreads(table):
    gap = {name: table.row(loss=name).middle("centroid_distance") for name in loss_ablation.LOSSES}
    assert gap["InfoLOOB"] < 0.6 * gap["InfoNCE"]
    spread = {name: table.row(loss=name).middle("participation_ratio/x") for name in loss_ablation.LOSSES}
    assert spread["CLOOB"] > 1.2 * spread["InfoLOOB"] > 1.2 * spread["InfoNCE"]


def test_the_table(table, tmp_path):
    assert [row.condition["loss"] for row in table.rows] == list(loss_ablation.LOSSES)
    assert table.bands("toy range")[1] == 15
    assert {claim.source for claim in table.orderings} == {"Aziz 2024", "toy range"}
    assert "InfoNCE + Hopfield" in table.text()
    table.write(tmp_path / "table.json")
    assert json.loads((tmp_path / "table.json").read_text())["experiment"] == "loss_ablation"


@pytest.mark.slow
def test_the_bands_hold():
    table = loss_ablation.run()
    held, judged = table.bands("toy range")
    assert (held, judged) == (15, 15), table.text()
    assert all(claim.held for claim in table.orderings), table.text()
