import numpy as np
import pytest
import torch

from crossgap.train.text_tower import text_tower


def tower(seed=0, **options):
    sizes = {"width": 8, "layers": 2, "heads": 2, **options}
    return text_tower(20, 9, 6, **sizes, generator=torch.Generator().manual_seed(seed))


def captions(n=4, length=9):
    ids = torch.as_tensor(np.random.default_rng(0).integers(1, 20, size=(n, length)))
    ids[0, 3:] = 0
    return ids


@pytest.mark.parametrize("training", [True, False])
def test_padding_changes_nothing(training):
    model = tower().train(training)
    with torch.no_grad():
        rows = model(captions())
        torch.testing.assert_close(rows[:1], model(captions()[:1, :3]), rtol=1e-4, atol=1e-5)
    assert rows.shape == (4, 6)


def test_a_row_of_padding_is_finite():
    ids = captions()
    ids[1] = 0
    for training in (True, False):
        assert bool(torch.isfinite(tower().train(training)(ids)).all())


def test_order_and_words_matter():
    model = tower().eval()
    ids = captions()[1:2]
    with torch.no_grad():
        assert not torch.allclose(model(ids), model(ids.flip(1)), atol=1e-5)
        assert not torch.allclose(model(ids), model((ids + 1) % 20), atol=1e-3)


def test_every_weight_gets_a_gradient():
    model = tower().train()
    model(captions()).square().sum().backward()
    assert all(values.grad is not None and bool(values.grad.abs().sum() > 0) for values in model.parameters())


def test_the_generator_decides():
    state = torch.get_rng_state()
    rows = [tower(seed)(captions()) for seed in (0, 0, 1)]
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(rows[0], rows[1])
    assert not torch.allclose(rows[0], rows[2], atol=1e-3)


@pytest.mark.parametrize("options", [{"width": 16}, {"layers": 1}])
def test_each_size_matters(options):
    count = [sum(values.numel() for values in tower(**given).parameters()) for given in ({}, options)]
    assert count[0] != count[1]


def test_the_number_of_heads_matters():
    assert not torch.allclose(tower(heads=1)(captions()), tower(heads=4)(captions()), atol=1e-6)


def test_refusals():
    with pytest.raises(ValueError, match="heads must divide width"):
        tower(heads=3)
    for name in ("width", "layers", "heads"):
        with pytest.raises(ValueError, match=f"{name} must be a whole number of at least 1"):
            tower(**{name: 0})
    for sizes in ((0, 9, 6), (20, 0, 6), (20, 9, True)):
        with pytest.raises(ValueError, match="must be a whole number of at least 1"):
            text_tower(*sizes, generator=torch.Generator())
