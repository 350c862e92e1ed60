"""ROUGE-L: the longest sequence of words that a caption shares with a reference, in order but not without gaps."""

from collections.abc import Callable, Sequence

import numpy as np

from crossgap.evaluate.captions.caption_words import Caption, caption_words, mean_of_items
from crossgap.evaluate.captions.ptb_tokens import ptb_tokens

__all__ = ["longest_common_subsequence", "rouge_l", "rouge_l_per_item"]


def rouge_l(
    candidates: Sequence[Caption],
    references: Sequence[Sequence[Caption]],
    *,
    beta: float = 1.2,
    weights: np.ndarray | None = None,
    tokenise: Callable[[str], list[str]] = ptb_tokens,
) -> float | np.ndarray:
    """Mean of ``rouge_l_per_item``.

    How to read it: range [0, 1], higher is better; papers print it times 100. The caption of a fifth person beside
    those of four others has 0.47 in COCO and 0.50 in Flickr8k, the caption of another photo 0.23: all share "a".

    Parameters
    ----------
    candidates, references, beta, tokenise
        As in ``rouge_l_per_item``.
    weights
        Weightings of the items (n, b) for a bootstrap; then the result is (b,).

    Raises
    ------
    ValueError, DegenerateError
        As ``rouge_l_per_item``.

    References
    ----------
    Lin, *ROUGE: A Package for Automatic Evaluation of Summaries*, 2004.

    Examples
    --------
    >>> rouge_l(["a red dog", "a cat"], [["a red dog"], ["one bird"]])
    0.5
    """
    values = rouge_l_per_item(candidates, references, beta=beta, tokenise=tokenise)
    return mean_of_items(values, weights)


def rouge_l_per_item(
    candidates: Sequence[Caption],
    references: Sequence[Sequence[Caption]],
    *,
    beta: float = 1.2,
    tokenise: Callable[[str], list[str]] = ptb_tokens,
) -> np.ndarray:
    r"""ROUGE-L of each caption, (n,).

    Formula::

        P = max over references r of LCS(c, r) / |c|,    R = max over r of LCS(c, r) / |r|
        ROUGE-L = (1 + beta^2) P R / (R + beta^2 P)

    LCS is the length of the longest common subsequence of words.

    How to read it: range [0, 1]; 1 where the caption is one of the references, 0 where no word is shared. With beta
    above 1 recall counts more than precision.

    Parameters
    ----------
    candidates
        One caption for each item: text, or a list of words.
    references
        The references of each item, one or more, in the same order.
    beta
        Weight of recall; 1.2 in the COCO evaluation.
    tokenise
        Cuts a text into words.

    Raises
    ------
    ValueError
        If an item has no reference, the lists differ in length or ``beta`` is not positive.
    DegenerateError
        If there is no item.

    Notes
    -----
    As the COCO caption evaluation computes it: the best precision and the best recall may come from two references.
    Lin takes the best F over references, at a very large beta, which is recall alone. A caption without words has 0;
    the COCO code gives 1 to such a caption where a reference has no words either. Cost: |c| |r| / 64 steps a reference.

    References
    ----------
    Lin, *ROUGE: A Package for Automatic Evaluation of Summaries*, 2004, section 3.

    Examples
    --------
    The first candidate of the paper's section 3.1: three of four words in order; the second two.

    >>> found = ["police kill the gunman", "the gunman kill police"]
    >>> rouge_l_per_item(found, 2 * [["police killed the gunman"]]).tolist()
    [0.75, 0.5]
    """
    if not beta > 0:
        raise ValueError(f"beta must be positive, but it is {beta}; the COCO evaluation takes 1.2.")
    words, listed = caption_words(candidates, references, tokenise=tokenise)
    return np.array([_rouge_l(one, several, beta) for one, several in zip(words, listed, strict=True)])


def _rouge_l(candidate: list[str], references: list[list[str]], beta: float) -> float:
    precision = recall = 0.0
    for reference in references:
        common = longest_common_subsequence(candidate, reference)
        if common:
            precision = max(precision, common / len(candidate))
            recall = max(recall, common / len(reference))
    if not precision:
        return 0.0
    return (1 + beta**2) * precision * recall / (recall + beta**2 * precision)


def longest_common_subsequence(a: Sequence[str], b: Sequence[str]) -> int:
    """Return the length of the longest sequence of words that both hold in this order, gaps allowed.

    A row of the usual table is one long integer, a bit for each word of b that is set where the table does not grow.

    References
    ----------
    Hyyrö, *Bit-parallel LCS-length computation revisited*, 2004.

    Examples
    --------
    >>> longest_common_subsequence("a b c d".split(), "b x d a".split())
    2
    """
    places: dict[str, int] = {}
    for place, word in enumerate(b):
        places[word] = places.get(word, 0) | 1 << place
    full = (1 << len(b)) - 1
    row = full
    for word in a:
        matches = row & places.get(word, 0)
        row = (row + matches | row - matches) & full
    return len(b) - row.bit_count()
