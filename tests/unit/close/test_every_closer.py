"""What holds for every closer, as one table: scikit-learn's own checks, and the room that offers them."""

import importlib
import inspect
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from crossgap import close
from crossgap.close.closer import Closer
from crossgap.errors import DegenerateError

ONE_GROUP = [  # can be used with one group
    close.Corruption(),
    close.MeanRemoval(),
    close.MemoryProjection(),
    close.ProjectionAugmentation(),
    close.ScoreStandardisation(),
    close.Standardisation(),
    close.SubspaceRemoval(directions="components"),
    close.Whitening(),
]
TWO_GROUPS = [  # move groups with regard to each other
    close.BipartiteSpectral(dimensions=4),
    close.CanonicalMap(dimensions=4),
    close.Coral(),
    close.GaussianTransport(),
    close.Procrustes(),
    close.ReAlign(),
    close.RidgeMap(),
    close.SubspaceRemoval(),
    close.Translation(),
]
SIGNS_ARE_FREE = {"BipartiteSpectral", "CanonicalMap"}  # of singular vectors
MORE_COLUMNS = {"BipartiteSpectral", "CanonicalMap", "ScoreStandardisation"}


def _name(closer):
    return (
        f"{type(closer).__name__}({', '.join(f'{k}={v}' for k, v in closer.get_params().items() if k == 'directions')})"
    )


def _same(closer, one, other):
    if type(closer).__name__ in SIGNS_ARE_FREE:
        one, other = np.abs(one), np.abs(other)
    np.testing.assert_allclose(one, other, atol=1e-6)


@parametrize_with_checks(ONE_GROUP)
def test_scikit_learn_accepts_it(estimator, check):
    check(estimator)


def test_every_closer_is_in_the_tables_and_in_the_room():
    found = set()
    for path in Path(close.__file__).parent.glob("[a-z]*.py"):
        module = importlib.import_module(f"crossgap.close.{path.stem}")
        for name, value in vars(module).items():
            if inspect.isclass(value) and issubclass(value, Closer) and not inspect.isabstract(value):
                frame = {
                    "Closer",
                    "LinearCloser",
                    "MomentCloser",
                    "OntoTarget",
                    "CovarianceCloser",
                    "CovarianceMap",
                    "PairMap",
                }
                found |= {name} - frame
    tables = {type(closer).__name__ for closer in (*ONE_GROUP, *TWO_GROUPS)} - {"ProjectionAugmentation"}
    assert found == tables
    assert found <= set(close.__all__)


@pytest.fixture(scope="module")
def groups():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(60, 8))
    rows = [shared + 0.3 * rng.normal(size=(60, 8)) + shift for shift in (1.0, -1.0)]
    return np.concatenate(rows), np.repeat(["image", "text"], 60), np.tile(np.arange(60), 2)


@pytest.mark.filterwarnings("ignore:.*(fewer|dimensions|shrinkage).*:UserWarning")  # few rows, on purpose
@pytest.mark.parametrize("closer", [*ONE_GROUP[:3], *ONE_GROUP[4:], *TWO_GROUPS], ids=_name)
class TestOnTwoGroups:
    """Fitted on two groups of 60 paired rows."""

    def test_order_of_rows_does_not_matter(self, closer, groups):
        X, g, items = groups
        order = np.random.default_rng(1).permutation(120)
        order = order[np.argsort(g[order] == "text", kind="stable")]  # the same group comes first
        one = clone(closer).fit(X, groups=g, items=items).transform(X, groups=g)
        other = clone(closer).fit(X[order], groups=g[order], items=items[order]).transform(X, groups=g)
        _same(closer, one, other)

    def test_lengths_of_rows_do_not_matter(self, closer, groups):
        X, g, items = groups
        longer = X * np.random.default_rng(1).uniform(0.5, 2, size=(120, 1))
        one = clone(closer).fit(X, groups=g, items=items).transform(X, groups=g)
        other = clone(closer).fit(longer, groups=g, items=items).transform(longer, groups=g)
        _same(closer, one, other)

    def test_rows_move_one_by_one(self, closer, groups):
        X, g, items = groups
        fitted = clone(closer).fit(X, groups=g, items=items)
        moved = fitted.transform(X, groups=g)
        few = np.array([3, 70, 5, 100])
        np.testing.assert_allclose(fitted.transform(X[few], groups=g[few]), moved[few], atol=1e-12)
        for row in few:
            np.testing.assert_allclose(fitted.move(X[[row]], g[row])[0], moved[row], atol=1e-12)

    def test_moved_rows_are_finite_and_of_length_one(self, closer, groups):
        X, g, items = groups
        moved = clone(closer).fit(X, groups=g, items=items).transform(X, groups=g)
        assert np.isfinite(moved).all()
        assert moved.shape[1] == 8 or type(closer).__name__ in MORE_COLUMNS
        if type(closer).__name__ != "ScoreStandardisation":  # its documents carry their scale in their length
            np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 1)

    def test_what_was_fitted_is_not_changed_by_use(self, closer, groups):
        X, g, items = groups
        fitted = clone(closer).fit(X, groups=g, items=items)
        before = {key: repr(value) for key, value in vars(fitted).items()}
        fitted.transform(X, groups=g)
        assert {key: repr(value) for key, value in vars(fitted).items()} == before

    def test_it_is_read_as_it_was_written(self, closer, groups, tmp_path):
        X, g, items = groups
        fitted = clone(closer).fit(X, groups=g, items=items)
        close.write_closer(fitted, tmp_path / "closer.safetensors")
        again = close.read_closer(tmp_path / "closer.safetensors")
        assert again.get_params() == fitted.get_params()
        np.testing.assert_array_equal(again.transform(X, groups=g), fitted.transform(X, groups=g))


@pytest.mark.parametrize("closer", [c for c in TWO_GROUPS if type(c).__name__ != "BipartiteSpectral"], ids=_name)
def test_one_group_alone_is_refused(closer, groups):
    with pytest.raises(DegenerateError, match="groups"):
        clone(closer).fit(groups[0])
