import pytest
import torch
from torch import nn

from crossgap.losses.siglip import siglip_loss
from crossgap.losses.temperature import LogitScale
from crossgap.train.dual_encoder import DualEncoder
from crossgap.train.towers import linear_tower


def _model(**options) -> DualEncoder:
    generator = torch.Generator().manual_seed(0)
    towers = linear_tower(6, 4, generator=generator), linear_tower(5, 4, generator=generator)
    return DualEncoder(*towers, LogitScale(20.0), **options)


def _rows(d: int) -> torch.Tensor:
    return torch.randn(7, d, generator=torch.Generator().manual_seed(d))


def test_rows_are_the_towers_outputs_at_length_1():
    model, a, b = _model(), _rows(6), _rows(5)
    x, y, scale = model(a, b)
    for rows, tower, inputs in ((x, model.x_tower, a), (y, model.y_tower, b)):
        outputs = tower(inputs)
        for i in range(7):
            torch.testing.assert_close(
                rows[i], outputs[i] / sum(float(value) ** 2 for value in outputs[i].detach()) ** 0.5
            )
    assert torch.equal(x, model.encode_x(a))
    assert torch.equal(y, model.encode_y(b))
    assert scale.item() == pytest.approx(20.0)
    assert scale.requires_grad


def test_a_zero_row_stays_zero_and_has_no_gradient():
    model = DualEncoder(nn.Identity(), nn.Identity(), LogitScale())
    rows = torch.tensor([[3.0, 4.0], [0.0, 0.0], [1e-30, 0.0]], requires_grad=True)
    x = model.encode_x(rows)
    assert x[1:].tolist() == [[0.0, 0.0], [0.0, 0.0]]
    (x * torch.tensor([1.0, 2.0])).sum().backward()
    assert rows.grad[1:].tolist() == [[0.0, 0.0], [0.0, 0.0]]
    torch.testing.assert_close(rows.grad[0], torch.tensor([(16 - 24) / 125, (18 - 12) / 125]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_outputs_are_widened_first(dtype):
    model = DualEncoder(nn.Identity(), nn.Identity(), LogitScale())
    rows = _rows(64).to(dtype)
    x = model.encode_x(rows)
    assert x.dtype == torch.float32
    torch.testing.assert_close(torch.linalg.vector_norm(x, dim=1), torch.ones(7), rtol=0, atol=1e-6)
    assert model.encode_x(rows.double()).dtype == torch.float64


def test_inputs_are_the_towers_affair():
    class Named(nn.Module):
        def forward(self, inputs):
            return inputs["a"] + inputs["b"]

    model = DualEncoder(Named(), nn.Identity(), LogitScale())
    a, b = _rows(4), _rows(3) @ torch.ones(3, 4)
    assert torch.equal(model.encode_x({"a": a, "b": b}), model.encode_y(a + b))


def test_one_tower_may_serve_both():
    tower = linear_tower(4, 3, generator=torch.Generator().manual_seed(0))
    model = DualEncoder(tower, tower, LogitScale())
    assert len(list(model.parameters())) == 2
    x, y, _ = model(_rows(4), _rows(4))
    assert torch.equal(x, y)


def test_the_bias_is_the_fourth_argument_of_a_loss():
    model = _model(logit_bias=-10.0)
    outputs = model(_rows(6), _rows(5))
    assert outputs[3] is model.logit_bias
    assert outputs[3].item() == -10.0
    siglip_loss(*outputs).backward()
    assert model.logit_bias.grad.abs() > 0
    assert len(_model()(_rows(6), _rows(5))) == 3


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (0, "x_tower must be a Module, but it is a function; see crossgap.train.linear_tower"),
        (1, "y_tower must be a Module, but it is a function"),
        (2, "logit_scale must be a LogitScale, but it is a function"),
    ],
)
def test_refusals(place, message):
    parts = [nn.Identity(), nn.Identity(), LogitScale()]
    parts[place] = lambda inputs: inputs
    with pytest.raises(TypeError, match=message):
        DualEncoder(*parts)
