"""One caption, and how sure its decoder is of it."""

from dataclasses import dataclass

__all__ = ["Caption"]


@dataclass(frozen=True, kw_only=True)
class Caption:
    """A caption of one row.

    Parameters
    ----------
    text
        The words.
    score
        Mean log probability of its tokens, its end included, at most 0; of a caption that was looked up, the cosine.
        Higher is surer. Not comparable between decoders.
    tokens
        How many tokens were made, the end included; 0 for one that was looked up.
    """

    text: str
    score: float
    tokens: int
