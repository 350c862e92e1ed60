import itertools
import math
import random

import numpy as np
import pytest
import torch

from crossgap.transfer import Decoding
from crossgap.transfer.decoding import decode

END = 0


class Chain:
    """A decoder whose next logits are a function of the row and of all tokens so far; it checks how it is called."""

    def __init__(self, n, vocabulary=4, seed=0, spread=1.5):
        self.n, self.vocabulary, self.seed, self.spread = n, vocabulary, seed, spread
        self.asked = []

    def logits_of(self, row, past):
        draws = np.random.default_rng([self.seed, row, len(past), *past])
        return torch.from_numpy(self.spread * draws.standard_normal(self.vocabulary))

    def __call__(self, tokens, state, kept, first=0):
        if tokens is None:
            assert (state, kept) == (None, None)
            state = [(first + row, ()) for row in range(self.n)]
        else:
            state = state if kept is None else [state[number] for number in kept.tolist()]
            assert len(state) == len(tokens)
            state = [(row, (*past, token)) for (row, past), token in zip(state, tokens.tolist(), strict=True)]
        self.asked.append(len(state))
        return torch.stack([self.logits_of(row, past) for row, past in state]), state

    def log_chance(self, row, caption):
        """Log probability of tokens, one after the other."""
        return sum(
            float(torch.log_softmax(self.logits_of(row, caption[:place]), 0)[token])
            for place, token in enumerate(caption)
        )


def every_caption(vocabulary, most):
    """All captions that end within ``most`` tokens, with their ends."""
    for length in range(most):
        for words in itertools.product(range(1, vocabulary), repeat=length):
            yield (*words, END)


