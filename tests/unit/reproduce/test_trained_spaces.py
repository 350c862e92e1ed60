"""The spaces of the four losses: which they are, of which world, and that rows are what the heads make of them."""

import dataclasses
import itertools

import numpy as np
import pytest

from crossgap.reproduce import loss_ablation
from crossgap.reproduce.linear_heads import Recipe
from crossgap.reproduce.trained_spaces import DIMENSION, LIKE, PAIRS, SPACES, UNLIKE, trained_spaces


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """One epoch in place of fifteen."""
    brief = {name: dataclasses.replace(loss, recipe=Recipe(epochs=1)) for name, loss in loss_ablation.LOSSES.items()}
    monkeypatch.setattr(loss_ablation, "LOSSES", brief)


def test_four_losses_and_two_kinds_of_pairs_for_each_world():
    told = []
    spaces = list(trained_spaces(worlds=2, seed=3, progress=lambda *a: told.append(a[:2])))
    assert [(space.loss, space.world, space.pairs) for space in spaces] == [
        (loss, world, pairs)
        for loss in ("CLIP", "InfoLOOB", "InfoNCE + Hopfield", "CLOOB")
        for world in (0, 1)
        for pairs in (LIKE, UNLIKE)
    ]
    assert len(spaces) == 2 * SPACES
    assert told == [(number, 8) for number in range(1, 9)]
    for space in spaces:
        for rows in (space.x, space.y):
            assert rows.shape == (PAIRS, DIMENSION)
            assert rows.dtype == np.float64
            np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_a_world_is_its_seed_and_a_head_stays_in_its_world():
    one, other = (next(trained_spaces(worlds=1, seed=seed)) for seed in (4, 5))
    assert not np.array_equal(one.x, other.x)
    heads = list(itertools.islice(trained_spaces(worlds=1, heads=2, seed=4), 4))
    assert {(space.loss, space.world) for space in heads} == {("CLIP", 0)}
    assert np.array_equal(heads[0].x, one.x)
    assert not np.array_equal(heads[2].x, one.x)
