"""C9: targets for an image that is to change in one respect, built in the image's own part of the space (CLIP-PAE)."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from crossgap.close.affine_step import bring_to_length_one
from crossgap.close.closer import unit_rows_that_have_a_direction
from crossgap.errors import DegenerateError
from crossgap.geometry.rows import unit_rows

__all__ = ["ProjectionAugmentation"]

_BASES = ("gram-schmidt", "components", "raw")
_FORMS = ("plain", "projection", "exclusive")
_NEW = 1e-6  # length of what is new in a prompt below which it is taken to be in the span of those before it
_SMALL = 1e-6


class ProjectionAugmentation(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A subspace spanned by prompts about one attribute, and image targets that differ in it alone.

    Formula::

        v: image, t: text, b_k: basis of the prompts, a: strength
        "plain"        v + a t
        "projection"   v - sum_k a |v . b_k| b_k + (sum_k a |v . b_k| / sum_k t . b_k) t
        "exclusive"    v - a p + a t,   p: the prompt nearest to v
        coordinates    t . b_k

    How to read it: a text is no target for an image, since the gap lies between them. Here what the image has in the
    subspace is taken out, and as much of the text is put in; all else of the image stays, the gap among it. It builds
    targets for an edit or a search ("this picture, but sad"); it does not close the gap.

    Parameters
    ----------
    strength
        a, at least 0; the released default for face editing is 8.
    basis
        "gram-schmidt": the prompts made orthonormal in their order; one that brings nothing new is left out.
        "components": the first principal components of the prompts, each turned so that the mean prompt has a
        positive coordinate. "raw": the prompts themselves, and 1 in place of sum_k t . b_k.
    components
        How many, for "components". None: 10, or as many as the prompts span.
    renormalise
        Bring the targets to length 1.

    Attributes
    ----------
    basis_
        b_k as rows (k, d).
    prompts_
        The unit rows of the prompts (n, d).
    kept_
        For "gram-schmidt" and "raw": which prompts the rows of ``basis_`` stand for.

    Raises
    ------
    ValueError
        If a parameter is unknown or out of range.
    DegenerateError
        If the text has no coordinates in the subspace for "projection", or the prompts do not vary for "components".

    Notes
    -----
    ``transform`` gives the coordinates of rows (n, k), in which texts and images can be compared by attribute ("dpe").
    Prompts are of one group; nothing is learned from images. Signs and |v . b_k| as in the released code. That code
    also divides each coordinate of the prompts by its deviation before it takes components; here only the mean is
    taken out, so that the components lie in the space of the rows.

    References
    ----------
    Zhou, Zhong, Öztireli, *CLIP-PAE: Projection-Augmentation Embedding*, SIGGRAPH 2023, arXiv 2210.03919, with
    the authors' code.

    Examples
    --------
    >>> prompts = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])  # happy, sad
    >>> image = np.array([[0.6, 0.0, 0.8]])
    >>> closer = ProjectionAugmentation(renormalise=False).fit(prompts)
    >>> closer.target(image, prompts[1]).tolist()  # the happy part is taken out, as much of sad put in
    [[0.0, 0.6, 0.8]]
    """

    n_features_in_: int

    def __init__(
        self,
        *,
        strength: float = 1.0,
        basis: str = "gram-schmidt",
        components: int | None = None,
        renormalise: bool = True,
    ):
        self.strength = strength
        self.basis = basis
        self.components = components
        self.renormalise = renormalise

    def fit(self, X: Any, y: Any = None) -> "ProjectionAugmentation":
        """Learn the subspace from prompts ``X`` (n, d) about one attribute."""
        _check_strength(self.strength)
        if self.basis not in _BASES:
            raise ValueError(
                f"basis must be one of {', '.join(map(repr, _BASES))}, but it is {self.basis!r}; choose one."
            )
        if self.components is not None and self.components < 1:
            raise ValueError(f"components must be at least 1, but it is {self.components}; 10 is usual.")
        self.prompts_ = unit_rows_that_have_a_direction(self._rows(X, reset=True), name="prompts")[0].astype(np.float64)
        if self.basis == "components":
            self.basis_ = self._principal()
            self.kept_ = np.zeros(0, dtype=np.int64)
        elif self.basis == "raw":
            self.basis_, self.kept_ = self.prompts_, np.arange(len(self.prompts_))
        else:
            self.basis_, self.kept_ = _gram_schmidt(self.prompts_)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the coordinates of rows (n, d) in the subspace, (n, k)."""
        check_is_fitted(self)
        rows = self._rows(X)
        unit, kept = unit_rows_that_have_a_direction(rows, name="rows")
        basis = self.basis_.T.astype(unit.dtype)
        if kept is None:
            return unit @ basis
        coordinates = np.zeros((len(rows), basis.shape[1]), unit.dtype)
        coordinates[kept] = unit @ basis
        return coordinates

    def target(self, image: Any, text: Any, *, strength: float | None = None, form: str = "projection") -> np.ndarray:
        """Return one target for each image, (n, d).

        Parameters
        ----------
        image
            Rows (n, d).
        text
            One row (d,) for all images, or rows (n, d), row i for image i.
        strength
            In place of the one that was set.
        form
            "plain", "projection" or "exclusive".

        Raises
        ------
        ValueError
            If ``form`` is unknown, ``strength`` is below 0, or the shapes do not fit.
        DegenerateError
            If for "projection" a text has no coordinates in the subspace.
        """
        check_is_fitted(self)
        power = self.strength if strength is None else strength
        _check_strength(power)
        if form not in _FORMS:
            raise ValueError(f"form must be one of {', '.join(map(repr, _FORMS))}, but it is {form!r}; choose one.")
        v = unit_rows(self._rows(image), name="image")
        t = np.asarray(text)
        t = unit_rows(self._rows(t[None, :] if t.ndim == 1 else t), name="text")
        if len(t) not in (1, len(v)):
            raise ValueError(
                f"text must be one row for all images or one for each of the {len(v)}, but there are {len(t)}; repeat "
                f"or select them."
            )
        if form == "plain":
            moved = v + power * t
        elif form == "exclusive":
            nearest = np.argmax(v @ self.prompts_.T, axis=1)
            moved = v - power * self.prompts_[nearest] + power * t
        else:
            sizes = power * np.abs(v @ self.basis_.T)
            moved = v - sizes @ self.basis_ + (sizes.sum(axis=1) / self._text_sums(t))[:, None] * t
        moved = moved.astype(v.dtype, copy=False)
        if self.renormalise:
            bring_to_length_one(moved, name="target")
        return moved

    def _text_sums(self, text: np.ndarray) -> np.ndarray:
        if self.basis == "raw":
            return np.ones(len(text))
        sums = (text @ self.basis_.T).sum(axis=1)
        small = np.abs(sums) < _SMALL
        if small.any():
            raise DegenerateError(
                f"the coordinates of text {int(np.argmax(small))} in the subspace sum to {sums[np.argmax(small)]:.1e}, "
                f"so it cannot be scaled to the image's part; give a text about the attribute, or basis='raw'."
            )
        return sums

    def _principal(self) -> np.ndarray:
        mean = self.prompts_.mean(axis=0)
        _, values, directions = np.linalg.svd(self.prompts_ - mean, full_matrices=False)
        rank = int(np.count_nonzero(values > _NEW))
        if not rank:
            raise DegenerateError(
                f"all prompts are alike (n_samples={len(self.prompts_)}, n_features={len(mean)}), so they have no "
                f"components; give prompts that differ."
            )
        if self.components is not None and self.components > rank:
            raise DegenerateError(
                f"the {len(self.prompts_)} prompts span {rank} components, but components is {self.components}; give "
                f"more prompts, or ask for fewer."
            )
        basis = directions[: min(10, rank) if self.components is None else self.components]
        return basis * np.where(basis @ mean < 0, -1.0, 1.0)[:, None]

    def _rows(self, X: Any, *, reset: bool = False) -> np.ndarray:
        rows: Any = validate_data(self, X, reset=reset, dtype=(np.float64, np.float32))
        return rows

    @property
    def _n_features_out(self) -> int:
        return len(self.basis_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _gram_schmidt(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal rows in the order given, and the numbers of the rows that brought something new."""
    basis = np.zeros((0, rows.shape[1]))
    kept = []
    for number, row in enumerate(rows):
        new = row - (row @ basis.T) @ basis
        new -= (new @ basis.T) @ basis  # once more, against rounding
        length = np.linalg.norm(new)
        if length > _NEW:
            basis = np.concatenate([basis, new[None] / length])
            kept.append(number)
    return basis, np.array(kept, dtype=np.int64)


def _check_strength(strength: float) -> None:
    if not 0 <= strength < np.inf:
        raise ValueError(f"strength must be finite and at least 0, but it is {strength}; 1 swaps as much as is there.")
