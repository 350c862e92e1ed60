"""Captions as numbers of tokens and back, with a vocabulary learned from the training captions."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from crossgap.errors import DegenerateError, FormatError
from crossgap.transfer.token_loss import IGNORED

__all__ = ["CaptionTokens", "padded_rows", "whole_texts"]

_END = "<end>"
_LEAST = 257  # the bytes and the end


class CaptionTokens:
    """A byte-level BPE vocabulary of the ``tokenizers`` library, in small letters, with an end token of number 0.

    How to read it: any text in any script has tokens, since bytes are the smallest ones; frequent words have one each.
    What comes back from tokens is the caption as it was read: in Unicode's form NFKC, in small letters, with one space
    for each run of white space and control characters.

    Parameters
    ----------
    text
        The vocabulary as ``to_json`` gives it, the text of a ``tokenizer.json``.

    Raises
    ------
    FormatError
        If it is no such text, or its token 0 is not the end.

    Notes
    -----
    A caption is untrusted: one that spells "<end>" gets the tokens of these five letters, and the end token comes from
    ``padded`` alone. Half a surrogate pair, which is no character, counts as the replacement character U+FFFD. An empty
    caption has no token but its end. The same captions in the same order give the same vocabulary.

    References
    ----------
    Sennrich, Haddow and Birch, *Neural Machine Translation of Rare Words with Subword Units*, ACL 2016; on bytes as in
    GPT-2.

    Examples
    --------
    >>> tokens = CaptionTokens.from_texts(["a dog runs", "a dog sleeps"], size=280)
    >>> tokens.decode(tokens.encode(["A dog sleeps."])[0])
    'a dog sleeps.'
    >>> tokens.count_cut(["a dog runs", "a dog runs and runs"], most_tokens=4)
    1
    """

    def __init__(self, text: str) -> None:
        from tokenizers import Tokenizer

        try:
            self._tokenizer = Tokenizer.from_str(text)
        except Exception as error:  # tokenizers raises nothing narrower
            raise FormatError(f"the vocabulary is no tokenizer.json ({error}); copy the folder again.") from error
        if self._tokenizer.token_to_id(_END) != 0:
            raise FormatError(f"the vocabulary has no {_END} as token 0; give the one that was written with the model.")
        self._tokenizer.encode_special_tokens = True  # the letters "<end>" in a text are letters

    @classmethod
    def from_texts(cls, texts: Iterable[str], *, size: int = 4000) -> "CaptionTokens":
        """Learn at most ``size`` tokens, 256 of them bytes and one the end, from training captions.

        Raises
        ------
        ValueError
            If ``size`` is no whole number of at least 257.
        TypeError
            If the captions are one string, or one of them is no string.
        DegenerateError
            If the captions hold no letter, sign or digit at all.
        """
        from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

        if isinstance(size, bool) or not isinstance(size, int) or size < _LEAST:
            raise ValueError(
                f"size must be a whole number of at least {_LEAST} (bytes and end), but it is {size!r}; give 4000."
            )
        whole = whole_texts(texts)
        made = Tokenizer(models.BPE())
        made.normalizer = normalizers.Sequence(
            [
                normalizers.NFKC(),
                normalizers.Replace(Regex(r"[\s\p{Cc}]+"), " "),
                normalizers.Lowercase(),
                normalizers.Strip(),
            ]
        )
        if not any(made.normalizer.normalize_str(text) for text in whole):
            raise DegenerateError("there is no word in the captions, so there is nothing to learn; give captions.")
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        made.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=size,
            special_tokens=[_END],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        made.train_from_iterator(whole, trainer)
        return cls(made.to_str())

    def __len__(self) -> int:
        """Return the number of tokens, the end included."""
        return self._tokenizer.get_vocab_size()

    def to_json(self) -> str:
        """Return the vocabulary as the text of a ``tokenizer.json``."""
        return self._tokenizer.to_str()

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of each text, without an end.

        Raises
        ------
        TypeError
            If ``texts`` is one string, or one of them is no string.
        """
        return [found.ids for found in self._tokenizer.encode_batch_fast(whole_texts(texts), add_special_tokens=False)]

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens; bytes that are no character become U+FFFD, and an end is left out."""
        return self._tokenizer.decode(list(tokens)).strip()

    def padded(self, texts: Sequence[str], *, most_tokens: int) -> Tensor:
        """Return tokens (n, T), int64, with an end each and -100 behind it.

        A text of more than ``most_tokens``, its end counted, is cut there and has no end; ``count_cut`` counts these.

        Raises
        ------
        ValueError
            If ``most_tokens`` is no whole number of at least 1.
        TypeError
            As ``encode``.
        """
        _check_most(most_tokens)
        rows = [[*tokens[:most_tokens], 0][:most_tokens] for tokens in self.encode(texts)]
        return padded_rows(rows)

    def count_cut(self, texts: Sequence[str], *, most_tokens: int) -> int:
        """Return how many texts have more than ``most_tokens`` tokens, the end counted, so that ``padded`` cuts them.

        Raises
        ------
        ValueError
            If ``most_tokens`` is no whole number of at least 1.
        TypeError
            As ``encode``.
        """
        _check_most(most_tokens)
        return sum(len(tokens) >= most_tokens for tokens in self.encode(texts))


def _check_most(most_tokens: int) -> None:
    if isinstance(most_tokens, bool) or not isinstance(most_tokens, int) or most_tokens < 1:
        raise ValueError(f"most_tokens must be a whole number of at least 1, but it is {most_tokens!r}; give 40 or so.")


def padded_rows(rows: Sequence[Sequence[int]]) -> Tensor:
    """Return tokens of several lengths as (n, T), int64, with -100 behind each row."""
    lengths = np.array([len(tokens) for tokens in rows], dtype=np.int64)
    found = np.full((len(rows), int(lengths.max(initial=1))), IGNORED, dtype=np.int64)
    found[np.arange(found.shape[1]) < lengths[:, None]] = [token for tokens in rows for token in tokens]
    return torch.from_numpy(found)


def whole_texts(texts: Iterable[str]) -> list[str]:
    """Return texts as a list of whole characters; half surrogate pairs become U+FFFD.

    Raises
    ------
    TypeError
        If it is one string, or one of them is no string.
    """
    if isinstance(texts, str):
        raise TypeError("texts must be a list of texts, but it is one string; give [text].")
    found = list(texts)
    for number, text in enumerate(found):
        if not isinstance(text, str):
            raise TypeError(f"each text must be a string, but text {number} is a {type(text).__name__}; leave it out.")
        if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
            found[number] = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return found
