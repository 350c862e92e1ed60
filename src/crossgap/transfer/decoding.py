"""How a decoder turns probabilities of the next token into a caption: greedily, by a beam, or by drawing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from crossgap.transfer.beam_search import NextLogits, beam_search, log_chances

__all__ = ["Decoding", "decode"]

_METHODS = ("greedy", "beam", "nucleus")
_GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)  # as signed numbers
_ROUNDS = ((30, 0xBF58476D1CE4E5B9 - (1 << 64)), (27, 0x94D049BB133111EB - (1 << 64)))
_STREAM = 0xCA9  # keeps these draws apart from others of the same seed
_SHARE = 8  # captions that have ended leave once they are an eighth of the batch: the past of the others is copied then
_LOOKS = (32, 512)  # the most probable tokens are sorted, ever more until the nucleus is among them


@dataclass(frozen=True, kw_only=True)
class Decoding:
    r"""How to decode.

    Formula::

        greedy      w_t = argmax_w p(w | w_<t)
        beam        the caption with the highest  log p(w_1 .. w_L) / L^length_penalty  that a beam finds
        nucleus     w_t ~ p(w | w_<t)^(1 / temperature), from the fewest tokens that hold top_p of it

    How to read it: greedy is the fastest and the same each time; a beam costs about ``beams`` times as much and finds
    captions that are more probable as a whole; nucleus gives other captions for other seeds.

    Parameters
    ----------
    method
        "greedy", "beam" or "nucleus".
    beams
        For "beam": captions that are kept in mind, at least 1. One of them is greedy.
    top_p, temperature
        For "nucleus": share of the probability that is drawn from, in (0, 1], and what sharpens it (below 1) or
        flattens it, before that share is taken.
    seed
        For "nucleus": each row draws from a stream of its own, a function of the seed and the number of the row, so
        that a caption depends neither on the batch that it is in nor on the size of batches. A batch changes the last
        digits of the probabilities; where the two best tokens of a draw differ by less, or one of them lies that near
        the border of the nucleus, it may go either way: about one draw of a million.
    most_tokens
        A caption is cut there, its end included; earlier where the decoder itself ends.
    length_penalty
        For "beam": at least 0; 0 favours short captions, 1 is the mean log probability, more favours long ones.

    Raises
    ------
    ValueError
        If a parameter is out of its range, whether or not the method takes it.

    Notes
    -----
    C3's published code filters to ``top_p=0.8`` and then takes the most probable token, which is in every such set: its
    captions are those of "greedy".

    References
    ----------
    Holtzman et al., *The Curious Case of Neural Text Degeneration*, ICLR 2020 (nucleus). Steele, Lea and Flood, *Fast
    Splittable Pseudorandom Number Generators*, OOPSLA 2014 (how a token gets its number). Wu et al., arXiv 1609.08144,
    section 7 (beams, and why lengths need a penalty).

    Examples
    --------
    >>> Decoding(method="beam", beams=3).length_penalty
    1.0
    """

    method: Literal["greedy", "beam", "nucleus"] = "greedy"
    beams: int = 5
    top_p: float = 0.9
    temperature: float = 1.0
    most_tokens: int = 40
    length_penalty: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in _METHODS:
            known = ", ".join(map(repr, _METHODS))
            raise ValueError(f"method must be one of {known}, but it is {self.method!r}; choose one.")
        for name, least in (("beams", 1), ("most_tokens", 1), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"{name} must be a whole number of at least {least}, but it is {value!r}; change it.")
        for name in ("top_p", "temperature", "length_penalty"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise ValueError(
                    f"{name} must be a finite number, but it is {value!r}; leave it out for the usual one."
                )
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must lie in (0, 1], but it is {self.top_p}; 0.9 is usual, and 1 takes all tokens.")
        if self.temperature <= 0:
            raise ValueError(
                f"temperature must be above 0, but it is {self.temperature}; 1 is usual; for the most probable tokens "
                f"alone take method='greedy'."
            )
        if self.length_penalty < 0:
            raise ValueError(f"length_penalty must be at least 0, but it is {self.length_penalty}; 1 is usual.")


def decode(
    next_logits: NextLogits, n: int, *, end: int, decoding: Decoding, numbers: Sequence[int] | None = None
) -> tuple[list[list[int]], list[float]]:
    """Return the tokens of each of n captions, without their ends, and the mean log probability of a token.

    How to read it: the score counts the end as a token, and is that of the model itself, whatever the temperature, the
    filter or the length penalty; captions of two methods may be compared by it.

    Parameters
    ----------
    next_logits
        ``next_logits(tokens, state, kept) -> logits (m, V), state``: the logits of the next token of m captions. At
        first tokens, state and kept are None and m is n. Then tokens (m,) are the last ones, state is what was
        returned before, and ``kept`` (m,) says which caption of the call before each one goes on from; None where all
        go on in their order. A caption may go on twice (beams) or not at all: those that have ended leave the batch,
        at the latest when they are an eighth of it. Of one that stays for a while the logits are not used.
    n
        Number of captions.
    end
        The token that ends a caption.
    decoding
        How.
    numbers
        Numbers of the rows, which choose their streams of draws; None for 0 to n - 1.

    Raises
    ------
    ValueError
        If there is not one number a caption, or the logits are not numbers.

    Notes
    -----
    Cost beside that of ``next_logits``: one pass over the logits (greedy), two (beam), four (nucleus).

    Examples
    --------
    A decoder that gives token 1 the probability 3/4 at first and ends at once after it.

    >>> import torch
    >>> def next_logits(tokens, state, kept):
    ...     chances = [0.25, 0.75] if tokens is None else [1.0, 0.0]
    ...     return torch.tensor([chances] * (2 if tokens is None else len(tokens))).log(), None
    >>> found, scores = decode(next_logits, 2, end=0, decoding=Decoding())
    >>> found, round(scores[0], 4)  # (ln 3/4 + ln 1) / 2
    ([[1], [1]], -0.1438)
    """
    if numbers is not None and len(numbers) != n:
        raise ValueError(f"numbers must have one entry for each of {n} rows, but it has {len(numbers)}; count again.")
    if n == 0:
        return [], []
    if decoding.method == "beam":
        found, scores = beam_search(
            next_logits,
            n,
            end=end,
            beams=decoding.beams,
            most_tokens=decoding.most_tokens,
            length_penalty=decoding.length_penalty,
        )
    else:
        draws = None if decoding.method == "greedy" else _draws(range(n) if numbers is None else numbers, decoding)
        found, scores = _one_by_one(next_logits, n, end, decoding, draws)
    if not all(map(math.isfinite, scores)):
        raise ValueError(
            "the decoder must give finite logits, but some are NaN or infinite; train it anew, or load weights that "
            "are whole."
        )
    return found, scores


def _one_by_one(
    next_logits: NextLogits, n: int, end: int, decoding: Decoding, draws: Tensor | None
) -> tuple[list[list[int]], list[float]]:
    """Take one token after the other for each caption that has not ended."""
    found = torch.zeros(n, decoding.most_tokens, dtype=torch.int64)
    lengths, counts = torch.zeros(n, dtype=torch.int64), torch.zeros(n, dtype=torch.int64)
    sums = torch.zeros(n, dtype=torch.float64)
    rows, done = torch.arange(n), torch.zeros(n, dtype=torch.bool)  # of the captions in the batch
    state, tokens, kept = None, None, None
    for place in range(decoding.most_tokens):
        logits, state = next_logits(tokens, state, kept)
        chances = log_chances(logits)
        if draws is None:
            best, tokens = chances.max(dim=-1)
        else:
            tokens = _drawn(logits, draws[rows, place].to(logits.device), decoding)
            best = chances.gather(1, tokens[:, None])[:, 0]
        taken, gained, going = tokens.cpu(), best.cpu().double(), rows[~done]
        found[going, place] = taken[~done]
        sums[going] += gained[~done]
        counts[going] += 1
        done |= taken == end
        lengths[rows[~done]] += 1
        kept = None
        if _SHARE * int(done.sum()) >= len(done):
            alive = (~done).nonzero()[:, 0]
            rows, done, kept = rows[alive], done[alive], alive.to(tokens.device)
            tokens = tokens[kept]
        if not len(rows):
            break
    cut = [tokens[:length] for tokens, length in zip(found.tolist(), lengths.tolist(), strict=True)]
    return cut, (sums / counts).tolist()


def _draws(numbers: Sequence[int], decoding: Decoding) -> Tensor:
    """Return 64 random bits for each row and place, (n, most_tokens); a row's do not depend on the others."""
    streams = [np.random.default_rng([decoding.seed, _STREAM, int(number)]) for number in numbers]
    low, high = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    return torch.from_numpy(np.stack([stream.integers(low, high, decoding.most_tokens) for stream in streams]))


