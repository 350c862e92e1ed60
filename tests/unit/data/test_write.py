"""Round trips through every format, deterministic bytes, and nothing half-written."""

import os

import numpy as np
import pyarrow.parquet as pq
import pytest
import safetensors.numpy

from crossgap.data import ROW_FACTS, Embeddings, Group, read, write
from crossgap.data.atomic import atomic_path

FACTS = {
    "text": ["a cat", None, "", "Ünï \U0001f600", 'with "quotes"\nand lines'],
    "uri": ["s3://b/1.jpg", None, None, None, "x"],
    "label": list("abcde"),
    "split": ["train"] * 4 + ["test"],
}


def embeddings(rng, dtype=np.float32, items=None, **facts):
    x, y = (rng.normal(size=(5, 4)).astype(dtype) for _ in range(2))
    return Embeddings(
        {"image": Group(vectors=x, items=items), "text": Group(vectors=y, items=items, **{**FACTS, **facts})}
    )


def assert_same(found, expected):
    assert list(found) == list(expected)
    for name, group in expected.items():
        vectors = np.asarray(found[name].vectors)
        assert vectors.dtype == group.vectors.dtype
        assert vectors.tobytes() == np.ascontiguousarray(group.vectors).tobytes()
        assert (found[name].items is None) == (group.items is None)
        if group.items is not None:
            assert found[name].items.tolist() == group.items.tolist()
        for fact in ROW_FACTS:
            assert getattr(found[name], fact) == getattr(group, fact)


