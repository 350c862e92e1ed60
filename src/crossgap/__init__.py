"""Measure, explain and close the modality gap in embedding spaces that hold several modalities.

    import crossgap

    e = crossgap.read("pairs.npz")
    p = e.pairs("image", "text")
    crossgap.measure.centroid_distance(p.x, p.y)
    crossgap.report.collect(e).to_json()

Importing the package loads none of its rooms; each loads when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crossgap import (
        apply,
        close,
        compare,
        data,
        doctor,
        errors,
        evaluate,
        explain,
        geometry,
        losses,
        maps,
        measure,
        report,
        reproduce,
        results,
        topology,
        train,
        transfer,
    )
    from crossgap.data import Embeddings, Group, Pairs, read, sample, write

__all__ = [
    "Embeddings",
    "Group",
    "Pairs",
    "__version__",
    "apply",
    "close",
    "compare",
    "data",
    "doctor",
    "errors",
    "evaluate",
    "explain",
    "geometry",
    "losses",
    "maps",
    "measure",
    "read",
    "report",
    "reproduce",
    "results",
    "sample",
    "topology",
    "train",
    "transfer",
    "write",
]

__version__ = "0.1.0"

_ROOMS = {
    "apply",
    "close",
    "compare",
    "data",
    "doctor",
    "errors",
    "evaluate",
    "explain",
    "geometry",
    "losses",
    "maps",
    "measure",
    "report",
    "reproduce",
    "results",
    "topology",
    "train",
    "transfer",
}
_NOUNS = {"Embeddings", "Group", "Pairs", "read", "sample", "write"}


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"crossgap.{name}")
    if name in _NOUNS:
        return getattr(importlib.import_module("crossgap.data"), name)
    raise AttributeError(f"module 'crossgap' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
