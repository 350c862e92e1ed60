"""The gap while a model trains: the quantities of ``crossgap.measure`` on held-out pairs, as one flat mapping."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from crossgap.errors import DegenerateError
from crossgap.geometry.rows import check_pair
from crossgap.measure import (
    alignment,
    centroid_distance,
    cross_uniformity,
    linear_separability,
    matched_cosine,
    retrieval_ranks_both,
    uniformity,
)
from crossgap.measure.effective_dimension import components_for_share
from crossgap.measure.participation_ratio import participation_ratio_of
from crossgap.measure.spectrum_values import spectrum_values

__all__ = ["GapCurve", "gap_curve", "held_out_curve"]

_QUANTILE = 0.99  # the default of effective_dimension


class GapCurve(dict[str, float]):
    """Values by name, as ``gap_curve`` returns them, and why the others are not there.

    Attributes
    ----------
    left_out
        For each name without a value the reason, in one sentence.

    Examples
    --------
    >>> import torch
    >>> curve = gap_curve(torch.eye(4), torch.eye(4), k=(1, 9))
    >>> curve["recall_at_1/x_to_y"], curve.left_out["recall_at_9/x_to_y"]
    (1.0, 'k must lie between 1 and the 4 rows of the gallery, but it is 9; choose another.')
    """

    def __init__(self, values: Mapping[str, float] | None = None, left_out: Mapping[str, str] | None = None) -> None:
        super().__init__(values or {})
        self.left_out = dict(left_out or {})


def gap_curve(x: Tensor, y: Tensor, *, k: Sequence[int] = (1, 5, 10), items: Any = None, seed: int = 0) -> GapCurve:
    """One point of each curve that tells how a dual encoder's two groups lie.

    Formula::

        centroid_distance, linear_separability, cross_uniformity, alignment, matched_cosine     of x and y
        uniformity/x, uniformity/y, uniformity                   of each group, and the mean of the two
        effective_dimension/x, /y    participation_ratio/x, /y   of each group
        recall_at_K/x_to_y, recall_at_K/y_to_x                   for each K in k

    How to read it: the names are those of the functions of ``crossgap.measure``, which say how to read each value; what
    stands after the slash is the group or the direction. A gap that closes shows as ``centroid_distance`` towards 0
    and ``linear_separability`` towards 0.5; a collapse as ``effective_dimension`` towards 1; opposite points as
    ``cross_uniformity`` below -4.5. Recall depends on the size of the held-out set, so keep the set through a run.

    Parameters
    ----------
    x, y
        Rows (n, d) of held-out pairs, row i of one matched with row i of the other, n at least 2. They need no unit
        length and lose their gradient.
    k
        Lengths of the lists for recall.
    items
        Item ids of the n pairs. Pairs of one item are right answers to each other, are left out of
        ``cross_uniformity`` and stay on one side of the classifier's splits.
    seed
        Seed of the splits of ``linear_separability``.

    Returns
    -------
    A dict from name to a finite float. What has no value on these rows (recall at more rows than there are,
    separability of fewer than 10, dimensions of rows that coincide) is not in it; its attribute ``left_out`` says why.

    Raises
    ------
    ValueError
        If the shapes differ, a number in ``k`` is not a whole one above 0, or a row is zero or not finite.
    DegenerateError
        If there are fewer than two pairs.

    Notes
    -----
    Cost: 8 n^2 d flops, two spectra, and the five logistic regressions of ``linear_separability``. On one core 20 ms
    for 200 pairs and 55 ms for 1,000 at d = 64; 45 ms and 175 ms at d = 512. Rows in half precision are measured in
    float32.

    References
    ----------
    Each function names its own; Fahim, Murphy, Fyshe, *It's Not a Modality Gap*, arXiv 2405.18570, follow the same
    quantities through training.

    Examples
    --------
    Two pairs that coincide, at right angles to each other.

    >>> import torch
    >>> curve = gap_curve(torch.eye(2), torch.eye(2), k=(1,))
    >>> curve["centroid_distance"], curve["matched_cosine"], round(curve["uniformity"], 6)
    (0.0, 1.0, -4.0)
    >>> sorted(curve.left_out)
    ['linear_separability']
    """
    check_pair(x, y, least=2)
    _check_lengths(k)
    x, y = _single(x), _single(y)
    curve = GapCurve()
    same: dict[str, Any] = {} if items is None else {"x_items": items, "y_items": items}

    def put(name: str, value: Callable[[], Any]) -> None:
        try:
            curve[name] = float(value())
        except DegenerateError as error:
            curve.left_out[name] = str(error)

    put("centroid_distance", lambda: centroid_distance(x, y))
    put("linear_separability", lambda: linear_separability(x, y, seed=seed, check=False, **same))
    for name, rows in (("x", x), ("y", y)):
        put(f"uniformity/{name}", lambda rows=rows: uniformity(rows, check=False))
    put("uniformity", lambda: (curve["uniformity/x"] + curve["uniformity/y"]) / 2)
    put("cross_uniformity", lambda: cross_uniformity(x, y, check=False, **same))
    put("alignment", lambda: alignment(x, y, check=False))
    put("matched_cosine", lambda: matched_cosine(x, y, check=False))
    for name, rows in (("x", x), ("y", y)):
        names = (f"effective_dimension/{name}", f"participation_ratio/{name}")
        try:
            spectrum = spectrum_values(rows)  # one for both: it is what they cost
        except DegenerateError as error:
            curve.left_out.update(dict.fromkeys(names, str(error)))
        else:
            curve[names[0]] = float(components_for_share(spectrum, _QUANTILE))
            curve[names[1]] = float(participation_ratio_of(spectrum))
    both = zip(("x_to_y", "y_to_x"), retrieval_ranks_both(x, y, check=False, **same), strict=True)
    for direction, ranks in both:
        for length in k:
            name = f"recall_at_{length}/{direction}"
            try:
                curve[name] = float(ranks.recall_at_k(length))
            except ValueError as error:
                curve.left_out[name] = str(error)
    return curve


def held_out_curve(
    x_inputs: Any,
    y_inputs: Any,
    *,
    k: Sequence[int] = (1, 5, 10),
    items: Any = None,
    seed: int = 0,
    batch_size: int = 256,
) -> Callable[[nn.Module], GapCurve]:
    """A function that encodes held-out inputs with a dual encoder and returns their ``gap_curve``.

    How to read it: make it once before the run, call it with the model every so many steps, and hand what it returns to
    a logger and to ``CollapseAlarm.curve``.

    Parameters
    ----------
    x_inputs, y_inputs
        What ``encode_x`` and ``encode_y`` of the model take for all n pairs: a tensor (n, ...), or a mapping of such
        tensors.
    k, items, seed
        As in ``gap_curve``.
    batch_size
        Rows that are encoded at a time.

    Returns
    -------
    A function of the model. It encodes in evaluation mode and without gradient, and leaves the mode of every part of
    the model as it was, also where encoding fails.

    Raises
    ------
    ValueError
        If the two sides have different numbers of rows, or ``batch_size`` or a number in ``k`` is below 1.
    DegenerateError
        When called, if the model gives a row that is zero or not finite: the run has diverged.

    Examples
    --------
    >>> import torch
    >>> class Same(torch.nn.Module):
    ...     def encode_x(self, inputs): return inputs
    ...     encode_y = encode_x
    >>> watch = held_out_curve(torch.eye(3), torch.eye(3), k=(1,))
    >>> watch(Same())["recall_at_1/x_to_y"]
    1.0
    """
    n, m = _count(x_inputs, "x_inputs"), _count(y_inputs, "y_inputs")
    if n != m:
        raise ValueError(f"x_inputs and y_inputs must pair row by row, but they have {n} and {m} rows; give pairs.")
    _check_lengths(k)
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, but it is {batch_size}; 256 suits most models.")

    def curve(model: Any) -> GapCurve:
        with _evaluating(model):
            x = _encoded(model.encode_x, x_inputs, n, batch_size)
            y = _encoded(model.encode_y, y_inputs, n, batch_size)
        _check_rows_have_directions(x, "x")
        _check_rows_have_directions(y, "y")
        return gap_curve(x, y, k=k, items=items, seed=seed)

    return curve


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    modes = [(part, part.training) for part in model.modules()]  # a frozen part may be in another mode than the rest
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, mode in modes:
            part.training = mode


def _encoded(encode: Callable[[Any], Tensor], inputs: Any, n: int, batch_size: int) -> Tensor:
    return torch.cat([encode(_part(inputs, slice(first, first + batch_size))) for first in range(0, n, batch_size)])


def _check_rows_have_directions(rows: Tensor, name: str) -> None:
    good = torch.isfinite(rows).all(dim=-1) & (rows != 0).any(dim=-1)
    if not bool(good.all()):
        raise DegenerateError(
            f"the model gives {int((~good).sum())} of {len(rows)} rows of {name} that are zero or not finite, so the "
            f"run has diverged; go back to the last checkpoint and lower the learning rate."
        )


def _part(inputs: Any, rows: slice) -> Any:
    return {name: part[rows] for name, part in inputs.items()} if isinstance(inputs, Mapping) else inputs[rows]


def _count(inputs: Any, name: str) -> int:
    sizes = {len(part) for part in inputs.values()} if isinstance(inputs, Mapping) else {len(inputs)}
    if len(sizes) != 1:
        raise ValueError(f"{name} must have one number of rows, but its parts have {sorted(sizes)}; give equal parts.")
    return sizes.pop()


def _check_lengths(k: Sequence[int]) -> None:
    for length in k:
        if isinstance(length, bool) or not isinstance(length, int) or length < 1:
            raise ValueError(f"k must hold whole numbers of at least 1, but it holds {length!r}; give (1, 5, 10).")


def _single(rows: Tensor) -> Tensor:
    rows = rows.detach()
    return rows.float() if rows.dtype in (torch.float16, torch.bfloat16) else rows
