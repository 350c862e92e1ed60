import numpy as np
import pytest

from crossgap.geometry.matches import join_items, matched_rows, same_item


def test_without_ids_rows_pair_by_position():
    x_rows, y_rows = matched_rows(3, 3)
    assert x_rows.tolist() == y_rows.tolist() == [0, 1, 2]
    assert [len(rows) for rows in matched_rows(3, 4)] == [0, 0]


@pytest.mark.parametrize("kind", ["int", "str"])
def test_join_equals_a_double_loop(rng, kind):
    a, b = rng.integers(0, 9, 30), rng.integers(3, 12, 40)
    if kind == "str":
        a, b = a.astype(str), b.astype(str)
    expected = [(i, j) for i in range(30) for j in range(40) if a[i] == b[j]]
    assert list(zip(*(rows.tolist() for rows in join_items(a, b)), strict=True)) == expected
    assert list(zip(*(rows.tolist() for rows in matched_rows(30, 40, a, b)), strict=True)) == expected


def test_no_id_in_common_gives_no_pairs():
    assert [len(rows) for rows in matched_rows(2, 2, [1, 2], [3, 4])] == [0, 0]


@pytest.mark.parametrize("given", [{"x_items": [1, 2]}, {"y_items": [1, 2]}])
def test_ids_for_one_side_are_refused(given):
    with pytest.raises(ValueError, match="both sides or for none, but they were given for one; give both"):
        matched_rows(2, 2, **given)


def test_ids_must_be_one_for_each_row():
    with pytest.raises(ValueError, match=r"one for each of the 2 rows, but their shape is \(3,\)"):
        matched_rows(2, 3, [1, 2, 3], [1, 2, 3])
    with pytest.raises(ValueError, match=r"one for each of the 3 rows, but their shape is \(3, 1\)"):
        matched_rows(2, 3, [1, 2], [[1], [2], [3]])


def test_large_ids_of_two_integer_types_stay_apart():
    large = 2**63
    a, b = np.array([large + 1, 7], dtype=np.uint64), np.array([7, 2**62 + 1, large - 1], dtype=np.int64)
    assert [rows.tolist() for rows in join_items(a, b)] == [[1], [0]]
    assert [rows.tolist() for rows in matched_rows(2, 3, a, b)] == [[1], [0]]


def test_cosines_of_one_item_in_a_block():
    assert same_item(None, slice(0, 2), slice(2, 4)) is None
    assert same_item(None, slice(2, 4), slice(2, 4)).tolist() == [[True, False], [False, True]]
    items = np.array([0, 0, 1, 0])
    assert same_item(items, slice(0, 2), slice(2, 4)).tolist() == [[False, True], [False, True]]
    assert same_item(items, slice(0, 2), slice(2, 3)) is None
