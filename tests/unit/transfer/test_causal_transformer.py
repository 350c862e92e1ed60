import math

import pytest
import torch

from crossgap.train.initialisation import initialised
from crossgap.transfer.causal_transformer import CausalTransformer, Past

TOKENS = torch.tensor([[5, 3, 0, -100], [7, 0, -100, -100], [4, 4, 2, 9], [0, -100, -100, -100]])


def network(dimension=6, vocabulary=11, width=8, layers=2, heads=2, dropout=0.0, most=5, seed=0):
    sizes = (dimension, vocabulary, width, layers, heads, dropout, most)
    made = initialised(lambda: CausalTransformer(*sizes), generator=torch.Generator().manual_seed(seed))
    made.words.weight.data.mul_(20)  # words of a trained network differ
    return made.double().eval()


def rows(n=4, dimension=6, seed=0):
    return torch.randn(n, dimension, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_the_book(net, row, tokens):
    """Logits of one caption: the formulas, one token and one head at a time."""
    x = [net.prefix(row), *net.words.weight[tokens[:-1]]]
    x = torch.stack(x) + net.places.weight[: len(tokens)]
    for block in net.blocks:
        q, k, v = block.qkv(block.before(x)).chunk(3, dim=1)
        size = x.shape[1] // block.heads
        mixed = torch.zeros_like(x)
        for place in range(len(x)):
            for head in range(block.heads):
                part = slice(head * size, (head + 1) * size)
                scores = torch.stack([q[place, part] @ k[before, part] for before in range(place + 1)])
                weights = torch.softmax(scores / math.sqrt(size), 0)
                mixed[place, part] = sum(w * v[before, part] for before, w in enumerate(weights))
        x = x + block.out(mixed)
        x = x + block.down(torch.nn.functional.gelu(block.up(block.between(x))))
    return net.norm(x) @ net.words.weight.T


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_packed_logits_are_those_of_the_formula(heads):
    net = network(heads=heads)
    logits, targets = net(rows(), TOKENS)
    assert targets.tolist() == [5, 3, 0, 7, 0, 4, 4, 2, 9, 0]
    expected = [by_the_book(net, row, tokens[tokens >= 0]) for row, tokens in zip(rows(), TOKENS, strict=True)]
    torch.testing.assert_close(logits, torch.cat(expected), rtol=1e-10, atol=1e-10)


@torch.no_grad()
def test_one_token_at_a_time_gives_the_same_logits():
    net = network()
    tokens = TOKENS.clamp(min=0)
    whole = net(rows(), tokens)[0].view(4, 4, -1)
    past, given = Past(2, 4), rows()
    for place in range(4):
        torch.testing.assert_close(net.next(given, past, None), whole[:, place], rtol=1e-10, atol=1e-10)
        given = tokens[:, place]


@torch.no_grad()
def test_captions_go_on_twice_change_places_or_leave():
    net = network()
    paths = torch.tensor([[1, 2, 3], [4, 5, 6], [1, 7, 8]])
    whole = net(rows(2)[[0, 1, 0]], torch.cat([paths, torch.zeros(3, 1, dtype=torch.int64)], 1))[0].view(3, 4, -1)
    past = Past(2, 4)
    first = net.next(rows(2), past, None)
    torch.testing.assert_close(first, whole[:2, 0])
    second = net.next(paths[:, 0], past, torch.tensor([0, 1, 0]))  # the first caption goes on twice
    torch.testing.assert_close(second, whole[:, 1])
    third = net.next(paths[[2, 0], 1], past, torch.tensor([2, 0]))  # in another order, and without the second
    torch.testing.assert_close(third, whole[[2, 0], 2])
    torch.testing.assert_close(net.next(paths[[2, 0], 2], past, None), whole[[2, 0], 3])


def test_gradients():
    net = network(dimension=3, vocabulary=5, width=4, layers=1, most=3)
    tokens = torch.tensor([[2, 0, -100], [3, 4, 0]])
    given = rows(2, 3).requires_grad_()

    def loss(given, *weights):
        named = dict(zip(dict(net.named_parameters()), weights, strict=True))
        return torch.func.functional_call(net, named, (given, tokens))[0]

    weights = tuple(net.parameters())
    assert torch.autograd.gradcheck(loss, (given, *weights), eps=1e-6, atol=1e-6)


def test_nothing_is_known_of_later_tokens_or_of_padding():
    net = network()
    logits = net(rows(), TOKENS)[0]
    changed = TOKENS.clone()
    changed[2, 3], changed[0, 2] = 1, 7  # last tokens: targets of the last places alone
    torch.testing.assert_close(net(rows(), changed)[0], logits)
    wider = torch.nn.functional.pad(TOKENS, (0, 1), value=-100)
    torch.testing.assert_close(net(rows(), wider)[0], logits)


def test_each_token_and_the_row_matter():
    net = network()
    logits = net(rows(1), TOKENS[2:3])[0]
    for place in range(3):
        changed = TOKENS[2:3].clone()
        changed[0, place] = 1
        moved = (net(rows(1), changed)[0] - logits).abs().sum(dim=1) > 1e-9
        assert moved.tolist() == [number > place for number in range(4)]
    assert bool(((net(rows(1) * 2, TOKENS[2:3])[0] - logits).abs().sum(dim=1) > 1e-9).all())


def test_order_matters():
    net = network()
    there, back = (net(rows(1), torch.tensor([tokens]))[0] for tokens in ([3, 5, 0], [5, 3, 0]))
    assert not torch.allclose(there[-1], back[-1], atol=1e-4)


def test_dropout_is_for_training_alone():
    net = network(dropout=0.5)
    torch.testing.assert_close(net(rows(), TOKENS)[0], net(rows(), TOKENS)[0])
    net.train()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert not torch.allclose(net(rows(), TOKENS)[0], net(rows(), TOKENS)[0])


def test_every_weight_gets_a_gradient():
    net = network()
    net(rows(), TOKENS)[0].square().sum().backward()
    for name, values in net.named_parameters():
        assert values.grad is not None, name
        assert bool(values.grad.abs().sum() > 0), name
    used = net.places.weight.grad.abs().sum(dim=1) > 0
    assert used.tolist() == [True] * 4 + [False]
