"""AlignCLIP's loss."""

import math

import numpy as np
import pytest
import torch

from crossgap.losses.alignclip import alignclip_loss
from crossgap.losses.clip import clip_loss


def pairs(n=5, d=4, seed=0, count=2):
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((count, n, d))
    return drawn / np.linalg.norm(drawn, axis=2, keepdims=True)


def cross_entropy(logits):
    """Mean over rows of minus the log of the softmax at the diagonal, by loops."""
    n = len(logits)
    return sum(math.log(sum(math.exp(v) for v in logits[i])) - logits[i][i] for i in range(n)) / n


def separation(own, x, y, difference, s):
    logits = [
        [s * (x[i] @ y[i] if i == j else difference[i][j] * (own[i] @ own[j])) for j in range(len(x))]
        for i in range(len(x))
    ]
    return cross_entropy(logits)


@pytest.mark.parametrize(("images", "texts"), [(True, True), (True, False), (False, True)])
def test_is_four_cross_entropies(images, texts):
    x, y, captions = pairs(count=3)
    difference = 1 - captions @ captions.T
    s = 6.0
    wanted = 1.5 * (cross_entropy(s * x @ y.T) + cross_entropy(s * y @ x.T))
    wanted += 0.75 * (images * separation(x, x, y, difference, s) + texts * separation(y, x, y, difference, s))
    x, y, captions = map(torch.from_numpy, (x, y, captions))
    options = {
        "clip_weight": 1.5,
        "separation_weight": 0.75,
        "separate_images": images,
        "separate_texts": texts,
    }
    by_rows = alignclip_loss(x, y, s, captions=3 * captions, **options)
    by_cosines = alignclip_loss(x, y, s, caption_similarity=captions @ captions.T, **options)
    assert by_rows.item() == pytest.approx(wanted)
    assert by_cosines.item() == pytest.approx(wanted)


def test_default_weights_do_not_halve_the_clip_part():
    x, y, captions = map(torch.from_numpy, pairs(count=3))
    without = alignclip_loss(x, y, 6.0, captions=captions, separation_weight=0)
    assert without.item() == pytest.approx(2 * clip_loss(x, y, 6.0).item())
    default = alignclip_loss(x, y, 6.0, captions=captions)
    only = alignclip_loss(x, y, 6.0, captions=captions, clip_weight=0, separation_weight=1)
    assert default.item() == pytest.approx(without.item() + 0.5 * only.item())


def test_equal_captions_have_logit_zero():
    x, y = map(torch.from_numpy, pairs())
    same = torch.ones(5, 5, dtype=torch.float64)
    matched = 6 * (x * y).sum(dim=1)
    wanted = (torch.log(torch.exp(matched) + 4) - matched).mean()  # four rivals with logit 0
    value = alignclip_loss(x, y, 6.0, caption_similarity=same, clip_weight=0, separation_weight=0.5)
    assert value.item() == pytest.approx(wanted.item())


def test_no_gradient_into_the_captions():
    x, y, captions = map(torch.from_numpy, pairs(count=3))
    captions.requires_grad_()
    x.requires_grad_()
    alignclip_loss(x, y, 6.0, captions=captions).backward()
    assert captions.grad is None
    assert x.grad is not None


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({}, ValueError, "one of caption_similarity and captions must be given, but neither is"),
        (
            {"captions": torch.eye(5), "caption_similarity": torch.eye(5)},
            ValueError,
            "one of caption_similarity and captions must be given, but both are",
        ),
        ({"captions": torch.eye(4)}, ValueError, r"captions must have shape \(5, e\), but its shape is \(4, 4\)"),
        ({"caption_similarity": torch.ones(5, 4)}, ValueError, r"caption_similarity must have shape \(5, 5\)"),
        ({"captions": np.eye(5)}, TypeError, "captions must be a torch tensor of floating-point numbers"),
        ({"captions": torch.full((5, 3), torch.nan)}, ValueError, "captions must hold finite numbers"),
        ({"caption_similarity": 100 * torch.eye(5)}, ValueError, "must hold cosines, from -1 to 1, but one is 100"),
        ({"captions": torch.eye(5).long()}, TypeError, "captions must be a torch tensor .* torch.int64 tensor"),
        (
            {"captions": torch.eye(5), "separate_images": False, "separate_texts": False},
            ValueError,
            "separate_images and separate_texts are both off",
        ),
        (
            {"captions": torch.eye(5), "clip_weight": -1},
            ValueError,
            "clip_weight must be a finite number of at least 0",
        ),
        ({"captions": torch.eye(5), "separation_weight": None}, TypeError, "separation_weight must be a number"),
    ],
)
def test_errors(options, kind, message):
    x, y = map(torch.from_numpy, pairs())
    with pytest.raises(kind, match=message):
        alignclip_loss(x, y, 6.0, **options)
