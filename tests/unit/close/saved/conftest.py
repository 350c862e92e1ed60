"""Every closer, fitted on the 500 real pairs, for the tests of what is written and exported."""

import warnings
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import pytest

METHODS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "mean removal": ("mean_removal", "MeanRemoval", {}),
    "mean removal, lengths kept": ("mean_removal", "MeanRemoval", {"renormalise": False}),
    "translation": ("translation", "Translation", {"strength": 0.7}),
    "translation onto images": ("translation", "Translation", {"target": "image"}),
    "standardisation": ("standardisation", "Standardisation", {}),
    "whitening": ("whitening", "Whitening", {}),
    "joint whitening": ("whitening", "Whitening", {"joint": True}),
    "coral": ("coral", "Coral", {}),
    "gaussian transport": ("gaussian_transport", "GaussianTransport", {}),
    "realign": ("realign", "ReAlign", {}),
    "procrustes": ("procrustes", "Procrustes", {}),
    "ridge map": ("ridge_map", "RidgeMap", {}),
    "canonical map": ("canonical_map", "CanonicalMap", {}),
    "gap direction": ("subspace_removal", "SubspaceRemoval", {}),
    "gap coordinates": ("subspace_removal", "SubspaceRemoval", {"directions": "coordinates", "count": 5}),
    "components": ("subspace_removal", "SubspaceRemoval", {"directions": "components", "count": 3}),
    "score standardisation": ("score_standardisation", "ScoreStandardisation", {"centre": True}),
    "memory projection": ("memory_projection", "MemoryProjection", {}),
    "nearest memory": ("memory_projection", "MemoryProjection", {"neighbours": 5, "temperature": np.inf}),
    "spectral": ("bipartite_spectral", "BipartiteSpectral", {"bank": 200}),
    "corruption": ("corruption", "Corruption", {"centre": True, "noise": "covariance", "variance": None}),
}
NOT_LINEAR = ("memory projection", "nearest memory", "spectral", "corruption")


@dataclass(frozen=True)
class Pairs:
    """500 images and 500 texts, one after the other."""

    X: np.ndarray
    groups: np.ndarray
    items: np.ndarray

    def of(self, group: str) -> np.ndarray:
        """Return the rows of a group."""
        return self.X[self.groups == group]


@pytest.fixture(scope="session")
def pairs(coco) -> Pairs:
    """The 500 COCO pairs in float64 as the one array that closers take."""
    n = len(coco["image"])
    X = np.concatenate([coco["image"], coco["text"]])
    return Pairs(X=X, groups=np.repeat(["image", "text"], n), items=np.tile(np.arange(n), 2))


@pytest.fixture(scope="session")
def closers(pairs):
    """A function that returns the fitted closer of a label, fitted once."""
    fitted: dict[str, Any] = {}

    def closer(label: str) -> Any:
        if label not in fitted:
            module, name, parameters = METHODS[label]
            new = getattr(import_module(f"crossgap.close.{module}"), name)(**parameters)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # 500 pairs are few for some
                fitted[label] = new.fit(pairs.X, groups=pairs.groups, items=pairs.items)
        return fitted[label]

    return closer


def pytest_generate_tests(metafunc):
    """Run a test that asks for ``any_closer`` or ``linear_closer`` once for each."""
    if "any_closer" in metafunc.fixturenames:
        metafunc.parametrize("any_closer", METHODS, indirect=True)
    if "linear_closer" in metafunc.fixturenames:
        linear = [label for label in METHODS if label not in NOT_LINEAR]
        metafunc.parametrize("linear_closer", linear, indirect=True)


@pytest.fixture
def any_closer(request, closers):
    """A fitted closer of any method."""
    return closers(request.param)


@pytest.fixture
def linear_closer(request, closers):
    """A fitted closer whose moves are matrices and offsets."""
    return closers(request.param)
