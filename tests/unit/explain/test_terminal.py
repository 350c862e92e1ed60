"""The lines for a terminal: the headline first, every finding, what was skipped, nothing too wide."""

import numpy as np
import pytest

from crossgap import Embeddings
from crossgap.explain.explain import explain
from crossgap.explain.terminal import lines

from .conftest import pairs_with_a_gap


@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_line_is_wider_than_the_terminal(embeddings, width):
    found = explain(embeddings, replicates=20)
    told = list(lines(found, width=width))
    assert max(map(len, told)) <= width
    assert told[0].startswith("image and text lie")
    for finding in found.findings[1:]:
        assert any(line.startswith(finding.name) for line in told)
    assert "95% intervals from 20 bootstrap replicates, seed 0." in " ".join(told).replace("  ", " ")


def test_what_was_skipped_and_noted():
    x, y = pairs_with_a_gap()
    found = explain(Embeddings.from_arrays(image=x, text=y[:60]), replicates=0, notes=["not used: a label."])
    told = " ".join(line.strip() for line in lines(found))
    assert "skipped: offset, details, constancy, noise_shape, temperature: needs pairs: image (80 rows)" in told
    assert told.endswith("not used: a label.")
    assert "no intervals" in told


def test_of_many_groups_the_first_two_in_full():
    x, y = pairs_with_a_gap()
    found = explain(Embeddings.from_arrays(image=x, text=y, audio=np.roll(x, 1, axis=1)), replicates=0)
    told = list(lines(found))
    assert [line.split(" lie ")[0] for line in told if " lie " in line and not line.startswith(" ")] == [
        "image and text",
        "image and audio",
        "text and audio",
    ]
    assert "Shown in full: image and text. The file holds all 3 pairs of groups" in " ".join(told)
    assert sum(line.startswith("offset") for line in told) == 1
    assert not any(line.startswith("dimension_collapse (audio)") for line in told)
