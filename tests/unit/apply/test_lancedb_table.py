"""A column of a LanceDB table: written beside the old one, renamed in one commit, and back."""

import lancedb
import numpy as np
import pyarrow as pa
import pytest

from crossgap.apply.lancedb_column import MovedColumn
from crossgap.apply.stores import apply_to_store
from crossgap.close.mean_removal import MeanRemoval

N, D = 60, 6
GROUPS = ["image"] * 20 + ["text"] * 40


def _rows():
    rng = np.random.default_rng(11)
    return (rng.normal(size=(N, D)) + np.repeat([[1.0], [-1.0]], [20, 40], axis=0)).astype(np.float32)


def _closer(**parameters):
    return MeanRemoval(**parameters).fit(_rows(), groups=GROUPS)


def _vectors(rows, kind=None):
    flat = pa.array(np.asarray(rows).reshape(-1)) if kind is None else pa.array(np.asarray(rows, kind).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, np.asarray(rows).shape[1])


def _columns(rows=None, groups=GROUPS, **more):
    rows = _rows() if rows is None else rows
    note = [f"note {i}" for i in range(len(rows))]
    return {
        "id": pa.array(range(len(rows))),
        "modality": pa.array(groups),
        "vector": _vectors(rows),
        "note": note,
    } | more


@pytest.fixture
def make(tmp_path):
    """Make a table and return it."""

    def made(columns=None, **how):
        return lancedb.connect(tmp_path).create_table("photos", pa.table(columns or _columns()), **how)

    return made


@pytest.fixture
def apply(tmp_path):
    """Apply a closer to that table."""

    def applied(closer=None, **options):
        return apply_to_store(closer or _closer(), f"lancedb:{tmp_path}/photos", **options)

    return applied


def _read(table, column):
    table.checkout_latest()
    page = table.search().to_arrow().sort_by("id")
    return np.array(page[column].to_pylist(), dtype=object)


def _matrix(table, column):
    return np.stack([np.array(row, float) for row in _read(table, column)])


def test_vectors_move_and_all_else_stays(make, apply):
    table = make()
    record = apply(batch=7)
    assert record.as_json() | {"notes": []} == {
        "store": "lancedb",
        "source": "vector",
        "output": "vector_closed",
        "rows": N,
        "groups": {"image": 20, "text": 40},
        "kept_rows": 0,
        "missing_rows": 0,
        "zero_rows": 0,
        "resumed_from": 0,
        "written": N,
        "dry_run": False,
        "switched": False,
        "rolled_back": False,
        "notes": [],
    }
    expected = _closer().transform(_rows(), groups=GROUPS)
    np.testing.assert_array_equal(_matrix(table, "vector_closed"), expected)
    np.testing.assert_array_equal(_matrix(table, "vector"), _rows())
    assert _read(table, "note").tolist() == [f"note {i}" for i in range(N)]
    assert table.schema.names == ["id", "modality", "vector", "note", "vector_closed"]


def test_switch_and_roll_back_and_switch_again(make, apply):
    table = make()
    record = apply(switch=True)
    assert record.switched
    assert any("search(x, vector_column_name='vector') for the moved ones, 'vector_before'" in n for n in record.notes)
    expected = _closer().transform(_rows(), groups=GROUPS)
    np.testing.assert_array_equal(_matrix(table, "vector"), expected)
    np.testing.assert_array_equal(_matrix(table, "vector_before"), _rows())
    again = apply(switch=True)
    assert (again.switched, again.written) == (True, 0)
    assert "nothing was left to do" in again.notes[0]
    back = apply(roll_back=True)
    assert (back.rolled_back, back.source, back.output) == (True, "vector", "vector_closed")
    np.testing.assert_array_equal(_matrix(table, "vector"), _rows())
    once_more = apply(switch=True)
    assert (once_more.written, once_more.resumed_from, once_more.switched) == (0, N, True)
    np.testing.assert_array_equal(_matrix(table, "vector"), expected)


def test_dry_run_writes_nothing(make, apply):
    table = make()
    version = table.version
    record = apply(dry_run=True)
    assert (record.dry_run, record.rows, record.written, record.groups) == (True, N, 0, {"image": 20, "text": 40})
    table.checkout_latest()
    assert table.version == version


