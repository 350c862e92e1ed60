import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage

from crossgap.errors import DegenerateError
from crossgap.topology import component_deaths


def test_points_on_a_line_die_at_their_spacings():
    assert component_deaths(np.array([[3.0], [0.0], [10.0], [1.0]]), unit=False).tolist() == [1.0, 2.0, 7.0]


def test_a_square_on_the_circle():
    square = np.array([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0], [0.0, -1.0]])
    assert np.allclose(component_deaths(square), np.sqrt(2.0), rtol=0, atol=1e-15)
    assert component_deaths(square, unit=False).tolist() == pytest.approx([2**0.5, 5**0.5, 10**0.5])


def test_deaths_of_real_pairs_are_single_linkage(coco):
    x = np.concatenate([coco["image"], coco["text"]])
    rows = x / np.linalg.norm(x, axis=1, keepdims=True)
    expected = linkage(rows, "single")[:, 2]
    assert np.abs(component_deaths(x) - expected).max() < 1e-12
    assert np.abs(component_deaths(x.astype(np.float32)) - expected).max() < 1e-6


def test_messages():
    with pytest.raises(DegenerateError, match="x must have at least 2 rows"):
        component_deaths(np.ones((1, 3)))
    with pytest.raises(ValueError, match="row 1 is all zeros"):
        component_deaths(np.array([[1.0, 0.0], [0.0, 0.0]]))
    assert component_deaths(np.array([[1.0, 0.0], [0.0, 0.0]]), check=False).tolist() == [1.0]
