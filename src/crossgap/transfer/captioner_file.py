"""A captioner as a folder: its parts as files, and ``captioner.json``, which names and seals them.

    captioner.json             what it is, the settings of the decoder, facts, and a digest of each other file
    preparation.safetensors    the closer that collapses and corrupts; closer.safetensors one that goes before it
    decoder.safetensors        weights of a trained decoder
    tokenizer.json, ...        what else the decoder needs

Nothing in it is ever run as code.
"""

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import nn

from crossgap import __version__
from crossgap.close import Corruption, read_closer, write_closer
from crossgap.data.atomic import write_whole
from crossgap.errors import FormatError
from crossgap.train.checkpoint import load_model, save_model
from crossgap.transfer.preparation import ARMS, Preparation

__all__ = ["RECORD", "is_captioner", "read_captioner", "read_captioner_record", "write_captioner"]

RECORD = "captioner.json"
_SCHEMA = 1
_PREPARATION, _CLOSER, _WEIGHTS = "preparation.safetensors", "closer.safetensors", "decoder.safetensors"
_DECODERS = {  # what a folder may name, and where it is
    "ClipCap": "clipcap",
    "NearestCaption": "nearest_caption",
    "TransformerDecoder": "transformer_decoder",
}
_MOST = 1e30  # above it a number of a mean is none of a float32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")
_KINDS = {
    "arm": str,
    "learn_on": str,
    "groups": list,
    "dimension": int,
    "decoder": str,
    "settings": dict,
    "facts": dict,
    "means": dict,
    "files": dict,
}


def is_captioner(folder: str | os.PathLike[str]) -> bool:
    """Return whether a folder says that it holds a captioner; it is not read further."""
    return (Path(folder) / RECORD).is_file()


def write_captioner(
    folder: str | os.PathLike[str],
    preparation: Preparation,
    decoder: Any,
    *,
    facts: Mapping[str, Any],
    means: Mapping[str, Any],
) -> Path:
    """Write the parts of a captioner, ``captioner.json`` last; see ``Captioner.save``."""
    folder, kind = Path(folder), type(decoder).__name__
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"a captioner is a folder, but {str(folder)!r} is a file; give another name.")
    if _DECODERS.get(kind) != type(decoder).__module__.rpartition(".")[2]:
        raise TypeError(f"decoder must be one of crossgap.transfer to be saved, but it is a {kind}.")
    decoder = decoder.merged() if hasattr(decoder, "merged") else decoder
    files = dict(decoder.files())
    weights = isinstance(decoder, nn.Module)
    names = [*files, _PREPARATION, *[_WEIGHTS] * weights, *[_CLOSER] * (preparation.closer is not None)]
    record = {
        "schema": _SCHEMA,
        "kind": "captioner",
        "crossgap": __version__,
        "arm": preparation.arm,
        "learn_on": preparation.learn_on,
        "groups": list(preparation.groups),
        "dimension": preparation.dimension,
        "decoder": kind,
        "settings": decoder.settings,
        "facts": dict(facts),
        "means": {name: [round(float(value), 7) for value in mean] for name, mean in means.items()},
    }
    _text(record)  # fails before anything is written
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        write_whole(folder / name, content)
    if weights:
        save_model(decoder, folder / _WEIGHTS)
    write_closer(preparation.corruption, folder / _PREPARATION)
    if preparation.closer is not None:
        write_closer(preparation.closer, folder / _CLOSER)
    record["files"] = {name: _sha256(folder / name) for name in sorted(names)}
    write_whole(folder / RECORD, (_text({**record, "digest": _digest(record)}) + "\n").encode())
    return folder


