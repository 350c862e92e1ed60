"""A small causal transformer that writes captions, trained from scratch."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from crossgap.errors import FormatError
from crossgap.train.initialisation import initialised
from crossgap.train.transformer import check_sizes
from crossgap.transfer.caption import Caption
from crossgap.transfer.caption_tokens import CaptionTokens
from crossgap.transfer.causal_transformer import CausalTransformer, Past
from crossgap.transfer.decoding import Decoding, decode

__all__ = ["TransformerDecoder"]

_END = 0
_AT_ONCE = 256  # captions that are written at a time: their keys and values, a few MB, stay near the processor
_VOCABULARY = "tokenizer.json"


class TransformerDecoder(nn.Module):
    r"""A causal transformer whose first token is the prepared row itself, through a linear map.

    .. math::

        h_0 = [\, W e + b,\; E_{w_1}, \ldots, E_{w_{T-1}} \,] + P, \qquad
        p(w_t \mid w_{<t}, e) = \mathrm{softmax}\big(E \, \mathrm{LayerNorm}(h_L)_t\big)

    where each of L blocks adds causal attention and a two-layer network of four times the width, each behind a
    LayerNorm. E is used on both sides.

    How to read it: a language model of the training captions alone that is told by one token what to say. It learns in
    minutes on one core, writes a caption in milliseconds, and knows no word that the training captions do not hold.
    Give ``ClipCap`` a pretrained language model where more is wanted.

    Parameters
    ----------
    tokens
        The vocabulary.
    dimension
        Length d of the prepared rows.
    width, layers, heads
        Sizes of the transformer.
    dropout
        Share of what a block adds that is dropped in training, in [0, 1).
    most_tokens
        Longest caption, its end included; a longer one is learned up to there.
    seed
        Of the first weights.

    Raises
    ------
    ValueError
        If a size is no whole number of at least 1, ``heads`` does not divide ``width``, or ``dropout`` is out of range.

    Notes
    -----
    DeCap's decoder has 4 layers, 4 heads, one prefix token and label smoothing of 0.1 (``token_loss``); the width here
    is that of a model for some ten thousand captions.

    Cost of a training step with N tokens and V in the vocabulary: 6 N (12 layers width² + width V) flops beside the
    attention. Padding is left out everywhere but in the attention. A caption is written with the keys and values of its
    past kept, and leaves the batch when it has ended.

    References
    ----------
    Li et al., *DeCap: Decoding CLIP Latents for Zero-Shot Captioning via Text-Only Training*, ICLR 2023, section 3.

    Examples
    --------
    >>> import torch
    >>> tokens = CaptionTokens.from_texts(["a dog", "a cat"], size=270)
    >>> decoder = TransformerDecoder(tokens, dimension=4, width=8, layers=1, heads=2, most_tokens=6)
    >>> logits, targets = decoder(torch.eye(2, 4), decoder.tokens_of(["a dog", "a cat"]))
    >>> logits.shape[1] == len(tokens), logits.shape[0] == len(targets)
    (True, True)
    >>> [caption.tokens <= 6 for caption in decoder.generate(torch.eye(2, 4), Decoding())]
    [True, True]
    """

    def __init__(
        self,
        tokens: CaptionTokens,
        *,
        dimension: int,
        width: int = 128,
        layers: int = 3,
        heads: int = 4,
        dropout: float = 0.1,
        most_tokens: int = 40,
        seed: int = 0,
    ) -> None:
        check_sizes(dimension=dimension, width=width, layers=layers, heads=heads, most_tokens=most_tokens)
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), but it is {dropout}; 0.1 is usual, 0 for none.")
        super().__init__()
        self.tokens, self.most_tokens, self.dimension = tokens, most_tokens, dimension
        self.settings: dict[str, Any] = {
            "dimension": dimension,
            "width": width,
            "layers": layers,
            "heads": heads,
            "dropout": dropout,
            "most_tokens": most_tokens,
        }
        sizes = (dimension, len(tokens), width, layers, heads, dropout, most_tokens)
        made = initialised(lambda: CausalTransformer(*sizes), generator=torch.Generator().manual_seed(seed))
        self.network = cast(CausalTransformer, made)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], files: Mapping[str, bytes]) -> "TransformerDecoder":
        """Build the decoder that ``settings`` and ``files()`` describe; its weights are loaded by the caller.

        Raises
        ------
        FormatError
            If the vocabulary is missing or unreadable, or the settings are not those of such a decoder.
        """
        if _VOCABULARY not in files:
            raise FormatError(f"the decoder needs {_VOCABULARY}, but it is not there; copy the folder again.")
        tokens = CaptionTokens(files[_VOCABULARY].decode("utf-8", "replace"))
        try:
            return cls(tokens, **settings)
        except (TypeError, ValueError) as error:
            reason = str(error).rstrip(".")
            raise FormatError(
                f"the settings are not those of a transformer ({reason}); copy the folder again."
            ) from None

    def files(self) -> dict[str, bytes]:
        """Return the files that it needs beside its weights and settings: the vocabulary."""
        return {_VOCABULARY: self.tokens.to_json().encode()}

    def tokens_of(self, texts: Sequence[str]) -> Tensor:
        """Return the tokens (n, T) that ``forward`` takes: with an end each, -100 behind it."""
        return self.tokens.padded(texts, most_tokens=self.most_tokens)

    def count_cut(self, texts: Sequence[str]) -> int:
        """Return how many texts are longer than ``most_tokens``, so that their end is not learned."""
        return self.tokens.count_cut(texts, most_tokens=self.most_tokens)

    def forward(self, rows: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (N, V) of all N tokens, each from the row and the tokens before it, and the N targets.

        Parameters
        ----------
        rows
            Prepared rows (B, d).
        tokens
            int64 (B, T), at most ``most_tokens`` long, with -100 behind the end, as ``tokens_of`` gives them.

        Raises
        ------
        ValueError
            If the rows are not (B, d), there is not one caption a row, or captions are too long.
        """
        self._check(rows)
        if tokens.ndim != 2 or len(tokens) != len(rows) or tokens.shape[1] > self.most_tokens:
            raise ValueError(
                f"tokens must have shape ({len(rows)}, at most {self.most_tokens}), a caption for each row, but it is "
                f"{tuple(tokens.shape)}; make them by tokens_of."
            )
        return self.network(rows, tokens)

    def generate(
        self, rows: Any, decoding: Decoding | None = None, *, numbers: Sequence[int] | None = None
    ) -> list[Caption]:
        """Write a caption for each prepared row (n, d).

        Parameters
        ----------
        rows
            Prepared rows; an array will do.
        decoding
            How; None for greedily. A caption ends at its ``most_tokens`` or at those of the decoder.
        numbers
            Numbers of the rows, for the draws of "nucleus"; None for 0 to n - 1.

        Raises
        ------
        ValueError
            If the rows are not (n, d) or not finite, or the weights are not finite.
        """
        rows = (rows if isinstance(rows, Tensor) else torch.tensor(rows)).to(next(self.parameters()))
        self._check(rows)
        if not bool(torch.isfinite(rows).all()):
            raise ValueError("rows must hold finite numbers, but they hold NaN or infinity; leave such rows out.")
        decoding = decoding or Decoding()
        decoding = replace(decoding, most_tokens=min(decoding.most_tokens, self.most_tokens))
        numbers = range(len(rows)) if numbers is None else numbers
        size = max(1, _AT_ONCE // (decoding.beams if decoding.method == "beam" else 1))
        captions: list[Caption] = []
        training = self.training
        self.eval()
        try:
            with torch.inference_mode():
                for first in range(0, len(rows), size):
                    captions += self._write(rows[first : first + size], numbers[first : first + size], decoding)
        finally:
            self.train(training)
        return captions

    def _write(self, rows: Tensor, numbers: Sequence[int], decoding: Decoding) -> list[Caption]:
        def next_logits(tokens: Tensor | None, past: Any, kept: Tensor | None) -> tuple[Tensor, Past]:
            past = Past(self.settings["layers"], decoding.most_tokens) if tokens is None else past
            return self.network.next(rows if tokens is None else tokens, past, kept), past

        found, scores = decode(next_logits, len(rows), end=_END, decoding=decoding, numbers=numbers)
        return [
            Caption(text=self.tokens.decode(ids), score=score, tokens=len(ids) + (len(ids) < decoding.most_tokens))
            for ids, score in zip(found, scores, strict=True)
        ]

    def _check(self, rows: Tensor) -> None:
        if rows.ndim != 2 or rows.shape[1] != self.dimension:
            raise ValueError(
                f"rows must have shape (n, {self.dimension}), as what the decoder was made for, but it is "
                f"{tuple(rows.shape)}; give prepared rows of the same space."
            )
