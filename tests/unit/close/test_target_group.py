"""What holds for every closer that moves groups onto a target, as one table."""

import numpy as np
import pytest

from crossgap.close.coral import Coral
from crossgap.close.gaussian_transport import GaussianTransport
from crossgap.close.procrustes import Procrustes
from crossgap.close.realign import ReAlign
from crossgap.close.ridge_map import RidgeMap
from crossgap.close.target_group import target_group
from crossgap.errors import DegenerateError
from crossgap.geometry.rows import unit_rows

UNPAIRED = [Coral, GaussianTransport, ReAlign]
EVERY = [*UNPAIRED, Procrustes, RidgeMap]
GROUPS = np.repeat(["image", "text", "audio"], 30)


@pytest.fixture
def rows(rng):
    shared = rng.normal(size=(30, 5))
    parts = [shared @ rng.normal(size=(5, 5)) + 0.3 * rng.normal(size=(30, 5)) + i for i in range(3)]
    return np.concatenate(parts)


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1)[:, None]


def test_the_first_group_is_the_target_unless_one_is_named():
    assert target_group(None, ("b", "a")) == "b"
    assert target_group("a", ("b", "a")) == "a"
    with pytest.raises(ValueError, match="target must be one of the groups b, a, but it is 'c'"):
        target_group("c", ("b", "a"))


@pytest.mark.parametrize("kind", EVERY)
def test_the_target_stays_and_the_others_move(kind, rows):
    closer = kind(target="text").fit(rows, groups=GROUPS)
    moved = closer.transform(rows, groups=GROUPS)
    assert closer.target_ == "text"
    np.testing.assert_array_equal(moved[30:60], unit_rows(rows[30:60]))
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 1)
    assert not np.allclose(moved[:30], _unit(rows)[:30], atol=0.1)
    assert not np.allclose(kind().fit(rows, groups=GROUPS).transform(rows, groups=GROUPS)[30:60], moved[30:60])


@pytest.mark.parametrize("kind", EVERY)
def test_without_renormalising_rows_keep_the_length_that_the_map_gives(kind, rows):
    closer = kind(renormalise=False).fit(rows, groups=GROUPS)
    moved = closer.transform(rows, groups=GROUPS)[30:]
    lengths = np.linalg.norm(moved, axis=1)
    assert np.allclose(lengths, 1) == (kind is Procrustes)
    np.testing.assert_allclose(
        moved / lengths[:, None], kind().fit(rows, groups=GROUPS).transform(rows, groups=GROUPS)[30:]
    )


@pytest.mark.parametrize("kind", EVERY)
def test_row_order_does_not_matter(kind, rows, rng):
    order = np.concatenate([[0], 1 + rng.permutation(89)])  # the first row stays, so that the target does
    items = np.tile(np.arange(30), 3)
    a = kind().fit(rows, groups=GROUPS, items=items)
    b = kind().fit(rows[order], groups=GROUPS[order], items=items[order])
    np.testing.assert_allclose(a.transform(rows, groups=GROUPS), b.transform(rows, groups=GROUPS), atol=1e-9)


@pytest.mark.parametrize("kind", EVERY)
def test_float32_in_float32_out(kind, rows):
    closer = kind().fit(rows, groups=GROUPS)
    moved = closer.transform(rows.astype(np.float32), groups=GROUPS)
    assert moved.dtype == np.float32
    np.testing.assert_allclose(moved, closer.transform(rows, groups=GROUPS), atol=1e-5)
    assert kind().fit(rows.astype(np.float32), groups=GROUPS).transform(rows, groups=GROUPS).dtype == np.float64


@pytest.mark.parametrize("kind", UNPAIRED)
def test_unpaired_ones_take_groups_of_different_sizes(kind, rows):
    few = kind().fit(rows[:73], groups=GROUPS[:73])
    assert few.fit_rows_ == {"image": 30, "text": 30, "audio": 13}
    assert few.transform(rows, groups=GROUPS).shape == rows.shape


@pytest.mark.parametrize("kind", [Procrustes, RidgeMap])
def test_paired_ones_ask_for_items_where_sizes_differ(kind, rows):
    with pytest.raises(DegenerateError, match="image and text have no pairs to fit on"):
        kind().fit(rows[:73], groups=GROUPS[:73])
    items = np.tile(np.arange(30), 3)[:73]
    closer = kind().fit(rows[:73], groups=GROUPS[:73], items=items)
    assert closer.pairs_ == {"text": 30, "audio": 13}


@pytest.mark.parametrize("kind", EVERY)
def test_one_group_and_an_unknown_target_are_refused(kind, rows):
    with pytest.raises(DegenerateError, match="must have at least 2 groups"):
        kind().fit(rows)
    with pytest.raises(ValueError, match="target must be one of the groups image, text, audio, but it is 'video'"):
        kind(target="video").fit(rows, groups=GROUPS)