def test_a_run_that_was_stopped_goes_on(make, apply):
    table = make()

    class StopError(Exception):
        pass

    def stop(done, total, text):
        if text.startswith("writing") and done >= 30:
            raise StopError

    with pytest.raises(StopError):
        apply(batch=10, progress=stop)
    assert apply(dry_run=True).resumed_from == 30
    written = []
    record = apply(batch=10, progress=lambda done, total, text: written.append((done, total, text)))
    assert (record.resumed_from, record.written) == (30, 30)
    assert written[-4:] == [
        (60, 60, "looking at photos"),
        (40, 60, "writing vector_closed"),
        (50, 60, "writing vector_closed"),
        (60, 60, "writing vector_closed"),
    ]
    np.testing.assert_array_equal(_matrix(table, "vector_closed"), _closer().transform(_rows(), groups=GROUPS))
    assert "crossgap_row" not in table.schema.names


def test_rows_that_are_added_meanwhile_are_moved_by_the_next_run(make, apply):
    table = make()
    added = _columns(_rows()[:3], GROUPS[:3], id=pa.array([100, 101, 102]))

    def add(done, total, text):
        if text.startswith("writing") and done == 30:
            table.checkout_latest()
            table.add(pa.table(added))

    with pytest.raises(ValueError, match="3 rows were added to photos while the closer was applied"):
        apply(batch=30, progress=add)
    record = apply()
    assert (record.rows, record.resumed_from, record.written) == (63, 60, 3)
    expected = _closer().transform(np.concatenate([_rows(), _rows()[:3]]), groups=GROUPS + GROUPS[:3])
    np.testing.assert_array_equal(_matrix(table, "vector_closed"), expected)


def test_a_foreign_row_that_is_added_meanwhile(make, apply):
    table = make()
    added = _columns(_rows()[:1], ["audio"], id=pa.array([100]))

    def add(done, total, text):
        if text.startswith("looking"):
            table.add(pa.table(added))

    with pytest.raises(ValueError, match="a row of the group 'audio' was added while the closer was applied"):
        apply(progress=add)


def test_restart_writes_anew(make, apply):
    table = make()
    apply()
    other = _closer(renormalise=False)
    with pytest.raises(ValueError, match="'vector_closed' was begun with another closer or from another column"):
        apply(other)
    record = apply(other, restart=True)
    assert (record.resumed_from, record.written) == (0, N)
    assert any("not of length 1" in note for note in record.notes)
    np.testing.assert_array_equal(_matrix(table, "vector_closed"), other.transform(_rows(), groups=GROUPS))


def test_moved_vectors_are_not_moved_again(make, apply):
    make()
    apply(switch=True)
    with pytest.raises(ValueError, match="'vector' were moved by a closer already, and a second time would be wrong"):
        apply(_closer(renormalise=False))
    apply(roll_back=True)
    with pytest.raises(ValueError, match="'vector_closed' was made from 'vector' by a closer"):
        apply(vector="vector_closed")


@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_numbers_keep_their_type(make, apply, kind):
    table = make(_columns(vector=_vectors(_rows(), kind)))
    apply()
    table.checkout_latest()
    assert table.schema.field("vector_closed").type == pa.list_(pa.from_numpy_dtype(kind), D)
    rows = _rows().astype(kind)
    expected = _closer().transform(rows, groups=GROUPS).astype(kind)
    np.testing.assert_array_equal(_matrix(table, "vector_closed"), expected.astype(float))


def test_zeros_stay_and_rows_without_vector_too(make, apply):
    rows = _rows()
    rows[3] = 0
    lists = [None if i == 7 else row for i, row in enumerate(rows.tolist())]
    table = make(_columns(vector=pa.array(lists, pa.list_(pa.float32(), D))), on_bad_vectors="null")
    record = apply()
    assert (record.zero_rows, record.missing_rows, record.written) == (1, 1, N - 1)
    assert any("rows of zeros seem near to everything under the L2 distance" in note for note in record.notes)
    closed = _read(table, "vector_closed")
    assert list(closed[3]) == [0.0] * D
    assert closed[7] is None


