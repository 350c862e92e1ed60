"""Names that every docstring example may use, and the one file that only some machines can import."""

from importlib.util import find_spec

import numpy as np
import pytest

# Triton comes with torch for CUDA only; tests/unit/losses/test_triton_blocks.py runs these kernels where it is there
collect_ignore = [] if find_spec("triton") else ["src/crossgap/losses/triton_blocks.py"]


def pytest_report_header() -> list[str]:
    """Say what was left out and why."""
    return [f"not collected, since Triton is not installed: {path}" for path in collect_ignore]


@pytest.fixture(autouse=True)
def _doctest_names(doctest_namespace):
    doctest_namespace["np"] = np
