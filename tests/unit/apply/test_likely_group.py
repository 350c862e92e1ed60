"""Which group is proposed for a name that the closer does not know."""

import numpy as np
import pytest

from crossgap.apply.likely_group import likely_group
from crossgap.close.mean_removal import MeanRemoval


@pytest.mark.parametrize(
    ("name", "proposed"),
    [("text/document", "text/query"), ("text", "text/query"), ("image/photo", "image"), ("audio", "image")],
)
def test_one_of_the_same_modality_else_the_first(name, proposed):
    closer = MeanRemoval().fit(np.eye(4), groups=["image"] * 2 + ["text/query"] * 2)
    assert likely_group(name, closer) == proposed
