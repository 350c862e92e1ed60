"""A causal language model of Hugging Face transformers and its tokenizer: from a folder, from their files, to files."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch.random import fork_rng

from crossgap.errors import FormatError, MissingExtraError

__all__ = ["DTYPES", "GPT2", "language_model_files", "language_model_from_files", "read_language_model"]

GPT2 = "openai-community/gpt2"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_CONFIG, _TOKENIZER_CONFIG = "config.json", "tokenizer_config.json"
_TOKENIZERS = ("tokenizer.json", "vocab.json", "vocab.txt", "*.model")  # without any, transformers makes an empty one
_WHERE_IT_LAY = ("is_local", "local_files_only", "name_or_path")  # not what it is
_READING = (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError)


def read_language_model(
    source: str | os.PathLike[str] | None = None, *, dtype: str = "float32", revision: str | None = None
) -> tuple[Any, Any]:
    """Read a causal language model and its tokenizer; nothing is unpickled, and no code that comes with it is run.

    Parameters
    ----------
    source
        A local folder as ``save_pretrained`` writes it: config.json, safetensors weights and the tokenizer; it is read
        with no network. Or a name on the Hugging Face hub ("openai-community/gpt2"), which transformers downloads
        where it is not in its cache. None: GPT-2 from the cache, with no network.
    dtype
        Of the weights: "float32", "bfloat16" or "float16".
    revision
        Of a name on the hub: a commit, tag or branch.

    Returns
    -------
    The model, in evaluation mode on the CPU, and the tokenizer.

    Raises
    ------
    MissingExtraError
        If transformers is not installed.
    FileNotFoundError
        If there is no such folder, or no such model on the hub or in the cache.
    FormatError
        If the folder lacks the configuration, the tokenizer or safetensors weights, or one of them cannot be read.
    ValueError
        If ``dtype`` is none of the three.
    """
    kind = _dtype(dtype)
    causal, _, tokenizers = _transformers()
    is_folder = source is not None and _is_folder(source)
    if is_folder:
        _check_folder(Path(os.fspath(source or "")))
    name = GPT2 if source is None else os.fspath(source)
    options: dict[str, Any] = {"local_files_only": is_folder or source is None, "trust_remote_code": False}
    options |= {} if revision is None else {"revision": revision}
    with _own_random_numbers(), _explained(name, is_folder=is_folder, is_named=source is not None):
        tokenizer = tokenizers.from_pretrained(name, **options)
        model, report = causal.from_pretrained(
            name, use_safetensors=True, dtype=kind, output_loading_info=True, **options
        )
    missing = sorted(report["missing_keys"])
    if missing:
        raise FormatError(
            f"{name!r} lacks {len(missing)} of the weights of a {type(model).__name__}, {missing[0]!r} for one; save "
            f"or download it again."
        )
    return model.eval(), tokenizer


def language_model_from_files(files: Mapping[str, bytes], *, dtype: str = "float32") -> tuple[Any, Any]:
    """Return a model of random weights and a tokenizer, as the files of ``language_model_files`` describe them.

    Raises
    ------
    MissingExtraError
        If transformers is not installed.
    FormatError
        If a file is missing or cannot be read.
    """
    kind = _dtype(dtype)
    causal, configs, tokenizers = _transformers()
    with TemporaryDirectory() as place:
        folder = Path(place)
        for name, content in files.items():
            if Path(name).name != name:
                raise FormatError(f"a file of a language model must have a plain name, but one is called {name!r}.")
            (folder / name).write_bytes(content)
        _check_description(folder, "the saved language model")
        options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        with _own_random_numbers():
            try:
                model = causal.from_config(configs.from_pretrained(place, **options), dtype=kind)
                tokenizer = tokenizers.from_pretrained(place, **options)
            except _READING as error:
                raise FormatError(
                    f"the files of the language model cannot be read ({_first_line(error)}); copy the folder again."
                ) from error
    return model.eval(), tokenizer


def language_model_files(model: Any, tokenizer: Any) -> dict[str, bytes]:
    """Return the files that describe a model and its tokenizer, without weights; the same ones give the same bytes."""
    with TemporaryDirectory() as place:
        tokenizer.save_pretrained(place)
        model.config.save_pretrained(place)
        found = {path.name: path.read_bytes() for path in sorted(Path(place).iterdir()) if path.is_file()}
    settings = json.loads(found.get(_TOKENIZER_CONFIG, b"{}"))
    kept = {name: value for name, value in settings.items() if name not in _WHERE_IT_LAY}
    return found | {_TOKENIZER_CONFIG: (json.dumps(kept, indent=2, sort_keys=True) + "\n").encode()}


def _transformers() -> tuple[Any, Any, Any]:
    try:
        from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    except ImportError:
        raise MissingExtraError(
            "transformers is not installed; install it with crossgap: pip install 'crossgap[caption]'."
        ) from None
    return AutoModelForCausalLM, AutoConfig, AutoTokenizer


def _dtype(name: str) -> torch.dtype:
    if name not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(map(repr, DTYPES))}, but it is {name!r}; choose one.")
    return DTYPES[name]


def _is_folder(source: str | os.PathLike[str]) -> bool:
    """Return whether a source is a folder and no name on the hub; one that can only be a folder must be there."""
    if Path(source).is_dir():
        return True
    if isinstance(source, str) and _HUB_NAME.fullmatch(source):
        return False
    raise FileNotFoundError(
        f"there is no folder {os.fspath(source)!r}; give the folder of a language model, or its name on the hub."
    )


def _check_folder(folder: Path) -> None:
    shown = repr(str(folder))
    _check_description(folder, shown)
    if any(folder.glob("*.safetensors")):
        return
    pickled = sorted(file.name for pattern in _PICKLED for file in folder.glob(pattern))
    held = f"only pickled weights ({pickled[0]}), which could run code" if pickled else "no weights"
    raise FormatError(
        f"{shown} must hold .safetensors weights, but it holds {held}; save the model again with save_pretrained, in a "
        f"place where its weights can be trusted."
    )


def _check_description(folder: Path, shown: str) -> None:
    if not (folder / _CONFIG).is_file():
        raise FormatError(f"{shown} holds no {_CONFIG}; give the folder of one language model of transformers.")
    if not any(file for pattern in _TOKENIZERS for file in folder.glob(pattern)):
        raise FormatError(
            f"{shown} holds no tokenizer; put its files (tokenizer.json, or vocab.json and merges.txt) beside "
            f"{_CONFIG}."
        )


@contextmanager
def _own_random_numbers() -> Iterator[None]:
    """Put torch's generator back afterwards, since weights are drawn before they are read."""
    with fork_rng([]):
        yield


@contextmanager
def _explained(name: str, *, is_folder: bool, is_named: bool) -> Iterator[None]:
    from safetensors import SafetensorError

    try:
        yield
    except (SafetensorError, *_READING) as error:
        why = _first_line(error)
        if is_folder:
            raise FormatError(
                f"{name!r} cannot be read as a causal language model ({why}); give the folder of a GPT-2 or the like, "
                f"or save it again."
            ) from error
        if not is_named:
            raise FileNotFoundError(
                f"GPT-2 is not in the cache of this machine, and nothing is downloaded unless it is named ({why}); "
                f"give a local folder, or source={GPT2!r} to download it."
            ) from error
        if isinstance(error, OSError):
            raise FileNotFoundError(
                f"{name!r} is no folder here, and cannot be had from the hub with safetensors weights ({why}); give a "
                f"local folder, or mend the name or the connection."
            ) from error
        raise FormatError(
            f"{name!r} cannot be read as a causal language model ({why}); name a GPT-2 or the like."
        ) from error


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0].rstrip(".:")[:200]
