"""Our intrinsic dimensions equal scikit-dimension's on its synthetic manifolds.

Its figures are stored beside this file; ``scripts/make_dimension_figures.py`` made them.
"""

import importlib.util
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from crossgap import measure

HERE = Path(__file__).parent
RECORD = json.loads((HERE / "scikit_dimension.json").read_text(encoding="utf-8"))
FIGURES = RECORD["figures"]


@pytest.fixture(scope="module")
def manifolds():
    specification = importlib.util.spec_from_file_location("manifolds", HERE / "manifolds.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    assert (RECORD["rows"], RECORD["seed"]) == (module.ROWS, module.SEED)
    return module


@pytest.fixture(params=FIGURES)
def case(request, manifolds):
    return manifolds.points(request.param), FIGURES[request.param]


def test_two_nn(case):
    points, figures = case
    assert measure.two_nn_dimension(points, unit=False) == pytest.approx(figures["two_nn"], rel=1e-6)


def test_levina_bickel(case):
    points, figures = case
    for k in (10, 20):
        found = measure.levina_bickel_dimension(points, k=k, unit=False)
        assert found == pytest.approx(figures[f"mle_{k}"], rel=1e-7)
    arithmetic = measure.levina_bickel_dimension(points, k=20, average="arithmetic", unit=False)
    assert arithmetic == pytest.approx(figures["mle_20_arithmetic"], rel=1e-7)


def test_correlation_dimension_between_its_two_radii(case):
    """It takes the slope between the median distances to the 10th and to the 20th neighbour.

    It counts the pairs that are closer than those. A median may be the distance of a pair itself; whether that one
    counts is then up to its rounding, so both are tried.
    """
    points, figures = case
    distances = cdist(points, points)
    radii = np.median(np.sort(distances, axis=1)[:, [10, 20]], axis=0)
    found = [
        measure.correlation_dimension(points, radii=radii * (1 + np.array(nudges)), unit=False)
        for nudges in itertools.product((-1e-9, 1e-9), repeat=2)
    ]
    assert min(abs(value / figures["correlation_10_20"] - 1) for value in found) < 1e-6
    assert np.ptp(found) < 5e-3 * found[0]


def test_local_pca(case):
    points, figures = case
    assert measure.local_pca_dimension(points, unit=False) == figures["local_pca_50"]
    assert measure.local_pca_dimension_per_row(points, unit=False).mean() == pytest.approx(
        figures["local_pca_50_mean"], abs=1e-12
    )


def test_known_dimensions_are_found_where_the_rows_suffice(manifolds):
    for name, figures in FIGURES.items():
        if figures["dimension"] <= 3 and name not in ("M5b_Helix2d", "M13b_Spiral"):  # curled up too tightly
            points = manifolds.points(name)
            for estimate in (measure.two_nn_dimension, measure.levina_bickel_dimension):
                assert estimate(points, unit=False) == pytest.approx(figures["dimension"], rel=0.11)
