"""BLEU: how many of a caption's runs of words some reference has, of one to four words."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from crossgap.evaluate.captions.caption_words import Caption, caption_words, checked_weights, n_grams
from crossgap.evaluate.captions.ptb_tokens import ptb_tokens

__all__ = ["bleu", "bleu_per_item"]

_SMALL, _TINY = 1e-9, 1e-15  # of the COCO code: a precision of nothing is almost 0, and no quotient fails


def bleu(
    candidates: Sequence[Caption],
    references: Sequence[Sequence[Caption]],
    *,
    longest: int = 4,
    weights: np.ndarray | None = None,
    tokenise: Callable[[str], list[str]] = ptb_tokens,
) -> np.ndarray:
    r"""BLEU-1 to BLEU-4 of a set of captions.

    Formula::

        BLEU-N = min(1, e^{1 - r/c}) (p_1 p_2 ... p_N)^{1/N}

        p_n = sum over items of runs of n words that are also in a reference
              / sum over items of runs of n words
        c   = words of all candidates,  r = sum over items of the length of the reference nearest in length

    How to read it: range [0, 1], higher is better; papers print it times 100. A run counts as often as it stands in the
    one reference that has it most often. It is a property of the *set*: counts are summed before they are divided, so
    it is not the mean of ``bleu_per_item``. A single caption often has BLEU-4 of 0, a set hardly ever.

    Parameters
    ----------
    candidates
        One caption for each item: text, or a list of words.
    references
        The references of each item, one or more, in the same order.
    longest
        N of the last value.
    weights
        Weightings of the items (n, b) for a bootstrap.
    tokenise
        Cuts a text into words.

    Returns
    -------
    BLEU-1 to BLEU-``longest`` in float64, (longest,); with weights (b, longest).

    Raises
    ------
    ValueError
        If an item has no reference, the lists differ in length, ``longest`` is below 1 or weights do not fit.
    DegenerateError
        If there is no item.

    Notes
    -----
    As the COCO caption evaluation computes it: of two references equally near in length the shorter counts; 1e-15 is
    added to each count of matches and 1e-9 to each count of runs, where other code smooths more or not at all. A set of
    empty captions has 0. Cost: linear in the words.

    References
    ----------
    Papineni et al., *BLEU: a Method for Automatic Evaluation of Machine Translation*, ACL 2002.

    Examples
    --------
    The first example of the paper: seven times "the", of which a reference has two.

    >>> refs = ["The cat is on the mat.", "There is a cat on the mat."]
    >>> round(float(bleu(["the the the the the the the."], [refs])[0]), 4)  # 2 / 7
    0.2857
    """
    counts = _counts(*caption_words(candidates, references, tokenise=tokenise), longest)
    if weights is None:
        return _bleu(counts.sum(axis=0), longest)
    return _bleu(checked_weights(weights, len(counts)).T @ counts, longest)


def bleu_per_item(
    candidates: Sequence[Caption],
    references: Sequence[Sequence[Caption]],
    *,
    longest: int = 4,
    tokenise: Callable[[str], list[str]] = ptb_tokens,
) -> np.ndarray:
    """BLEU-1 to BLEU-4 of each caption on its own, (n, longest).

    How to read it: range [0, 1]. Good for finding captions that are far off; not for averaging: a caption with no
    run of four words in common has a BLEU-4 near 0 however good it is. See ``bleu``.

    Parameters
    ----------
    candidates, references, longest, tokenise
        As in ``bleu``.

    Raises
    ------
    ValueError, DegenerateError
        As ``bleu``.

    References
    ----------
    Papineni et al., *BLEU: a Method for Automatic Evaluation of Machine Translation*, ACL 2002.

    Examples
    --------
    >>> bleu_per_item(["a red dog", "a cat"], [["a red dog"], ["a red cat"]], longest=2).round(4).tolist()
    [[1.0, 1.0], [0.6065, 0.0]]
    """
    return _bleu(_counts(*caption_words(candidates, references, tokenise=tokenise), longest), longest)


def _counts(candidates: list[list[str]], references: list[list[list[str]]], longest: int) -> np.ndarray:
    """Length, reference length, and for each n the runs that match and all runs: (items, 2 + 2 longest)."""
    if longest < 1:
        raise ValueError(f"longest must be at least 1, but it is {longest}; BLEU-4 is usual.")
    counts = np.zeros((len(candidates), 2 + 2 * longest))
    for row, candidate, listed in zip(counts, candidates, references, strict=True):
        length = len(candidate)
        row[0] = length
        row[1] = min((abs(len(one) - length), len(one)) for one in listed)[1]
        for n in range(1, min(longest, length) + 1):
            runs = Counter(n_grams(candidate, n))
            known = [Counter(n_grams(one, n)) for one in listed]
            row[1 + n] = sum(min(count, max(one[run] for one in known)) for run, count in runs.items())
            row[1 + longest + n] = length - n + 1
    return counts


def _bleu(counts: np.ndarray, longest: int) -> np.ndarray:
    lengths, wanted = counts[..., 0], counts[..., 1]
    matches, runs = counts[..., 2 : 2 + longest], counts[..., 2 + longest :]
    logs = np.cumsum(np.log((matches + _TINY) / (runs + _SMALL)), axis=-1)
    means = np.exp(logs / np.arange(1, longest + 1))
    ratio = (lengths + _TINY) / (wanted + _SMALL)
    short = np.exp(np.minimum(0.0, 1 - 1 / ratio))
    return means * short[..., None]
