"""The network of ``TransformerDecoder``: causal attention over packed tokens, and one token at a time."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

__all__ = ["CausalTransformer", "Past"]


class CausalTransformer(nn.Module):
    """Blocks of causal attention whose first token is a vector; the words have one table for both sides.

    How to read it: ``forward`` gives the logits of all real tokens at once, for training; ``next`` those of one more
    token of each caption, with the keys and values of the past kept. Both give the same numbers up to rounding.
    """

    def __init__(
        self, dimension: int, vocabulary: int, width: int, layers: int, heads: int, dropout: float, most_tokens: int
    ) -> None:
        super().__init__()
        self.prefix = nn.Linear(dimension, width)
        self.words, self.places = nn.Embedding(vocabulary, width), nn.Embedding(most_tokens, width)
        self.blocks = nn.ModuleList(_Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, rows: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits (N, V) of the N tokens (B, T) that are no padding (-100), and those tokens."""
        flat = tokens.flatten()
        at = (flat >= 0).nonzero()[:, 0]  # nothing but attention is spent on padding
        place = at % tokens.shape[1]
        starts = (place == 0).nonzero()[:, 0]
        x = self.words(flat[at - 1].masked_fill(place == 0, 0))
        x = x.index_copy(0, starts, self.prefix(rows)[at[starts] // tokens.shape[1]].to(x.dtype))
        x = x + self.places(place)
        for block in self.blocks:
            x = block(x, at, tokens.shape)
        return self._logits(x), flat[at]

    def next(self, x: Tensor, past: "Past", kept: Tensor | None) -> Tensor:
        """Return the logits (m, V) of the next token.

        Parameters
        ----------
        x
            Rows (m, d) at first, then the last tokens (m,).
        past
            What was kept; it is changed in place.
        kept
            Which captions of the call before go on; None for all in their order.
        """
        x = self.words(x) if past.length else self.prefix(x)
        past.go_on(kept)
        x = x + self.places.weight[past.length - 1]
        for number, block in enumerate(self.blocks):
            x = cast(_Block, block).next(x, past, number)
        return self._logits(x)

    def _logits(self, x: Tensor) -> Tensor:
        return nn.functional.linear(self.norm(x), self.words.weight)


class _Block(nn.Module):
    """Attention and a two-layer network, each behind a LayerNorm and added to what came in."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor, at: Tensor, shape: Sequence[int]) -> Tensor:
        """Map the real tokens (N, width), which stand at the places ``at`` of captions of (B, T) = ``shape``.

        Twenty tokens are too few for fused attention to pay: two plain products take half its time on a CPU.
        """
        (b, t), width = shape, x.shape[1]
        qkv = self.qkv(self.before(x))
        spread = qkv.new_zeros(b * t, 3 * width).index_copy(0, at, qkv).view(b, t, 3, self.heads, width // self.heads)
        q, k, v = spread.permute(2, 0, 3, 1, 4).flatten(1, 2)
        later = torch.full((t, t), -torch.inf, dtype=q.dtype, device=q.device).triu(1)  # padding is later than all
        weights = torch.baddbmm(later, q, k.transpose(1, 2), alpha=q.shape[2] ** -0.5).softmax(dim=-1)
        mixed = (weights.to(v.dtype) @ v).view(b, self.heads, t, -1).transpose(1, 2).reshape(b * t, width)
        return self._second(x + self._dropped(self.out(mixed.index_select(0, at))))

    def next(self, x: Tensor, past: "Past", number: int) -> Tensor:
        """Map the last token of each caption (m, width), and put its keys and values to the past."""
        q, k, v = self.qkv(self.before(x)).chunk(3, dim=1)
        keys, values = past.with_last(number, k, v)
        split = (past.length, len(x), self.heads, x.shape[1] // self.heads)
        weights = (keys * (q * split[3] ** -0.5)).view(split).sum(dim=3, keepdim=True).softmax(dim=0)
        mixed = (weights * values.view(split)).sum(dim=0).view_as(x)
        return self._second(x + self.out(mixed))

    def _second(self, x: Tensor) -> Tensor:
        return x + self._dropped(self.down(nn.functional.gelu(self.up(self.between(x)))))

    def _dropped(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(x, self.dropout, self.training)


class Past:
    """Keys and values of the tokens so far of m captions, by block: (2, most tokens, m, width), filled up in place."""

    def __init__(self, blocks: int, most_tokens: int) -> None:
        self.length, self.most_tokens = 0, most_tokens
        self._stored: list[Tensor | None] = [None] * blocks

    def go_on(self, kept: Tensor | None) -> None:
        """Make room for a further token of the captions that are kept; None for all in their order."""
        if kept is not None:
            self._stored = [old if old is None else self._chosen(old, kept) for old in self._stored]
        self.length += 1

    def with_last(self, number: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Put the last token's (m, width) in, and return those of all tokens, (length, m, width) each."""
        stored = self._stored[number]
        if stored is None:
            stored = self._stored[number] = keys.new_empty(2, self.most_tokens, *keys.shape)
        stored[0, self.length - 1], stored[1, self.length - 1] = keys, values
        return stored[0, : self.length], stored[1, : self.length]

    def _chosen(self, old: Tensor, kept: Tensor) -> Tensor:
        new = old.new_empty(2, self.most_tokens, len(kept), old.shape[3])
        torch.index_select(old[:, : self.length], 2, kept, out=new[:, : self.length])
        return new
