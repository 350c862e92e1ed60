"""What a closer knows, as plain JSON and named arrays, and back.

    {"means_": {"image": array}}  <->  {"means_": {"dict": {"image": {"tensor": "means_.image"}}}}  and  {name: array}

None, booleans, numbers and strings stand for themselves and a list is a list. Everything else is an object of one key
that says what it is: ``dict``, ``tuple``, ``tensor`` (an array, by its name), ``strings`` (an array of strings),
``infinity`` (1 or -1) or the name of a NumPy number type. Equal arrays are held once.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["pack", "tensor_name", "unpack"]

_DEEPEST = 16
_NUMBERS = {
    name: np.dtype(name).type
    for name in ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
} | {name: np.dtype(name).type for name in ("float16", "float32", "float64")}


def pack(value: Any, tensors: dict[str, np.ndarray], *, name: str) -> Any:
    """Return a value as JSON; arrays go to ``tensors``, under names that begin with ``name``.

    Raises
    ------
    TypeError
        If something is neither a number, a string, an array, None, nor a list, tuple or dict of those.
    ValueError
        If an array holds NaN or infinity, or a number is NaN.
    """
    if value is None or isinstance(value, bool | str) or type(value) is int:
        return value
    if isinstance(value, np.generic) and value.dtype.name in _NUMBERS:
        return {value.dtype.name: _finite(value.item(), name)}
    if type(value) is float:
        return {"infinity": 1 if value > 0 else -1} if math.isinf(value) else _finite(value, name)
    if isinstance(value, list | tuple):
        parts = [pack(part, tensors, name=f"{name}.{number}") for number, part in enumerate(value)]
        return {"tuple": parts} if isinstance(value, tuple) else parts
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: pack(part, tensors, name=f"{name}.{key}") for key, part in value.items()}}
    if isinstance(value, np.ndarray):
        return _pack_array(value, tensors, name=name)
    raise TypeError(
        f"{name} must be a number, a string, an array, None, or a list, tuple or dict of those by name, so that it can "
        f"be saved, but it is a {type(value).__name__}."
    )


def unpack(packed: Any, tensors: Mapping[str, np.ndarray], used: set[str], *, depth: int = 0) -> Any:
    """Return the value again, and add the names of its arrays to ``used``.

    Raises
    ------
    ValueError
        If this is nothing that ``pack`` returns; the message is a part of a sentence.
    """
    if depth > _DEEPEST:
        raise ValueError("is nested too deeply")
    if packed is None or isinstance(packed, bool | int | float | str):
        return packed
    if isinstance(packed, list):
        return [unpack(part, tensors, used, depth=depth + 1) for part in packed]
    ((kind, held),) = packed.items() if isinstance(packed, dict) and len(packed) == 1 else (("", None),)
    if kind == "dict" and isinstance(held, dict):
        return {key: unpack(part, tensors, used, depth=depth + 1) for key, part in held.items()}
    if kind == "tuple" and isinstance(held, list):
        return tuple(unpack(part, tensors, used, depth=depth + 1) for part in held)
    if kind == "strings" and isinstance(held, list) and all(isinstance(part, str) for part in held):
        return np.array(held, dtype=object)
    if kind == "infinity" and held in (1, -1):
        return held * math.inf
    if kind in _NUMBERS and isinstance(held, bool | int | float):
        return _number(kind, held)
    if kind == "tensor" and isinstance(held, str):
        if held not in tensors:
            raise ValueError(f"names the tensor {held!r}, which is missing")
        used.add(held)
        return tensors[held]
    raise ValueError(f"holds {str(packed)[:40]!r}, which is no value of this format")


def tensor_name(name: str, taken: Mapping[str, Any]) -> str:
    """Return the name of a new tensor: the wanted one, or with a number behind where that is taken."""
    wanted = name = name.encode("utf-8", "backslashreplace").decode()
    number = 2
    while name in taken:
        name, number = f"{wanted}~{number}", number + 1
    return name


def _pack_array(array: np.ndarray, tensors: dict[str, np.ndarray], *, name: str) -> Any:
    if array.ndim == 1 and array.dtype.kind in "OU" and all(isinstance(part, str) for part in array.tolist()):
        return {"strings": array.tolist()}
    if array.dtype.name not in _NUMBERS:
        raise TypeError(f"{name} must be an array of numbers, so that it can be saved, but its dtype is {array.dtype}.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite to be saved, but it holds NaN or infinity; fit the closer again.")
    for held, other in tensors.items():
        if other is array or (other.dtype == array.dtype and np.array_equal(other, array)):
            return {"tensor": held}
    held = tensor_name(name, tensors)
    tensors[held] = array
    return {"tensor": held}


def _finite(number: float, name: str) -> float:
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite to be saved, but it is {number}.")
    return number


def _number(kind: str, held: float) -> Any:
    try:
        with np.errstate(over="ignore"):
            number = _NUMBERS[kind](held)
    except OverflowError:
        raise ValueError(f"holds {held}, which is no {kind}") from None
    if number.item() != held:
        raise ValueError(f"holds {held}, which is no {kind}")
    return number
