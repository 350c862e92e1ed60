"""B4: one step of a modern Hopfield network, which replaces a row by a mean of stored rows like it."""

import torch
from torch import Tensor

from crossgap.geometry.rows import check_rows, check_same_dimension
from crossgap.losses.blocks import takes_fused
from crossgap.losses.extra_rows import check_number
from crossgap.losses.inputs import check_unit_length, full_precision

__all__ = ["hopfield_retrieval"]


@full_precision
def hopfield_retrieval(
    queries: Tensor, store: Tensor, *, scale: float, fused: bool | None = None, check: bool = True
) -> Tensor:
    """Replace each query by the unit-length mean of the stored rows, weighted by a softmax of their cosines.

    Formula::

        Hop(Q; M) = normalise( softmax(scale Q M^T) M )        (softmax over the stored rows, unit rows)

    How to read it: the result lies in the span of the store. As ``scale`` grows it becomes the nearest stored row; as
    ``scale`` goes to 0, the direction of the mean of the store for every query. In between it strengthens what similar
    stored rows have in common.

    Parameters
    ----------
    queries, store
        Rows (n, d) and (m, d) of length 1.
    scale
        Sharpness of the softmax, above 0. The source uses 8.
    fused
        Take torch's fused attention, which holds no n x m matrix: True, False, or None from 512 queries on. Equal in
        value and gradient; True has no second derivatives.
    check
        Read the data to check it; switch off inside a training step.

    Returns
    -------
    Rows (n, d) of length 1 in float32 (float64 for float64 rows), differentiable in ``queries`` and ``store``.

    Raises
    ------
    ValueError
        If the dimensions differ, a row is not of length 1, or ``scale`` is not above 0.
    TypeError
        If the rows are no torch tensors in floating point, or ``scale`` is no number.
    DegenerateError
        If there is no query or no stored row.

    Notes
    -----
    Cost: 4 n m d flops. One step, one head, no learned weights, no dropout. A mean that vanishes up to rounding, as of
    two opposite rows that are equally like the query, has no direction: that row is returned as zeros, without a
    gradient.

    References
    ----------
    Ramsauer et al., *Hopfield Networks is All You Need*, ICLR 2021, arXiv 2008.02217, eq. 3; Fürst et al., *CLOOB*,
    NeurIPS 2022, arXiv 2110.11316.

    Examples
    --------
    The weights of the two stored rows are 3/4 and 1/4; (3, 1) has length sqrt(10).

    >>> import math, torch
    >>> row = hopfield_retrieval(torch.tensor([[1.0, 0.0]]), torch.eye(2), scale=math.log(3))[0]
    >>> [round(number, 4) for number in row.tolist()]
    [0.9487, 0.3162]
    """
    for name, rows in (("queries", queries), ("store", store)):
        if not isinstance(rows, Tensor):
            raise TypeError(f"{name} must be a torch tensor, but it is a {type(rows).__name__}; convert it first.")
        check_rows(rows, name)
        if check:
            check_unit_length(rows, name)
    check_same_dimension(queries, store, ("queries", "store"))
    check_number(scale, "scale", 0, open_ends="low")
    dtype = torch.promote_types(torch.promote_types(queries.dtype, store.dtype), torch.float32)
    queries, store = queries.to(dtype), store.to(dtype)
    if takes_fused(fused, queries):
        rows, stored = queries[None, None], store[None, None]  # one head of one batch
        means = torch.nn.functional.scaled_dot_product_attention(rows, stored, stored, scale=scale)[0, 0]
    else:
        means = torch.softmax(scale * (queries @ store.T), dim=1) @ store
    squares = (means * means).sum(dim=1, keepdim=True)
    vanished = squares < (8 * torch.finfo(dtype).eps) ** 2
    return (means * torch.rsqrt(squares.masked_fill(vanished, 1.0))).masked_fill(vanished, 0.0)
