"""E11 d: the layer by hand, the fall of the effective dimension, and going on after a kill."""

import math

import numpy as np
import pytest
import torch

from crossgap import measure
from crossgap.reproduce import collapse_with_depth
from crossgap.reproduce.collapse_with_depth import relu_layer

SMALL = {"seeds": 2, "depth": 12, "width": 48, "rows": 400, "every": 4}


@pytest.fixture(scope="module")
def table():
    return collapse_with_depth.run(**SMALL)


def test_a_layer_by_hand():
    rows = torch.randn(9, 6, generator=torch.Generator().manual_seed(1))
    found = relu_layer(rows, generator=torch.Generator().manual_seed(2), width=4)
    drawn = torch.rand(4, 6, generator=torch.Generator().manual_seed(2))
    expected = torch.relu(rows @ ((2 * drawn - 1) * math.sqrt(0.6)).T)
    torch.testing.assert_close(found, expected / expected.square().mean().sqrt())


def test_the_weights_are_xaviers():
    rows = relu_layer(torch.eye(512), generator=torch.Generator().manual_seed(0))
    weights = rows[rows > 0]
    assert float(weights.max() / weights.square().mean().sqrt()) == pytest.approx(math.sqrt(3), abs=0.01)  # uniform


def test_layers_and_numbers(table):
    assert [row.condition["layer"] for row in table.rows] == [0, 4, 8, 12]
    generator = torch.Generator().manual_seed(1)  # the second network
    rows = torch.randn(400, 48, generator=generator)
    for _ in range(4):
        rows = relu_layer(rows, generator=generator)
    x = rows.numpy()
    row = table.row(layer=4)
    assert row.measured["effective_dimension"][1] == float(measure.effective_dimension(x))
    assert row.measured["participation_ratio"][1] == pytest.approx(float(measure.participation_ratio(x)))
    assert row.measured["entropy_rank"][1] == pytest.approx(float(measure.entropy_rank(x)))
    assert row.measured["first_share"][1] == pytest.approx(float(measure.explained_variance(x)[0]))
    assert row.measured["within_cosine"][1] == pytest.approx(float(measure.within_cosine(x)))
    raw = np.linalg.eigvalsh(np.cov(x.T))[::-1]
    count = int(np.searchsorted(np.cumsum(raw), 0.99 * raw.sum(), side="right")) + 1
    assert row.measured["effective_dimension_raw"][1] == count


def test_dimensions_fall_with_depth(table):
    assert all(claim.held for claim in table.orderings[:3]), table.text()
    assert table.row(layer=12).middle("within_cosine") > 0.8 > table.row(layer=0).middle("within_cosine")


@pytest.mark.slow
def test_the_small_scale():
    table = collapse_with_depth.run()
    counts = [row.middle("effective_dimension") for row in table.rows]
    assert len(counts) == 11
    assert all(claim.held for claim in table.orderings[:3])
    assert counts[0] > 500
    assert counts[-1] < counts[0] / 3


def test_the_last_layer_is_always_looked_at():
    table = collapse_with_depth.run(seeds=1, depth=5, width=16, rows=50, every=3)
    assert [row.condition["layer"] for row in table.rows] == [0, 3, 5]


def test_it_goes_on_after_a_kill_with_the_same_bytes(tmp_path):
    collapse_with_depth.run(**SMALL, output=tmp_path / "whole.json")

    def stop(done, total, what):
        if what == "seed 1, layer 3":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collapse_with_depth.run(**SMALL, output=tmp_path / "cut.json", progress=stop)
    seen = []
    collapse_with_depth.run(**SMALL, output=tmp_path / "cut.json", progress=lambda *told: seen.append(told))
    assert seen[0] == (12, 24, "seed 0")
    assert seen[-1][:2] == (24, 24)
    assert (tmp_path / "cut.json").read_bytes() == (tmp_path / "whole.json").read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": "big"}, "scale must be 'small' or 'full'"),
        ({"rows": 1}, "rows must be at least 2, but it is 1"),
        ({"depth": 0}, "depth must be at least 1"),
        ({"every": 0}, "every must be at least 1"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        collapse_with_depth.run(**options)
