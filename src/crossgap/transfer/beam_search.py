"""The most probable caption that a beam finds, for many rows at once."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["NextLogits", "beam_search", "log_chances"]

NextLogits = Callable[[Tensor | None, Any, Tensor | None], tuple[Tensor, Any]]


def log_chances(logits: Tensor) -> Tensor:
    """Return the log probabilities of logits (m, V), in float32 at least."""
    wide = logits if logits.dtype == torch.float64 else logits.float()
    return torch.log_softmax(wide, dim=-1)


def beam_search(
    next_logits: NextLogits, n: int, *, end: int, beams: int, most_tokens: int, length_penalty: float
) -> tuple[list[list[int]], list[float]]:
    r"""Return for each of n rows the tokens of the best finished caption and the mean log probability of a token.

    .. math:: \arg\max_w \frac{\log p(w_1, \ldots, w_L)}{L^{\alpha}}, \qquad w_L = \text{end}, \; L \le \text{most}

    How to read it: of the ways to go on from the kept captions of a row, as many are kept as the row has beams that
    have not finished; one that ends takes a beam for good. The search is exact where there are as many beams as
    captions, and greedy with one. A row without a finished caption gives the most probable one, cut.

    Parameters
    ----------
    next_logits, n, end
        As in ``decode``.
    beams, most_tokens, length_penalty
        As in ``Decoding``.

    Notes
    -----
    A caption that cannot win any more, since all later tokens being certain would leave it behind the best finished
    one, leaves its place to others, and a row without captions that go on leaves the batch. Cost: at most ``beams``
    times that of greedy decoding, most of it in ``next_logits``.

    References
    ----------
    Wu et al., arXiv 1609.08144, section 7, with its length penalty replaced by the plain power.
    """
    best = torch.full((n,), -torch.inf, dtype=torch.float64)  # score of the best finished caption
    used = torch.zeros(n, dtype=torch.int64)  # beams of the row whose captions have ended
    found: list[list[int]] = [[] for _ in range(n)]
    means = [float("nan")] * n
    rows = torch.arange(n)  # of each caption that goes on, in ascending order
    sums = torch.zeros(n, dtype=torch.float64)
    past = torch.zeros(n, 0, dtype=torch.int64)
    state, tokens, kept, totals = None, None, None, sums
    for length in range(1, most_tokens + 1):
        logits, state = next_logits(tokens, state, kept)
        values, choices = log_chances(logits).topk(min(beams, logits.shape[1]), dim=1)
        totals, source = _highest(sums[:, None] + values.cpu().double(), rows, beams - used)
        parent = torch.div(source, values.shape[1], rounding_mode="floor")
        taken = choices.cpu().flatten()[source]
        rows, past = rows[parent], torch.cat([past[parent], taken[:, None]], dim=1)
        ended = taken == end
        for place in ended.nonzero()[:, 0].tolist():
            row, score = int(rows[place]), float(totals[place]) / length**length_penalty
            used[row] += 1
            if score > best[row]:
                best[row], found[row], means[row] = score, past[place, :-1].tolist(), float(totals[place]) / length
        going = ~ended & (totals / most_tokens**length_penalty > best[rows])
        if length == most_tokens:
            break
        alive = going.nonzero()[:, 0]
        rows, sums, past = rows[alive], totals[alive], past[alive]
        if not len(rows):
            return found, means
        tokens, kept = taken[alive].to(logits.device), parent[alive].to(logits.device)
    for place in range(len(rows) - 1, -1, -1):  # the best of a row comes first, so it is written last
        if not used[rows[place]]:
            found[int(rows[place])], means[int(rows[place])] = past[place].tolist(), float(totals[place]) / most_tokens
    return found, means


def _highest(totals: Tensor, rows: Tensor, most: Tensor) -> tuple[Tensor, Tensor]:
    """Return the highest of totals (m, k) of each row, at most ``most[row]``, by row and falling, and their places."""
    width = totals.shape[1]
    present, group, counts = torch.unique_consecutive(rows, return_inverse=True, return_counts=True)
    first = torch.cumsum(counts, 0) - counts
    slot = torch.arange(len(rows)) - first[group]
    table = torch.full((len(present), int(counts.max()), width), -torch.inf, dtype=totals.dtype)
    table[group, slot] = totals
    values, places = table.flatten(1).topk(min(int(most[present].max()), table[0].numel()), dim=1)
    wanted = (torch.arange(values.shape[1]) < most[present, None]) & (values > -torch.inf)
    return values[wanted], (places + first[:, None] * width)[wanted]