def read_captioner(folder: str | os.PathLike[str]) -> tuple[Preparation, Any, dict[str, Any]]:
    """Return the preparation, the decoder and the record of a folder; see ``Captioner.load``."""
    folder = Path(folder)
    record = read_captioner_record(folder)
    for name, digest in record["files"].items():
        if not (folder / name).is_file():
            raise FormatError(f"{str(folder)!r} lacks {name!r}; copy the whole folder again, or fit it again.")
        if _sha256(folder / name) != digest:
            raise FormatError(
                f"{str(folder / name)!r} is not what {RECORD} says, so it was changed or belongs to another fit; copy "
                f"the folder again, or fit it again."
            )
    closer = read_closer(folder / _CLOSER) if _CLOSER in record["files"] else None
    corruption = read_closer(folder / _PREPARATION)
    if not isinstance(corruption, Corruption) or record["learn_on"] not in corruption.groups_:
        raise FormatError(f"{str(folder / _PREPARATION)!r} holds no preparation of this captioner; fit it again.")
    preparation = Preparation(corruption, arm=record["arm"], learn_on=record["learn_on"], closer=closer)
    decoder = _decoder(folder, record)
    if not preparation.dimension == record["dimension"] == decoder.dimension:
        raise FormatError(
            f"{str(folder)!r} holds a preparation and a decoder of different dimensions; copy it or fit it again."
        )
    if isinstance(decoder, nn.Module):
        decoder.eval()
    return preparation, decoder, record


def read_captioner_record(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what ``captioner.json`` of a folder says, once its own digest fits.

    Raises
    ------
    FormatError
        If there is none, it is damaged, or it was written by a newer crossgap.
    OSError
        If there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{str(folder)!r} does not exist or is no folder; give the folder of a captioner.")
    path = folder / RECORD
    if not path.is_file():
        raise FormatError(
            f"{str(folder)!r} holds no captioner, since {RECORD} is missing; fit one: crossgap caption fit SOURCE -o "
            f"{folder}, or finish it with --resume."
        )
    try:
        record = json.loads(path.read_bytes(), parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError):
        raise FormatError(f"{str(path)!r} is cut short or no JSON; copy the folder again, or fit it again.") from None
    if not isinstance(record, dict) or record.get("kind") != "captioner":
        raise FormatError(f"{str(path)!r} is not the record of a captioner; give the folder of one.")
    schema = record.get("schema")
    if type(schema) is not int or schema > _SCHEMA:
        raise FormatError(
            f"{str(folder)!r} was written by a newer crossgap ({str(record.get('crossgap'))[:40]!r}) in schema "
            f"{str(schema)[:10]}, and this one reads up to {_SCHEMA}; upgrade crossgap, or fit it again."
        )
    _check(record, path)
    return record


def _check(record: dict[str, Any], path: Path) -> None:
    for key, kind in _KINDS.items():
        if type(record.get(key)) is not kind:
            raise FormatError(f"{str(path)!r} has no usable {key!r}; copy the folder again, or fit it again.")
    if record.get("digest") != _digest({key: value for key, value in record.items() if key != "digest"}):
        raise FormatError(
            f"{str(path)!r} was changed after it was written, since it does not match its digest; copy the folder "
            f"again, or fit it again."
        )
    dimension = record["dimension"]
    sound = (
        record["arm"] in ARMS
        and record["decoder"] in _DECODERS
        and record["learn_on"] in record["groups"]
        and all(_NAME.fullmatch(name) and name != RECORD for name in record["files"])
        and _PREPARATION in record["files"]
        and all(isinstance(mean, list) and len(mean) == dimension for mean in record["means"].values())
        and all(
            isinstance(value, int | float) and abs(value) < _MOST for mean in record["means"].values() for value in mean
        )
    )
    if not sound:
        raise FormatError(
            f"{str(path)!r} names an arm, a decoder, a file or a mean that this version does not know; upgrade "
            f"crossgap, or fit it again."
        )


def _decoder(folder: Path, record: dict[str, Any]) -> Any:
    own = {_PREPARATION, _CLOSER, _WEIGHTS}
    content = {name: (folder / name).read_bytes() for name in record["files"] if name not in own}
    kind = record["decoder"]
    made = getattr(import_module(f"crossgap.transfer.{_DECODERS[kind]}"), kind)
    try:
        decoder = made.from_settings(record["settings"], content)
        if isinstance(decoder, nn.Module):
            load_model(decoder, folder / _WEIGHTS)
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError, FileNotFoundError) as error:
        why = " ".join(str(error).split())[:300].rstrip(".")
        raise FormatError(f"{str(folder)!r} holds a decoder that does not work ({why}); fit it again.") from error
    return decoder


def _text(record: Mapping[str, Any]) -> str:
    try:
        return json.dumps(record, indent=1, allow_nan=False, ensure_ascii=True)
    except (TypeError, ValueError) as error:
        raise TypeError(f"facts and settings must be JSON with finite numbers, but they are not ({error}).") from error


def _digest(record: Mapping[str, Any]) -> str:
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not finite")
    return number
