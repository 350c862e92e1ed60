import json

import numpy as np
import pytest
import torch

from crossgap.data import Embeddings
from crossgap.errors import FormatError
from crossgap.train import TrainingRun, adamw
from crossgap.transfer import AttributeHead, Preparation, PreparedAttributes, attribute_loss

NAMES = ("red", "round", "loud")


def head(**options):
    return AttributeHead(NAMES, **{"dimension": 4, "hidden": 8, **options})


def test_the_loss_is_that_of_each_row_and_attribute():
    z, y = torch.tensor([[0.5, -2.0], [3.0, 0.0]], dtype=torch.float64), torch.tensor([[1.0, 0.0], [0.25, 1.0]])
    expected = 0.0
    for i in range(2):
        for a in range(2):
            p, label = 1 / (1 + np.exp(-float(z[i, a]))), float(y[i, a])
            expected -= (label * np.log(p) + (1 - label) * np.log(1 - p)) / 4
    assert float(attribute_loss(z, y)) == pytest.approx(expected, abs=1e-6)
    assert float(attribute_loss(z, y.bool())) != pytest.approx(expected, abs=1e-3)


def test_probabilities_are_those_of_the_formula():
    made = head().double()
    rows = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    first, second = made.network[0], made.network[2]
    with torch.no_grad():
        expected = torch.sigmoid((rows @ first.weight.T + first.bias).clamp(min=0) @ second.weight.T + second.bias)
    torch.testing.assert_close(made.probabilities(rows), expected)
    torch.testing.assert_close(made.probabilities(rows.numpy()), expected)
    logits, labels = made(rows, torch.ones(5, 3, dtype=torch.bool))
    torch.testing.assert_close(logits.sigmoid(), expected)
    assert labels.dtype == logits.dtype


def test_gradients():
    made = head(hidden=3).double()
    rows = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    labels = (torch.arange(9) % 2).view(3, 3)

    def loss(rows, *weights):
        named = dict(zip(dict(made.named_parameters()), weights, strict=True))
        return torch.func.functional_call(made, named, (rows, labels))[0]

    assert torch.autograd.gradcheck(loss, (rows, *made.parameters()), eps=1e-6, atol=1e-6)


def test_attributes_learned_from_one_modality_are_told_of_another(rng):
    latent = rng.standard_normal((600, 3))
    mix = rng.standard_normal((3, 4))
    text, image = (latent @ mix + gap + 0.01 * rng.standard_normal((600, 4)) for gap in (3.0, -3.0))
    labels = latent > 0
    accuracy = {}
    for arm in ("C1", "C3"):
        preparation = Preparation.fit(
            Embeddings.from_arrays(text=text[:500], image=image[:500]), arm=arm, variance=0.001
        )
        made = head(hidden=32)
        pairs = PreparedAttributes(text[:500].astype(np.float32), labels[:500], preparation)
        optimiser = adamw(made, learning_rate=0.01, weight_decay=0.0)
        for _ in TrainingRun(made, attribute_loss, pairs, optimiser=optimiser, batch_size=50, epochs=20):
            pass
        told = made.probabilities(preparation.rows(image[500:].astype(np.float32), "image")).numpy() > 0.5
        accuracy[arm] = float((told == labels[500:]).mean())
    assert accuracy["C3"] > 0.9 > accuracy["C1"]


def test_names_stand_for_what_is_above_the_threshold():
    made = head()
    rows = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    chances = made.probabilities(rows)
    for threshold in (0.45, 0.5):
        for row, names in zip(chances, made.attributes_of(rows, threshold=threshold), strict=True):
            assert names == tuple(name for name, chance in zip(NAMES, row, strict=True) if chance > threshold)
    assert made.attributes_of(rows, threshold=0.0) == [NAMES] * 20
    assert made.attributes_of(rows, threshold=1.0) == [()] * 20


def test_it_is_built_again_from_settings_and_weights():
    made = head()
    assert made.files() == {}
    again = AttributeHead.from_settings(json.loads(json.dumps(made.settings)), made.files())
    again.load_state_dict(made.state_dict())
    assert again.attributes == NAMES
    assert torch.equal(again.probabilities(torch.eye(4)), made.probabilities(torch.eye(4)))


def test_seed_and_sizes_matter():
    weights = [head(seed=seed).network[0].weight for seed in (0, 0, 1)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert head(hidden=9).network[0].weight.shape == (9, 4)
    assert head(dimension=5).network[0].weight.shape == (8, 5)


def test_refusals():
    for names in ("red", [1, 2]):
        with pytest.raises(TypeError, match="attributes must be a list of names"):
            AttributeHead(names, dimension=4)
    with pytest.raises(ValueError, match="attributes must have a name at least"):
        AttributeHead([], dimension=4)
    with pytest.raises(ValueError, match="attributes must differ, but 'red' is given twice"):
        AttributeHead(["red", "red"], dimension=4)
    for name in ("dimension", "hidden"):
        with pytest.raises(ValueError, match=f"{name} must be a whole number of at least 1"):
            head(**{name: 0})
    made = head()
    for call in (made.probabilities, lambda rows: made(rows, torch.ones(len(rows), 3))):
        with pytest.raises(ValueError, match=r"rows must have shape \(n, 4\).*but it is \(2, 3\)"):
            call(torch.ones(2, 3))
    with pytest.raises(ValueError, match=r"labels must have shape \(2, 3\).*but it is \(2, 2\)"):
        made(torch.ones(2, 4), torch.ones(2, 2))
    with pytest.raises(ValueError, match="rows must hold finite numbers"):
        made.probabilities(torch.full((1, 4), float("inf")))
    for threshold in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=r"threshold must lie in \[0, 1\]"):
            made.attributes_of(torch.ones(1, 4), threshold=threshold)
    with pytest.raises(ValueError, match=r"labels must have the shape of logits, \(2, 3\), but it is \(2, 1\)"):
        attribute_loss(torch.ones(2, 3), torch.ones(2, 1))
    for settings in ({}, {"attributes": 3, "dimension": 4, "hidden": 8}, {**made.settings, "hidden": 0}):
        with pytest.raises(FormatError, match="the settings are not those of attributes"):
            AttributeHead.from_settings(settings, {})
