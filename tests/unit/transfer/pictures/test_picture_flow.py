"""The flow that makes pictures: its velocity, its determinism, how it learns, and every refusal."""

import importlib.util
import re
import sys

import numpy as np
import pytest
import torch

from crossgap.errors import MissingExtraError
from crossgap.transfer.pictures import PictureFlow, Sampling, flow_loss
from crossgap.transfer.pictures.sampling import integrate

pytest.importorskip("diffusers", reason="diffusers is not installed (extra pictures)")


@pytest.fixture(scope="module")
def flow():
    """A small flow whose last layer is not zero, so that conditions matter."""
    made = PictureFlow(6, size=8, channels=(8, 16), seed=3)
    with torch.no_grad():
        made.unet.conv_out.weight.normal_(0, 0.3, generator=torch.Generator().manual_seed(0))
        made.without.normal_(0, 1, generator=torch.Generator().manual_seed(1))
    return made.eval()


@pytest.fixture
def rows(rng):
    found = rng.normal(size=(5, 6)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


class Straight:
    """Stands for a flow whose velocity is known: c - x, or c + t, by its kind."""

    def __init__(self, kind):
        self.kind, self.without = kind, torch.zeros(1)

    def conditions(self, rows, dropped=None):
        return rows

    def velocity(self, x, time, conditions):
        c = conditions[:, :, None, None]
        return c - x if self.kind == "decay" else c + time[:, None, None, None] + 0 * x


def test_the_untrained_flow_predicts_the_best_multiple_of_what_it_sees():
    made = PictureFlow(4, size=8, channels=(8, 8))
    x, t = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([0.0, 0.5, 1.0])
    found = made.velocity(x, t, made.conditions(torch.ones(3, 4)))
    for number, time in enumerate(t.tolist()):
        factor = (time * 0.49 - (1 - time)) / ((1 - time) ** 2 + 0.49 * time**2)
        np.testing.assert_allclose(found[number].detach(), factor * x[number], rtol=1e-5, atol=1e-6)


def test_forward_gives_the_velocity_of_the_straight_path(flow, rows):
    generator = torch.Generator().manual_seed(0)
    drawn = {
        "picture": torch.randint(0, 256, (5, 3, 8, 8), dtype=torch.uint8, generator=generator),
        "noise": torch.randn(5, 3, 8, 8, generator=generator),
        "time": torch.rand(5, generator=generator),
        "dropped": torch.tensor([False, True, False, True, False]),
    }
    given = torch.from_numpy(rows)
    velocity, wanted = flow(given, drawn)
    picture = drawn["picture"].float() / 127.5 - 1
    torch.testing.assert_close(wanted, picture - drawn["noise"])
    share = drawn["time"][:, None, None, None]
    x = (1 - share) * drawn["noise"] + share * picture
    torch.testing.assert_close(velocity, flow.velocity(x, drawn["time"], flow.conditions(given, drawn["dropped"])))
    other, _ = flow(-given, drawn)  # a dropped condition has no say, another one has
    np.testing.assert_array_equal((velocity == other).all(dim=(1, 2, 3)), drawn["dropped"])


def test_the_seed_fixes_the_weights_and_nothing_outside_moves():
    before = torch.get_rng_state()
    first, again, other = (PictureFlow(4, size=8, channels=(8, 8), seed=seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    same = [torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True)]
    assert all(same)
    assert not torch.equal(first.unet.conv_in.weight, other.unet.conv_in.weight)


def test_a_picture_is_a_function_of_its_row_its_place_and_the_seed(flow, rows):
    how = Sampling(steps=3, seed=4)
    before = torch.get_rng_state()
    all_five = flow.generate(rows, how)
    assert torch.equal(before, torch.get_rng_state())
    assert (all_five.dtype, all_five.shape) == (np.uint8, (5, 3, 8, 8))
    np.testing.assert_array_equal(all_five, flow.generate(rows, how))
    assert np.abs(all_five[:2].astype(int) - flow.generate(rows[:2], how)).max() <= 1  # rounding of another batch
    assert not np.array_equal(all_five, flow.generate(rows, Sampling(steps=3, seed=5)))
    assert not np.array_equal(all_five, flow.generate(-rows, how))
    assert flow.generate(rows[:0], how).shape == (0, 3, 8, 8)


def test_guidance_of_0_leaves_the_condition_out_and_1_is_plain(flow, rows):
    none = flow.generate(rows, Sampling(steps=2, guidance=0.0))
    np.testing.assert_array_equal(none, flow.generate(-rows, Sampling(steps=2, guidance=0.0)))
    noise = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    given = torch.from_numpy(rows)
    with torch.inference_mode():
        plain = integrate(flow, noise, given, Sampling(steps=2))
        nearly = integrate(flow, noise, given, Sampling(steps=2, guidance=1 + 1e-6))
        strong = integrate(flow, noise, given, Sampling(steps=2, guidance=3.0))
    torch.testing.assert_close(plain, nearly, atol=1e-3, rtol=1e-3)
    assert (plain - strong).abs().max() > 0.01


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("heun", 2)])
def test_the_integration_has_its_order(method, order):
    """dx/dt = c - x from 0 ends at c (1 - 1/e); halving the step divides the error by 2 or 4."""
    rows = torch.tensor([[1.0, 2.0, -1.0]], dtype=torch.float64)
    noise = torch.zeros(1, 3, 2, 2, dtype=torch.float64)
    exact = rows[:, :, None, None] * (1 - np.exp(-1))
    errors = [
        float((integrate(Straight("decay"), noise, rows, Sampling(method=method, steps=n)) - exact).abs().max())
        for n in (20, 40)
    ]
    assert errors[0] / errors[1] == pytest.approx(2**order, rel=0.05)


