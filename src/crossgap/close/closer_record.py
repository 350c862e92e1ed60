"""A fitted closer as a record of JSON and named arrays, and back.

The record says what the closer is, what it was fitted on and, for a linear one, the steps that move the rows of each
group, so that nobody needs crossgap to apply it.
"""

import json
import re
import warnings
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

from crossgap import __version__
from crossgap.close.affine_step import AffineStep
from crossgap.close.closer import Closer, LinearCloser
from crossgap.close.linear_steps import check_fitted, linear_steps, pack_steps, unpack_steps
from crossgap.close.state_tree import pack, unpack
from crossgap.errors import DegenerateError

__all__ = ["SCHEMA", "pack_closer", "unpack_closer"]

SCHEMA = 1
_MODULES = {
    "BipartiteSpectral": "bipartite_spectral",
    "CanonicalMap": "canonical_map",
    "Coral": "coral",
    "Corruption": "corruption",
    "GaussianTransport": "gaussian_transport",
    "MeanRemoval": "mean_removal",
    "MemoryProjection": "memory_projection",
    "Procrustes": "procrustes",
    "ReAlign": "realign",
    "RidgeMap": "ridge_map",
    "ScoreStandardisation": "score_standardisation",
    "Standardisation": "standardisation",
    "SubspaceRemoval": "subspace_removal",
    "Translation": "translation",
    "Whitening": "whitening",
}
_IN_RECORD = {"groups_", "fit_rows_", "n_features_in_"}  # said by the record itself


def pack_closer(
    closer: Closer, *, facts: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the record of a fitted closer (all but the digest of its file), and the arrays that it names.

    Raises
    ------
    TypeError
        If the closer is none of ``crossgap.close``, or ``facts`` are no JSON.
    ValueError
        If it is not fitted, or something in it is not finite.
    """
    method = type(closer).__name__
    if _MODULES.get(method) != type(closer).__module__.rpartition(".")[2]:
        raise TypeError(f"closer must be one of the closers of crossgap.close to be saved, but it is a {method}.")
    check_fitted(closer)
    tensors: dict[str, np.ndarray] = {}
    parameters = {
        key: pack(value, tensors, name=f"parameters.{key}") for key, value in closer.get_params(deep=False).items()
    }
    learned = sorted(key for key in vars(closer) if key[0] != "_" and key[-1] == "_" and key not in _IN_RECORD)
    record = {
        "schema": SCHEMA,
        "kind": "closer",
        "crossgap": __version__,
        "method": method,
        "parameters": parameters,
        "groups": list(closer.groups_),
        "dimension": int(closer.n_features_in_),
        "fit_rows": {group: int(rows) for group, rows in closer.fit_rows_.items()},
        "state": {key: pack(getattr(closer, key), tensors, name=key) for key in learned},
        "steps": None,
        "facts": _plain(facts or {}),
    }
    if isinstance(closer, LinearCloser):
        record["steps"], added = pack_steps(linear_steps(closer), tensors)
        tensors.update(added)
    return record, tensors


def _plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return json.loads(json.dumps(dict(facts), allow_nan=False, default=_number))
    except (TypeError, ValueError, RecursionError) as error:
        why = str(error).rstrip(".")
        raise TypeError(f"facts must be JSON with finite numbers, but they are not ({why}).") from error


def _number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a {type(value).__name__} is no JSON")


def unpack_closer(record: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> Closer:
    """Return the closer of a record and its arrays, once it is known to work.

    Raises
    ------
    ValueError
        If it does not; the message is a part of a sentence.
    """
    for key, array in tensors.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"holds NaN or infinity in {key!r}")
    method = record["method"]
    if method not in _MODULES:
        raise ValueError(f"names the method {method[:40]!r}, which this version does not know")
    kind: type[Closer] = getattr(import_module(f"crossgap.close.{_MODULES[method]}"), method)
    used: set[str] = set()
    parameters = {key: unpack(value, tensors, used) for key, value in record["parameters"].items()}
    own = list(kind().get_params(deep=False))
    if sorted(parameters) != sorted(own):
        raise ValueError(f"has the parameters {', '.join(parameters) or 'none'}, where {method} has {', '.join(own)}")
    closer = kind(**parameters)
    closer.groups_ = tuple(record["groups"])
    closer.fit_rows_ = dict(record["fit_rows"])
    closer.n_features_in_ = record["dimension"]
    for key, value in record["state"].items():
        if not re.fullmatch("[a-z][a-z0-9_]*_", key) or hasattr(kind, key) or key in _IN_RECORD:
            raise ValueError(f"holds {key[:40]!r}, which is nothing that a closer learns")
        setattr(closer, key, unpack(value, tensors, used))
    steps = None if record["steps"] is None else unpack_steps(record["steps"], tensors, used)
    unused = set(tensors) - used
    if unused:
        raise ValueError(f"holds the tensor {min(unused)[:40]!r}, which nothing names")
    _try(closer)
    if isinstance(closer, LinearCloser):
        _check_shapes(closer)
    if steps is not None:
        _compare(closer, steps)
    return closer


def _try(closer: Closer) -> None:
    """Move one row of each group, which finds whatever is missing or of a wrong shape."""
    row = np.full((1, closer.n_features_in_), closer.n_features_in_**-0.5)
    for group in closer.groups_:
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                moved = closer.move(row, group)
        except DegenerateError:
            continue  # this row alone
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            why = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
            raise ValueError(f"lacks a part, or has one of a wrong type or shape ({why})") from error
        if moved.ndim != 2 or len(moved) != 1 or not moved.shape[1] or not np.isfinite(moved).all():
            raise ValueError("moves rows to what are no rows of finite numbers")


def _check_shapes(closer: LinearCloser) -> None:
    """Fail where numbers of a wrong shape would be stretched to fit."""
    for group in closer.groups_:
        width = closer.n_features_in_
        for step in closer.steps(group):
            if any(array is not None and array.dtype.kind not in "fiu" for array in step.arrays().values()):
                raise ValueError("has a part that holds no numbers")
            try:
                width = step.width(width)
            except ValueError as error:
                why = str(error).partition(";")[0]
                raise ValueError(f"lacks a part, or has one of a wrong type or shape ({why})") from error


def _compare(closer: Closer, steps: Mapping[str, tuple[AffineStep, ...]]) -> None:
    """Fail where the steps that others would apply are not those of the closer."""
    own = linear_steps(closer) if isinstance(closer, LinearCloser) else {}
    same = list(own) == list(steps) and all(
        len(own[group]) == len(steps[group]) and all(_same(a, b) for a, b in zip(own[group], steps[group], strict=True))
        for group in own
    )
    if not same:
        raise ValueError("lists steps that are not those of the closer")


def _same(a: AffineStep, b: AffineStep) -> bool:
    return a.renormalise == b.renormalise and all(
        x is y if x is None or y is None else x.shape == y.shape and np.allclose(x, y, rtol=1e-6, atol=1e-9)
        for x, y in zip(a.arrays().values(), b.arrays().values(), strict=True)
    )
