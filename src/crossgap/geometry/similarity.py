"""Cosine similarities of all pairs of rows, one block at a time, so that the n x m matrix never exists."""

from collections.abc import Iterator

from crossgap.geometry.products import product_routine
from crossgap.geometry.rows import BLOCK_ROWS, Array, Rows, unit_blocks

__all__ = ["similarity_blocks"]

_PANEL_BLOCKS = 4  # rows of x are normalised once per panel, rows of y once per panel of x


def similarity_blocks(
    x: Rows, y: Rows | None = None, *, names: tuple[str, str] = ("x", "y"), check: bool = True
) -> Iterator[tuple[slice, slice, Array]]:
    """Yield ``(rows, columns, cosines)`` that together cover all pairs of rows of ``x`` and ``y``.

    Without ``y`` the pairs are those within ``x``, and only blocks on and above the diagonal come: every pair i < j
    lies in exactly one of them, and a block with ``rows == columns`` holds its pairs twice and the diagonal.

    A block belongs to the caller, who may overwrite it. Cost: 2 n m d flops (half of that without ``y``), and three
    blocks of 1024 rows beside the panel of 4096.
    """
    symmetric = y is None
    other = x if symmetric else y
    product = product_routine(x, (1 if symmetric else 2) * x.shape[0] * other.shape[0] * x.shape[1])
    for panel_rows, panel in unit_blocks(x, _PANEL_BLOCKS * BLOCK_ROWS, name=names[0], check=check):
        first = panel_rows.start if symmetric else 0
        for columns, block in unit_blocks(other, start=first, name=names[0 if symmetric else 1], check=check):
            for start in range(0, panel.shape[0], BLOCK_ROWS):
                rows = slice(panel_rows.start + start, min(panel_rows.start + start + BLOCK_ROWS, panel_rows.stop))
                if not (symmetric and columns.stop <= rows.start):
                    yield rows, columns, product(panel[start : start + BLOCK_ROWS], block)
