"""The packaged sample."""

from importlib.resources import files

import numpy as np
import pytest

from crossgap.data import sample


def test_sample():
    if not (files("crossgap") / "sample" / "emoji.parquet").is_file():
        pytest.skip("the packaged sample (src/crossgap/sample/emoji.parquet) is not there yet")
    e = sample()
    assert len(e) >= 2
    for group in e.values():
        assert isinstance(group.vectors, np.ndarray)
        assert group.label is not None
