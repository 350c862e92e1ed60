import pytest
import torch

from crossgap.train.pairs import PairedTensors, seeded_generator


def _several(n: int = 50, c: int = 5, **options) -> PairedTensors:
    x = torch.arange(float(n))[:, None]
    y = 10 * torch.arange(float(n))[:, None, None] + torch.arange(float(c))[None, :, None]
    return PairedTensors(x, y, several_y=True, **options)


def _chosen(pairs: PairedTensors, epoch: int) -> torch.Tensor:
    x, y = pairs.batch(torch.arange(len(pairs)), epoch)
    chosen = (y - 10 * x)[:, 0]
    assert bool(((chosen >= 0) & (chosen < 5)).all()), "a row of y of another item"
    return chosen


def test_batches_are_rows():
    x, y = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)), torch.arange(6)
    pairs = PairedTensors(x, y)
    a, b = pairs.batch(torch.tensor([5, 0, 5]), epoch=3)
    assert len(pairs) == 6
    assert torch.equal(a, x[[5, 0, 5]])
    assert b.tolist() == [5, 0, 5]
    assert pairs.items is None


def test_one_of_several_is_a_function_of_seed_epoch_and_row():
    pairs = _several()
    first = _chosen(pairs, 0)
    assert set(first.tolist()) == {0.0, 1.0, 2.0, 3.0, 4.0}
    assert not torch.equal(first, _chosen(pairs, 1))
    assert torch.equal(first, _chosen(pairs, 0)), "after another epoch"
    assert torch.equal(first, _chosen(_several(), 0))
    assert not torch.equal(first, _chosen(_several(seed=1), 0))
    some = torch.tensor([31, 4, 4])
    x, y = pairs.batch(some, 0)
    assert torch.equal((y - 10 * x)[:, 0], first[some]), "the choice hangs on the batch"


def test_all_candidates_are_drawn_equally():
    pairs = _several(400)
    counts = torch.bincount(torch.cat([_chosen(pairs, epoch) for epoch in range(20)]).long())
    assert counts.tolist() == pytest.approx([1600] * 5, rel=0.1)


def test_the_global_state_is_left_alone():
    state = torch.get_rng_state()
    _chosen(_several(), 0)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_fingerprint_notices_what_matters():
    x = torch.randn(100, 3, generator=torch.Generator().manual_seed(0))
    y = torch.randn(100, 2, 3, generator=torch.Generator().manual_seed(1))
    items = torch.arange(100)
    other = y.clone()
    other[99, 1, 2] += 1
    seen = [
        PairedTensors(x, y).fingerprint,
        PairedTensors(x, other).fingerprint,
        PairedTensors(x.double(), y).fingerprint,
        PairedTensors(x.reshape(100, 3, 1), y).fingerprint,
        PairedTensors(x, y, items=items).fingerprint,
        PairedTensors(x, y, items=items + 1).fingerprint,
        PairedTensors(x, y, several_y=True).fingerprint,
        PairedTensors(x, y, several_y=True, seed=1).fingerprint,
        PairedTensors(x.bfloat16(), y).fingerprint,
    ]
    assert len(set(seen)) == len(seen)
    assert PairedTensors(x.clone(), y.clone(), seed=1).fingerprint == seen[0], "the seed matters with several_y only"


def test_generators_differ_by_number_and_purpose():
    states = [
        seeded_generator(*numbers, purpose=purpose).initial_seed()
        for numbers, purpose in [
            ((0, 1), "a"),
            ((1, 0), "a"),
            ((0, 1), "b"),
            ((0,), "a"),
            ((0, 1, 0), "a"),
            ((2**64,), "a"),
        ]
    ]
    assert len(set(states)) == len(states)
    assert seeded_generator(0, 1, purpose="a").initial_seed() == states[0]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda t: PairedTensors(t.numpy(), t), TypeError, "x must be a torch tensor, but it is a ndarray"),
        (lambda t: PairedTensors(t, [1]), TypeError, "y must be a torch tensor, but it is a list"),
        (lambda t: PairedTensors(t, t, items=[1]), TypeError, "items must be a torch tensor, but it is a list"),
        (lambda t: PairedTensors(t, t[1:]), ValueError, r"x has shape \(4, 2\) and y \(3, 2\); align them first"),
        (lambda t: PairedTensors(t, t, items=t[:2, 0]), ValueError, r"x has shape \(4, 2\) and items \(2,\)"),
        (lambda t: PairedTensors(t[0, 0], t), ValueError, r"one row a pair, but x has shape \(\)"),
        (lambda t: PairedTensors(t, t[:, 0], several_y=True), ValueError, r"y must have shape \(n, c, ...\)"),
        (lambda t: PairedTensors(t, t[:, :0], several_y=True), ValueError, r"its shape is \(4, 0\); stack"),
    ],
)
def test_refusals(make, error, message):
    with pytest.raises(error, match=message):
        make(torch.zeros(4, 2))
