import math

import pytest
import torch

from crossgap.transfer import token_loss


def problem():
    logits = torch.randn(3, 4, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return logits, torch.tensor([[1, 6, 0, -100], [3, 0, -100, -100], [2, 2, 5, 0]])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_it_is_the_mean_over_tokens_that_are_no_padding(smoothing):
    logits, targets = problem()
    total, count = 0.0, 0
    for i in range(3):
        for t in range(4):
            if targets[i, t] < 0:
                continue
            below = math.log(sum(math.exp(float(z)) for z in logits[i, t]))
            chances = [float(z) - below for z in logits[i, t]]
            right = chances[int(targets[i, t])]
            total -= (1 - smoothing) * right + smoothing * sum(chances) / 7
            count += 1
    found = float(token_loss(logits, targets, label_smoothing=smoothing))
    assert found == pytest.approx(total / count, abs=1e-6)


def test_the_end_counts_and_padding_does_not():
    logits, targets = problem()
    moved = logits.clone()
    moved[0, 3] += torch.arange(7)
    assert float(token_loss(moved, targets)) == float(token_loss(logits, targets))
    moved[0, 2, 0] += 1
    assert float(token_loss(moved, targets)) < float(token_loss(logits, targets))


def test_real_tokens_alone_give_the_same():
    logits, targets = problem()
    real = targets >= 0
    assert float(token_loss(logits[real], targets[real])) == pytest.approx(float(token_loss(logits, targets)), abs=1e-7)


def test_gradient_and_half_precision():
    logits, targets = problem()
    logits.requires_grad_()
    token_loss(logits, targets).backward()
    assert logits.grad is not None
    assert float(logits.grad[0, 3].abs().sum()) == 0
    assert float(logits.grad.sum()) == pytest.approx(0, abs=1e-6)
    assert token_loss(logits.detach().bfloat16(), targets).dtype == torch.float32
