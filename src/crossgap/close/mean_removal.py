"""C2: take each group's mean away. Collapse, GR-CLIP, I0T-post and mean centring are names of the same operator."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from crossgap.close.affine_step import AffineStep, bring_to_length_one
from crossgap.close.moments import MomentCloser, Moments
from crossgap.geometry.rows import unit_rows

__all__ = ["MeanRemoval"]


class MeanRemoval(MomentCloser):
    """Subtract each group's mean, then renormalise.

    Formula::

        x' = norm(norm(x) - m_g),   m_g: mean of the unit rows of the group g of x, not renormalised

    How to read it: the first thing to try. Every group is then centred on the origin, so the centroid distance of the
    rows it was fitted on is nearly 0 (renormalising leaves a little) and a mixed search no longer prefers one group.
    Order within a group changes a little, since rows near the mean move most. It needs no pairs, and does nothing about
    shape: spread, noise between partners, dimension.

    Parameters
    ----------
    renormalise
        Bring the moved rows to length 1 again. Without it Euclidean order within a group is kept exactly.

    Attributes
    ----------
    means_
        m_g (d,) by group.
    groups_, fit_rows_
        The groups, and how many rows each mean is of.

    Raises
    ------
    DegenerateError
        If a group has fewer than two rows, or nothing is left of a row: it lies at the mean.

    Notes
    -----
    Any number of groups, of any sizes; ``partial_fit`` takes batches. The error of a mean is about
    sqrt((1 - |m|^2) / n): 1000 rows give a residual distance below 0.03. Cost: one pass over the rows. Thresholds on
    the cosine must be set anew, and so must a temperature: cosines spread.

    GR-CLIP keeps three means, of the groups ``text/query``, ``text/document`` and ``image``: short queries and long
    documents differ; see also ``fuse``. C3's collapse renormalises here too, while its code does not in the
    fine-tuning stage (erratum 20).

    References
    ----------
    Zhang et al., *Connect, Collapse, Corrupt*, ICLR 2024, arXiv 2401.08567, section 4; Li et al., *Closing the Modality
    Gap for Mixed Modality Search*, arXiv 2507.19054 (GR-CLIP); An et al., *I0T*, 2024 (I0T-post).

    Examples
    --------
    Two images and two texts, at right angles within each group, apart along the first coordinate.

    >>> X = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    >>> groups = ["image", "image", "text", "text"]
    >>> MeanRemoval().fit(X, groups=groups).transform(X, groups=groups).round(9).tolist()
    [[0.0, 1.0], [0.0, -1.0], [0.0, 1.0], [0.0, -1.0]]
    """

    def __init__(self, *, renormalise: bool = True):
        self.renormalise = renormalise

    def _learn_from(self, moments: dict[str, Moments]) -> None:
        self.means_ = {name: sums.mean for name, sums in moments.items()}

    def steps(self, group: str) -> tuple[AffineStep, ...]:
        """Return the subtraction of the group's mean."""
        return (AffineStep(offset=-self.means_[group], renormalise=self.renormalise),)

    def fuse(self, rows: dict[str, np.ndarray], weights: dict[str, float]) -> np.ndarray:
        """Return one row for each document that has several parts, such as its text and its picture.

        Formula::

            e = norm(sum_g w_g (norm(v_g) - m_g))

        Parameters
        ----------
        rows
            Rows (n, d) by group, row i of each a part of document i.
        weights
            w_g by group, of sum 1; GR-CLIP takes one half for each of two.

        Raises
        ------
        ValueError
            If a group is unknown, the groups differ in their numbers of rows, or the weights are not one a group, of
            sum 1.
        """
        check_is_fitted(self)
        if set(rows) != set(weights) or not rows or not abs(sum(weights.values()) - 1) <= 1e-6:
            raise ValueError(
                f"weights must be of sum 1, one for each of the groups {', '.join(rows)}, but they are {weights}."
            )
        unknown = [name for name in rows if name not in self.means_]
        if unknown:
            raise ValueError(f"there is no group {unknown[0]!r} in the closer; it knows {', '.join(self.groups_)}.")
        sizes = {name: len(part) for name, part in rows.items()}
        if len(set(sizes.values())) > 1:
            raise ValueError(
                f"rows must hold one part of each document for every group, but their numbers differ "
                f"({', '.join(f'{name} {size}' for name, size in sizes.items())}); align them first."
            )
        fused = sum(weights[name] * (unit_rows(part, name=name) - self.means_[name]) for name, part in rows.items())
        fused = np.asarray(fused, dtype=np.result_type(*(part.dtype for part in rows.values()), np.float32))
        if self.renormalise:
            bring_to_length_one(fused, name="fused documents")
        return fused
