"""ClipCap: a row as a prefix of a language model, which then writes the caption."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, replace
from os import PathLike
from typing import Any, Literal

import torch
from torch import Tensor, nn

from crossgap.errors import FormatError
from crossgap.train.initialisation import initialised
from crossgap.transfer.caption import Caption
from crossgap.transfer.decoding import Decoding, decode
from crossgap.transfer.language_model import language_model_files, language_model_from_files, read_language_model
from crossgap.transfer.language_model_needs import check_causal, forward_takes, places
from crossgap.transfer.language_model_tokens import LanguageModelTokens
from crossgap.transfer.low_rank import LowRank, add_low_rank, merge_low_rank

__all__ = ["ClipCap"]

_TUNES = ("whole", "lora", "frozen")
_STOPS = ("end", "full stop")
_AT_ONCE = 128  # captions that are written together


class ClipCap(nn.Module):
    r"""A causal language model whose first k inputs are made of the row by a small network.

    Formula::

        prefix = W2 tanh(W1 e + b1) + b2          W1: k h / 2 x d,  W2: k h x k h / 2,  cut into k vectors of width h
        p(w_t | w_<t, e) = LM(prefix, w_1, .., w_(t-1))

    How to read it: the language model knows how sentences go; the mapper learns to tell it what this one is about.
    With "whole" both learn, which needs the most memory and is what C3 does; with "lora" the mapper and low-rank
    changes of the language model; with "frozen" the mapper alone.

    Parameters
    ----------
    language_model, tokenizer
        A causal language model of transformers and its tokenizer, both loaded already; the model becomes a part and is
        trained in place. ``ClipCap.from_pretrained`` loads them.
    dimension
        Length d of a row.
    prefix_length
        k; 10 in ClipCap and C3.
    tune
        What is trained: "whole", "lora" or "frozen".
    low_rank
        Which changes "lora" learns; None for ``LowRank()``.
    most_tokens
        Captions are cut there, in training and in use, their end included. See ``fit_length`` for the paper's rule.
    stop
        "end": a caption ends at the tokenizer's end token, which is learned. "full stop": at the first ".", which is
        kept, for weights that have learned no end (C3's, erratum 21).
    seed
        Of the mapper's weights and of the low-rank changes.

    Raises
    ------
    MissingExtraError
        For "lora", if peft is not installed.
    ValueError
        If a number is out of its range, the model is not causal or takes no embeddings, the tokenizer has no end token
        or more tokens than the model, prefix and caption are longer than the model's context, or peft knows no modules
        of this model.
    TypeError
        If ``low_rank`` is given for another ``tune``.

    Notes
    -----
    Unlike the released code of ClipCap and C3, the end of a caption is a target, padding is left out by a mask of its
    own instead of token 0 (which is "!"), and the prefix is not a target (erratum 21). Captions are tokenised as they
    are: no capitals are lowered. Weights that a model holds under two names (GPT-2's output is its embedding) are
    saved under one.

    Cost of a training step with N tokens, prefixes included: about 6 N P flops for a language model of P weights, 4 N P
    where it is frozen. Memory for "whole" in float32: 16 bytes a weight (GPT-2 and its mapper: 2.5 GB) and the
    activations; figures in docs/clipcap.md.

    References
    ----------
    Mokady, Hertz, Bermano, *ClipCap: CLIP Prefix for Image Captioning*, arXiv 2111.09734. Zhang et al., *Connect,
    Collapse, Corrupt*, ICLR 2024, arXiv 2401.08567, appendix.

    Examples
    --------
    A tiny GPT-2 of random weights over eight letters.

    >>> from tokenizers import Tokenizer, models, pre_tokenizers
    >>> from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast
    >>> letters = Tokenizer(models.WordLevel({word: number for number, word in enumerate("# . a b c d e f".split())}))
    >>> letters.pre_tokenizer = pre_tokenizers.Whitespace()
    >>> tokenizer = PreTrainedTokenizerFast(tokenizer_object=letters, eos_token="#")
    >>> model = GPT2LMHeadModel(GPT2Config(vocab_size=8, n_embd=8, n_layer=1, n_head=1, n_positions=32, eos_token_id=0))
    >>> decoder = ClipCap(model, tokenizer, dimension=3, prefix_length=2, most_tokens=5)
    >>> decoder.tokens_of(["a b c", "d"]).tolist()
    [[2, 3, 4, 0], [5, 0, -100, -100]]
    >>> logits, targets = decoder(torch.eye(2, 3), decoder.tokens_of(["a b c", "d"]))
    >>> tuple(logits.shape), targets.tolist()
    ((6, 8), [2, 3, 4, 0, 5, 0])
    >>> [caption.tokens <= 5 for caption in decoder.generate(torch.eye(2, 3))]
    [True, True]
    """

    def __init__(
        self,
        language_model: Any,
        tokenizer: Any,
        *,
        dimension: int,
        prefix_length: int = 10,
        tune: Literal["whole", "lora", "frozen"] = "whole",
        low_rank: LowRank | None = None,
        most_tokens: int = 40,
        stop: Literal["end", "full stop"] = "end",
        seed: int = 0,
    ) -> None:
        super().__init__()
        for name, value, known in (("tune", tune, _TUNES), ("stop", stop, _STOPS)):
            if value not in known:
                raise ValueError(
                    f"{name} must be one of {', '.join(map(repr, known))}, but it is {value!r}; choose one."
                )
        for name, value in (("dimension", dimension), ("prefix_length", prefix_length), ("most_tokens", most_tokens)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, but it is {value!r}; change it.")
        if low_rank is not None and tune != "lora":
            raise TypeError(f"low_rank must be left out unless tune is 'lora', but tune is {tune!r}; leave one out.")
        self.tokens = LanguageModelTokens(tokenizer, stop=stop)
        self.dimension, self.prefix_length, self.most_tokens = dimension, prefix_length, most_tokens
        self.tune, self.stop = tune, stop
        self.low_rank = (low_rank or LowRank()) if tune == "lora" else None
        self._takes, self._places = forward_takes(language_model), places(language_model)
        self._check_length(most_tokens)
        known, width = language_model.get_input_embeddings().weight.shape
        if len(self.tokens) > known:
            raise ValueError(
                f"the language model must know every token, but the tokenizer has {len(self.tokens)} and the model "
                f"{known}; give the tokenizer that the model was trained with."
            )
        check_causal(language_model)
        hidden, out = max(prefix_length * width // 2, 1), prefix_length * width
        self.mapper = initialised(
            lambda: nn.Sequential(nn.Linear(dimension, hidden), nn.Tanh(), nn.Linear(hidden, out)),
            generator=torch.Generator().manual_seed(seed),
        )
        self.language_model = language_model.requires_grad_(tune == "whole")
        if self.low_rank is not None:
            add_low_rank(language_model, self.low_rank, seed=seed)

    @classmethod
    def from_pretrained(
        cls,
        source: str | PathLike[str] | None = None,
        *,
        dimension: int,
        dtype: str = "float32",
        revision: str | None = None,
        **options: Any,
    ) -> "ClipCap":
        """Load a language model and put a new mapper before it.

        Parameters
        ----------
        source, dtype, revision
            As in ``read_language_model``: a local folder; a name on the hub, which may be downloaded; None for GPT-2
            from the local cache. Weights in "bfloat16" or "float16" take half the memory and go with "lora" and
            "frozen"; what is trained beside them stays in float32.
        dimension, **options
            As in ``ClipCap``.

        Raises
        ------
        MissingExtraError, FileNotFoundError, FormatError, ValueError
            As ``read_language_model`` and ``ClipCap``.
        """
        model, tokenizer = read_language_model(source, dtype=dtype, revision=revision)
        return cls(model, tokenizer, dimension=dimension, **options)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], files: Mapping[str, bytes]) -> "ClipCap":
        """Build the decoder that ``settings`` and ``files()`` describe; its weights are loaded by the caller.

        Raises
        ------
        MissingExtraError
            If transformers is not installed.
        FormatError
            If a file is missing or unreadable, or the settings are not those of such a decoder.
        """
        known = dict(settings)
        try:
            model, tokenizer = language_model_from_files(files, dtype=known.pop("dtype", "float32"))
            low_rank = known.pop("low_rank", None)
            return cls(model, tokenizer, low_rank=None if low_rank is None else LowRank(**low_rank), **known)
        except FormatError:
            raise
        except (TypeError, ValueError) as error:
            why = str(error).rstrip(".")
            raise FormatError(f"the settings are not those of a ClipCap ({why}); copy the folder again.") from error

    @property
    def settings(self) -> dict[str, Any]:
        """What it can be built from, beside ``files()`` and its weights, as JSON."""
        return {
            "dimension": self.dimension,
            "prefix_length": self.prefix_length,
            "tune": self.tune,
            "low_rank": None if self.low_rank is None else asdict(self.low_rank),
            "most_tokens": self.most_tokens,
            "stop": self.stop,
            "dtype": str(self._dtype).removeprefix("torch."),
        }

    def files(self) -> dict[str, bytes]:
        """Return the files that it needs beside its weights and settings: config.json and those of the tokenizer."""
        return language_model_files(self.language_model, self.tokens.tokenizer)

    def merged(self) -> "ClipCap":
        """Return a copy whose low-rank changes are part of the matrices, so that it needs no peft; else itself."""
        if self.low_rank is None:
            return self
        copy = deepcopy(self)
        merge_low_rank(copy.language_model)
        copy.language_model.requires_grad_(True)
        copy.tune, copy.low_rank = "whole", None
        return copy

    def fit_length(self, texts: Sequence[str]) -> int:
        r"""Set ``most_tokens`` by ClipCap's rule, and return it.

        .. math:: \min(\bar{n} + 10 s, \max n) + 1

        with the lengths n of the texts in tokens, their mean and standard deviation, and one for the end.

        Raises
        ------
        ValueError
            If there is no text, or the result is longer than the model's context allows.
        """
        most = self.tokens.usual_length(texts)
        self._check_length(most)
        self.most_tokens = most
        return most

    def tokens_of(self, texts: Sequence[str]) -> Tensor:
        """Return the tokens (n, T) that ``forward`` takes: with an end each, -100 behind it.

        A text longer than ``most_tokens`` is cut there and has no end; ``count_cut`` says how many are. Names of
        special tokens in a text are letters like others.

        Raises
        ------
        TypeError
            If it is one string, or one of them is no string.
        """
        return self.tokens.padded(texts, most_tokens=self.most_tokens)

    def count_cut(self, texts: Sequence[str]) -> int:
        """Return how many texts are longer than ``most_tokens``, so that their end is not learned."""
        return sum(len(tokens) >= self.most_tokens for tokens in self.tokens.encode(texts))

    def forward(self, rows: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (N, V) of all N tokens, each from the prefix and the tokens before it, and the N targets.

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
        real, known = tokens >= 0, tokens[:, :-1]
        prefix = self._prefix(rows)
        given = torch.cat([prefix, self._words(known.clamp(min=0))], dim=1)
        mask = torch.cat([real.new_ones(prefix.shape[:2]), known >= 0], dim=1)
        logits, _ = self._run(given, mask, keep=tokens.shape[1])
        return logits[real], tokens[real]

    def generate(
        self, rows: Any, decoding: Decoding | None = None, *, numbers: Sequence[int] | None = None
    ) -> list[Caption]:
        """Write a caption for each prepared row (n, d), with the keys and values of the past kept.

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
        first = next(self.mapper.parameters())
        rows = torch.as_tensor(rows, dtype=first.dtype, device=first.device)
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
                for start in range(0, len(rows), size):
                    part = slice(start, start + size)
                    captions += self._write(rows[part], numbers[part], decoding)
        finally:
            self.train(training)
        return captions

    def train(self, mode: bool = True) -> "ClipCap":
        """Set the mode; a frozen language model stays in evaluation mode."""
        super().train(mode)
        if self.tune == "frozen":
            self.language_model.eval()
        return self

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return weights and buffers by name; those that have two names under the first."""
        found = super().state_dict(*args, **kwargs)
        prefix = kwargs.get("prefix", "")
        for name in self._second_names():
            found.pop(prefix + name, None)
        return found

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any, **kwargs: Any) -> None:
        for name, first in self._second_names().items():
            if prefix + first in state_dict:
                state_dict.setdefault(prefix + name, state_dict[prefix + first])
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def _second_names(self) -> dict[str, str]:
        """Return the later names of weights that have several, and the first name of each."""
        first: dict[int, str] = {}
        named = self.named_parameters(remove_duplicate=False)
        return {name: first[id(values)] for name, values in named if first.setdefault(id(values), name) != name}

    def _write(self, rows: Tensor, numbers: Sequence[int], decoding: Decoding) -> list[Caption]:
        def next_logits(tokens: Tensor | None, past: Any, kept: Tensor | None) -> tuple[Tensor, Any]:
            if tokens is None:
                given = self._prefix(rows)
            else:
                if kept is not None:
                    past.reorder_cache(kept)
                given = self._words(tokens)[:, None]
            seen = 0 if past is None else past.get_seq_length()
            mask = given.new_ones((len(given), seen + given.shape[1]), dtype=torch.bool)
            logits, past = self._run(given, mask, keep=1, past=past, use_cache=True)
            return logits[:, -1], past

        found, scores = decode(next_logits, len(rows), end=self.tokens.last, decoding=decoding, numbers=numbers)
        captions = []
        for tokens, score in zip(found, scores, strict=True):
            ended = len(tokens) < decoding.most_tokens
            text = self.tokens.decode(tokens, ended=ended)
            captions.append(Caption(text=text, score=score, tokens=len(tokens) + ended))
        return captions

    def _run(
        self, given: Tensor, mask: Tensor, *, keep: int, past: Any = None, use_cache: bool = False
    ) -> tuple[Tensor, Any]:
        """Return the logits of the last ``keep`` places and what is kept of the past."""
        some = {"logits_to_keep": keep} if "logits_to_keep" in self._takes else {}
        old = {"past_key_values": past} if use_cache else {}
        out = self.language_model(
            inputs_embeds=given, attention_mask=mask.long(), use_cache=use_cache, return_dict=True, **old, **some
        )
        return out.logits[:, -keep:], out.past_key_values if use_cache else None

    def _prefix(self, rows: Tensor) -> Tensor:
        return self.mapper(rows).unflatten(1, (self.prefix_length, -1)).to(self._dtype)

    @property
    def _dtype(self) -> torch.dtype:
        return self.language_model.get_input_embeddings().weight.dtype

    def _words(self, tokens: Tensor) -> Tensor:
        return self.language_model.get_input_embeddings()(tokens)

    def _check(self, rows: Tensor) -> None:
        if rows.ndim != 2 or rows.shape[1] != self.dimension:
            raise ValueError(
                f"rows must have shape (n, {self.dimension}), but it is {tuple(rows.shape)}; give rows of the space "
                f"that the decoder was made for."
            )

    def _check_length(self, most_tokens: int) -> None:
        if self._places is not None and self.prefix_length + most_tokens > self._places:
            raise ValueError(
                f"prefix and caption must fit the {self._places} places of the language model, but they take "
                f"{self.prefix_length} + {most_tokens}; lower most_tokens."
            )