def test_heun_is_exact_where_the_velocity_is_linear_in_time():
    rows = torch.tensor([[1.0, 2.0, -1.0]])
    found = integrate(Straight("time"), torch.zeros(1, 3, 2, 2), rows, Sampling(steps=1))
    torch.testing.assert_close(found, (rows[:, :, None, None] + 0.5).expand(1, 3, 2, 2))


def test_the_loss_is_the_mean_square():
    velocity, wanted = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 4.0]])
    assert flow_loss(velocity, wanted).item() == 2.5


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        ({"dimension": 0}, "dimension must be a whole number of at least 1"),
        ({"size": 2.0}, "size must be a whole number"),
        ({"patch": 0}, "patch must be"),
        ({"layers": True}, "layers must be"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
        ({"channels": ()}, "channels must be multiples of 8"),
        ({"channels": (8, 12)}, "channels must be multiples of 8"),
        ({"size": 10}, "size must be a multiple of 4 (patch 2, 2 widths), but it is 10"),
    ],
)
def test_what_a_flow_refuses(options, fragment):
    with pytest.raises(ValueError, match=re.escape(fragment)):
        PictureFlow(**{"dimension": 4, "size": 8, "channels": (8, 8), **options})


@pytest.mark.parametrize(
    ("rows", "fragment"),
    [
        (np.ones((2, 5)), "rows must have shape (n, 6)"),
        (np.ones(6), "rows must have shape (n, 6)"),
        (np.full((2, 6), np.nan), "rows must hold finite numbers"),
    ],
)
def test_rows_that_are_refused(flow, rows, fragment):
    with pytest.raises(ValueError, match=re.escape(fragment)):
        flow.generate(rows)


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        ({"method": "rk4"}, "method must be 'heun' or 'euler'"),
        ({"steps": 0}, "steps must be a whole number of at least 1"),
        ({"steps": 2.0}, "steps must be a whole number"),
        ({"seed": -1}, "seed must be"),
        ({"guidance": -1.0}, "guidance must be finite and at least 0"),
        ({"guidance": float("nan")}, "guidance must be finite"),
    ],
)
def test_sampling_that_is_refused(options, fragment):
    with pytest.raises(ValueError, match=re.escape(fragment)):
        Sampling(**options)


def test_without_diffusers_the_extra_is_named(monkeypatch):
    assert importlib.util.find_spec("diffusers") is not None
    monkeypatch.setitem(sys.modules, "diffusers.models.unets.unet_2d", None)
    with pytest.raises(MissingExtraError, match="crossgap\\[pictures\\]"):
        PictureFlow(4, size=8, channels=(8, 8))
