import numpy as np
import pytest

from crossgap.close.tasks import CLOSE, LEAVE, NOT_ENOUGH
from crossgap.evaluate.comparison import Resampling, compared, decide, item_counts, units
from crossgap.geometry.means import weighted_mean
from crossgap.results import Measurement


def _mean(values, counts):
    return weighted_mean(values, counts)


def test_both_versions_are_resampled_together(rng):
    before = rng.normal(size=400)
    counts = item_counts(np.arange(400), Resampling(replicates=300))
    found = list(
        compared("m", ("a",), _mean, (before, before + 0.1), counts, options={"k": 1}, lowest=-9.0, highest=9.0)
    )
    assert [m.options["version"] for m in found] == ["before", "after", "difference"]
    assert found[2].value == pytest.approx(0.1)
    assert np.ptp(found[2].interval) < 1e-9 < np.ptp(found[0].interval)
    assert all(m.options["k"] == 1 for m in found)


def test_one_version_is_measured_as_it_is(rng):
    (found,) = compared("m", ("a",), _mean, (rng.random(50), None), None, options={})
    assert found.options["version"] == "as is"
    assert found.interval is None


def test_rows_of_one_item_count_alike():
    counts = item_counts(np.repeat(np.arange(20), 3), Resampling(replicates=5))
    assert counts.shape == (60, 6)
    assert (counts[::3] == counts[1::3]).all()
    assert (counts[:, 0] == 1).all()
    assert item_counts(np.arange(9), Resampling()) is None
    assert item_counts(np.arange(50), Resampling(replicates=0)) is None
    again = item_counts(np.arange(20), Resampling(replicates=5, seed=1))
    assert (again != item_counts(np.arange(20), Resampling(replicates=5))).any()


def test_units_are_items_or_rows():
    assert units(np.array([4, 4, 7]), "item").tolist() == [4, 4, 7]
    assert units(np.array([4, 4, 7]), "row").tolist() == [0, 1, 2]


def _difference(value, low, high):
    return Measurement(name="d", groups=("a",), value=value, interval=None if low is None else (low, high))


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0.01, 0.5, CLOSE),
        (-0.5, -0.01, LEAVE),
        (-0.01, 0.02, None),
        (-0.06, 0.06, NOT_ENOUGH),
        (None, None, NOT_ENOUGH),
    ],
)
def test_a_decision_needs_an_interval_on_one_side(low, high, wanted):
    assert decide(_difference(0.0, low, high)) == wanted


def test_no_difference_is_no_data():
    assert decide(None) == NOT_ENOUGH


@pytest.mark.parametrize(
    ("options", "message"),
    [({"replicates": 1}, "replicates must be 0 or at least 2"), ({"level": 1.0}, "level must lie between 0 and 1")],
)
def test_bad_settings_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Resampling(**options)
