"""Fitted maps that move embeddings so that the gap closes: scikit-learn estimators whose rows belong to groups.

closer = MeanRemoval().fit(X, groups=groups)        # groups: the name of the group of each row
moved = closer.transform(new_rows, groups=new_groups)
"""

from crossgap.close.affine_step import AffineStep
from crossgap.close.closer import ONE_GROUP, Calibration, Closer, LinearCloser
from crossgap.close.mean_removal import MeanRemoval
from crossgap.close.moments import MomentCloser, Moments
from crossgap.close.standardisation import Standardisation
from crossgap.close.translation import Translation

__all__ = [
    "ONE_GROUP",
    "AffineStep",
    "Calibration",
    "Closer",
    "LinearCloser",
    "MeanRemoval",
    "MomentCloser",
    "Moments",
    "Standardisation",
    "Translation",
]
