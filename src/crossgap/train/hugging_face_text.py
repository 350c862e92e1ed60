"""Captions as the token ids of a model of transformers, and what its folder says of its inputs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from crossgap.errors import FormatError, MissingExtraError

__all__ = ["HuggingFaceInputs", "hugging_face_inputs"]

_TOKENISERS = ("tokenizer.json", "vocab.json", "vocab.txt", "*.model")  # without any, transformers makes an empty one
_WITHOUT_MASK = ("clip", "siglip")  # types of models that were trained without one


@dataclass(frozen=True, kw_only=True)
class HuggingFaceInputs:
    """What a dual encoder of transformers takes.

    Parameters
    ----------
    encode
        From captions to token ids (n, length), padded.
    picture_size
        Height and width of its pictures.
    text_padding
        Id of the padding that is not attended to; None for models that were trained without a mask.
    """

    encode: Callable[[Sequence[str]], Tensor]
    picture_size: int
    text_padding: int | None


def hugging_face_inputs(folder: str) -> HuggingFaceInputs:
    """Read the tokeniser and the sizes of a model from its local folder; nothing is downloaded, no code of it is run.

    Raises
    ------
    MissingExtraError
        If transformers is not installed.
    FileNotFoundError
        If there is no such folder.
    FormatError
        If it holds no configuration of a model of pictures and texts, or no tokeniser.
    """
    try:
        from transformers import AutoConfig, AutoTokenizer
    except ImportError:
        raise MissingExtraError(
            "transformers is not installed; install it with crossgap: pip install 'crossgap[encode]'."
        ) from None
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"there is no folder {folder!r}, and models are not downloaded; give a local one.")
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(folder, **local)
        size = config.vision_config.image_size
        length = config.text_config.max_position_embeddings
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(
            f"{folder!r} holds no configuration of a model of pictures and texts ({_first_line(error)}); give the "
            f"folder of a CLIP or the like."
        ) from error
    if not any(file for pattern in _TOKENISERS for file in Path(folder).glob(pattern)):
        raise FormatError(
            f"{folder!r} holds no tokeniser; put its files (tokenizer.json, or vocab.json and merges.txt) beside the "
            f"weights."
        )
    try:
        tokeniser = AutoTokenizer.from_pretrained(folder, **local)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FormatError(
            f"the tokeniser in {folder!r} cannot be read ({_first_line(error)}); fetch its files again."
        ) from error
    padding = None if config.model_type.startswith(_WITHOUT_MASK) else tokeniser.pad_token_id

    def encode(captions: Sequence[str]) -> Tensor:
        words: dict[str, Any] = {"padding": "max_length", "truncation": True, "max_length": length}
        return tokeniser(list(captions), return_tensors="pt", **words)["input_ids"]

    return HuggingFaceInputs(encode=encode, picture_size=int(size), text_padding=padding)


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")
