"""Small image encoders from scratch: a convolutional network and a vision transformer."""

import torch
from torch import Tensor, nn

from crossgap.train.initialisation import initialised
from crossgap.train.transformer import check_sizes, transformer_encoder

__all__ = ["convolutional_tower", "vision_transformer_tower"]

_GROUPS = 8


def convolutional_tower(
    d_out: int, *, width: int = 32, stages: int = 3, channels: int = 3, generator: torch.Generator
) -> nn.Module:
    """Convolutions that halve the picture and double the channels, the mean over places, and a projection.

    Formula::

        stage: GELU(GroupNorm(conv 3x3 of stride 2)), GELU(GroupNorm(conv 3x3))    width, 2 width, 4 width, ...
        X(a) = W LayerNorm(mean over places)

    How to read it: the image side of a CLIP that is trained from nothing on a thousand small pictures, where it learns
    faster than a transformer does. Any size of picture from 2^stages on will do.

    Parameters
    ----------
    d_out
        Dimension of the shared space.
    width
        Channels of the first stage, a multiple of 8.
    stages
        Number of stages.
    channels
        Channels of the picture.
    generator
        Source of all weights.

    Returns
    -------
    A module from pictures (B, channels, height, width), as bytes or as floats of about [-1, 1], to (B, d_out), not yet
    of length 1. Bytes are brought to [-1, 1].

    Raises
    ------
    ValueError
        If a size is not a whole number of at least 1, or ``width`` is no multiple of 8.

    Notes
    -----
    It has no batch normalisation, so that a pair's vector does not depend on its batch.

    Examples
    --------
    >>> import torch
    >>> tower = convolutional_tower(4, width=8, stages=2, generator=torch.Generator().manual_seed(0))
    >>> tuple(tower(torch.zeros(2, 3, 16, 20, dtype=torch.uint8)).shape)
    (2, 4)
    """
    check_sizes(d_out=d_out, width=width, stages=stages, channels=channels)
    if width % _GROUPS:
        raise ValueError(f"width must be a multiple of {_GROUPS}, but it is {width}; give for example 32.")
    return initialised(lambda: _ConvolutionalTower(d_out, width, stages, channels), generator=generator)


def vision_transformer_tower(
    size: int,
    d_out: int,
    *,
    patch: int = 8,
    width: int = 128,
    layers: int = 4,
    heads: int = 4,
    channels: int = 3,
    generator: torch.Generator,
) -> nn.Module:
    """Transformer over square patches of a picture, the mean of its outputs, and a projection.

    Formula::

        h = (linear map of each patch) + P[place],    X(a) = W LayerNorm(mean over patches of transformer(h))

    How to read it: CLIP's ViT at a hundredth of its size, for experiments that are about that network. On a thousand
    pictures ``convolutional_tower`` learns more in less time.

    Parameters
    ----------
    size
        Height and width of the pictures, a multiple of ``patch``.
    d_out
        Dimension of the shared space.
    patch
        Height and width of a patch.
    width, layers, heads
        Sizes of the transformer.
    channels
        Channels of the picture.
    generator
        Source of all weights.

    Returns
    -------
    A module from pictures (B, channels, size, size), as bytes or as floats of about [-1, 1], to (B, d_out), not yet of
    length 1. Bytes are brought to [-1, 1].

    Raises
    ------
    ValueError
        If a size is not a whole number of at least 1, ``patch`` does not divide ``size``, or ``heads`` does not divide
        ``width``. When called, if the pictures are of another size.

    References
    ----------
    Dosovitskiy et al., *An Image is Worth 16x16 Words*, ICLR 2021, arXiv 2010.11929; the mean takes the place of its
    class token.

    Examples
    --------
    >>> import torch
    >>> tower = vision_transformer_tower(16, 4, width=8, layers=1, heads=2, generator=torch.Generator().manual_seed(0))
    >>> tuple(tower(torch.zeros(2, 3, 16, 16, dtype=torch.uint8)).shape)
    (2, 4)
    """
    check_sizes(size=size, d_out=d_out, patch=patch, width=width, layers=layers, heads=heads, channels=channels)
    if size % patch:
        raise ValueError(f"patch must divide size, but they are {patch} and {size}; change one of them.")
    return initialised(
        lambda: _VisionTransformerTower(size, d_out, patch, width, layers, heads, channels), generator=generator
    )


class _ConvolutionalTower(nn.Module):
    def __init__(self, d_out: int, width: int, stages: int, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = channels
        for stage in range(stages):
            after = width * 2**stage
            for given, stride in ((before, 2), (after, 1)):
                layers += [
                    nn.Conv2d(given, after, 3, stride=stride, padding=1, bias=False),
                    nn.GroupNorm(_GROUPS, after),
                    nn.GELU(),
                ]
            before = after
        self.stages = nn.Sequential(*layers)
        self.norm = nn.LayerNorm(before)
        self.projection = nn.Linear(before, d_out, bias=False)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.projection(self.norm(self.stages(_scaled(pixels)).mean(dim=(-2, -1))))


class _VisionTransformerTower(nn.Module):
    def __init__(self, size: int, d_out: int, patch: int, width: int, layers: int, heads: int, channels: int) -> None:
        super().__init__()
        self.size = size
        self.patches = nn.Conv2d(channels, width, patch, stride=patch)
        self.place_embedding = nn.Parameter(torch.empty((size // patch) ** 2, width))
        self.encoder = transformer_encoder(width, layers, heads)
        self.norm = nn.LayerNorm(width)
        self.projection = nn.Linear(width, d_out, bias=False)

    def forward(self, pixels: Tensor) -> Tensor:
        if tuple(pixels.shape[-2:]) != (self.size, self.size):
            raise ValueError(
                f"pictures must be of {self.size} x {self.size} pixels, but they are of "
                f"{pixels.shape[-2]} x {pixels.shape[-1]}; read them with size={self.size}."
            )
        rows = self.patches(_scaled(pixels)).flatten(2).transpose(1, 2) + self.place_embedding
        return self.projection(self.norm(self.encoder(rows).mean(dim=1)))


def _scaled(pixels: Tensor) -> Tensor:
    return pixels / 127.5 - 1 if pixels.dtype == torch.uint8 else pixels
