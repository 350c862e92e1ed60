"""What each closer does to vectors or scores, in plain words."""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["CLOSER_WORDS"]

CLOSER_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "mean-removal": "takes each group's average away from its rows",
        "score-standardisation": (
            "leaves the vectors where they are and rescales the scores: how far a cosine lies above what is usual "
            "between its two groups"
        ),
        "centred-score-standardisation": "takes the averages away, then rescales the scores",
        "standardisation": "takes each group's average away and gives every coordinate the same spread",
        "whitening": "takes each group's average away and gives every direction the same spread",
        "procrustes": "moves and turns one group so that its rows come near their matches",
        "ridge-map": "learns from matches where the match of a row lies, by a linear map",
    }
)
