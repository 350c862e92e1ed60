"""The formats that hold several groups: what each refuses, and what each says of what it does not use."""

import json
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.numpy

import crossgap.data.parquet
from crossgap.data import ParquetRows, read, read_groups
from crossgap.errors import FormatError
from crossgap.geometry.rows import row_blocks

X = np.arange(12, dtype=np.float32).reshape(4, 3)


# .npz ----------------------------------------------------------------------------------------------------------------


def test_npz_by_hand(tmp_path):
    texts = np.array(["a", "b", "c", "d"])
    np.savez(
        tmp_path / "a.npz",
        **{"image": X, "text/query": X[:2], "items": np.arange(4), "text/query_items": np.array(["p", "q"])},
        image_text=texts,
        label=np.arange(4),
        uri=texts.astype("S"),
        pixels=np.zeros((4, 2, 2)),
    )
    found = read_groups(tmp_path / "a.npz")
    image, query = found.groups["image"], found.groups["text/query"]
    assert image.items.tolist() == [0, 1, 2, 3]
    assert query.items.tolist() == ["p", "q"]
    assert image.text == ["a", "b", "c", "d"] == image.uri
    assert image.label is None
    assert query.uri is None
    assert len(found.notes) == 2
    assert "'label'" in found.notes[0]
    assert "'pixels'" in found.notes[1]


