"""C5, ReAlign: the three steps one by one, the values of the specification, groups of different sizes."""

import numpy as np
import pytest

from crossgap import measure
from crossgap.close.realign import ReAlign
from crossgap.errors import DegenerateError

GROUPS = np.array(["image"] * 500 + ["text"] * 500)


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1)[:, None]


def test_values_of_the_specification_on_real_pairs(coco):
    """C5 of the specification, in-sample; texts move to images."""
    closer = ReAlign().fit(np.concatenate([coco["image"], coco["text"]]), groups=GROUPS)
    assert closer.spreads_["image"] == pytest.approx(0.46758, abs=1e-5)
    assert closer.spreads_["text"] == pytest.approx(0.48384, abs=1e-5)
    assert closer.scales_ == {"text": pytest.approx(0.98306, abs=1e-5)}
    x, unit = closer.move(coco["image"], "image"), _unit(coco["text"])
    second = closer.steps("text")[0].apply(unit)
    assert float(measure.centroid_distance(x, second)) == pytest.approx(0.00630, abs=1e-5)
    y = closer.move(coco["text"], "text")
    assert float(measure.centroid_distance(x, y)) == pytest.approx(0.00146, abs=1e-5)
    assert float(measure.matched_cosine(x, y)) == pytest.approx(0.679, abs=1e-3)
    assert float(measure.alignment(x, y)) == pytest.approx(0.642, abs=1e-3)
    assert float(measure.recall_at_k(x, y)) == pytest.approx(0.390)
    assert float(measure.recall_at_k(y, x)) == pytest.approx(0.316)


def test_out_of_sample_the_gap_stays_larger(judged):
    _, outside = judged(ReAlign())
    np.testing.assert_allclose(outside, [0.060, 0.678, 0.478, 0.394], atol=5e-3)


def test_it_is_a_plain_loop_for_groups_of_any_size(rng):
    sizes = {"image": 12, "text": 9, "audio": 7}
    rows = {name: rng.normal(size=(n, 4)) + n / 5 for name, n in sizes.items()}
    X, groups = np.concatenate([*rows.values()]), np.repeat([*sizes], [*sizes.values()])
    closer = ReAlign(target="text").fit(X, groups=groups)
    unit = {name: [v / np.linalg.norm(v) for v in part] for name, part in rows.items()}
    mean = {name: sum(part) / len(part) for name, part in unit.items()}
    spread = {name: sum((v - mean[name]) @ (v - mean[name]) for v in part) / len(part) for name, part in unit.items()}
    np.testing.assert_allclose(closer.move(rows["text"], "text"), _unit(rows["text"]), atol=1e-15)
    for name in ("image", "audio"):
        anchored = [v - mean[name] + mean["text"] for v in unit[name]]
        s = np.sqrt(spread["text"] / spread[name])
        scaled = [mean["text"] + s * (v - mean["text"]) for v in anchored]
        scaled = [v / np.linalg.norm(v) for v in scaled]
        centre = sum(scaled) / len(scaled)
        last = [v - centre + mean["text"] for v in scaled]
        np.testing.assert_allclose(closer.move(rows[name], name), [v / np.linalg.norm(v) for v in last])
        free = ReAlign(target="text", renormalise=False).fit(X, groups=groups).move(rows[name], name)
        np.testing.assert_allclose(free, last)
        np.testing.assert_allclose(free.mean(axis=0), mean["text"])


def test_two_steps_and_no_batches():
    X = np.array([[1.0, 0.2], [1.0, -0.2], [0.2, 1.0], [-0.2, 1.0]])
    closer = ReAlign().fit(X, groups=["a", "a", "b", "b"])
    assert len(closer.steps("b")) == 2
    assert len(closer.steps("a")) == 1
    assert not hasattr(closer, "partial_fit")


def test_what_has_no_spread_is_refused():
    X = np.array([[1.0, 0.2], [1.0, -0.2], [2.0, 1.0], [4.0, 2.0]])
    with pytest.raises(DegenerateError, match="b must have rows that differ, but all 2 point one way"):
        ReAlign().fit(X, groups=["a", "a", "b", "b"])
    with pytest.raises(DegenerateError, match="at least 2 groups"):
        ReAlign().fit(X)
