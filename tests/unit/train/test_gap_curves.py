import math

import numpy as np
import pytest
import torch
from torch import nn

from crossgap import measure
from crossgap.errors import DegenerateError
from crossgap.train.gap_curves import GapCurve, gap_curve, held_out_curve

NAMES = {
    "centroid_distance", "linear_separability", "cross_uniformity", "alignment", "matched_cosine", "uniformity",
    "uniformity/x", "uniformity/y", "effective_dimension/x", "effective_dimension/y",
    "participation_ratio/x", "participation_ratio/y",
    *(f"recall_at_{k}/{way}" for k in (1, 5, 10) for way in ("x_to_y", "y_to_x")),
}  # fmt: skip


def rows(n, d, seed, shift=0.0):
    return torch.as_tensor(np.random.default_rng(seed).normal(size=(n, d)) + shift, dtype=torch.float32)


class Encoder(nn.Module):
    """Two linear maps with dropout, one part frozen in evaluation mode."""

    def __init__(self):
        super().__init__()
        self.x, self.y = nn.Linear(6, 4), nn.Linear(5, 4)
        with torch.no_grad():
            for number, parameter in enumerate(self.parameters()):
                parameter.copy_(rows(1, parameter.numel(), number).reshape(parameter.shape))
        self.dropout, self.frozen = nn.Dropout(0.5), nn.BatchNorm1d(4)
        self.modes, self.graphs = [], []
        self.train()
        self.frozen.eval()

    def encode_x(self, inputs):
        return self._encode(self.x, inputs)

    def encode_y(self, inputs):
        return self._encode(self.y, inputs["features"] if isinstance(inputs, dict) else inputs)

    def _encode(self, layer, inputs):
        out = self.dropout(self.frozen(layer(inputs)))
        self.modes.append(self.training)
        self.graphs.append(out.requires_grad)
        return nn.functional.normalize(out, dim=-1)


def test_each_value_is_that_of_the_function_of_its_name():
    x, y = rows(60, 8, 0, 0.4), rows(60, 8, 1, -0.2)
    curve = gap_curve(x, y, seed=3)
    assert set(curve) == NAMES
    assert curve.left_out == {}
    for name in ("centroid_distance", "cross_uniformity", "alignment", "matched_cosine"):
        assert curve[name] == pytest.approx(float(getattr(measure, name)(x, y)), rel=1e-12), name
    assert curve["linear_separability"] == float(measure.linear_separability(x, y, seed=3))
    for name in ("uniformity", "effective_dimension", "participation_ratio"):
        function = getattr(measure, name)
        assert curve[f"{name}/x"] == pytest.approx(float(function(x)), rel=1e-12), name
        assert curve[f"{name}/y"] == pytest.approx(float(function(y)), rel=1e-12), name
    assert curve["uniformity"] == pytest.approx(float(measure.uniformity(x) + measure.uniformity(y)) / 2)
    for k in (1, 5, 10):
        assert curve[f"recall_at_{k}/x_to_y"] == float(measure.recall_at_k(x, y, k=k))
        assert curve[f"recall_at_{k}/y_to_x"] == float(measure.recall_at_k(y, x, k=k))


def test_golden_values_on_clip(coco):
    curve = gap_curve(torch.as_tensor(coco["image"]), torch.as_tensor(coco["text"]))
    assert curve["effective_dimension/x"] == 296
    assert curve["effective_dimension/y"] == 277
    assert curve["uniformity/x"] == pytest.approx(-1.79453, abs=1e-4)
    assert curve["centroid_distance"] == pytest.approx(0.851, abs=5e-4)
    assert curve["matched_cosine"] == pytest.approx(0.310, abs=5e-4)


def test_the_seed_changes_the_splits():
    x, y = rows(40, 3, 0, 0.3), rows(40, 3, 1)
    values = {gap_curve(x, y, seed=seed)["linear_separability"] for seed in range(6)}
    assert len(values) > 1
    assert gap_curve(x, y, seed=2) == gap_curve(x, y, seed=2)


def test_items_make_right_answers_of_one_item():
    x = torch.eye(12)
    y = x.roll(1, dims=0)  # the answer of each row stands one row off
    assert gap_curve(x, y, k=(1,))["recall_at_1/x_to_y"] == 0.0
    items = [0] * 12
    curve = gap_curve(x, y, k=(1,), items=items)
    assert curve["recall_at_1/x_to_y"] == 1.0
    assert "cross_uniformity" in curve.left_out  # every pair matches, so none is left
    assert "linear_separability" in curve.left_out  # one item cannot stand on both sides


