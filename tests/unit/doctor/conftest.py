"""Ways to make groups and to look findings up by name."""

import numpy as np
import pytest

from crossgap.data.embeddings import Group
from crossgap.doctor import examine


@pytest.fixture
def found():
    """Examine arrays by name; return the findings as a mapping from name to a list."""

    def run(items=None, seed=0, **arrays):
        items = items or {}
        groups = {name.replace("__", "/"): Group(vectors=x, items=items.get(name)) for name, x in arrays.items()}
        findings = {}
        for finding in examine(groups, seed=seed):
            findings.setdefault(finding.name, []).append(finding)
        return findings

    return run


@pytest.fixture
def pairs(rng):
    """400 unit pairs that belong together about as clearly as CLIP's."""
    common = rng.standard_normal((400, 64))
    made = [common + rng.standard_normal((400, 64)) + offset for offset in (0.5, -0.5)]
    return [x / np.linalg.norm(x, axis=1, keepdims=True) for x in made]
