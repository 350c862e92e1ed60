"""METEOR: words that match exactly, by stem, by synonym or in a paraphrase, and how much their order differs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from crossgap.evaluate.captions.caption_words import Caption, caption_words
from crossgap.evaluate.captions.java_scorers import java_conversation, program_folder
from crossgap.evaluate.captions.ptb_tokens import ptb_tokens

__all__ = ["JavaScores", "meteor"]


@dataclass(frozen=True, kw_only=True, eq=False)
class JavaScores:
    """What a Java program gave: the score of the set, and one for each item (n,)."""

    score: float
    per_item: np.ndarray


def meteor(
    candidates: Sequence[Caption],
    references: Sequence[Sequence[Caption]],
    *,
    timeout: float = 600.0,
    tokenise: Callable[[str], list[str]] = ptb_tokens,
) -> JavaScores:
    """METEOR 1.5 of a set of captions, by its authors' Java program.

    How to read it: range [0, 1], higher is better; papers print it times 100. It is made for English: synonyms,
    stems and paraphrases are those of English. The value of the set is no mean of the items: matches are summed first.

    Parameters
    ----------
    candidates
        One caption for each item: text, or a list of words.
    references
        The references of each item, one or more, in the same order.
    timeout
        Seconds after which the program is stopped.
    tokenise
        Cuts a text into words.

    Raises
    ------
    ValueError
        If an item has no reference, the lists differ in length or ``timeout`` is not positive.
    DegenerateError
        If there is no item.
    MissingExtraError
        If Java or pycocoevalcap is missing.
    OSError
        If the program fails; TimeoutError if it takes too long.

    Notes
    -----
    The options are those of the COCO caption evaluation (``-l en -norm``). A caption without words has 0, and lowers
    the value of the set by what its references hold. Captions that repeat a word thousands of times exhaust the memory
    of the program, which then fails. Needs up to 2 GB and some ten seconds to start, then about 200 captions a second.

    References
    ----------
    Denkowski and Lavie, *Meteor Universal: Language Specific Translation Evaluation for Any Target Language*, WMT 2014.

    Examples
    --------
    >>> found = meteor(["a dog runs"], [["a dog is running"]])  # doctest: +SKIP
    """
    if not timeout > 0:
        raise ValueError(f"timeout must be positive, but it is {timeout}; 600 seconds are usual.")
    words, listed = caption_words(candidates, references, tokenise=tokenise)
    folder = program_folder("METEOR", "meteor")
    lines = [
        " ||| ".join(["SCORE", *map(_line, several), _line(one)]) for one, several in zip(words, listed, strict=True)
    ]
    arguments = ["-Xmx2G", "-jar", "meteor-1.5.jar", "-", "-", "-stdio", "-l", "en", "-norm"]
    with java_conversation("METEOR", arguments, folder=folder, timeout=timeout) as ask:
        counts = ask(lines, len(lines))
        found = [_number(line) for line in ask([" ||| ".join(["EVAL", *counts])], len(counts) + 1)]
    return JavaScores(score=found[-1], per_item=np.array(found[:-1]))


def _line(words: list[str]) -> str:
    """Return words as the program reads them: no line end, and no bars, which part its fields."""
    return " ".join(" ".join(words).replace("|||", " ").split())


def _number(line: str) -> float:
    try:
        return float(line)
    except ValueError:
        raise OSError(
            f"the Java program of METEOR answered {line[:100]!r} where a number was expected; check the installation, "
            f"or leave METEOR out."
        ) from None
