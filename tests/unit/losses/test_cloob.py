import math

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from crossgap.errors import DegenerateError
from crossgap.losses.clip import clip_loss
from crossgap.losses.cloob import cloob_loss
from crossgap.losses.infoloob import infoloob_loss


def unit(rng, n=10, d=5):
    return normalize(torch.from_numpy(rng.normal(size=(n, d))), dim=1)


def retrieved(query, store, scale):
    weights = [math.exp(scale * float(np.dot(query, row))) for row in store]
    mean = sum(weight * row for weight, row in zip(weights, store, strict=True))
    return mean / math.sqrt(float(np.dot(mean, mean)))


def by_loops(x, y, scale, hopfield_scale, leave_one_out=True, rows=None):
    """The definition: loops in float64, each row retrieved anew."""
    n = len(x)
    rows = range(n) if rows is None else rows
    total = 0.0
    for store, anchors, others in ((x, x, y), (y, y, x)):
        for i in rows:
            logits = []
            for j in range(n):
                a, b = anchors[i], others[j]
                if hopfield_scale is not None:
                    a, b = retrieved(a, store, hopfield_scale), retrieved(b, store, hopfield_scale)
                logits.append(scale * float(np.dot(a, b)))
            counted = [j for j in range(n) if j != i or not leave_one_out]
            total += (math.log(sum(math.exp(logits[j]) for j in counted)) - logits[i]) / scale / len(rows)
    return total


@pytest.mark.parametrize("leave_one_out", [True, False])
@pytest.mark.parametrize("hopfield_scale", [None, 0.5, 8.0, 15])
def test_equals_loops(rng, hopfield_scale, leave_one_out):
    x, y = unit(rng), unit(rng)
    options = {"hopfield_scale": hopfield_scale, "leave_one_out": leave_one_out}
    expected = by_loops(x.numpy(), y.numpy(), 30.0, **options)
    assert float(cloob_loss(x, y, 30.0, **options)) == pytest.approx(expected, rel=1e-9)
    in_nats = cloob_loss(x, y, 30.0, times_temperature=False, **options)
    assert float(in_nats) == pytest.approx(30 * expected, rel=1e-9)


def test_retrieval_is_from_the_images_in_one_term_and_from_the_texts_in_the_other(rng):
    # images in one plane, texts in another: each term compares rows of one plane only, so all cosines are within it
    zeros = torch.zeros(10, 2, dtype=torch.float64)
    x, y = torch.cat([unit(rng, d=2), zeros], dim=1), torch.cat([zeros, unit(rng, d=2)], dim=1)
    expected = by_loops(x.numpy(), y.numpy(), 30.0, 8.0)
    assert float(cloob_loss(x, y, 30.0)) == pytest.approx(expected, rel=1e-9)
    # the texts are at right angles to all images, so each of them retrieves the mean image, and the other way round
    mean = normalize(x.mean(dim=0), dim=0)
    assert np.allclose(retrieved(y[0].numpy(), x.numpy(), 8.0), mean.numpy())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    ("n", "hopfield_scale", "golden"),
    [(64, 8.0, 0.2207878), (500, 8.0, 0.3901805), (64, 15.0, 0.0895014), (500, 15.0, 0.3282172)],
)
def test_golden_values_on_clip(coco, n, hopfield_scale, golden, dtype):
    x, y = (normalize(torch.from_numpy(coco[name][:n]), dim=1).to(dtype) for name in ("image", "text"))
    loss = cloob_loss(x, y, 30.0, hopfield_scale=hopfield_scale)
    assert loss.dtype == dtype
    assert float(loss) == pytest.approx(golden, rel=1e-5)
    if hopfield_scale == 8.0:
        assert torch.equal(cloob_loss(x, y, 30.0), loss)  # the default


@pytest.mark.parametrize("scale", [3.0, 30.0])
def test_without_retrieval_it_is_a_plain_loss(rng, scale):
    x, y = unit(rng), unit(rng)
    plain = cloob_loss(x, y, scale, hopfield_scale=None)
    assert float(plain) == pytest.approx(float(infoloob_loss(x, y, scale)), rel=1e-13)
    info_nce = cloob_loss(x, y, scale, hopfield_scale=None, leave_one_out=False)
    assert float(info_nce) == pytest.approx(2 / scale * float(clip_loss(x, y, scale)), rel=1e-13)


def test_the_four_ablations_differ(rng):
    x, y = unit(rng), unit(rng)
    values = [
        float(cloob_loss(x, y, 30.0, hopfield_scale=hopfield_scale, leave_one_out=leave_one_out))
        for hopfield_scale in (None, 8.0)
        for leave_one_out in (True, False)
    ]
    assert min(abs(a - b) for i, a in enumerate(values) for b in values[:i]) > 1e-3