@pytest.mark.parametrize("penalty", [0.0, 0.7, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_wide_beam_is_an_exhaustive_search(penalty, seed):
    chain, most = Chain(3, vocabulary=3, seed=seed), 4
    ways = list(every_caption(3, most))
    decoding = Decoding(method="beam", beams=3**most, most_tokens=most, length_penalty=penalty)
    found, scores = decode(chain, 3, end=END, decoding=decoding)
    for row in range(3):
        best = max(ways, key=lambda way: chain.log_chance(row, way) / len(way) ** penalty)
        assert found[row] == list(best[:-1])
        assert scores[row] == pytest.approx(chain.log_chance(row, best) / len(best), abs=1e-9)


def slow_beam(chain, row, beams, most, penalty):
    """The beam search of one row as plain lists."""
    going, best, used = [((), 0.0)], (-math.inf, None), 0
    for length in range(1, most + 1):
        ways = []
        for past, total in going:
            chances = torch.log_softmax(chain.logits_of(row, past), 0).tolist()
            ways += [((*past, token), total + chance) for token, chance in enumerate(chances)]
        ways = sorted(ways, key=lambda way: -way[1])[: beams - used]
        for past, total in ways:
            if past[-1] == END:
                used += 1
                best = max(best, (total / length**penalty, past), key=lambda pair: pair[0])
        going = [(p, t) for p, t in ways if p[-1] != END and t / most**penalty > best[0]]
        if not going:
            break
    return list(best[1][:-1]) if best[1] is not None else list(ways[0][0])


@pytest.mark.parametrize("beams", [1, 2, 3, 5])
@pytest.mark.parametrize("penalty", [0.0, 1.0, 3.0])
def test_a_batch_of_beams_is_the_plain_search_of_each_row(beams, penalty):
    chain = Chain(40, vocabulary=6, seed=beams)
    decoding = Decoding(method="beam", beams=beams, most_tokens=7, length_penalty=penalty)
    found, scores = decode(chain, 40, end=END, decoding=decoding)
    for row in range(40):
        assert found[row] == slow_beam(chain, row, beams, 7, penalty)
        whole = (*found[row], *[END] * (len(found[row]) < 7))
        assert scores[row] == pytest.approx(chain.log_chance(row, whole) / len(whole), abs=1e-9)


def test_one_beam_is_greedy():
    chain = Chain(20, vocabulary=8)
    greedy = decode(chain, 20, end=END, decoding=Decoding(most_tokens=9))
    beam = decode(chain, 20, end=END, decoding=Decoding(method="beam", beams=1, most_tokens=9))
    assert greedy[0] == beam[0]
    assert greedy[1] == pytest.approx(beam[1], abs=1e-12)


def test_greedy_takes_the_most_probable_token_and_scores_the_end():
    chain = Chain(12, vocabulary=5, seed=3)
    found, scores = decode(chain, 12, end=END, decoding=Decoding(most_tokens=6))
    lengths = set()
    for row in range(12):
        past = []
        while len(past) < 6:
            past.append(int(chain.logits_of(row, past).argmax()))
            if past[-1] == END:
                break
        assert found[row] == [token for token in past if token != END]
        assert scores[row] == pytest.approx(chain.log_chance(row, past) / len(past), abs=1e-9)
        lengths.add(len(past))
    assert len(lengths) > 2


@pytest.mark.parametrize("method", ["greedy", "nucleus", "beam"])
def test_a_batch_gives_the_captions_of_single_use(method):
    decoding = Decoding(method=method, most_tokens=8, beams=3, seed=5)
    together = decode(Chain(15, vocabulary=7), 15, end=END, decoding=decoding)
    for row in range(15):
        chain = Chain(1, vocabulary=7)
        alone = decode(
            lambda t, s, k, chain=chain, row=row: chain(t, s, k, first=row),
            1,
            end=END,
            decoding=decoding,
            numbers=[row],
        )
        assert (alone[0][0], alone[1][0]) == (together[0][row], pytest.approx(together[1][row], abs=1e-12))


@pytest.mark.parametrize("method", ["greedy", "nucleus", "beam"])
def test_captions_that_have_ended_leave_the_batch(method):
    chain = Chain(30, vocabulary=4)
    found, _ = decode(chain, 30, end=END, decoding=Decoding(method=method, most_tokens=12, beams=2))
    assert chain.asked[0] == 30
    assert len(chain.asked) <= 12
    if method == "beam":
        assert all(asked <= 60 for asked in chain.asked)
        assert chain.asked[-1] < 10
    else:
        alive = [sum(len(tokens) >= place for tokens in found) for place in range(len(chain.asked))]
        assert all(
            few <= asked < few / (1 - 1 / 8) + 1e-9 or few == asked
            for few, asked in zip(alive, chain.asked, strict=True)
        )
        assert chain.asked[-1] == alive[-1] < 10
        assert len(set(chain.asked)) > 3


@pytest.mark.parametrize("method", ["greedy", "nucleus", "beam"])
def test_a_caption_without_an_end_is_cut(method):
    def next_logits(tokens, state, kept):
        return torch.tensor([[-torch.inf, 1.0, 2.0]] * (3 if tokens is None else len(tokens))), None

    found, scores = decode(next_logits, 3, end=END, decoding=Decoding(method=method, most_tokens=4, beams=2))
    assert [len(tokens) for tokens in found] == [4, 4, 4]
    if method != "nucleus":
        assert found == [[2] * 4] * 3
        assert scores == pytest.approx([math.log(1 / (1 + math.exp(-1)))] * 3, abs=1e-6)


@pytest.mark.parametrize("method", ["greedy", "nucleus", "beam"])
def test_no_rows_are_no_captions_and_nothing_is_asked(method):
    assert decode(None, 0, end=END, decoding=Decoding(method=method)) == ([], [])


def same_chances(chances, n):
    logits = torch.tensor(chances, dtype=torch.float64).log()
    return lambda tokens, state, kept: (logits.expand(n if tokens is None else len(tokens), -1), None)


def drawn(chances, n=4000, **options):
    """Shares of the first token among n draws."""
    decoding = Decoding(method="nucleus", most_tokens=1, **options)
    found, _ = decode(same_chances(chances, n), n, end=len(chances), decoding=decoding)
    return np.bincount([tokens[0] for tokens in found], minlength=len(chances)) / n


def test_nucleus_draws_from_the_fewest_tokens_that_hold_top_p():
    chances = [0.1, 0.5, 0.15, 0.25]
    assert drawn(chances, top_p=1.0) == pytest.approx(chances, abs=0.03)
    assert drawn(chances, top_p=0.75) == pytest.approx([0, 2 / 3, 0, 1 / 3], abs=0.03)  # 0.5 + 0.25 reach it
    assert drawn(chances, top_p=0.76) == pytest.approx([0, 0.5 / 0.9, 0.15 / 0.9, 0.25 / 0.9], abs=0.03)
    assert drawn(chances, top_p=1e-9).tolist() == [0, 1, 0, 0]


def test_temperature_comes_before_the_filter():
    sharp = np.array([0.1, 0.5, 0.15, 0.25]) ** 2
    assert drawn([0.1, 0.5, 0.15, 0.25], top_p=1.0, temperature=0.5) == pytest.approx(sharp / sharp.sum(), abs=0.03)
    assert drawn([0.1, 0.5, 0.15, 0.25], top_p=0.9, temperature=0.25).tolist()[0] == 0
    assert drawn([0.1, 0.5, 0.15, 0.25], temperature=1e-3).tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize(("size", "top_p"), [(200, 0.5), (700, 0.5), (700, 0.9)])
def test_a_nucleus_of_many_tokens_is_drawn_like_one_of_few(size, top_p):
    chances = np.linspace(1, 3, size) / np.linspace(1, 3, size).sum()
    shares = drawn(chances.tolist(), n=3000, top_p=top_p)
    order = np.argsort(-chances)
    held = order[: int(np.searchsorted(np.cumsum(chances[order]), top_p)) + 1]
    assert set(np.flatnonzero(shares)) <= set(held.tolist())
    assert len(held) > 32
    expected = np.zeros(size)
    expected[held] = chances[held] / chances[held].sum()
    for bins in (8, 20):  # the cumulative shares, in the order that is drawn from
        parts = np.array_split(order[: len(held)], bins)
        assert [shares[part].sum() for part in parts] == pytest.approx(
            [expected[part].sum() for part in parts], abs=0.03
        )


def test_the_score_of_a_draw_is_that_of_the_model():
    found, scores = decode(
        same_chances([0.1, 0.5, 0.15, 0.25], 50),
        50,
        end=4,
        decoding=Decoding(method="nucleus", most_tokens=1, temperature=3.0, top_p=0.8),
    )
    expected = [math.log([0.1, 0.5, 0.15, 0.25][tokens[0]]) for tokens in found]
    assert scores == pytest.approx(expected, abs=1e-12)
    assert len(set(scores)) > 2


def test_draws_depend_on_the_seed_and_the_number_of_the_row_alone():
    def captions(numbers, **options):
        chain = same_chances([0.02, 0.4, 0.3, 0.28], len(numbers))
        decoding = Decoding(method="nucleus", most_tokens=10, **options)
        return decode(chain, len(numbers), end=END, decoding=decoding, numbers=numbers)[0]

    plain = captions(range(20))
    assert captions(range(20)) == plain
    assert captions([7, 3]) == [plain[7], plain[3]]
    assert captions(range(20), seed=1) != plain
    assert captions(range(5, 25))[:15] == plain[5:]
    assert len({tuple(tokens) for tokens in plain}) > 15


@pytest.mark.parametrize("top_p", [0.5, 0.9, 1.0])
def test_a_draw_among_nearly_equal_tokens_does_not_hang_on_the_last_digit(top_p):
    """Tokens that were never trained are nearly equal: many change places from batch to batch."""
    chances = np.exp(1e-4 * np.random.default_rng(0).standard_normal(600)) / 600
    digits = 1 + 2e-7 * np.random.default_rng(1).standard_normal((2, 600))
    found = [
        decode(
            same_chances((chances * noise).tolist(), 500),
            500,
            end=600,
            decoding=Decoding(method="nucleus", most_tokens=4, top_p=top_p),
        )[0]
        for noise in digits
    ]
    assert sum(a == b for a, b in zip(*found, strict=True)) > 485  # a token or two at the border come or go


def test_global_random_numbers_are_left_alone():
    before = torch.get_rng_state(), random.getstate()
    drawn([0.5, 0.5], n=3)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == random.getstate()


def test_length_penalty_and_beams_matter():
    chain = Chain(60, vocabulary=5, seed=1)

    def captions(**options):
        return decode(chain, 60, end=END, decoding=Decoding(method="beam", most_tokens=8, **options))[0]

    lengths = [sum(map(len, captions(length_penalty=penalty))) for penalty in (0.0, 1.0, 4.0)]
    assert lengths == sorted(set(lengths))
    assert captions(beams=1) != captions(beams=4)


@pytest.mark.parametrize("method", ["greedy", "nucleus", "beam"])
def test_half_precision_is_decoded_in_single(method):
    def next_logits(tokens, state, kept):
        m = 2 if tokens is None else len(tokens)
        return torch.tensor([[1.0, 2.0, 0.0]] * m, dtype=torch.bfloat16), None

    _, scores = decode(next_logits, 2, end=END, decoding=Decoding(method=method, most_tokens=1, top_p=1e-6, beams=1))
    assert scores == pytest.approx([-math.log(1 + math.exp(-1) + math.exp(-2))] * 2, abs=1e-6)


@pytest.mark.parametrize("method", ["greedy", "nucleus", "beam"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_logits_that_are_no_numbers(method, value):
    def next_logits(tokens, state, kept):
        return torch.full((2 if tokens is None else len(tokens), 40), value), None

    with pytest.raises(ValueError, match="the decoder must give finite logits"):
        decode(next_logits, 2, end=END, decoding=Decoding(method=method))


def test_one_number_a_row():
    with pytest.raises(ValueError, match="numbers must have one entry for each of 2 rows, but it has 1"):
        decode(Chain(2), 2, end=END, decoding=Decoding(method="nucleus"), numbers=[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "top"}, "method must be one of 'greedy', 'beam', 'nucleus', but it is 'top'"),
        ({"beams": 0}, "beams must be a whole number of at least 1, but it is 0"),
        ({"beams": 2.0}, "beams must be a whole number"),
        ({"most_tokens": 0}, "most_tokens must be a whole number of at least 1"),
        ({"most_tokens": True}, "most_tokens must be a whole number"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
        ({"top_p": 0.0}, r"top_p must lie in \(0, 1\], but it is 0.0"),
        ({"top_p": 1.1}, "top_p must lie in"),
        ({"top_p": float("nan")}, "top_p must be a finite number"),
        ({"temperature": 0.0}, "temperature must be above 0, but it is 0.0; .* take method='greedy'"),
        ({"temperature": "1"}, "temperature must be a finite number, but it is '1'"),
        ({"length_penalty": -0.1}, "length_penalty must be at least 0"),
        ({"length_penalty": float("inf")}, "length_penalty must be a finite number"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        Decoding(**options)
