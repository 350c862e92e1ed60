import pytest

from crossgap.geometry.matches import join_items, matched_rows


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
