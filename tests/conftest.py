"""Fixtures that all tests share."""

from pathlib import Path

import numpy as np
import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout; tests that need it skip where it is missing."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real data (../shared/data) is not beside this checkout")
    return SHARED_DATA


@pytest.fixture(scope="session")
def coco(shared_data) -> dict[str, np.ndarray]:
    """500 real CLIP pairs in float64: image, text and the same network untrained."""
    with np.load(shared_data / "pairs" / "coco500_clip-vit-b16.npz") as arrays:
        return {name: arrays[name].astype(np.float64) for name in arrays.files}


@pytest.fixture
def rng() -> np.random.Generator:
    """A fresh generator with a fixed seed."""
    return np.random.default_rng(0)