def test_npz_compressed_fortran_and_foreign_byte_order(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", image=np.asfortranarray(X), text=X.astype(">f8"))
    e = read(tmp_path / "a.npz", load_limit=0)
    assert isinstance(e["image"].vectors, np.ndarray)
    assert np.array_equal(e["image"].vectors, X)
    assert e["text"].vectors.dtype == np.float64
    assert e["text"].vectors.dtype.isnative
    np.savez(tmp_path / "b.npz", image=np.asfortranarray(X))
    assert np.array_equal(read(tmp_path / "b.npz")["image"].vectors, X)
    assert np.array_equal(np.asarray(read(tmp_path / "b.npz", load_limit=0)["image"].vectors), X)


def test_npz_that_is_wrong(tmp_path):
    path = tmp_path / "a.npz"

    def fails(message):
        with pytest.raises(FormatError, match=message):
            read(path)

    path.write_bytes(b"no zip")
    fails("is no whole .npz file")
    np.savez(path, image=X)
    path.write_bytes(path.read_bytes()[:-30])
    fails("is no whole .npz file")
    np.savez(path, image=X)
    content = path.read_bytes()
    path.write_bytes(content.replace(X.tobytes(), X[::-1].tobytes()))
    fails("Bad CRC")
    np.savez(path, image=X, captions=np.array([["a"]], dtype=object))
    fails("member 'captions', holds pickled Python objects")
    np.savez(path, label=np.arange(4))
    fails(r"no array of shape \(n, d\).*'label' \(4,\) int64")
    np.savez(path, **{"my image": X})
    fails("no array of shape")
    np.savez(path, **{"image": X, "image@items": np.arange(3)})
    fails(r"'image@items' has shape \(3,\)")
    np.savez(path, **{"image": X, "image@text": np.array(list("abcd")), "image@text@missing": np.arange(3)})
    fails("must hold 4 booleans")
    np.savez(path, image=X, image_text=np.array([b"\xff"] * 4))
    fails("no UTF-8 text")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("image.npy", content)
    fails("member 'image', does not begin like")
    np.savez(path, image=X)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("image.npy", archive.read("image.npy"))
    fails("'image' twice")
    np.savez(path, image=X)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    fails("encrypted")
    np.savez(path, image=X)
    content = bytearray(path.read_bytes())
    central = content.index(b"PK\x01\x02")
    content[central + 42 : central + 46] = b"\xff\xff\xff\x7f"  # where the member begins
    path.write_bytes(content)
    fails("is no whole .npz file")
    head = (
        np.lib.format.magic(1, 0) + b"v\0" + b"{'descr': '<f4', 'fortran_order': False, 'shape': (8, 3), }".ljust(118)
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("image.npy", head + X.tobytes())
    content = bytearray(path.read_bytes())
    central = content.index(b"PK\x01\x02")
    content[central + 24 : central + 28] = (len(head) + 96).to_bytes(4, "little")  # the size that it claims
    path.write_bytes(content)
    fails("the member ends early")
    path.unlink()
    (tmp_path / "a.npz").symlink_to(tmp_path / "a.npz")
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        read(path)


def test_npz_notes_other_members_and_names(tmp_path):
    np.savez(tmp_path / "a.npz", **{"image": X, "my\x1b text": X})
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("README", "hello")
    notes = read_groups(tmp_path / "a.npz").notes
    assert len(notes) == 2
    assert "'README' is not used" in notes[0]
    assert r"'my\x1b text' is not used" in notes[1]


# .safetensors --------------------------------------------------------------------------------------------------------


def test_safetensors_of_the_library(tmp_path):
    path = tmp_path / "a.safetensors"
    arrays = {"image": X, "text": X.astype(np.float16), "bias": X[0], "codes": X.astype(np.int32), "a b": X}
    safetensors.numpy.save_file(arrays, path, metadata={"format": "np", "model": "clip"})
    found = read_groups(path)
    assert {name: group.vectors.dtype for name, group in found.groups.items()} == {"image": "f4", "text": "f2"}
    assert np.array_equal(found.groups["image"].vectors, X)
    assert sorted(found.notes) == sorted(
        [
            f"{str(path)!r}: tensor 'bias' is not used, since it has shape (3,).",
            f"{str(path)!r}: tensor 'codes' is not used, since it holds I32 numbers.",
            f"{str(path)!r}: tensor 'a b' is not used, since it has a name that is no 'modality' or 'modality/role'.",
            f"{str(path)!r}: metadata 'model' is not used.",
        ]
    )


@pytest.mark.parametrize("limit", [0, 1 << 20])
def test_safetensors_bfloat16(tmp_path, rng, limit):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    x = torch.from_numpy(rng.normal(size=(9, 5))).to(torch.bfloat16)
    save_file({"image": x}, tmp_path / "a.safetensors")
    found = read_groups(tmp_path / "a.safetensors", load_limit=limit)
    rows = found.groups["image"].vectors
    assert rows.dtype == np.float32
    assert rows.shape == (9, 5)
    assert np.array_equal(np.asarray(rows), x.float().numpy())
    assert np.array_equal(rows[2:4], x.float().numpy()[2:4])
    assert "bfloat16" in found.notes[0]


def safetensors_bytes(header, numbers=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + numbers


def entry(dtype="F32", shape=(4, 3), offsets=(0, 48)):
    return {"image": {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cut short or no .safetensors"),
        (b"\xff" * 20, "cut short or no .safetensors"),
        (safetensors_bytes(b"{no json"), "header that is not JSON"),
        (safetensors_bytes(b"[" * 50000), "header that is not JSON"),
        (safetensors_bytes([1]), "no JSON object"),
        (safetensors_bytes({"__metadata__": {"a": 1}}), "metadata other than strings"),
        (safetensors_bytes({"image": 3}), "describes tensor 'image' wrongly"),
        (safetensors_bytes(entry(shape=(-4, -3))), "describes tensor 'image' wrongly"),
        (safetensors_bytes(entry(), X.tobytes()[:40]), "should end at byte 48 of the numbers, but there are 40"),
        (safetensors_bytes(entry(shape=(4, 2)), X.tobytes()), "needs 32 bytes, but has 48"),
        (safetensors_bytes(entry("I32"), X.tobytes()), "no tensor of shape"),
        (safetensors_bytes({"__metadata__": {"image@items": "[1"}, **entry()}, X.tobytes()), "not JSON"),
        (safetensors_bytes({"__metadata__": {"image@items": "[1]"}, **entry()}, X.tobytes()), "a list of 1"),
        (safetensors_bytes({"__metadata__": {"image@items": "{}"}, **entry()}, X.tobytes()), "no list"),
        (safetensors_bytes({"__metadata__": {"image@items": "[1, 2, 3, null]"}, **entry()}, X.tobytes()), "integers"),
        (safetensors_bytes({"__metadata__": {"image@items": f"[{9**99}, 1, 1, 1]"}, **entry()}, X.tobytes()), "64-bit"),
        (
            safetensors_bytes({"__metadata__": {"image@text": "[1, 2, 3, 4]"}, **entry()}, X.tobytes()),
            "strings or null",
        ),
    ],
)
def test_safetensors_that_is_wrong(tmp_path, content, message):
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(FormatError, match=message):
        read(tmp_path / "a.safetensors")


# Parquet -------------------------------------------------------------------------------------------------------------


def vectors(kind=None, rows=X):
    return pa.array(rows.tolist(), kind or pa.list_(pa.float32(), rows.shape[1]))


def save(path, columns, **options):
    pq.write_table(pa.table(columns), path, **options)
    return path


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        (pa.list_(pa.float16(), 3), "f2"),
        (pa.list_(pa.float32(), 3), "f4"),
        (pa.list_(pa.float64(), 3), "f8"),
        (pa.list_(pa.float32()), "f4"),
        (pa.large_list(pa.float64()), "f8"),
    ],
)
@pytest.mark.parametrize("limit", [0, 1 << 20])
def test_parquet_interleaved_groups_and_every_list_type(tmp_path, kind, dtype, limit):
    rows = np.arange(30, dtype=np.float32).reshape(10, 3)
    columns = {
        "modality": pa.array(["text", "image"] * 5).dictionary_encode(),
        "role": ["query", None, "", ""] * 2 + ["query", None],
        "vector": vectors(kind, rows),
        "item": np.arange(10) // 2,
        "label": pa.array(list("aabbccddee"), pa.large_string()),
    }
    path = save(tmp_path / "a.parquet", columns, row_group_size=3)
    e = read(path, load_limit=limit)
    assert list(e) == ["text/query", "image", "text"]
    expected = {"text/query": [0, 4, 8], "image": [1, 3, 5, 7, 9], "text": [2, 6]}
    for name, index in expected.items():
        found = e[name].vectors
        assert isinstance(found, ParquetRows if limit == 0 else np.ndarray)
        assert found.dtype == dtype
        assert np.array_equal(np.asarray(found), rows[index])
        assert np.array_equal(found[1:], rows[index][1:])
        assert np.array_equal(found[np.array([1, 0, 1])], rows[index][[1, 0, 1]])
        assert np.array_equal(found[1], rows[index][1])
        assert e[name].items.tolist() == [i // 2 for i in index]
        assert e[name].label == ["aabbccddee"[i] for i in index]


def test_parquet_rows_of_one_group(tmp_path, rng):
    import pickle

    rows = rng.normal(size=(100, 4))
    save(tmp_path / "a.parquet", {"vector": vectors(pa.list_(pa.float64(), 4), rows)}, row_group_size=7)
    found = read(f"image={tmp_path}/a.parquet", load_limit=0)["image"].vectors
    assert "shape=(100, 4)" in repr(found)
    assert np.array_equal(np.concatenate([block for _, block in row_blocks(found, 9)]), rows)
    index = rng.integers(0, 100, 30)
    assert np.array_equal(pickle.loads(pickle.dumps(found))[index], rows[index])  # noqa: S301
    assert found[5:5].shape == (0, 4)


def test_parquet_keeps_a_row_group_only_while_there_is_more_in_it(tmp_path, monkeypatch):
    rows = np.arange(60, dtype=np.float32).reshape(20, 3)
    columns = {"modality": ["a", "b"] * 10, "vector": vectors(rows=rows)}
    mixed = read(save(tmp_path / "a.parquet", columns, row_group_size=8), load_limit=0)["b"].vectors
    save(tmp_path / "b.parquet", {"vector": vectors(rows=rows)}, row_group_size=8)
    plain = read(f"a={tmp_path}/b.parquet", load_limit=0)["a"].vectors
    reads = []
    matrix = crossgap.data.parquet.vector_matrix
    monkeypatch.setattr("crossgap.data.parquet.vector_matrix", lambda *given: reads.append(1) or matrix(*given))
    for found in (mixed, plain):
        repeated = np.repeat(np.arange(len(found[:])), 3)
        for wanted in (np.arange(found.shape[0]), repeated):
            reads.clear()
            for start in range(0, len(wanted), 2):
                found[wanted[start : start + 2]]
            assert 3 <= len(reads) <= 6
            assert found._kept is None
        reads.clear()
        assert sum(len(block) for _, block in row_blocks(found, 2)) == found.shape[0]
        assert len(reads) == 3
        assert found._kept is None
        found[np.array([5, 0])]
        assert found._kept is None
        found[0:1]
        assert found._kept is not None


def test_parquet_names_and_notes(tmp_path):
    columns = {"id": list("abcd"), "vector": vectors(), "width": [1] * 4, "label": [1] * 4, "role": ["a"] * 4}
    found = read_groups(f"image={save(tmp_path / 'a.parquet', columns)}")
    assert list(found.groups) == ["image"]
    assert found.groups["image"].items is None
    assert "columns not used: 'width', 'role'" in found.notes[0]
    assert "column 'label' is not used, since it holds int64" in found.notes[1]
    columns["modality"] = ["text"] * 4
    assert list(read(f"image={save(tmp_path / 'b.parquet', columns)}")) == ["image"]
    columns = {"vector": vectors(), "modality": ["a"] * 4, "role": pa.nulls(4), **{f"c{i}": [1] * 4 for i in range(25)}}
    assert "and 5 more" in read_groups(save(tmp_path / "c.parquet", columns)).notes[0]


def test_parquet_strings_of_every_type(tmp_path):
    columns = {
        "modality": pa.array(["a", "a", "b", "b"]).cast(pa.string_view()),
        "role": pa.array(["", "", "", None], pa.large_string()),
        "vector": vectors(),
        "item": pa.array(["p", "q", None, None]).dictionary_encode(),
        "text": pa.array(["x", None, None, None], pa.large_string()),
        "uri": pa.nulls(4),
        "split": pa.array(["x", None, "y", "y"]).cast(pa.string_view()),
    }
    e = read(save(tmp_path / "a.parquet", columns))
    assert e["a"].items.tolist() == ["p", "q"]
    assert e["b"].items is None
    assert e["a"].text == ["x", None]
    assert e["b"].text is None is e["a"].uri
    assert e["b"].split == ["y", "y"]


MODALITY = ["a"] * 4


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"modality": MODALITY, "vec": vectors()}, "no column 'vector'; its columns are 'modality', 'vec'"),
        ({"vector": vectors()}, "no column 'modality'.*or give the file as name=file"),
        ({"modality": MODALITY, "vector": ["a"] * 4}, "column 'vector' holds string"),
        ({"modality": MODALITY, "vector": vectors(pa.list_(pa.int32(), 3))}, "column 'vector' holds fixed_size_list"),
        ({"modality": [1] * 4, "vector": vectors()}, "column 'modality' holds int64"),
        ({"modality": MODALITY, "role": [1] * 4, "vector": vectors()}, "column 'role' holds int64"),
        ({"modality": ["a", "a", None, "a"], "vector": vectors()}, "'modality' is empty in row 2"),
        ({"modality": ["a", "a", "a", "b c"], "vector": vectors()}, "row 3 belongs to 'b c'"),
        ({"modality": MODALITY, "vector": vectors(), "item": [1.5] * 4}, "column 'item' holds double"),
        ({"modality": MODALITY, "vector": vectors(), "item": [1, 2, None, 3]}, "row 2 has no item"),
        ({"modality": pa.array([], pa.string()), "vector": vectors(rows=X[:0])}, "has no rows"),
        ({"modality": MODALITY, "vector": pa.array([[1.0], [1.0, 2.0], [1.0], [1.0]])}, "row 1 has 2 numbers, but 1"),
        ({"modality": MODALITY, "vector": pa.array([[1.0], None, [1.0], [1.0]])}, "row 1 has no vector"),
        ({"modality": MODALITY, "vector": pa.array([None, [1.0], [1.0], [1.0]])}, "vector of row 0 is empty"),
        ({"modality": MODALITY, "vector": pa.array([[1.0], [1.0], [None], [1.0]])}, "vector of row 2 holds a null"),
        (
            {"modality": MODALITY, "vector": pa.array([[1.0], [1.0], None, [1.0]], pa.list_(pa.float32(), 1))},
            "row 2 has no vector",
        ),
    ],
)
def test_parquet_that_is_wrong(tmp_path, columns, message):
    with pytest.raises(FormatError, match=message):
        read(save(tmp_path / "a.parquet", columns))


