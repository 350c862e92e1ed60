"""Names that every docstring example may use, and the files whose examples only some machines can run."""

from importlib.util import find_spec

import numpy as np
import pytest

# Triton comes with torch for CUDA only; tests/unit/losses/test_triton_blocks.py runs these kernels where it is there
NEEDED_BY = {
    "src/crossgap/losses/triton_blocks.py": "triton",
    "src/crossgap/compare/representation_topology_divergence.py": "gudhi",
}
collect_ignore = [path for path, library in NEEDED_BY.items() if find_spec(library) is None]


def pytest_report_header() -> list[str]:
    """Say what was left out and why."""
    return [f"not collected, since {NEEDED_BY[path]} is not installed: {path}" for path in collect_ignore]


@pytest.fixture(autouse=True)
def _doctest_names(doctest_namespace):
    doctest_namespace["np"] = np
