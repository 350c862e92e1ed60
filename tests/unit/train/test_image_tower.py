import numpy as np
import pytest
import torch

from crossgap.train.image_tower import convolutional_tower, vision_transformer_tower


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def convolutions(seed=0, **options):
    return convolutional_tower(6, **{"width": 8, "stages": 2, **options}, generator=generator(seed))


def transformer(seed=0, **options):
    return vision_transformer_tower(
        16, 6, **{"patch": 8, "width": 8, "layers": 1, "heads": 2, **options}, generator=generator(seed)
    )


TOWERS = [convolutions, transformer]


def pictures(n=4, channels=3, size=16):
    values = np.random.default_rng(0).integers(0, 256, size=(n, channels, size, size))
    return torch.as_tensor(values, dtype=torch.uint8)


@pytest.mark.parametrize("make", TOWERS)
def test_bytes_and_floats_agree(make):
    tower = make().eval()
    with torch.no_grad():
        rows = tower(pictures())
        torch.testing.assert_close(rows, tower(pictures() / 127.5 - 1))
    assert rows.shape == (4, 6)
    assert rows.dtype == torch.float32


@pytest.mark.parametrize("make", TOWERS)
def test_a_vector_does_not_depend_on_its_batch(make):
    tower = make().train()
    torch.testing.assert_close(tower(pictures())[1:2], tower(pictures()[1:2]), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make", TOWERS)
def test_every_weight_gets_a_gradient(make):
    tower = make().train()
    tower(pictures()).square().sum().backward()
    assert all(values.grad is not None and bool(values.grad.abs().sum() > 0) for values in tower.parameters())


@pytest.mark.parametrize("make", TOWERS)
def test_the_generator_decides(make):
    state = torch.get_rng_state()
    rows = [make(seed)(pictures()) for seed in (0, 0, 1)]
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(rows[0], rows[1])
    assert not torch.allclose(rows[0], rows[2], atol=1e-3)


@pytest.mark.parametrize("make", TOWERS)
def test_evaluation_and_training_mode_agree(make):
    tower = make().train()
    rows = tower(pictures())
    with torch.no_grad():
        torch.testing.assert_close(tower.eval()(pictures()), rows.detach(), rtol=1e-4, atol=1e-5)


def test_places_matter_to_the_transformer():
    tower = transformer().eval()
    with torch.no_grad():
        turned = tower(pictures().roll(8, dims=-1))  # the same patches elsewhere
        assert not torch.allclose(turned, tower(pictures()), atol=1e-5)


@pytest.mark.parametrize("options", [{"width": 16}, {"stages": 3}, {"channels": 1}])
def test_each_size_of_the_convolutions_matters(options):
    count = [sum(values.numel() for values in convolutions(**given).parameters()) for given in ({}, options)]
    assert count[0] != count[1]
    assert convolutions(**options)(pictures(channels=options.get("channels", 3), size=20)).shape == (4, 6)


@pytest.mark.parametrize("options", [{"patch": 4}, {"width": 16}, {"layers": 2}, {"channels": 1}])
def test_each_size_of_the_transformer_matters(options):
    count = [sum(values.numel() for values in transformer(**given).parameters()) for given in ({}, options)]
    assert count[0] != count[1]
    assert transformer(**options)(pictures(channels=options.get("channels", 3))).shape == (4, 6)


def test_the_number_of_heads_matters():
    assert not torch.allclose(transformer(heads=1)(pictures()), transformer(heads=4)(pictures()), atol=1e-5)


def test_refusals():
    for name in ("width", "stages", "channels"):
        with pytest.raises(ValueError, match=f"{name} must be a whole number of at least 1"):
            convolutions(**{name: 0})
    for name in ("patch", "width", "layers", "heads", "channels"):
        with pytest.raises(ValueError, match=f"{name} must be a whole number of at least 1"):
            transformer(**{name: 1.5})
    with pytest.raises(ValueError, match="width must be a multiple of 8, but it is 12"):
        convolutions(width=12)
    with pytest.raises(ValueError, match="patch must divide size, but they are 5 and 16"):
        transformer(patch=5)
    with pytest.raises(ValueError, match="heads must divide width, but they are 3 and 8"):
        transformer(heads=3)
    with pytest.raises(ValueError, match="pictures must be of 16 x 16 pixels, but they are of 20 x 20"):
        transformer()(pictures(size=20))
