"""Candidates and references as lists of words, checked."""

from collections.abc import Callable, Sequence

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.evaluate.captions.ptb_tokens import ptb_tokens

__all__ = ["Caption", "caption_words", "mean_of_items", "n_grams"]

Caption = str | Sequence[str]  # a text, or its words
Words = list[str]


def caption_words(
    candidates: Sequence[Caption],
    references: Sequence[Sequence[Caption]],
    *,
    tokenise: Callable[[str], list[str]] = ptb_tokens,
) -> tuple[list[Words], list[list[Words]]]:
    """Cut captions into words, and check that each candidate has references.

    Parameters
    ----------
    candidates
        One caption for each item: a text, or a list of words, which is taken as it is.
    references
        For each item its references, at least one, in the order of the candidates.
    tokenise
        Cuts a text into words.

    Returns
    -------
    The words of each candidate, and for each item those of each reference.

    Raises
    ------
    ValueError
        If there are not as many lists of references as candidates, or an item has no reference.
    DegenerateError
        If there is no item.
    TypeError
        If the references of an item are one text, or a caption is neither text nor words.

    Examples
    --------
    >>> caption_words(["A dog."], [["One dog!", ["two", "dogs"]]])
    ([['a', 'dog']], [[['one', 'dog'], ['two', 'dogs']]])
    """
    if len(candidates) != len(references):
        raise ValueError(
            f"candidates and references must be equally many, but there are {len(candidates)} and {len(references)}; "
            f"give one list of references for each candidate."
        )
    if not len(candidates):
        raise DegenerateError("scores of captions need at least one item, but there is none; give some.")
    for number, listed in enumerate(references):
        if isinstance(listed, str):
            raise TypeError(
                f"the references of an item must be a list of captions, but those of item {number} are one text; put "
                f"it in a list."
            )
        if not len(listed):
            raise ValueError(
                f"each item must have at least one reference, but item {number} has none; add one or leave it out."
            )
    cut: dict[str, Words] = {}

    def words(caption: Caption) -> Words:
        if not isinstance(caption, str):
            return _given_words(caption)
        if caption not in cut:
            cut[caption] = tokenise(caption)
        return cut[caption]

    return [words(candidate) for candidate in candidates], [[words(one) for one in listed] for listed in references]


def _given_words(caption: Sequence[str]) -> Words:
    if not isinstance(caption, list | tuple) or not all(isinstance(word, str) for word in caption):
        raise TypeError(
            f"a caption must be text or a list of words, but it is of type {type(caption).__name__}; give one string."
        )
    return list(caption)


def n_grams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """Return each run of n words.

    Examples
    --------
    >>> n_grams(["a", "big", "dog"], 2)
    [('a', 'big'), ('big', 'dog')]
    """
    return list(zip(*(words[first:] for first in range(n)), strict=False))


def mean_of_items(values: np.ndarray, weights: np.ndarray | None = None) -> float | np.ndarray:
    """Mean over items; under weightings (n, b) one mean for each.

    Raises
    ------
    ValueError
        If the weights are not one for each item.
    """
    if weights is None:
        return float(values.mean())
    weights = checked_weights(weights, len(values))
    return (values @ weights) / weights.sum(axis=0)


def checked_weights(weights: np.ndarray, items: int) -> np.ndarray:
    """Return weightings (n, b) in float64, or say how many there must be."""
    weights = np.asarray(weights, dtype=np.float64)
    if weights.ndim != 2 or len(weights) != items:
        raise ValueError(
            f"weights must be (items, weightings) with one row for each of the {items} items, but they have shape "
            f"{weights.shape}; crossgap.measure.bootstrap_weights(items) draws them."
        )
    return weights
