"""What all closers share: rows and the names of their groups in, moved rows out.

    X (n, d), groups (n,) --fit--> closer --transform--> X' (n, d)
    closer.move(block of one group) is the same for rows that stream by

A closer is a scikit-learn estimator whose rows belong to groups. ``groups`` names the group of each row; without it
all rows are one group, called ``rows``. Closers that need to know which rows are partners also take ``items``, one id
a row.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from crossgap.close.affine_step import AffineStep
from crossgap.data.embeddings import Embeddings
from crossgap.errors import DegenerateError
from crossgap.geometry.matches import join_items
from crossgap.geometry.rows import as_float, materialise, unit_rows

__all__ = ["ONE_GROUP", "Calibration", "Closer", "LinearCloser"]

ONE_GROUP = "rows"
_FLOATS = (np.float64, np.float32)
_TINY = 1e-30


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration:
    """What a closer is fitted on: unit rows in float64 by group, in order of first appearance, and their items.

    ``items`` holds a number for each row, equal where rows of two groups show the same item; None where no ids were
    given and the groups differ in size, so that nothing pairs.
    """

    rows: Mapping[str, np.ndarray]
    items: Mapping[str, np.ndarray] | None

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of the groups."""
        return tuple(self.rows)

    def common_items(self, a: str, b: str) -> int:
        """Return how many items two groups share: five texts of one picture make five pairs, of one item."""
        return 0 if self.items is None else len(np.intersect1d(self.items[a], self.items[b]))

    def pairs(self, a: str, b: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the aligned rows of two groups: every row of ``a`` with every row of ``b`` that shows its item.

        Raises
        ------
        DegenerateError
            If nothing pairs.
        """
        left, right = (np.zeros(0, int),) * 2
        if self.items is not None:
            left, right = join_items(self.items[a], self.items[b])
        if not len(left):
            raise DegenerateError(
                f"{a} and {b} have no pairs to fit on: no row of one shows the item of a row of the other; give "
                f"items=, one id a row, or groups of the same size in one order."
            )
        return self.rows[a][left], self.rows[b][right]


class Closer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """The frame of a closer; a subclass writes ``_learn`` and ``_move``.

    Rows are brought to length 1 first, and again at the end unless ``renormalise=False``. A fitted closer has
    ``groups_`` (the names of the groups that it knows), ``fit_rows_`` (rows of each) and ``n_features_in_``; everything
    else that it learned ends in an underscore too.
    """

    n_features_in_: int
    groups_: tuple[str, ...]
    fit_rows_: dict[str, int]

    _least_groups = 1
    _least_rows = 2  # of each group

    def fit(self, X: Any, y: Any = None, *, groups: Any = None, items: Any = None) -> "Closer":
        """Learn from rows ``X`` (n, d) with the group of each; ``items`` says which rows are partners.

        Raises
        ------
        ValueError
            If ``X`` is no array (n, d) of finite numbers, or groups or items are not one a row.
        DegenerateError
            If there are too few groups, rows or pairs for this method.
        """
        calibration = self._calibration(X, groups, items, reset=True)
        self.groups_ = calibration.groups
        self.fit_rows_ = {name: len(rows) for name, rows in calibration.rows.items()}
        self._learn(calibration)
        return self

    def fit_transform(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, X: Any, y: Any = None, *, groups: Any = None, items: Any = None
    ) -> np.ndarray:
        """Fit, and return the rows it was fitted on, moved: good to look at, too good to judge by."""
        return self.fit(X, y, groups=groups, items=items).transform(X, groups=groups)

    def transform(self, X: Any, *, groups: Any = None) -> np.ndarray:
        """Return the rows moved, each as its group asks; ``X`` stays as it is.

        Raises
        ------
        ValueError
            If a group is unknown, the dimension is another one, or a row is not finite.
        """
        check_is_fitted(self)
        rows = self._rows(X, reset=False)
        if groups is None and len(self.groups_) == 1:
            return self._moved(rows, self.groups_[0])
        names, number = group_numbers(groups, len(rows), known=self.groups_)
        moved = None
        for position, name in enumerate(names):
            index = np.flatnonzero(number == position)
            part = self.move(rows[index], name)
            if moved is None:
                moved = np.empty((len(rows), part.shape[1]), part.dtype)
            moved[index] = part
        return moved if moved is not None else rows

    def move(self, rows: np.ndarray, group: str) -> np.ndarray:
        """Return a block of rows (n, d) of one group, moved, in float32 or float64: what ``transform`` does to them."""
        self._check_block(rows, group)
        return self._moved(rows, group)

    def compared(self, rows: np.ndarray, group: str) -> np.ndarray:
        """Return a block of rows of one group as their cosines are compared: moved; see also ``scales``."""
        return self.move(rows, group)

    def scales(self, queries: str) -> dict[str, tuple[float, float]] | None:
        """Return mean and deviation of the cosines of a group's queries with each group, where they are standardised.

        None, as for all closers but ``ScoreStandardisation``: groups are merged by the cosine as it is.
        """
        self._check_group(queries)
        return None

    def fit_embeddings(self, embeddings: Embeddings) -> "Closer":
        """Learn from all rows of all groups of ``embeddings``, paired as they pair there."""
        names = list(embeddings)
        rows = np.concatenate([np.asarray(materialise(embeddings[name].vectors)) for name in names])
        groups = np.repeat(names, [len(embeddings[name]) for name in names])
        items = np.concatenate([embeddings.row_items[name] for name in names])
        return self.fit(rows, groups=groups, items=items)

    def transform_embeddings(self, embeddings: Embeddings) -> Embeddings:
        """Return the same groups with their vectors moved, and all that is known of the rows."""
        return Embeddings(
            {
                name: replace(group, vectors=self.move(np.asarray(materialise(group.vectors)), name))
                for name, group in embeddings.items()
            }
        )

    def _learn(self, calibration: Calibration) -> None:
        """Set what is learned."""
        raise TypeError(f"{type(self).__name__} must say what it learns; use one of the closers of crossgap.close.")

    def _move(self, rows: np.ndarray, group: str) -> np.ndarray:
        """Return unit rows of one group moved, as a new array."""
        raise TypeError(f"{type(self).__name__} must say how it moves; use one of the closers of crossgap.close.")

    def _check_group(self, group: str) -> None:
        check_is_fitted(self)
        if group not in self.groups_:
            raise _unknown_group(group, self.groups_)

    def _check_block(self, rows: np.ndarray, group: str) -> None:
        self._check_group(group)
        if rows.ndim != 2 or rows.shape[1] != self.n_features_in_:
            raise ValueError(
                f"{group} must have {self.n_features_in_} dimensions, as the rows that the closer was fitted on, but "
                f"its shape is {tuple(rows.shape)}; give vectors of the same model."
            )

    def _moved(self, rows: np.ndarray, group: str) -> np.ndarray:
        """Move rows as given; one of zeros has no direction, so it stays zero."""
        unit, kept = unit_rows_that_have_a_direction(rows, name=group)
        if kept is None:
            return self._move(unit, group)
        part = self._move(unit, group)
        moved = np.zeros((len(rows), part.shape[1]), part.dtype)
        moved[kept] = part
        return moved

    def _rows(self, X: Any, *, reset: bool) -> np.ndarray:
        if getattr(X, "dtype", None) == np.float16:
            X = X.astype(np.float32)
        rows: Any = validate_data(self, X, reset=reset, dtype=_FLOATS)
        return rows

    def _unit_rows_by_group(
        self, X: Any, groups: Any, *, reset: bool
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
        """Return by group the unit rows in float64, and which rows of the group they are; and the group of each row.

        The group is a number in the order of the names.
        """
        rows = self._rows(X, reset=reset)
        names, number = group_numbers(groups, len(rows), known=None)
        unit, kept = {}, {}
        for position, name in enumerate(names):
            own = rows[number == position].astype(np.float64)
            unit[name], some = unit_rows_that_have_a_direction(own, name=name)
            kept[name] = np.arange(len(own)) if some is None else some
        return unit, kept, number

    def _calibration(self, X: Any, groups: Any, items: Any, *, reset: bool) -> Calibration:
        unit, kept, number = self._unit_rows_by_group(X, groups, reset=reset)
        if len(unit) < self._least_groups:
            raise DegenerateError(
                f"{type(self).__name__} must have at least {self._least_groups} groups to bring together, but "
                f"{'there is one' if groups is not None else 'no groups were given'}; say the group of each row with "
                f"groups=."
            )
        for name, rows in unit.items():
            if len(rows) < self._least_rows:
                raise DegenerateError(
                    f"{name} must have at least {self._least_rows} rows to fit {type(self).__name__}, but it has "
                    f"n_samples={len(rows)}; give more rows."
                )
        return Calibration(rows=unit, items=_item_numbers(items, kept, number))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class LinearCloser(Closer):
    """A closer whose moves are matrices and offsets; a subclass writes ``_learn`` and ``steps``."""

    def steps(self, group: str) -> tuple[AffineStep, ...]:
        """Return what happens to the unit rows of a group, step by step: all that an export needs."""
        raise TypeError(f"{type(self).__name__} must list its steps; use one of the closers of crossgap.close.")

    def _move(self, rows: np.ndarray, group: str) -> np.ndarray:
        for step in self.steps(group):
            rows = step.apply(rows, name=group)
        return rows


def unit_rows_that_have_a_direction(rows: np.ndarray, *, name: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Return rows at length 1 without those of zeros, and the numbers of the rows kept; None where that is all.

    Stored vectors hold a row of zeros now and then (a picture that could not be read). One of them should not stop an
    index of millions, so it is left out with a warning; NaN and infinity are errors.
    """
    if not len(rows):
        return as_float(rows), None
    with np.errstate(over="ignore"):  # unit_rows takes such lengths anew
        squares = np.vecdot(rows, rows)
    if not squares.min() > _TINY:
        empty = ~rows.any(axis=1)
        if empty.any():
            warnings.warn(
                f"{name}: {int(empty.sum())} of {len(rows)} rows are all zeros (the first is row "
                f"{int(np.argmax(empty))}), so they have no direction; they are not learned from, and stay zero.",
                stacklevel=4,
            )
            kept = np.flatnonzero(~empty)
            return unit_rows(rows[kept], name=name), kept
    return unit_rows(rows, name=name), None


def group_numbers(groups: Any, n: int, *, known: tuple[str, ...] | None) -> tuple[list[str], np.ndarray]:
    """Return the names of the groups in order of first appearance, and for each row the number of its group."""
    if groups is None:
        if known is not None and len(known) > 1:
            raise ValueError(
                f"groups must say the group of each row, since the closer was fitted on {', '.join(known)}, but none "
                f"were given; pass groups=."
            )
        return [ONE_GROUP], np.zeros(n, dtype=np.intp)
    labels = np.asarray(groups)
    if labels.shape != (n,) or labels.dtype.kind not in "UO":
        raise ValueError(
            f"groups must hold one name for each of the {n} rows, but it has shape {labels.shape} and dtype "
            f"{labels.dtype}; give for example ['image', 'text', ...]."
        )
    odd = next((label for label in labels if not isinstance(label, str)), "") if labels.dtype.kind == "O" else ""
    if not isinstance(odd, str):
        raise ValueError(
            f"groups must hold a name for each row, but one is {odd!r}, a {type(odd).__name__}; give for example "
            f"['image', 'text', ...]."
        )
    names, first, number = np.unique(labels.astype(str), return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    found = [str(name) for name in names[order]]
    for name in found:
        if known is not None and name not in known:
            raise _unknown_group(name, known)
    return found, np.argsort(order)[number]


def is_whole_number(value: Any) -> bool:
    """Return whether a parameter is a number without a fraction: 2, 2.0 or NumPy's, not True, infinity or "2"."""
    return isinstance(value, Real) and not isinstance(value, bool) and float(value).is_integer()


def _unknown_group(name: str, known: tuple[str, ...]) -> ValueError:
    return ValueError(
        f"there is no group {name!r} in the closer, which was fitted on {', '.join(known)}; name the rows so, or fit "
        f"it again with rows of {name!r}."
    )


def _item_numbers(items: Any, kept: Mapping[str, np.ndarray], group: np.ndarray) -> dict[str, np.ndarray] | None:
    """Number the items of the rows of each group that are kept; without ids groups of one size pair by position.

    The size and the position are those before rows of zeros were left out.
    """
    if items is None:
        return dict(kept) if len(np.unique(np.bincount(group))) == 1 else None
    ids = np.asarray(items)
    if ids.shape != (len(group),):
        raise ValueError(f"items must hold one id for each of the {len(group)} rows, but its shape is {ids.shape}.")
    if ids.dtype.kind == "O" and len({type(one) for one in ids}) > 1:
        raise ValueError("items must hold ids of one type, so that equal ones can be found; give strings, or numbers.")
    numbers = np.unique(ids, return_inverse=True)[1]
    return {name: numbers[group == position][own] for position, (name, own) in enumerate(kept.items())}