@pytest.mark.parametrize("name", ["e.npz", "e.safetensors", "e.parquet", "folder"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("items", [None, np.array([7, 7, -3, 2**40, 0]), np.array(["a", "a", "b", "ß", ""])])
@pytest.mark.parametrize("limit", [0, 1 << 20])
def test_round_trip(tmp_path, rng, name, dtype, items, limit):
    e = embeddings(rng, dtype, items)
    assert write(e, tmp_path / name) == tmp_path / name
    assert_same(read(tmp_path / name, load_limit=limit), e)
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_round_trip_of_npy(tmp_path, rng, dtype):
    x = rng.normal(size=(9000, 3)).astype(dtype)  # more than one block
    write(Embeddings({"image": Group(vectors=x)}), tmp_path / "e.npy")
    assert np.load(tmp_path / "e.npy").tobytes() == x.tobytes()
    assert read(f"image={tmp_path}/e.npy")["image"].vectors.dtype == dtype


@pytest.mark.parametrize("name", ["e.npz", "e.safetensors", "e.parquet"])
def test_groups_of_several_sizes_roles_dtypes_and_ids(tmp_path, rng, name):
    e = Embeddings(
        {
            "text/query": Group(vectors=rng.normal(size=(3, 4)).astype(np.float16), text=["a", None, "b"]),
            "image": Group(vectors=rng.normal(size=(9000, 4)).astype(np.float32), items=np.arange(9000)),
            "text/document": Group(vectors=rng.normal(size=(2, 4)).astype(np.float32), items=["x", "y"]),
        }
    )
    write(e, tmp_path / name)
    found = read(tmp_path / name)
    assert list(found) == list(e)
    for group in e:
        assert np.array_equal(found[group].vectors, e[group].vectors)
    assert found["text/query"].items is None
    assert found["image"].items.astype(int).tolist() == list(range(9000))
    assert found["text/document"].items.tolist() == ["x", "y"]


def test_unsigned_ids_in_parquet(tmp_path, rng):
    x = rng.normal(size=(2, 3))
    big, small = np.array([2**63 + 1, 5], np.uint64), np.array([5, -1])
    write(Embeddings({"a": Group(vectors=x, items=big)}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet")["a"].items.tolist() == big.tolist()
    write(Embeddings({"a": Group(vectors=x, items=big), "b": Group(vectors=x, items=small)}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet")["b"].items.tolist() == ["5", "-1"]


@pytest.mark.parametrize("name", ["e.npz", "e.safetensors", "e.parquet"])
def test_the_same_embeddings_give_the_same_bytes(tmp_path, name):
    contents = []
    for _ in range(2):
        write(embeddings(np.random.default_rng(0), items=np.arange(5)), tmp_path / name)
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]


def test_other_libraries_read_the_files(tmp_path, rng):
    e = embeddings(rng, items=np.arange(5))
    with np.load(write(e, tmp_path / "e.npz")) as arrays:
        assert np.array_equal(arrays["image"], e["image"].vectors)
        assert arrays["text@label"].tolist() == list("abcde")
    arrays = safetensors.numpy.load_file(write(e, tmp_path / "e.safetensors"))
    assert np.array_equal(arrays["text"], e["text"].vectors)
    table = pq.read_table(write(e, tmp_path / "e.parquet"))
    assert table.column_names == ["id", "modality", "role", "item", "vector", "split", "text", "uri", "label"]
    assert str(table.schema.field("vector").type) == "fixed_size_list<element: float not null>[4]"
    assert len(set(table.column("id").to_pylist())) == 10


@pytest.mark.parametrize("name", ["e.npz", "e.safetensors", "e.parquet"])
def test_tensors_and_readers_are_written(tmp_path, rng, name):
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(rng.normal(size=(5, 4)).astype(np.float32))
    write(Embeddings({"a": Group(vectors=x), "b": Group(vectors=x.to(torch.bfloat16))}), tmp_path / name)
    found = read(tmp_path / name, load_limit=0)
    assert np.array_equal(np.asarray(found["a"].vectors), x.numpy())
    assert np.array_equal(np.asarray(found["b"].vectors), x.to(torch.bfloat16).float().numpy())
    write(found, tmp_path / f"again_{name}")
    assert np.array_equal(read(tmp_path / f"again_{name}")["a"].vectors, x.numpy())


def test_format_overrides_the_ending(tmp_path, rng):
    write(embeddings(rng), tmp_path / "e.bin", format="npz")
    assert np.load(tmp_path / "e.bin").files[0] == "image"


def test_what_cannot_be_written(tmp_path, rng):
    e = embeddings(rng)
    with pytest.raises(ValueError, match=r"the ending of .*none of the formats"):
        write(e, tmp_path / "e.csv")
    with pytest.raises(ValueError, match="format 'csv' is none"):
        write(e, tmp_path / "e", format="csv")
    with pytest.raises(ValueError, match="is a URL"):
        write(e, "s3://bucket/e.npz")
    with pytest.raises(ValueError, match=r"here is 2 groups; write .npz"):
        write(e, tmp_path / "e.npy")
    with pytest.raises(ValueError, match="here is text with text, uri, label, split"):
        write(e.select(["text"]), tmp_path / "e.npy")
    with pytest.raises(ValueError, match="holds the groups image and text, but the groups are audio"):
        write(Embeddings({"audio": e["image"]}), tmp_path / "e")
    with pytest.raises(ValueError, match="differing item ids"):
        write(
            Embeddings({"image": e["image"], "text": Group(vectors=np.eye(5, 4), items=np.arange(5))}), tmp_path / "e"
        )
    with pytest.raises(ValueError, match="5 and 3 rows"):
        write(Embeddings({"image": e["image"], "text": Group(vectors=np.eye(3, 4))}), tmp_path / "e")
    with pytest.raises(ValueError, match="ends in a NUL"):
        write(embeddings(rng, label=["a\0"] * 5), tmp_path / "e.npz")
    if np.dtype(np.longdouble).itemsize > 8:
        with pytest.raises(ValueError, match="files hold float16, float32 or float64"):
            write(Embeddings({"a": Group(vectors=np.eye(2, dtype=np.longdouble))}), tmp_path / "e.npz")
    assert os.listdir(tmp_path) == []


def test_a_header_that_is_too_long(tmp_path, rng, monkeypatch):
    monkeypatch.setattr("crossgap.data.safetensors_file._LONGEST_HEADER", 100)
    with pytest.raises(ValueError, match=r"holds at most 100; write \.parquet"):
        write(embeddings(rng), tmp_path / "e.safetensors")


class Stopping:
    """Rows that stop in the middle."""

    shape, dtype = (10_000, 4), np.dtype(np.float32)

    def __getitem__(self, rows):
        if rows.start > 0:
            raise KeyboardInterrupt
        return np.zeros((rows.stop - rows.start, 4), np.float32)


@pytest.mark.parametrize("name", ["e.npy", "e.npz", "e.safetensors", "e.parquet", "folder"])
def test_an_interrupt_leaves_the_old_file_and_nothing_else(tmp_path, name):
    if name != "folder":
        (tmp_path / name).write_text("old")
    before = os.listdir(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        write(Embeddings({"image": Group(vectors=Stopping())}), tmp_path / name)
    assert os.listdir(tmp_path) == before
    assert name == "folder" or (tmp_path / name).read_text() == "old"


def test_atomic_path(tmp_path):
    path = tmp_path / "gap.json"
    with atomic_path(path) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".json"
        temporary.write_text("one")
        assert not path.exists()
    assert path.read_text() == "one"

    def fail_halfway():
        with atomic_path(str(path)) as temporary:
            temporary.write_text("tw")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail_halfway()
    assert path.read_text() == "one"
    assert os.listdir(tmp_path) == ["gap.json"]
    (tmp_path / "link.json").symlink_to(path)
    with atomic_path(tmp_path / "link.json") as temporary:
        temporary.write_text("three")
    assert path.read_text() == "three"
    assert (tmp_path / "link.json").is_symlink()


def enter(path):
    with atomic_path(path):
        pass


def test_places_that_cannot_be_written(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="does not exist; create it first"):
        enter(tmp_path / "missing" / "gap.json")
    with pytest.raises(IsADirectoryError, match="is a folder that exists already"):
        enter(tmp_path)
    with pytest.raises(OSError, match="no plain file"):
        enter(os.devnull)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match="may not write in"):
        enter(tmp_path / "gap.json")
