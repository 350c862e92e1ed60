"""Write the intrinsic dimensions that scikit-dimension gives on its own synthetic manifolds.

The tests hold ours against them. They make the same points with NumPy alone, by the recipes of
``tests/unit/measure/manifolds.py``, which this script checks against scikit-dimension's own. Run it in an environment
that has scikit-dimension 0.5 and pandas, from the root of the checkout::

    python scripts/make_dimension_figures.py
"""

import importlib.util
import json
from pathlib import Path

import numpy as np
import skdim

HERE = Path(__file__).resolve().parents[1] / "tests" / "unit" / "measure"


def main() -> None:
    """Measure every manifold with the four estimators and write one JSON file."""
    specification = importlib.util.spec_from_file_location("manifolds", HERE / "manifolds.py")
    manifolds = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(manifolds)
    figures = {}
    for name in manifolds.MANIFOLDS:
        points = manifolds.points(name)
        bench = skdim.datasets.BenchmarkManifolds(random_state=manifolds.SEED)
        dimension, variables, _ = bench._dict_truth[name]
        theirs = bench.generate(name, n=manifolds.ROWS, dim=variables, d=dimension)
        np.testing.assert_allclose(points, theirs, rtol=1e-12, atol=1e-12, err_msg=name)
        figures[name] = {"dimension": dimension, **measured(theirs)}
        print(name, figures[name])
    record = {
        "made_by": "scripts/make_dimension_figures.py",
        "scikit_dimension": skdim.__version__,
        "numpy": np.__version__,
        "seed": manifolds.SEED,
        "rows": manifolds.ROWS,
        "figures": figures,
    }
    (HERE / "scikit_dimension.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def measured(points: np.ndarray) -> dict[str, float]:
    """Return the estimates of one set of points, under the names that the tests use."""
    mle = {k: skdim.id.MLE().fit(points, n_neighbors=k) for k in (10, 20)}
    local = skdim.id.lPCA(ver="ratio", alphaRatio=0.95).fit_pw(points, n_neighbors=50)
    return {
        "two_nn": float(skdim.id.TwoNN(discard_fraction=0.1).fit(points).dimension_),
        "mle_10": float(mle[10].dimension_),
        "mle_20": float(mle[20].dimension_),
        "mle_20_arithmetic": float(np.mean(mle[20].dimension_pw_)),
        "correlation_10_20": float(skdim.id.CorrInt(k1=10, k2=20).fit(points).dimension_),
        "local_pca_50": float(np.median(local.dimension_pw_)),
        "local_pca_50_mean": float(np.mean(local.dimension_pw_)),
    }


if __name__ == "__main__":
    main()
