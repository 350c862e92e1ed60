"""Captions as tokens of a language model's own tokenizer, and back."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from crossgap.transfer.caption_tokens import padded_rows, whole_texts

__all__ = ["LanguageModelTokens"]


class LanguageModelTokens:
    """A tokenizer of transformers as a decoder of captions uses it: no begin, an end of its own, no special names.

    How to read it: the numbers are those that the language model was trained with. Captions are taken as they are;
    capitals stay.

    Parameters
    ----------
    tokenizer
        As ``AutoTokenizer`` gives it.
    stop
        "end": a caption ends at the end token. "full stop": at the first ".", which belongs to it.

    Raises
    ------
    ValueError
        If there is no end token, or for "full stop" no token of its own for ".".
    """

    def __init__(self, tokenizer: Any, *, stop: str = "end") -> None:
        if tokenizer.eos_token_id is None:
            raise ValueError("the tokenizer has no end token, so captions could not end; set its eos_token.")
        self.tokenizer, self.end = tokenizer, int(tokenizer.eos_token_id)
        self.last = self.end if stop == "end" else _full_stop(tokenizer)

    def __len__(self) -> int:
        """Return the number of tokens."""
        return len(self.tokenizer)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of each text, without an end.

        Raises
        ------
        TypeError
            If it is one string, or one of them is no string.
        """
        whole = whole_texts(texts)
        options: dict[str, Any] = {"add_special_tokens": False, "split_special_tokens": True, "verbose": False}
        return self.tokenizer(whole, **options)["input_ids"] if whole else []

    def decode(self, tokens: Sequence[int], *, ended: bool) -> str:
        """Return the text of a caption; where it ended with a full stop, with it."""
        whole = [*tokens, self.last] if ended and self.last != self.end else list(tokens)
        return self.tokenizer.decode(whole, skip_special_tokens=True, clean_up_tokenization_spaces=False).strip()

    def padded(self, texts: Sequence[str], *, most_tokens: int) -> Tensor:
        """Return tokens (n, T) with an end each and -100 behind it; texts cut at ``most_tokens`` have no end."""
        return padded_rows([[*tokens[:most_tokens], self.end][:most_tokens] for tokens in self.encode(texts)])

    def usual_length(self, texts: Sequence[str]) -> int:
        """Return min(mean + 10 standard deviations, longest) of the lengths in tokens, and one for the end.

        Raises
        ------
        ValueError
            If there is no text.
        """
        counts = torch.tensor([len(tokens) for tokens in self.encode(texts)], dtype=torch.float64)
        if not len(counts):
            raise ValueError("texts must hold at least one text, but it is empty; give the training captions.")
        spread = float(counts.std(correction=min(1, len(counts) - 1)))
        return int(min(float(counts.mean()) + 10 * spread, float(counts.max()))) + 1


def _full_stop(tokenizer: Any) -> int:
    """Return the token of a full stop behind a word."""
    last = tokenizer.encode("word.", add_special_tokens=False)[-1]
    if tokenizer.decode([last]).strip() != ".":
        raise ValueError("the tokenizer has no token of its own for '.', so stop must be 'end'; change it.")
    return last
