"""Words of captions as numbers."""

import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from crossgap.data.atomic import atomic_path
from crossgap.errors import DegenerateError, FormatError

__all__ = ["WordTokeniser"]

_TOKEN = re.compile(r"\w+|[^\w\s]")
_PADDING, _UNKNOWN = 0, 1
_FIRST = 2  # id of the first word


class WordTokeniser:
    """Numbers for the words and signs of captions: 0 is padding, 1 any word that it does not know.

    Parameters
    ----------
    words
        What gets the ids from 2 on, in order, in small letters.
    length
        Tokens of a caption that are kept.

    Raises
    ------
    ValueError
        If a word occurs twice or ``length`` is below 1.

    Notes
    -----
    A caption is brought to Unicode's normal form NFKC and to small letters, and split into words and single signs.

    Examples
    --------
    >>> tokeniser = WordTokeniser.from_captions(["A dog.", "a red dog"])
    >>> tokeniser.words  # the most frequent first, then by the alphabet
    ('a', 'dog', '.', 'red')
    >>> tokeniser.encode(["A RED cat!"]).tolist()
    [[2, 5, 1]]
    """

    def __init__(self, words: Iterable[str], *, length: int) -> None:
        self.words = tuple(words)
        self.length = length
        if isinstance(length, bool) or not isinstance(length, int) or length < 1:
            raise ValueError(f"length must be a whole number of at least 1, but it is {length!r}; give 16 or so.")
        self._ids = {word: number for number, word in enumerate(self.words, start=_FIRST)}
        if len(self._ids) != len(self.words):
            raise ValueError(
                f"words must differ, but {len(self.words) - len(self._ids)} of {len(self.words)} are given again; "
                f"drop them."
            )

    @classmethod
    def from_captions(
        cls, captions: Iterable[str], *, length: int | None = None, least_count: int = 1, most_words: int | None = None
    ) -> "WordTokeniser":
        """Number the words of captions, the most frequent first.

        Parameters
        ----------
        captions
            Training captions; their order does not matter.
        length
            Tokens of a caption that are kept; None for all of the longest one given.
        least_count, most_words
            Leave out words that occur less often than that, and all but so many; they count as unknown.

        Raises
        ------
        DegenerateError
            If the captions hold no word.
        """
        counts: Counter[str] = Counter()
        longest = 0
        for caption in captions:
            tokens = _tokens(caption)
            counts.update(tokens)
            longest = max(longest, len(tokens))
        if not counts:
            raise DegenerateError("the captions hold no word, so there is nothing to number; give captions of text.")
        ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
        words = [word for word, count in ordered if count >= least_count]
        return cls(words[:most_words], length=longest if length is None else length)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "WordTokeniser":
        """Read what ``save`` wrote.

        Raises
        ------
        FormatError
            If the file is not such a file.
        OSError
            If it cannot be read.
        """
        with open(path, encoding="utf-8") as file:
            try:
                record = json.load(file)
                words, length = record["words"], record["length"]
                if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
                    raise TypeError("words is no list of strings")
                return cls(words, length=length)
            except (ValueError, KeyError, TypeError) as error:
                raise FormatError(
                    f"{os.fspath(path)!r} is not a tokeniser's file ({str(error).rstrip('.')}); it needs words and "
                    f"length, as WordTokeniser.save writes them."
                ) from None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write words and length as JSON.

        Raises
        ------
        OSError
            If the file cannot be written; what was there before stays whole.
        """
        text = json.dumps({"length": self.length, "words": self.words}, ensure_ascii=False, indent=1)
        with atomic_path(path) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")

    def __len__(self) -> int:
        """Return the number of ids: words, padding and unknown."""
        return len(self.words) + _FIRST

    def encode(self, captions: Sequence[str]) -> Tensor:
        """Return the ids of captions, int64 (n, length): cut at ``length`` or filled with 0; one without words is 1."""
        if isinstance(captions, str):
            raise TypeError("captions must be a list of captions, but it is one string; give [caption].")
        ids = torch.full((len(captions), self.length), _PADDING, dtype=torch.int64)
        for row, caption in enumerate(captions):
            found = [self._ids.get(token, _UNKNOWN) for token in _tokens(caption)[: self.length]] or [_UNKNOWN]
            ids[row, : len(found)] = torch.tensor(found)
        return ids

    def count_cut(self, captions: Iterable[str]) -> int:
        """Return how many captions are longer than ``length``."""
        return sum(len(_tokens(caption)) > self.length for caption in captions)


def _tokens(caption: str) -> list[str]:
    return _TOKEN.findall(unicodedata.normalize("NFKC", caption).lower())
