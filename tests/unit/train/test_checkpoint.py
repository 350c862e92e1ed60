"""Weights alone: saved, read, refused; and the state of optimisers."""

import json

import pytest
import safetensors.torch
import torch
from torch import nn

from crossgap.errors import FormatError
from crossgap.losses.temperature import LogitScale
from crossgap.train.checkpoint import (
    load_model,
    load_optimiser_state,
    model_state,
    optimiser_state,
    save_model,
    unwrapped,
    wrong_model,
)
from crossgap.train.dual_encoder import DualEncoder
from crossgap.train.optimisers import adamw
from crossgap.train.towers import linear_tower


def _model(seed: int = 0, d: int = 4) -> DualEncoder:
    generator = torch.Generator().manual_seed(seed)
    tower = nn.Sequential(linear_tower(6, d, generator=generator), nn.BatchNorm1d(d))
    return DualEncoder(tower, linear_tower(5, d, generator=generator), LogitScale(10.0 + seed))


def _equal(one: nn.Module, other: nn.Module) -> bool:
    left, right = model_state(one), model_state(other)
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_weights_and_buffers_come_back(tmp_path):
    model, other = _model(0), _model(1)
    model.x_tower[1].running_mean.fill_(3.0)
    save_model(model, tmp_path / "model.safetensors", notes={"d": 4, "names": ["a"]})
    assert not _equal(model, other)
    assert load_model(other, tmp_path / "model.safetensors") == {"d": 4, "names": ["a"]}
    assert _equal(model, other)


def test_the_file_names_weights_as_the_model_does(tmp_path):
    save_model(_model(), tmp_path / "model.safetensors")
    assert safetensors.torch.load_file(tmp_path / "model.safetensors").keys() == _model().state_dict().keys()
    assert load_model(_model(), tmp_path / "model.safetensors") == {}


def test_the_record_names_the_versions(tmp_path):
    import crossgap

    save_model(_model(), tmp_path / "model.safetensors")
    with safetensors.safe_open(tmp_path / "model.safetensors", "pt") as file:
        record = json.loads(file.metadata()["crossgap"])
    assert (record["kind"], record["crossgap"], record["torch"]) == ("model", crossgap.__version__, torch.__version__)


def test_shared_weights_stay_shared(tmp_path):
    def tied(seed):
        tower = linear_tower(4, 3, generator=torch.Generator().manual_seed(seed))
        return DualEncoder(tower, tower, LogitScale())

    save_model(tied(0), tmp_path / "model.safetensors")
    model = tied(1)
    load_model(model, tmp_path / "model.safetensors")
    assert _equal(model, tied(0))
    assert model.x_tower.weight is model.y_tower.weight


@pytest.mark.parametrize("wrap", [nn.DataParallel, lambda model: torch.compile(model, backend="eager")])
def test_wrappers_are_taken_off(tmp_path, wrap):
    model = _model()
    assert unwrapped(wrap(model)) is model
    save_model(wrap(model), tmp_path / "model.safetensors")
    other = _model(1)
    load_model(wrap(other), tmp_path / "model.safetensors")
    assert _equal(model, other)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: _model(d=3), r"its 'x_tower.0.weight' has shape \(4, 6\), here it is \(3, 6\)"),
        (lambda: _model().double(), "its 'x_tower.0.weight' is torch.float32, here it is torch.float64"),
        (lambda: nn.Linear(2, 2), "it lacks 'weight', which this model has"),
        (
            lambda: DualEncoder(_model().x_tower, nn.Identity(), LogitScale()),
            "it has 'y_tower.weight', which this model lacks",
        ),
    ],
)
def test_another_model_is_refused_and_left_alone(tmp_path, other, message):
    save_model(_model(), tmp_path / "model.safetensors")
    model = other()
    before = {name: values.clone() for name, values in model_state(model).items()}
    with pytest.raises(
        ValueError, match=f"model.safetensors' holds another model: {message}; build the model it was saved"
    ):
        load_model(model, tmp_path / "model.safetensors")
    assert all(torch.equal(values, before[name]) for name, values in model_state(model).items())


def test_the_same_model_is_not_wrong():
    assert wrong_model(_model(0), model_state(_model(1))) == ""


def test_a_foreign_file_is_refused(tmp_path):
    (tmp_path / "a.safetensors").write_text("weights")
    with pytest.raises(FormatError, match=r"is cut short or no \.safetensors file"):
        load_model(_model(), tmp_path / "a.safetensors")


OPTIMISERS = {
    "adamw of the room": lambda model: adamw(model, learning_rate=0.01, weight_decay=0.1),
    "amsgrad": lambda model: torch.optim.AdamW(model.parameters(), amsgrad=True),
    "sgd": lambda model: torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True),
    "sgd without state": lambda model: torch.optim.SGD(model.parameters(), lr=0.1),
    "rmsprop": lambda model: torch.optim.RMSprop(model.parameters(), centered=True, momentum=0.5),
    "adagrad": lambda model: torch.optim.Adagrad(model.parameters()),
    "adafactor": lambda model: torch.optim.Adafactor(model.parameters()),
    "asgd": lambda model: torch.optim.ASGD(model.parameters()),
    "radam": lambda model: torch.optim.RAdam(model.parameters()),
}


def _descend(model: nn.Module, optimiser: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        rows = torch.randn(5, 6, generator=torch.Generator().manual_seed(step))
        optimiser.zero_grad()
        model(rows).square().sum().backward()
        optimiser.step()


def _network() -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    return nn.Sequential(linear_tower(6, 4, generator=generator, bias=True), linear_tower(4, 3, generator=generator))


@pytest.mark.parametrize("make", OPTIMISERS.values(), ids=OPTIMISERS)
def test_an_optimiser_goes_on_bit_for_bit(make):
    model = _network()
    optimiser = make(model)
    _descend(model, optimiser, range(4))
    tensors, record = optimiser_state(optimiser)
    tensors = {name: values.clone() for name, values in tensors.items()}
    record = json.loads(json.dumps(record))
    other = _network()
    other.load_state_dict({name: values.clone() for name, values in model.state_dict().items()})
    again = make(other)
    load_optimiser_state(again, tensors, record)
    _descend(model, optimiser, range(4, 8))
    _descend(other, again, range(4, 8))
    assert _equal(model, other)
    left, right = optimiser_state(optimiser), optimiser_state(again)
    assert left[1] == right[1]
    assert all(torch.equal(left[0][name], right[0][name]) for name in left[0])


def test_a_state_that_is_no_number_is_refused():
    model = _network()
    optimiser = torch.optim.LBFGS(model.parameters())
    rows = torch.ones(2, 6)

    def closure():
        optimiser.zero_grad()
        loss = model(rows).square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    with pytest.raises(
        TypeError, match=r"the state of LBFGS must hold tensors and numbers, but its .* is a list; take another"
    ):
        optimiser_state(optimiser)