def test_parquet_that_is_no_parquet(tmp_path):
    path = save(tmp_path / "a.parquet", {"modality": MODALITY, "vector": vectors()})
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FormatError, match="cannot be read as Parquet"):
        read(path)
    table = pa.table([vectors(), vectors(), pa.array(MODALITY)], names=["vector", "vector", "modality"])
    pq.write_table(table, tmp_path / "b.parquet")
    with pytest.raises(FormatError, match="the column 'vector' twice"):
        read(tmp_path / "b.parquet")


def test_parquet_strings_that_are_no_text(tmp_path):
    broken = pa.array([b"\xff\xfe"] * 4).view(pa.string())
    path = save(tmp_path / "a.parquet", {"modality": MODALITY, "vector": vectors(), "text": broken})
    with pytest.raises(FormatError, match="cannot be read as Parquet"):
        read(path)


def test_parquet_that_is_gone(tmp_path):
    path = save(tmp_path / "a.parquet", {"modality": MODALITY, "vector": vectors()})
    rows = read(path, load_limit=0)["a"].vectors
    path.unlink()
    with pytest.raises(FileNotFoundError, match="there is no file"):
        rows[:]


def test_parquet_says_that_a_row_group_is_large(tmp_path, monkeypatch):
    monkeypatch.setattr("crossgap.data.parquet._LARGE_ROW_GROUP", 40)
    path = save(tmp_path / "a.parquet", {"modality": MODALITY, "vector": vectors()})
    assert "largest row group" in read_groups(path).notes[0]
