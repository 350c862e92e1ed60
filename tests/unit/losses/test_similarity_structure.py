"""Correlation of the cosines within both modalities."""

import numpy as np
import pytest
import torch

from crossgap.losses.similarity_structure import similarity_structure_loss


def pairs(n=5, d=4, seed=0, count=2):
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((count, n, d))
    return drawn / np.linalg.norm(drawn, axis=2, keepdims=True)


def golden_rows(coco, n):
    chosen = coco["image"][:n], coco["text"][:n]
    return [torch.from_numpy(rows / np.linalg.norm(rows, axis=1, keepdims=True)) for rows in chosen]


def upper(rows):
    return np.array([rows[i] @ rows[j] for i in range(len(rows)) for j in range(i + 1, len(rows))])


def test_is_minus_pearson_and_minus_cosine():
    x, y = pairs(n=7)
    a, b = upper(x), upper(y)
    pearson = np.corrcoef(a, b)[0, 1]
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    assert similarity_structure_loss(x, y).item() == pytest.approx(-pearson)
    assert similarity_structure_loss(x, y, centred=False).item() == pytest.approx(-cosine)


def test_a_rotation_of_one_modality_changes_nothing():
    x, y = map(torch.from_numpy, pairs(n=7))
    turn = torch.linalg.qr(torch.from_numpy(pairs(n=4)[0])).Q
    assert similarity_structure_loss(x, y @ turn).item() == pytest.approx(similarity_structure_loss(x, y).item())
    assert similarity_structure_loss(x, x @ turn).item() == pytest.approx(-1)


def test_the_gap_is_not_felt():
    x, _ = map(torch.from_numpy, pairs(n=7))
    assert similarity_structure_loss(x, -x).item() == pytest.approx(-1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_structure_gives_zero_without_gradient(dtype):
    row = torch.from_numpy(pairs(n=1)[0]).to(dtype)
    y = torch.from_numpy(pairs(n=7)[0]).to(dtype)
    x = row.repeat(7, 1).requires_grad_()
    value = similarity_structure_loss(x, y)
    value.backward()
    assert value.item() == 0
    assert (x.grad == 0).all()


def test_two_pairs_have_no_structure():
    x, y = map(torch.from_numpy, pairs(n=2))
    assert similarity_structure_loss(x, y).item() == 0


def test_slight_structure_counts():
    x, y = pairs(n=7, d=4)
    x = np.array([1.0, 0, 0, 0]) + 1e-3 * x
    x = torch.from_numpy(x / np.linalg.norm(x, axis=1, keepdims=True))
    assert abs(similarity_structure_loss(x, torch.from_numpy(y)).item()) > 0.01


def test_agreement_of_real_rows(coco):
    x, y = golden_rows(coco, 500)
    pearson = np.corrcoef(upper(x.numpy()), upper(y.numpy()))[0, 1]
    assert similarity_structure_loss(x.float(), y.float()).item() == pytest.approx(-pearson, abs=1e-5)
    assert pearson > 0.3