@pytest.mark.parametrize("n", [2, 5, 9])
def test_small_sets_leave_out_what_has_no_value(n):
    curve = gap_curve(rows(n, 4, 0), rows(n, 4, 1), k=(1, 5, 10))
    assert "linear_separability" in curve.left_out
    assert ("recall_at_5/x_to_y" in curve) == (n >= 5)
    assert "rows of the gallery" in curve.left_out["recall_at_10/y_to_x"]
    assert set(curve) | set(curve.left_out) == NAMES
    assert not set(curve) & set(curve.left_out)
    assert all(math.isfinite(value) for value in curve.values())


def test_collapsed_rows_have_no_dimension():
    x = torch.ones(20, 4)
    curve = gap_curve(x, rows(20, 4, 0))
    assert "one and the same direction" in curve.left_out["effective_dimension/x"]
    assert "participation_ratio/x" in curve.left_out
    assert "effective_dimension/y" in curve
    assert curve["uniformity/x"] == pytest.approx(0.0, abs=1e-9)


def test_half_precision_is_measured_in_single():
    x, y = rows(30, 4, 0).bfloat16(), rows(30, 4, 1).bfloat16()
    assert gap_curve(x, y) == gap_curve(x.float(), y.float())


def test_it_takes_no_gradient():
    x = rows(12, 4, 0).requires_grad_()
    assert all(type(value) is float for value in gap_curve(x, x).values())


def test_refusals():
    x = rows(12, 4, 0)
    with pytest.raises(ValueError, match="row 3"):
        gap_curve(x.index_fill(0, torch.tensor([3]), 0.0), x)
    with pytest.raises(ValueError, match="row 3"):
        gap_curve(x, x.index_fill(0, torch.tensor([3]), math.nan))
    with pytest.raises(ValueError, match="have 12 and 5 rows"):
        gap_curve(x, x[:5])
    with pytest.raises(DegenerateError):
        gap_curve(x[:1], x[:1])
    for k in (0, 1.5, True):
        with pytest.raises(ValueError, match="k must hold whole numbers of at least 1"):
            gap_curve(x, x, k=(k,))
    with pytest.raises(ValueError, match="have 12 and 5 rows"):
        held_out_curve(x, x[:5])
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        held_out_curve(x, x, batch_size=0)
    with pytest.raises(ValueError, match="k must hold"):
        held_out_curve(x, x, k=(0,))
    with pytest.raises(ValueError, match="its parts have"):
        held_out_curve({"a": x, "b": x[:3]}, x)


def test_the_model_is_read_in_evaluation_mode_and_left_as_it_was():
    model, x, y = Encoder(), rows(25, 6, 1), rows(25, 5, 2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    watch = held_out_curve(x, y, k=(1,), seed=1, batch_size=7)
    state = torch.get_rng_state()
    curve = watch(model)
    assert torch.equal(state, torch.get_rng_state())
    assert model.modes == [False] * 8  # four batches a side
    assert model.graphs == [False] * 8
    assert [model.training, model.dropout.training, model.frozen.training] == [True, True, False]
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    model.eval()
    with torch.no_grad():
        whole = gap_curve(model.encode_x(x), model.encode_y(y), k=(1,), seed=1)
    assert curve == pytest.approx(whole)
    assert held_out_curve(x, {"features": y}, k=(1,), seed=1)(model) == pytest.approx(whole)
    items = list(range(24)) + [23]
    assert held_out_curve(x, y, k=(1,), items=items)(model) == pytest.approx(
        gap_curve(model.encode_x(x), model.encode_y(y), k=(1,), items=items)
    )


def test_the_mode_comes_back_after_a_failure():
    model = Encoder()
    with pytest.raises(RuntimeError):
        held_out_curve(rows(4, 6, 0), rows(4, 3, 0))(model)  # 3 columns where 5 belong
    assert model.training
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("weight", [0.0, math.nan, math.inf])
def test_a_model_that_has_diverged_is_named(weight):
    model = Encoder()
    with torch.no_grad():
        model.y.weight.fill_(weight)
        model.y.bias.zero_()
    with pytest.raises(DegenerateError, match="4 of 4 rows of y that are zero or not finite, so the run has diverged"):
        held_out_curve(rows(4, 6, 0), rows(4, 5, 0))(model)


def test_an_empty_curve_is_a_plain_dict():
    assert GapCurve() == {}
    assert GapCurve({"a": 1.0}, {"b": "why"}).left_out == {"b": "why"}
