import math

import pytest
import torch
from torch import nn

from crossgap.train.towers import linear_tower, mlp_tower


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _weights(tower: nn.Module) -> torch.Tensor:
    return torch.cat([values.detach().reshape(-1) for values in tower.parameters()])


MAKERS = [
    lambda generator: linear_tower(40, 30, generator=generator),
    lambda generator: linear_tower(40, 30, generator=generator, bias=True),
    lambda generator: mlp_tower(40, 32, 3, 30, generator=generator),
]


@pytest.mark.parametrize("make", MAKERS)
def test_weights_depend_on_the_generator_alone(make):
    state = torch.get_rng_state()
    first, again, other = make(_generator(1)), make(_generator(1)), make(_generator(2))
    assert torch.equal(torch.get_rng_state(), state), "the global state was used"
    assert torch.equal(_weights(first), _weights(again))
    assert not torch.equal(_weights(first), _weights(other))


def test_two_towers_of_one_generator_differ():
    generator = _generator()
    assert not torch.equal(*(linear_tower(8, 8, generator=generator).weight for _ in range(2)))


@pytest.mark.parametrize("d_in", [4, 100])
def test_the_interval_of_the_weights(d_in):
    tower = linear_tower(d_in, 2_000, generator=_generator(), bias=True)
    bound = 1 / math.sqrt(d_in)
    for values in (tower.weight.detach(), tower.bias.detach()):
        assert values.abs().max() <= bound
        assert values.abs().max() > 0.99 * bound
        assert abs(values.mean()) < 0.05 * bound
        assert values.std() == pytest.approx(bound / math.sqrt(3), rel=0.05)


def test_the_linear_tower_is_a_product():
    tower = linear_tower(3, 2, generator=_generator())
    rows = torch.randn(5, 3, generator=_generator(1))
    assert tower.bias is None
    torch.testing.assert_close(tower(rows), rows @ tower.weight.T)


def test_the_network_by_hand():
    tower = mlp_tower(3, 4, 2, 5, generator=_generator()).double()
    rows = torch.randn(6, 3, generator=_generator(1), dtype=torch.float64)
    first, _, second, _, _, last = tower
    wanted = rows
    for layer in (first, second):
        inner = wanted @ layer.weight.T + layer.bias
        wanted = inner * 0.5 * (1 + torch.erf(inner / math.sqrt(2)))
    centred = wanted - wanted.mean(dim=1, keepdim=True)
    wanted = centred / (centred.square().mean(dim=1, keepdim=True) + 1e-5).sqrt()
    assert last.bias is None
    torch.testing.assert_close(tower(rows), wanted @ last.weight.T)


@pytest.mark.parametrize("layers", [1, 4])
def test_the_number_of_layers(layers):
    tower = mlp_tower(3, 8, layers, 5, generator=_generator())
    assert sum(isinstance(layer, nn.GELU) for layer in tower) == layers
    assert [tuple(layer.weight.shape) for layer in tower if isinstance(layer, nn.Linear)] == (
        [(8, 3)] + [(8, 8)] * (layers - 1) + [(5, 8)]
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda g: linear_tower(0, 2, generator=g), "d_in must be a whole number of at least 1, but it is 0"),
        (lambda g: linear_tower(2, 2.0, generator=g), "d_out must be a whole number of at least 1, but it is 2.0"),
        (lambda g: mlp_tower(2, -1, 1, 2, generator=g), "hidden must be a whole number of at least 1, but it is -1"),
        (lambda g: mlp_tower(2, 2, 0, 2, generator=g), "layers must be a whole number of at least 1, but it is 0"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make(_generator())
