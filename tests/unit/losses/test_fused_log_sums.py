"""The fused sums against B x B matrices in float64: values, gradients, extreme rows, every block shape."""

import math

import pytest
import torch

from crossgap.losses import blocks
from crossgap.losses.fused_log_sums import pair_log_sums

NAMES = ("matched", "rows", "columns", "cross", "within_x", "within_y")


def rows_of(n, d, seed, dtype=torch.float64, spread=1.0):
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(d, generator=generator, dtype=torch.float64)
    x = mean + spread * torch.randn(n, d, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(x, dim=1).to(dtype)


def whole_matrix(x, y, scale, first=0, t=2.0):
    """The same sums from matrices that are held."""
    matched = torch.arange(first, first + len(x))[:, None] == torch.arange(len(y))
    cosines = x @ y.T
    logits = (scale * cosines).masked_fill(matched, -math.inf)
    potential = (2 * t * (cosines - 1)).masked_fill(matched, -math.inf)

    def within(rows):
        upper = torch.triu(torch.ones(len(rows), len(rows), dtype=torch.bool), 1)
        return torch.logsumexp((2 * t * (rows @ rows.T - 1))[upper], 0)

    return (
        cosines[matched],
        torch.logsumexp(logits, 1),
        torch.logsumexp(logits, 0),
        torch.logsumexp(potential.flatten(), 0),
        within(x),
        within(y),
    )


def weighted(sums, seed=0):
    """One scalar of all sums, each entry with a weight of its own."""
    generator = torch.Generator().manual_seed(seed)
    return sum(
        (part.double() * torch.rand(part.shape, generator=generator, dtype=torch.float64)).sum() for part in sums
    )


def gradients(function, x, y, scale):
    x, y = x.clone().requires_grad_(), y.clone().requires_grad_()
    scale = torch.tensor(scale, dtype=x.dtype if x.dtype != torch.bfloat16 else torch.float32, requires_grad=True)
    value = weighted(function(x, y, scale))
    value.backward()
    return value.detach(), x.grad, y.grad, scale.grad


def all_sums(x, y, scale, **options):
    return pair_log_sums(x, y, scale, cross=True, within=True, **options)


def relative_error(found, expected):
    return float((found.double() - expected.double()).norm() / expected.double().norm())


@pytest.mark.parametrize("scale", [1.0, 14.0, 60.0, 100.0])
@pytest.mark.parametrize("size", [3, 7, 512])
def test_sums_and_gradients_equal_those_of_whole_matrices(monkeypatch, scale, size):
    monkeypatch.setattr("crossgap.losses.fused_log_sums.block_size", lambda x: size)
    x, y = rows_of(17, 5, 0), rows_of(17, 5, 1)
    for found, expected in zip(all_sums(x, y, torch.tensor(scale)), whole_matrix(x, y, scale), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    for found, expected in zip(gradients(all_sums, x, y, scale), gradients(whole_matrix, x, y, scale), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("first", [0, 4, 9])
@pytest.mark.parametrize("size", [3, 512])
def test_a_part_of_the_rows_against_all_columns(monkeypatch, first, size):
    monkeypatch.setattr("crossgap.losses.fused_log_sums.block_size", lambda x: size)
    x, y = rows_of(5, 6, 0), rows_of(14, 6, 1)

    def fused(x, y, scale):
        return pair_log_sums(x, y, scale, first=first, cross=True)[:4]

    def plain(x, y, scale):
        return whole_matrix(x, y, scale, first)[:4]

    for found, expected in zip(gradients(fused, x, y, 20.0), gradients(plain, x, y, 20.0), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", NAMES)
def test_gradcheck_of_each_sum(monkeypatch, name):
    monkeypatch.setattr("crossgap.losses.fused_log_sums.block_size", lambda x: 3)
    x, y = rows_of(5, 3, 0).requires_grad_(), rows_of(5, 3, 1).requires_grad_()
    scale = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    asked = {"rows": name == "rows", "columns": name == "columns", "cross": name == "cross", "within": "within" in name}
    tensors = (x,) if name == "within_x" else (y,) if name == "within_y" else (x, y)

    def one(*given):
        return getattr(pair_log_sums(given[0] if name != "within_y" else x, given[-2], given[-1], **asked), name)

    if "within" in name:

        def one(rows):
            pair = (rows, y.detach()) if name == "within_x" else (x.detach(), rows)
            return getattr(pair_log_sums(*pair, scale.detach(), **asked), name)

        assert torch.autograd.gradcheck(one, tensors)
    elif name in ("cross", "matched"):
        assert torch.autograd.gradcheck(
            lambda a, b: getattr(pair_log_sums(a, b, scale.detach(), **asked), name), (x, y)
        )
    else:
        assert torch.autograd.gradcheck(lambda a, b, s: getattr(pair_log_sums(a, b, s, **asked), name), (x, y, scale))


@pytest.mark.parametrize("t", [0.5, 2.0, 20.0])
def test_the_sharpness_matters(t):
    x, y = rows_of(9, 4, 0), rows_of(9, 4, 1)
    found, expected = all_sums(x, y, torch.tensor(5.0), t=t), whole_matrix(x, y, 5.0, t=t)
    for a, b in zip(found[3:], expected[3:], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("scale", "most"), [(14.0, 5e-7), (100.0, 3e-6)])
def test_float32_keeps_its_digits(scale, most):
    """Gradients of 1,500 pairs, neither easy nor hopeless, against float64."""
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(1500, 64, generator=generator, dtype=torch.float64)
    noise = torch.randn(1500, 64, generator=generator, dtype=torch.float64)
    # rounded first, so that both see the same numbers
    x = torch.nn.functional.normalize(base, dim=1).float()
    y = torch.nn.functional.normalize(base + 2.5 * noise, dim=1).float()

    def clip(x, y, scale):
        sums = all_sums(x, y, scale)
        matched = scale.double() * sums.matched
        rows, columns = (torch.nn.functional.softplus(logs - matched) for logs in (sums.rows, sums.columns))
        return (rows, columns, *sums[3:])

    exact, found = gradients(clip, x.double(), y.double(), scale), gradients(clip, x, y, scale)
    assert relative_error(found[0], exact[0]) < 1e-7
    for a, b in zip(found[1:], exact[1:], strict=True):
        assert relative_error(a, b) < most


EXTREME = {
    "identical": lambda n, d: torch.ones(n, d) / d**0.5,
    "antipodal": lambda n, d: torch.ones(n, d) / d**0.5 * (1 - 2 * (torch.arange(n) % 2))[:, None],
    "random": lambda n, d: rows_of(n, d, 0, torch.float32),
}


@pytest.mark.parametrize("n", [2, 3, 600])
@pytest.mark.parametrize("kind", EXTREME)
@pytest.mark.parametrize("opposite", [False, True])
@pytest.mark.parametrize("scale", [1e-3, 30.0, 100.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_finite_for_any_unit_rows(n, kind, opposite, scale, dtype):
    x = EXTREME[kind](n, 16).to(dtype)
    found = gradients(all_sums, x, -x if opposite else x, scale)
    assert all(torch.isfinite(part).all() for part in found)


def test_rows_that_differ_by_more_than_float32_holds(monkeypatch):
    """At scale 100 cosines from -1 to 1 are e^200 apart; rows and columns then have exponentials of their own."""
    monkeypatch.setattr("crossgap.losses.fused_log_sums.block_size", lambda x: 8)
    x = rows_of(16, 2, 3)
    exact = gradients(whole_matrix, x, x, 100.0)
    found = gradients(all_sums, x.float(), x.float(), 100.0)
    for a, b in zip(found[:3], exact[:3], strict=True):
        assert relative_error(a, b) < 2e-5


def test_bfloat16_rows_are_multiplied_as_they_are():
    """In bfloat16 nothing is lost but what the rows and the pushes had lost before."""
    x, y = rows_of(40, 32, 0, torch.bfloat16), rows_of(40, 32, 1, torch.bfloat16)
    exact = gradients(whole_matrix, x.double(), y.double(), 20.0)
    found = gradients(all_sums, x, y, 20.0)
    assert relative_error(found[0], exact[0]) < 1e-6
    assert found[1].dtype == torch.bfloat16
    assert relative_error(found[1], exact[1]) < 1e-2
    assert relative_error(found[3], exact[3]) < 1e-5


def test_a_second_derivative_is_refused():
    x, y = rows_of(4, 3, 0).requires_grad_(), rows_of(4, 3, 1).requires_grad_()
    (gradient,) = torch.autograd.grad(weighted(all_sums(x, y, torch.tensor(1.0))), x, create_graph=True)
    with pytest.raises(RuntimeError, match=r"once_differentiable|does not require grad"):
        gradient.sum().backward()


def test_a_graph_that_is_kept_gives_the_same_gradient_again():
    x, y = rows_of(6, 3, 0).requires_grad_(), rows_of(6, 3, 1)
    value = weighted(all_sums(x, y, torch.tensor(4.0)))
    first, again = (torch.autograd.grad(value, x, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, again)


def test_no_matrix_of_all_pairs_is_held():
    """The largest tensor that autograd keeps has the size of the rows."""
    kept = []

    def note(tensor):
        kept.append(tensor.numel())
        return tensor

    x, y = rows_of(700, 8, 0).requires_grad_(), rows_of(700, 8, 1).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        weighted(all_sums(x, y, torch.tensor(9.0))).backward()
    assert max(kept) == 700 * 8


# blocks


def test_what_is_fused_by_itself():
    small, large = torch.zeros(511, 2), torch.zeros(512, 2)
    assert not blocks.takes_fused(None, small)
    assert blocks.takes_fused(None, large)
    assert blocks.takes_fused(True, small)
    assert not blocks.takes_fused(False, large)
    assert not blocks.takes_fused(None, large, t=21)
    with pytest.raises(ValueError, match="sharpness t up to 20, but it is 21; use fused=False"):
        blocks.takes_fused(True, large, t=21)


def test_blocks_stay_in_cache_on_a_cpu_and_are_large_elsewhere():
    assert blocks.block_size(torch.zeros(10, 2)) == 1024
    assert blocks.block_size(torch.zeros(10, 2, device="meta")) == 4096


@pytest.mark.parametrize(
    ("rows", "cols", "first", "expected"),
    [
        (slice(0, 4), slice(0, 4), 0, (0, 0, 4)),
        (slice(0, 4), slice(4, 8), 0, None),
        (slice(0, 4), slice(4, 8), 4, (0, 0, 4)),
        (slice(2, 4), slice(0, 3), 0, (0, 2, 1)),
        (slice(0, 3), slice(1, 9), 0, (1, 0, 2)),
    ],
)
def test_where_matched_pairs_lie(rows, cols, first, expected):
    assert blocks.block_matched(rows, cols, first) == expected


def test_a_faster_routine_is_taken_where_there_is_one(monkeypatch):
    def doubled(a, b):
        return 2 * (a @ b.T)

    monkeypatch.setattr(blocks, "settled_product_routine", lambda x: doubled)
    x, total = rows_of(4, 3, 0), torch.ones(4, 3, dtype=torch.float64)
    assert torch.equal(blocks.block_product(x, x, 4)(x, x), 2 * (x @ x.T))
    square = rows_of(4, 4, 1)
    blocks.add_product(total, square, x)
    torch.testing.assert_close(total, 1 + 2 * (square @ x))
    blocks.add_product(total, square.T, x)  # which this routine is not faster for
    torch.testing.assert_close(total, 1 + 2 * (square @ x) + square.T @ x)
