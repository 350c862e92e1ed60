"""Which group a row of a store is of, and a block of rows moved."""

import numpy as np
import pytest

from crossgap.apply.store_record import StoreTask, silent
from crossgap.apply.store_rows import GroupNames, count_groups, gives_unit_rows, move_rows, store_mover
from crossgap.close.mean_removal import MeanRemoval


def _closer(**parameters):
    rows = np.array([[1.0, 1, 0], [1, -1, 0], [-1, 1, 0], [-1, -1, 0], [0, 1, 1], [0, 1, -1]])
    return MeanRemoval(**parameters).fit(rows, groups=["image"] * 2 + ["text"] * 2 + ["text/query"] * 2)


def _task(**options):
    return StoreTask(closer=_closer(), source="somewhere", **options)


@pytest.mark.parametrize(
    ("name", "role", "aliases", "expected"),
    [
        ("image", None, {}, "image"),
        ("text", None, {}, "text"),
        ("text", "", {}, "text"),
        ("text", "query", {}, "text/query"),
        ("text", "document", {"text/document": "text"}, "text"),
        ("photo", None, {"photo": "image"}, "image"),
        ("text", "query", {"text/query": "image"}, "image"),
        ("image", None, {"image": "text"}, "text"),  # an alias goes first
        (3, None, {"3": "text"}, "text"),
    ],
)
def test_the_group_of_a_row(name, role, aliases, expected):
    assert GroupNames(_task(aliases=aliases)).find(name, role) == expected


def test_a_group_that_is_unknown():
    """The modality alone does not stand for a role that the closer does not know, nor does an alias of it."""
    unknown = [("audio", "x", "audio/x"), ("audio", None, "audio"), (None, "query", ""), ("text", "big", "text/big")]
    for name, role, said in unknown:
        with pytest.raises(LookupError) as caught:
            GroupNames(_task()).find(name, role)
        assert caught.value.args == (said,)
        assert GroupNames(_task(keep_others=True)).find(name, role) is None


def test_counts_come_in_the_order_of_the_closer():
    task = _task(keep_others=True)
    counts = {("text", None): 3, ("audio", None): 4, ("image", None): 1, ("text", "other"): 2}
    groups, kept = count_groups(counts, GroupNames(task), task, where="it")
    assert list(groups.items()) == [("image", 1), ("text", 3)]
    assert kept == 6


def test_the_commonest_unknown_group_is_named():
    task = _task(group_field="kind")
    counts = {("audio", None): 3, ("video", None): 4, ("image", None): 1}
    with pytest.raises(
        ValueError, match=r"it: 4 rows are of the group 'video', but the closer knows image, text, text/"
    ):
        count_groups(counts, GroupNames(task), task, where="it")
    with pytest.raises(ValueError, match="2 rows are without 'kind'"):
        count_groups({(None, None): 2}, GroupNames(task), task, where="it")


def test_the_alias_that_may_be_meant_is_named():
    task = _task()
    for said, proposed in (("text/document", "text"), ("audio", "image")):
        name, _, role = said.partition("/")
        with pytest.raises(ValueError, match=f"group '{said}'.* for example --as {said}={proposed} "):
            count_groups({(name, role): 2}, GroupNames(task), task, where="it")


def test_an_alias_that_names_no_row():
    task = _task(aliases={"phto": "image"}, keep_others=True)
    with pytest.raises(ValueError, match="it: there is no group 'phto' to treat as 'image'; it holds photo, text"):
        count_groups({("photo", None): 2, ("text", ""): 1}, GroupNames(task), task, where="it")


def test_nothing_would_be_moved():
    task = _task(keep_others=True)
    with pytest.raises(ValueError, match=r"no row is of a group that the closer knows .* so nothing would be moved"):
        count_groups({("photo", None): 2}, GroupNames(task), task, where="it")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_block_of_several_groups(dtype):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(9, 3)).astype(dtype)
    rows[4] = 0
    groups = ["image", "text", None, "image", "text", "text/query", None, "image", "text"]
    mover = store_mover(_closer(), {"image": 3, "text": 3, "text/query": 1}, 2, where="it")
    moved, zeros = move_rows(mover, rows, groups, where="it")
    assert moved.dtype == dtype
    assert zeros == 1
    wide = rows.astype(np.float32) if dtype == np.float16 else rows
    for row, name in enumerate(groups):
        expected = rows[row] if name is None or row == 4 else _closer().move(wide[row : row + 1], name)[0].astype(dtype)
        np.testing.assert_allclose(moved[row], expected, rtol=1e-6)


def test_a_bad_row_is_named():
    rows = np.ones((3, 3), np.float32)
    rows[1, 2] = np.nan
    mover = store_mover(_closer(), {"image": 3}, 0, where="it")
    with pytest.raises(ValueError, match=r"it: row 11 \(image\) holds a NaN"):
        move_rows(mover, rows, ["image"] * 3, where="it", first=10)


@pytest.mark.parametrize(("late", "said"), [("text", "text"), (None, "others")])
def test_rows_of_a_group_that_came_late(late, said):
    mover = store_mover(_closer(), {"image": 3}, 0, where="it")
    with pytest.raises(ValueError, match=f"it: rows of '{said}', which had none before, were added while the closer"):
        move_rows(mover, np.ones((2, 3), np.float32), ["image", late], where="it")


def test_no_rows():
    with pytest.raises(ValueError, match="it holds no rows, so there is nothing to move"):
        store_mover(_closer(), {}, 0, where="it")


def test_unit_rows():
    assert gives_unit_rows(_closer())
    assert not gives_unit_rows(_closer(renormalise=False))


def test_silence():
    assert silent(1, 2, "x") is None
