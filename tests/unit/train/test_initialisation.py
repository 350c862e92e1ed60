import math

import pytest
import torch
from torch import nn

from crossgap.train.initialisation import initialised


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


class Parts(nn.Module):
    def __init__(self):
        super().__init__()
        self.kernel = nn.Conv2d(4, 400, 5)
        self.matrix = nn.Linear(100, 500)
        self.words = nn.Embedding(300, 50)
        self.place_embedding = nn.Parameter(torch.empty(200, 50))
        self.norm, self.groups = nn.LayerNorm(7), nn.GroupNorm(2, 6)
        self.free = nn.Parameter(torch.empty(3))


def test_each_kind_of_weight_has_its_law():
    parts = initialised(Parts, generator=generator())
    assert isinstance(parts, Parts)
    for weight, inputs in ((parts.kernel.weight, 100), (parts.matrix.weight, 100)):
        bound = 1 / math.sqrt(inputs)
        assert 0.999 * bound < float(weight.detach().abs().max()) <= bound
        assert float(weight.detach().std()) == pytest.approx(bound / math.sqrt(3), rel=0.01)
    for weight in (parts.words.weight, parts.place_embedding):
        assert float(weight.detach().std()) == pytest.approx(0.02, rel=0.03)
    for bias in (parts.kernel.bias, parts.matrix.bias, parts.norm.bias, parts.groups.bias, parts.free):
        assert torch.equal(bias.detach(), torch.zeros_like(bias))
    for scale in (parts.norm.weight, parts.groups.weight):
        assert torch.equal(scale.detach(), torch.ones_like(scale))


def test_the_generator_alone_decides():
    state = torch.get_rng_state()
    first, second, other = (initialised(Parts, generator=generator(seed)).state_dict() for seed in (0, 0, 1))
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["matrix.weight"], other["matrix.weight"])


def test_networks_with_buffers_are_refused():
    with pytest.raises(ValueError, match="parameters only, but it has a buffer 'running_mean'"):
        initialised(lambda: nn.BatchNorm1d(3), generator=generator())