def test_modality_and_role(make, apply):
    groups = ["image"] * 20 + ["text/query"] * 40
    closer = MeanRemoval().fit(_rows(), groups=groups)
    make(_columns(role=pa.array([None] * 20 + ["query"] * 40)))
    assert apply(closer).groups == {"image": 20, "text/query": 40}
    record = apply(closer, aliases={"text/query": "image"}, output="other")
    assert record.groups == {"image": 60}


def test_unknown_groups_stop_before_anything_is_written(make, apply):
    table = make(_columns(groups=["audio"] * 2 + GROUPS[2:]))
    version = table.version
    with pytest.raises(ValueError, match="photos: 2 rows are of the group 'audio', but the closer knows image, text"):
        apply()
    table.checkout_latest()
    assert table.version == version
    record = apply(keep_others=True)
    assert (record.kept_rows, record.groups) == (2, {"image": 18, "text": 40})
    np.testing.assert_array_equal(_matrix(table, "vector_closed")[:2], _rows()[:2])


def test_an_index_goes_with_its_vectors(make, apply):
    from lancedb.index import IvfFlat

    table = make()
    table.create_index("vector", config=IvfFlat(distance_type="cosine", num_partitions=2))
    record = apply()
    assert any("the index 'vector_idx' goes with the old vectors" in note for note in record.notes)
    table.checkout_latest()
    table.create_index("vector_closed", config=IvfFlat(distance_type="cosine", num_partitions=2))
    record = apply(switch=True)
    table.checkout_latest()
    indexed = {index.name: index.columns for index in table.list_indices()}
    assert indexed == {"vector_idx": ["vector_before"], "vector_closed_idx": ["vector"]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group": "audio"}, "there is no group 'audio' in the closer"),
        ({"group_field": "nope"}, "there is no column 'nope' that says the group of each row; the columns are id, mod"),
        ({"vector": "note"}, "there is no column 'note' of vectors of a fixed size of floats; there is vector"),
        ({"output": "note"}, "photos has a column 'note' that was not made here"),
        ({"roll_back": True}, "there is nothing to roll back in photos: 'vector' holds no moved vectors"),
    ],
)
def test_what_does_not_fit(make, apply, options, message):
    make()
    with pytest.raises(ValueError, match=message):
        apply(**options)


def test_another_dimension(make, apply):
    make(_columns(vector=_vectors(np.ones((N, D + 1), np.float32))))
    with pytest.raises(ValueError, match="'vector' has 7 dimensions, but the closer was fitted on 6"):
        apply()


def test_several_columns_of_vectors(make, apply):
    table = make(_columns(image_vector=_vectors(_rows())))
    with pytest.raises(ValueError, match=r"must have one column of vectors .*, but it has vector, image_vector; name"):
        apply()
    assert apply(vector="image_vector", switch=True).output == "image_vector_closed"
    assert apply(vector="vector").output == "vector_closed"
    assert apply(vector="image_vector", roll_back=True).rolled_back
    np.testing.assert_array_equal(_matrix(table, "image_vector"), _rows())


def test_the_place_of_the_old_vectors_must_be_free(make, apply):
    make(_columns(vector_before=pa.array(range(N))))
    with pytest.raises(ValueError, match="photos has a column 'vector_before', which is where the old vectors would"):
        apply()


def test_old_vectors_that_are_gone_cannot_come_back(make, apply):
    table = make()
    apply(switch=True)
    table.checkout_latest()
    table.drop_columns(["vector_before"])
    with pytest.raises(ValueError, match="'vector_before', which held the old vectors, is gone"):
        apply(roll_back=True)


def test_a_number_that_is_null(make, apply):
    lists = _rows().astype(object)
    lists[4, 2] = None
    make(_columns(vector=pa.array(lists.tolist(), pa.list_(pa.float32(), D))))
    with pytest.raises(ValueError, match="a vector of the column 'vector' has a number that is null"):
        apply()


