"""Heads on stored features: worlds, training, and what is measured of five captions."""

import dataclasses

import numpy as np
import pytest
import torch

from crossgap import measure
from crossgap.losses.clip import clip_loss
from crossgap.losses.cua import cua_loss
from crossgap.reproduce.linear_heads import (
    Loss,
    Recipe,
    World,
    measure_rows,
    measured_by_condition,
    recalls,
    synthetic_worlds,
    train_heads,
    trained_rows,
)

SHORT = Recipe(epochs=1)
LOSSES = {
    "CLIP": Loss(function=clip_loss, logit_scale=30.0, recipe=SHORT),
    "CUA": Loss(function=cua_loss, logit_scale=30.0, recipe=SHORT),
}


@pytest.fixture(scope="module")
def world() -> World:
    """A world cut short."""
    whole = next(synthetic_worlds(1))
    return World(x=whole.x[:300], y=whole.y[:300], x_test=whole.x_test[:100], y_test=whole.y_test[:100])


def _unit(rng, *shape) -> torch.Tensor:
    rows = torch.from_numpy(rng.normal(size=shape))
    return rows / rows.norm(dim=-1, keepdim=True)


def test_worlds_differ_and_their_parts_do_not_overlap():
    world, other = synthetic_worlds(2)
    (same,) = synthetic_worlds(1, seed=1)
    assert torch.equal(other.x, same.x)
    assert not torch.allclose(world.x, other.x)
    assert world.x.shape == (2000, 128)
    assert world.y_test.shape == (1000, 128)
    assert not torch.allclose(world.x[:1000], world.x_test)


def test_training_is_repeatable_and_every_setting_matters(world):
    def weights(loss=LOSSES["CLIP"], **changes):
        model = train_heads(world, loss, **{"d": 8, "seed": 0, **changes})
        return model.x_tower.weight.detach()

    first = weights()
    assert torch.equal(first, weights())
    assert not torch.allclose(first, weights(seed=1))
    assert weights(d=5).shape == (5, 128)
    for changed in (
        dataclasses.replace(LOSSES["CLIP"], logit_scale=10.0),
        dataclasses.replace(LOSSES["CLIP"], logit_scale=200.0),
        *(
            dataclasses.replace(LOSSES["CLIP"], recipe=dataclasses.replace(SHORT, **{name: value}))
            for name, value in {
                "learning_rate": 1e-3,
                "weight_decay": 30.0,
                "betas": (0.8, 0.9),
                "batch_size": 50,
                "epochs": 2,
            }.items()
        ),
        LOSSES["CUA"],
    ):
        assert not torch.allclose(first, weights(changed), atol=1e-5), changed


def test_every_condition_is_run_on_every_world_from_every_start(world):
    told = []
    runs = list(
        trained_rows([world, world], LOSSES, dimensions=(4, 6), heads=2, progress=lambda *what: told.append(what))
    )
    assert len(runs) == 16
    assert [(runs[i].d, runs[i].loss) for i in (0, 4, 8, 12)] == [(4, "CLIP"), (4, "CUA"), (6, "CLIP"), (6, "CUA")]
    assert told[0] == (1, 16, "CLIP, d = 4")
    assert told[-1] == (16, 16, "CUA, d = 6")
    assert torch.equal(runs[0].x, runs[2].x)  # the same world given twice
    assert not torch.allclose(runs[0].x, runs[1].x)
    (late,) = trained_rows([world], {"CLIP": LOSSES["CLIP"]}, dimensions=(4,), heads=1, seed=1)
    assert torch.equal(late.x, runs[1].x)
    found = measured_by_condition(runs, lambda x, y: {"gap": float(measure.centroid_distance(x, y))})
    assert set(found) == {(4, "CLIP"), (4, "CUA"), (6, "CLIP"), (6, "CUA")}
    assert found[4, "CLIP"]["gap"][0] == found[4, "CLIP"]["gap"][2]


def test_candidates_are_drawn_by_epoch():
    rng = np.random.default_rng(0)
    x, y = torch.from_numpy(rng.normal(size=(60, 6))).float(), torch.from_numpy(rng.normal(size=(60, 3, 5))).float()
    world = World(x=x, y=y, x_test=x[:20], y_test=y[:20])
    (run,) = trained_rows([world], {"CLIP": LOSSES["CLIP"]}, dimensions=(4,), heads=1)
    assert run.y.shape == (20, 3, 4)
    assert torch.allclose(run.y.norm(dim=-1), torch.ones(20, 3))


def test_measures_of_pairs_are_those_of_the_room(rng):
    x, y = _unit(rng, 30, 6), _unit(rng, 30, 6)
    found = measure_rows(x, y)
    assert found["centroid_distance"] == pytest.approx(float(measure.centroid_distance(x, y)))
    assert found["recall_at_5/y_to_x"] == pytest.approx(float(measure.recall_at_k(y, x, k=5)))


def test_measures_of_candidates_by_loops(rng):
    n, c = 12, 3
    x, y = _unit(rng, n, 5), _unit(rng, n, c, 5)
    found = measure_rows(x, y)
    gaps = [float((x.mean(0) - y[:, j].mean(0)).norm()) for j in range(c)]
    assert found["centroid_distance"] == pytest.approx(np.mean(gaps))
    squares = [float((x[i] - y[i, j]) @ (x[i] - y[i, j])) for i in range(n) for j in range(c)]
    assert found["alignment"] == pytest.approx(np.mean(squares))
    for k in (1, 5, 10):
        hits = []
        for i in range(n):
            scores = [(float(x[i] @ y[a, j]), a) for a in range(n) for j in range(c)]
            hits.append(i in [a for _, a in sorted(scores, reverse=True)[:k]])
        assert found[f"recall_at_{k}/x_to_y"] == pytest.approx(np.mean(hits))
        hits = []
        for i in range(n):
            for j in range(c):
                ranked = sorted(((float(x[a] @ y[i, j]), a) for a in range(n)), reverse=True)
                hits.append(i in [a for _, a in ranked[:k]])
        assert found[f"recall_at_{k}/y_to_x"] == pytest.approx(np.mean(hits))
    assert recalls(x, y, lengths=(1, 99)).keys() == {"recall_at_1/x_to_y", "recall_at_1/y_to_x"}
