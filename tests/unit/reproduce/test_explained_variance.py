"""Curves of explained variance by loss: the mechanics, one robust ordering, and the whole bands."""

import numpy as np
import pytest
import torch

from crossgap.reproduce import explained_variance
from crossgap.reproduce.explained_variance import curve_of


@pytest.fixture(scope="module")
def table():
    return explained_variance.run(worlds=1, heads=1, dimensions=(32,))


def test_the_curve_against_numpy(rng):
    x, y = rng.normal(size=(200, 12)), rng.normal(size=(200, 12)) * np.linspace(0.1, 2, 12)
    found = curve_of(torch.from_numpy(x), torch.from_numpy(y))
    for side, rows in (("x", x), ("y", y)):
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        values = np.sort(np.linalg.eigvalsh(np.cov(unit.T)))[::-1]
        assert found[f"participation_ratio/{side}"] == pytest.approx(values.sum() ** 2 / (values**2).sum())
        for k in (1, 5, 10):
            assert found[f"explained_variance_at_{k}/{side}"] == pytest.approx(values[:k].sum() / values.sum())
        assert f"explained_variance_at_20/{side}" not in found


def test_candidates_are_rows_like_others(rng):
    x, y = torch.from_numpy(rng.normal(size=(40, 6))), torch.from_numpy(rng.normal(size=(40, 3, 6)))
    found, flat = curve_of(x, y), curve_of(x, y.reshape(120, 6))
    assert found == flat


def test_more_terms_use_more_directions(table):
    ratio = {name: table.row(loss=name).middle("participation_ratio/x") for name in ("CLIP", "CUA", "CUAXU")}
    assert ratio["CLIP"] < ratio["CUA"] < ratio["CUAXU"]


def test_the_table(table):
    assert table.columns[:2] == ("participation_ratio/x", "explained_variance_at_1/x")
    assert table.columns[-1] == "explained_variance_at_30/y"
    assert table.row(loss="CLIP").references["Fahim 2024"]["participation_ratio/x"].value == 18.6
    assert {"PR x", "c_20 x"} <= set(table.markdown().splitlines()[0].split(" | "))
    assert sum("participation ratio rises" in claim.sentence for claim in table.orderings) == 1
    assert any("k=20" in claim.numbers for claim in table.orderings)


@pytest.mark.slow
def test_the_orderings_hold():
    table = explained_variance.run()
    assert all(claim.held for claim in table.orderings if "participation ratio" in claim.sentence), table.text()