def test_places_that_are_none(tmp_path, make):
    with pytest.raises(FileNotFoundError, match="is no folder, so it holds no LanceDB table"):
        apply_to_store(_closer(), f"lancedb:{tmp_path}/nope/photos")
    with pytest.raises(ValueError, match="there is no table 'nope' in"):
        apply_to_store(_closer(), f"lancedb:{tmp_path}/nope")
    with pytest.raises(ValueError, match="is a database of LanceDB Cloud, but only folders and object stores"):
        apply_to_store(_closer(), "lancedb:db://mine/photos")
    make()
    assert apply_to_store(_closer(), f"lancedb:{tmp_path}/photos.lance/", dry_run=True).rows == N


def test_what_lancedb_cannot_read_is_one_sentence(tmp_path, make):
    make()
    for file in (tmp_path / "photos.lance" / "data").iterdir():
        file.write_bytes(b"x" * 64)
    with pytest.raises(OSError, match=r"could not be read or written by LanceDB, which says .*; check the folder"):
        apply_to_store(_closer(), f"lancedb:{tmp_path}/photos")


def test_an_empty_table(make, apply):
    make(_columns(np.zeros((0, D), np.float32), pa.array([], pa.string())))
    with pytest.raises(ValueError, match="photos holds no rows, so there is nothing to move"):
        apply()


def test_a_conflict_says_to_try_again(make, apply):
    make()

    def preempted(done, total, text):
        raise RuntimeError("lance error: Retryable commit conflict for version 2")

    with pytest.raises(OSError, match="another program wrote to it at the same moment, so run the same command again"):
        apply(progress=preempted)


def _change(table, row):
    table.checkout_latest()
    table.update(where=f"id = {row}", values={"note": "changed", "modality": "text"})


def test_what_others_change_meanwhile_is_kept(make, apply):
    """Row 50 is written after the change, row 5 before it."""
    table = make()

    def change(done, total, text):
        if text.startswith("writing") and done == 20:
            _change(table, 50)
            _change(table, 5)

    record = apply(batch=10, progress=change)
    assert record.written == N
    note = _read(table, "note")
    assert [row for row in range(N) if note[row] == "changed"] == [5, 50]


def test_what_others_change_at_the_very_moment_is_kept(make, apply, monkeypatch):
    """Between reading rows and writing them: they are read again, and moved as they are now."""
    table = make()
    moved, calls = MovedColumn._moved, []

    def slow(column, batch):
        calls.append(batch.num_rows)
        if len(calls) == 2:
            _change(table, 12)
            table.delete("id = 13")
            table.update(where="id = 14", values={"vector": [5.0] + [0.0] * (D - 1)})
        return moved(column, batch)

    monkeypatch.setattr(MovedColumn, "_moved", slow)
    apply(batch=10)
    assert calls == [10, 10, 9, 10, 10, 10, 10]
    keys = _read(table, "id").tolist()
    assert keys == [row for row in range(N) if row != 13]
    note = dict(zip(keys, _read(table, "note"), strict=True))
    assert note[12] == "changed"
    rows, groups = _rows(), list(GROUPS)
    rows[14] = [5.0] + [0.0] * (D - 1)
    groups[12] = "text"
    expected = _closer().transform(rows, groups=groups)
    np.testing.assert_array_equal(_matrix(table, "vector_closed"), np.delete(expected, 13, axis=0))


def test_columns_of_every_kind_survive(make, apply):
    more = {
        "list": pa.array([[i, i + 1] for i in range(N)]),
        "struct": pa.array([{"a": i, "b": str(i)} for i in range(N)]),
        "time": pa.array(range(N), pa.timestamp("us")),
        "bytes": pa.array([bytes([i]) for i in range(N)]),
        "maybe": pa.array([None if i % 3 else i for i in range(N)]),
        "word": pa.array(["x", "y"] * (N // 2)).dictionary_encode(),
        "other_vector": _vectors(_rows()[:, :2]),
    }
    table = make(_columns(**more))
    before = table.search().to_arrow().sort_by("id")
    apply(vector="vector")
    table.checkout_latest()
    after = table.search().to_arrow().sort_by("id")
    assert after.drop(["vector_closed"]) == before
