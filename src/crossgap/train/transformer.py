"""The transformer encoder that the small image and text towers share."""

from torch import nn

__all__ = ["check_sizes", "transformer_encoder"]


def transformer_encoder(width: int, layers: int, heads: int) -> nn.TransformerEncoder:
    """Blocks of attention and a two-layer network of four times the width, each behind a LayerNorm, without dropout.

    How to read it: maps (B, length, width) to the same shape; the caller adds positions before and a LayerNorm behind.

    Examples
    --------
    >>> encoder = transformer_encoder(8, 2, 4)
    >>> len(encoder.layers), sum(values.numel() for values in encoder.parameters())
    (2, 1744)
    """
    block = nn.TransformerEncoderLayer(
        width, heads, dim_feedforward=4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    return nn.TransformerEncoder(block, layers, enable_nested_tensor=False)


def check_sizes(**sizes: int) -> None:
    """Raise unless every size is a whole number of at least 1, and ``heads`` divides ``width`` where both are given."""
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, but it is {size!r}; give a size.")
    if "heads" in sizes and sizes["width"] % sizes["heads"]:
        raise ValueError(
            f"heads must divide width, but they are {sizes['heads']} and {sizes['width']}; give for example heads=1."
        )