def _drawn(logits: Tensor, draws: Tensor, decoding: Decoding) -> Tensor:
    """Draw a token for each row of logits (m, V) from its nucleus, (m,)."""
    chances = log_chances(logits / decoding.temperature).exp()
    drawn = torch.empty(len(chances), dtype=torch.int64, device=chances.device)
    rows = torch.arange(len(chances), device=chances.device)
    for few in _LOOKS:
        if few >= chances.shape[1]:
            break
        values, tokens = chances[rows].topk(few)
        held = values.double().sum(dim=1) >= decoding.top_p
        drawn[rows[held]] = _from_most_probable(values[held], tokens[held], draws[rows[held]], decoding.top_p)
        rows = rows[~held]
        if not len(rows):
            return drawn
    drawn[rows] = _from_most_probable(*chances[rows].sort(descending=True), draws[rows], decoding.top_p)
    return drawn


def _from_most_probable(chances: Tensor, tokens: Tensor, draws: Tensor, top_p: float) -> Tensor:
    """Draw from the first of tokens (m, k), in falling order of their chances, that hold ``top_p`` or all there is.

    The token with the lowest E / p, where each token has an exponential number E of its own: which token comes before
    or behind which, and which one is the last of the nucleus, matters for the draws of that token alone.
    """
    reached = chances.double().cumsum(dim=1)
    outside = reached - chances.double() >= top_p
    outside[:, 0] = False
    waits = -_uniform(tokens, draws[:, None]).log() / chances.double()
    return tokens.gather(1, waits.masked_fill(outside, torch.inf).argmin(dim=1, keepdim=True))[:, 0]


def _uniform(tokens: Tensor, draws: Tensor) -> Tensor:
    """Return a number in (0, 1) for each token and draw, a hash of both: SplitMix64 on whole numbers that wrap."""
    mixed = draws + tokens * _GOLDEN
    for shift, factor in _ROUNDS:
        mixed = (mixed ^ _shifted(mixed, shift)) * factor
    mixed = mixed ^ _shifted(mixed, 31)
    return (_shifted(mixed, 11).double() + 0.5) * 2.0**-53


def _shifted(numbers: Tensor, places: int) -> Tensor:
    """Shift to the right and fill up with zeros."""
    return (numbers >> places) & ((1 << (64 - places)) - 1)