def test_closed_form_of_equal_rows(rng):
    x, y = unit(rng, n=1).expand(9, -1), unit(rng, n=1).expand(9, -1)
    assert float(cloob_loss(x, y, 30.0)) == pytest.approx(2 * math.log(8) / 30, rel=1e-9)
    assert float(cloob_loss(x, y, 30.0, leave_one_out=False)) == pytest.approx(2 * math.log(9) / 30, rel=1e-9)


def test_ignores_a_joint_rotation_the_order_of_pairs_and_a_swap_and_sees_other_changes(rng):
    x, y = unit(rng), unit(rng)
    value = float(cloob_loss(x, y, 10.0))
    rotation = torch.linalg.qr(torch.from_numpy(rng.normal(size=(5, 5))))[0]
    order = torch.from_numpy(rng.permutation(10))
    assert float(cloob_loss(x @ rotation, y @ rotation, 10.0)) == pytest.approx(value, rel=1e-11)
    assert float(cloob_loss(x[order], y[order], 10.0)) == pytest.approx(value, rel=1e-11)
    assert float(cloob_loss(y, x, 10.0)) == pytest.approx(value, rel=1e-11)
    assert float(cloob_loss(x @ rotation, y, 10.0)) != pytest.approx(value, rel=1e-3)
    assert float(cloob_loss(x[order], y, 10.0)) != pytest.approx(value, rel=1e-3)
    assert float(cloob_loss(x, y, 11.0)) != pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize("parts", [2, 5])
@pytest.mark.parametrize("leave_one_out", [True, False])
@pytest.mark.parametrize("hopfield_scale", [None, 8.0])
def test_the_mean_over_parts_is_the_whole_in_value_and_gradient(rng, parts, leave_one_out, hopfield_scale):
    inputs = (unit(rng).requires_grad_(), unit(rng).requires_grad_(), torch.tensor(7.0).double().requires_grad_())
    options = {"hopfield_scale": hopfield_scale, "leave_one_out": leave_one_out}
    slices = [slice(first, first + 10 // parts) for first in range(0, 10, 10 // parts)]
    whole = cloob_loss(*inputs, **options)
    pieces = sum(cloob_loss(*inputs, rows=rows, **options) for rows in slices) / parts
    assert float(pieces.detach()) == pytest.approx(float(whole.detach()), rel=1e-12)
    for a, b in zip(torch.autograd.grad(pieces, inputs), torch.autograd.grad(whole, inputs), strict=True):
        assert torch.allclose(a, b, rtol=1e-10, atol=1e-14)


def test_rows_do_not_narrow_the_store(rng):
    x, y = unit(rng), unit(rng)
    expected = by_loops(x.numpy(), y.numpy(), 7.0, 8.0, rows=range(3, 6))
    assert float(cloob_loss(x, y, 7.0, rows=slice(3, 6))) == pytest.approx(expected, rel=1e-9)


def edge_cases():
    axis = torch.eye(4)[:1].expand(6, -1)
    signs = torch.tensor([1, -1, 1, -1, 1, -1])[:, None]
    return {
        "identical rows": (axis, axis),
        "antipodal modalities": (axis, -axis),
        "antipodal rows": (axis * signs, axis),
        "images that cancel for every text": (axis * signs, torch.eye(4)[1:2].expand(6, -1)),
        "two pairs": (torch.eye(4)[:2], torch.eye(4)[1:3]),
    }


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", edge_cases())
@pytest.mark.parametrize("scale", [0.01, 100.0])
def test_finite_value_and_gradient(name, dtype, scale):
    x, y = (rows.to(dtype).requires_grad_() for rows in edge_cases()[name])
    learned = torch.tensor(scale, requires_grad=True)
    loss = cloob_loss(x, y, learned)
    assert loss.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    loss.backward()
    assert torch.isfinite(loss)
    for given in (x, y, learned):
        assert given.grad is not None
        assert torch.isfinite(given.grad).all()


def test_messages(rng):
    x, y = unit(rng), unit(rng)
    with pytest.raises(DegenerateError, match="at least 2 rows"):
        cloob_loss(x[:1], y[:1], 1.0)
    with pytest.raises(ValueError, match="x must have rows of length 1"):
        cloob_loss(2 * x, y, 1.0)
    assert torch.isfinite(cloob_loss(2 * x, y, 1.0, check=False))
    with pytest.raises(ValueError, match="logit_scale must be a finite number above 0"):
        cloob_loss(x, y, 0.0)
    with pytest.raises(ValueError, match="rows must be a part of the 10 rows"):
        cloob_loss(x, y, 1.0, rows=slice(3, 11))
    with pytest.raises(ValueError, match="hopfield_scale must be a finite number above 0, but it is 0"):
        cloob_loss(x, y, 1.0, hopfield_scale=0)
    with pytest.raises(TypeError, match="hopfield_scale must be a number, but it is a str"):
        cloob_loss(x, y, 1.0, hopfield_scale="8")  # pyright: ignore[reportArgumentType]
