"""E11 e: the margins of the specification, and the pairs at rest by a plain loop."""

import json

import numpy as np
import pytest

from crossgap import Embeddings, write
from crossgap.reproduce import stable_region


@pytest.fixture
def pairs(rng, tmp_path):
    """Twelve pairs, half of which match well."""
    x = np.eye(12) + 0.05 * rng.normal(size=(12, 12))
    y = x.copy()
    y[6:] += rng.normal(size=(6, 12))
    write(Embeddings.from_arrays(image=x, text=y), tmp_path / "pairs.npz")
    return tmp_path / "pairs.npz", x, y


def test_the_margins_of_the_specification(pairs):
    table = stable_region.run(pairs=pairs[0])
    assert table.bands("formula") == (20, 20)
    row = table.row(temperature=0.07)
    assert row.middle("width_64") == pytest.approx(0.07 * np.log(63 / np.expm1(0.01)))
    assert row.middle("necessary") == pytest.approx(0.07 * np.log(1 / np.expm1(0.01)))
    assert all(claim.held for claim in table.orderings), table.text()


def test_pairs_at_rest_by_a_plain_loop(pairs):
    path, x, y = pairs
    x, y = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, y))
    table = stable_region.run(pairs=path, temperatures=[0.05, 0.2], delta=0.1)
    for temperature in (0.05, 0.2):
        row = table.row(temperature=temperature)
        for way, cosines in (("x_to_y", x @ y.T), ("y_to_x", y @ x.T)):
            logits = cosines / temperature
            losses = np.log(np.exp(logits).sum(axis=1)) - np.diag(logits)
            assert row.middle(f"inside/{way}") == pytest.approx(np.mean(losses <= 0.1))
            rivals = np.where(np.eye(12, dtype=bool), -2.0, cosines)
            margins = np.diag(cosines) - rivals.max(axis=1)
            assert row.middle(f"margin/{way}") == pytest.approx(np.median(margins), abs=1e-7)
    assert table.row(temperature=0.05).middle("inside/x_to_y") > table.row(temperature=0.2).middle("inside/x_to_y")
    assert table.bands("formula") == (0, 0)  # printed for a loss of 0.01


def test_real_clip(shared_data):
    table = stable_region.run(pairs=shared_data / "pairs" / "coco500_clip-vit-b16.npz", temperatures=[0.01, 0.07])
    assert table.row(temperature=0.01).middle("inside/x_to_y") == pytest.approx(0.094)
    assert table.row(temperature=0.07).middle("inside/x_to_y") == 0
    assert all(claim.held for claim in table.orderings)


def test_captions_of_one_picture_are_no_negatives(rng, tmp_path):
    x = np.eye(10) + 0.05 * rng.normal(size=(10, 10))
    items = {"image": np.arange(10), "text": np.repeat(np.arange(10), 2)}
    write(Embeddings.from_arrays(image=x, text=np.repeat(x, 2, axis=0), items=items), tmp_path / "pairs.parquet")
    row = stable_region.run(pairs=tmp_path / "pairs.parquet").row(temperature=0.01)
    assert row.middle("inside/x_to_y") == row.middle("inside/y_to_x") == 1


def test_the_table(tmp_path):
    seen = []
    table = stable_region.run(output=tmp_path / "t.json", progress=lambda *told: seen.append(told))
    assert seen[-1][:2] == (len(stable_region.TEMPERATURES), len(stable_region.TEMPERATURES))
    assert "the packaged sample" in table.title
    assert json.loads((tmp_path / "t.json").read_text())["experiment"] == "stable_region"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": "big"}, "scale must be 'small' or 'full'"),
        ({"scale": "full"}, "the full scale needs pairs of a real model"),
        ({"temperatures": []}, "temperatures must be some in rising order"),
        ({"temperatures": [0.1, 0.1]}, "temperatures must be some in rising order"),
        ({"temperatures": [0.0, 0.1]}, "temperature must be a finite number above 0"),
        ({"delta": 0.0}, "delta must be a finite number above 0"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        stable_region.run(**options)
