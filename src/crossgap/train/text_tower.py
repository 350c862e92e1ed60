"""A small text encoder from scratch."""

import torch
from torch import Tensor, nn

from crossgap.train.initialisation import initialised
from crossgap.train.transformer import check_sizes, transformer_encoder

__all__ = ["text_tower"]


def text_tower(
    vocabulary_size: int,
    length: int,
    d_out: int,
    *,
    width: int = 128,
    layers: int = 2,
    heads: int = 4,
    generator: torch.Generator,
) -> nn.Module:
    """Transformer over token ids, the mean of its outputs, and a projection.

    Formula::

        h = E[token] + P[place],    Y(b) = W LayerNorm(mean over tokens that are no padding of transformer(h))

    How to read it: the text side of a CLIP that is trained from nothing on thousands of captions. It attends both ways,
    unlike CLIP's.

    Parameters
    ----------
    vocabulary_size, length
        Number of token ids and of places; those of a ``WordTokeniser``: ``len(tokeniser)``, ``tokeniser.length``.
    d_out
        Dimension of the shared space.
    width, layers, heads
        Sizes of the transformer.
    generator
        Source of all weights.

    Returns
    -------
    A module from int64 token ids (B, at most length), 0 for padding, to (B, d_out), not yet of length 1. A row of
    padding alone counts as one token of padding.

    Raises
    ------
    ValueError
        If a size is not a whole number of at least 1, or ``heads`` does not divide ``width``.

    Notes
    -----
    Cost: 24 width^2 flops a token and layer, forward.

    References
    ----------
    Radford et al., arXiv 2103.00020, section 2.4, at a hundredth of the size.

    Examples
    --------
    >>> import torch
    >>> tower = text_tower(10, 6, 4, width=8, layers=1, heads=2, generator=torch.Generator().manual_seed(0)).eval()
    >>> with torch.no_grad():
    ...     short, padded = tower(torch.tensor([[5, 3]])), tower(torch.tensor([[5, 3, 0, 0]]))
    >>> tuple(short.shape), bool(torch.allclose(short, padded, atol=1e-6))
    ((1, 4), True)
    """
    check_sizes(vocabulary_size=vocabulary_size, length=length, d_out=d_out, width=width, layers=layers, heads=heads)
    return initialised(lambda: _TextTower(vocabulary_size, length, d_out, width, layers, heads), generator=generator)


class _TextTower(nn.Module):
    def __init__(self, vocabulary_size: int, length: int, d_out: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary_size, width)
        self.place_embedding = nn.Parameter(torch.empty(length, width))
        self.encoder = transformer_encoder(width, layers, heads)
        self.norm = nn.LayerNorm(width)
        self.projection = nn.Linear(width, d_out, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        padding = ids == 0
        padding = padding & (torch.arange(ids.shape[1], device=ids.device) > 0)  # attention needs one token at least
        rows = self.encoder(self.tokens(ids) + self.place_embedding[: ids.shape[1]], src_key_padding_mask=padding)
        kept = (~padding).unsqueeze(-1).to(rows.dtype)
        return self.projection(self.norm((rows * kept).sum(dim=1) / kept.sum(dim=1)))
