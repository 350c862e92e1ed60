"""The JSON of a linear closer is enough to move rows."""

import json

import numpy as np
import pytest

import crossgap
from crossgap.close.corruption import Corruption
from crossgap.close.mean_removal import MeanRemoval
from crossgap.close.plain_json import to_plain_json, write_plain_json


def moved_by(steps: list[dict], row: np.ndarray) -> np.ndarray:
    """Apply the steps of a document to one row, as another language would."""
    v = row / np.sqrt((row * row).sum())
    for step in steps:
        if step["matrix"] is not None:
            matrix = np.array(step["matrix"])
            v = matrix * v if matrix.ndim == 1 else np.array([line @ v for line in matrix])
        for direction in step["removed"] or []:  # at right angles to each other
            v = v - (v @ direction) * np.array(direction)
        if step["offset"] is not None:
            v = v + np.array(step["offset"])
        v = np.array([*v, *(step["appended"] or [])])
        if step["renormalise"]:
            v = v / np.sqrt((v * v).sum())
    return v


def test_the_document_moves_rows(linear_closer, pairs):
    document = json.loads(to_plain_json(linear_closer))
    for group in ("image", "text"):
        rows = pairs.of(group)[::250]
        found = [moved_by(document["steps"][group], row) for row in rows]
        np.testing.assert_allclose(found, linear_closer.move(rows, group), rtol=0, atol=1e-12)


def test_the_document():
    X = np.array([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0], [0.0, -1.0]])
    closer = MeanRemoval(renormalise=False).fit(X, groups=["image", "image", "text", "text"])
    assert json.loads(to_plain_json(closer)) == {
        "schema": 1,
        "kind": "linear closer",
        "crossgap": crossgap.__version__,
        "method": "MeanRemoval",
        "dimension": 2,
        "input": "rows are divided by their length first",
        "steps": {
            group: [
                {
                    "matrix": None,
                    "removed": None,
                    "offset": [sign / 2, sign / 2],
                    "appended": None,
                    "renormalise": False,
                }
            ]
            for group, sign in (("image", -1), ("text", 1))
        },
    }


def test_the_same_closer_gives_the_same_bytes(closers, tmp_path):
    closer = closers("standardisation")
    path = write_plain_json(closer, tmp_path / "closer.json")
    assert path.read_text(encoding="utf-8") == to_plain_json(closer) == to_plain_json(closer)


def test_numbers_come_back_exactly(closers):
    closer = closers("translation")
    steps = json.loads(to_plain_json(closer))["steps"]
    np.testing.assert_array_equal(steps["text"][0]["offset"], closer.offsets_["text"])


def test_what_is_not_linear(tmp_path, rng):
    with pytest.raises(TypeError, match=r"closer must move rows by matrices and offsets .* Corruption does not"):
        write_plain_json(Corruption().fit(rng.normal(size=(3, 2))), tmp_path / "closer.json")
    assert not list(tmp_path.iterdir())
