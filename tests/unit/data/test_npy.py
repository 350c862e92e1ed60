"""The .npy reader: every way in which a file can be wrong, byte orders, Fortran order, and rows on demand."""

import pickle
import threading

import numpy as np
import pytest

from crossgap.data import NpyRows, read, read_groups
from crossgap.data.row_index import row_index
from crossgap.errors import FormatError
from crossgap.geometry.rows import row_blocks


def load(path, **options):
    return read_groups(f"image={path}", **options).groups["image"].vectors


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f2", ">f4", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("limit", [0, 1 << 20])
def test_every_dtype_and_order(tmp_path, rng, dtype, order, limit):
    x = np.asarray(rng.normal(size=(50, 7)), dtype=dtype, order=order)
    np.save(tmp_path / "a.npy", x)
    rows = load(tmp_path / "a.npy", load_limit=limit)
    assert isinstance(rows, NpyRows if limit == 0 else np.ndarray)
    assert rows.dtype == np.dtype(dtype).newbyteorder("=")
    assert rows.dtype.isnative
    assert rows[3:9].dtype.isnative
    assert rows[3:9].flags.c_contiguous
    assert np.array_equal(np.asarray(rows), x)
    index = np.array([49, 3, 4, 5, 5, 0, -2])
    mask = x[:, 0] > 0
    for key in (slice(3, 9), slice(40, 99), slice(9, 3), slice(None, None, -7), index, mask, index[:0], 4, -1):
        assert np.array_equal(rows[key], x[key])
        assert rows[key].flags.writeable
    assert np.array_equal(np.concatenate([block for _, block in row_blocks(rows, 8)]), x)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version(tmp_path, rng, version):
    x = rng.normal(size=(5, 3))
    with open(tmp_path / "a.npy", "wb") as file:
        np.lib.format.write_array(file, x, version=version)
    assert np.array_equal(load(tmp_path / "a.npy"), x)


def test_rows_go_to_other_threads_and_processes(tmp_path, rng):
    x = rng.normal(size=(200, 4))
    np.save(tmp_path / "a.npy", x)
    rows = pickle.loads(pickle.dumps(load(tmp_path / "a.npy", load_limit=0)))  # noqa: S301
    sums = [None] * 8

    def add(part):
        sums[part] = rows[part::8].sum()

    threads = [threading.Thread(target=add, args=[part]) for part in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.isclose(sum(sums), x.sum())


def bytes_of(array):
    import io

    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


FLOATS = np.ones((4, 3), np.float32)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"1.0 2.0\n3.0 4.0\n", "does not begin like a .npy file"),
        (b"\x93NUMPY\x09\x00", "of .npy version"),
        (b"\x93NUMPY\x01\x00\x10\x00{'descr': broken", "damaged .npy head"),
        (bytes_of(np.array([[1, "a"]], dtype=object)), "pickled Python objects, which crossgap never loads"),
        (bytes_of(FLOATS)[:-1], "promises an array of shape .* 176 bytes, but there are 175"),
        (bytes_of(FLOATS[0]), r"has shape \(3,\)"),
        (bytes_of(FLOATS.astype(np.int8)), "holds int8 numbers"),
        (bytes_of(FLOATS.astype(np.complex64)), "holds complex64 numbers"),
        (bytes_of(FLOATS[:0]), "is empty, of shape"),
        (bytes_of(FLOATS[:, :0]), "is empty, of shape"),
    ],
)
def test_files_that_are_wrong(tmp_path, content, message):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(FormatError, match=message) as caught:
        read(f"image={tmp_path}/a.npy")
    assert str(caught.value).count("\n") == 0


def test_a_pickle_is_never_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    (tmp_path / "a.npy").write_bytes(bytes_of(np.array([Evil()], dtype=object)))
    with pytest.raises(FormatError):
        read(f"image={tmp_path}/a.npy")
    assert not (tmp_path / "ran").exists()


def test_bytes_after_the_array_are_noted(tmp_path):
    (tmp_path / "a.npy").write_bytes(bytes_of(FLOATS) + b"more")
    assert "4 bytes after the array" in read_groups(f"image={tmp_path}/a.npy").notes[0]


def test_a_file_that_shrinks_while_it_is_read(tmp_path):
    np.save(tmp_path / "a.npy", FLOATS)
    rows = load(tmp_path / "a.npy", load_limit=0)
    (tmp_path / "a.npy").write_bytes(bytes_of(FLOATS)[:-8])
    with pytest.raises(FormatError, match="changed while it was read"):
        rows[:]
    (tmp_path / "a.npy").unlink()
    with pytest.raises(FileNotFoundError, match="there is no file"):
        rows[:]


def test_row_index():
    assert row_index(slice(None), 5) == slice(0, 5)
    assert row_index([], 5).tolist() == []
    with pytest.raises(IndexError, match="below 5"):
        row_index([5], 5)
    with pytest.raises(TypeError, match="one-dimensional"):
        row_index((1, 2.5), 5)
    with pytest.raises(TypeError, match="one-dimensional"):
        row_index(np.zeros((2, 2), int), 5)
