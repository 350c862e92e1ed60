"""Sources, names, folders, shards, URLs, and what is said of what is not used."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossgap.data import Embeddings, Group, NpyRows, ShardedRows, read, read_groups, write
from crossgap.data.location import locate
from crossgap.errors import FormatError, MissingExtraError
from crossgap.geometry.rows import row_blocks


@pytest.fixture
def x(rng):
    return rng.normal(size=(6, 3)).astype(np.float32)


def test_named_files_keep_order_and_facts(tmp_path, x):
    np.save(tmp_path / "a.npy", x)
    np.save(tmp_path / "b.npy", x[:4])
    found = read_groups(f"image={tmp_path}/a.npy", f"text/query={tmp_path}/b.npy")
    assert list(found.groups) == ["image", "text/query"]
    assert found.notes == ()
    assert found.inputs[1] == {
        "group": "text/query",
        "source": f"text/query={tmp_path}/b.npy",
        "format": "npy",
        "n": 4,
        "d": 3,
        "dtype": "float32",
        "items": False,
    }
    assert np.array_equal(read(f"image={tmp_path}/a.npy")["image"].vectors, x)


def test_groups_selects_in_order_and_before_the_check(tmp_path, x):
    np.savez(tmp_path / "a.npz", image=x, text=x, other=x[:, :2])
    assert list(read(tmp_path / "a.npz", groups=["text", "image"])) == ["text", "image"]
    with pytest.raises(ValueError, match="must share one space"):
        read(tmp_path / "a.npz")
    assert len(read_groups(tmp_path / "a.npz").groups) == 3
    with pytest.raises(ValueError, match="no group 'audio' to read; the groups are image, text, other"):
        read(tmp_path / "a.npz", groups=["audio"])
    with pytest.raises(TypeError, match=r"use \['image'\]"):
        read(tmp_path / "a.npz", groups="image")


def test_read_groups_lets_nan_through_and_read_does_not(tmp_path, x):
    x[2, 1] = np.nan
    np.savez(tmp_path / "a.npz", image=x)
    assert np.isnan(read_groups(tmp_path / "a.npz").groups["image"].vectors).any()
    with pytest.raises(ValueError, match="row 2"):
        read(tmp_path / "a.npz")


def test_sources_that_cannot_be_told(tmp_path, x):
    np.save(tmp_path / "a.npy", x)
    path = str(tmp_path / "a.npy")
    np.savez(tmp_path / "two.npz", image=x, text=x)
    with pytest.raises(ValueError, match="at least one source"):
        read()
    with pytest.raises(ValueError, match="write name="):
        read(path)
    with pytest.raises(ValueError, match="given twice"):
        read(f"image={path}", tmp_path / "two.npz")
    with pytest.raises(ValueError, match="names a group 'my image'"):
        read(f"my image={path}")
    with pytest.raises(ValueError, match="cannot be told"):
        read(f"audio={tmp_path}/two.npz")
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        read(f"image={tmp_path}/missing.npy")
    with pytest.raises(FileNotFoundError, match="no file matches"):
        read(f"image={tmp_path}/missing*.npy")
    (tmp_path / "a.csv").write_text("1,2")
    with pytest.raises(FormatError, match="of no format that is read"):
        read(f"image={tmp_path}/a.csv")


def test_a_name_renames_the_only_group_or_takes_the_one_so_named(tmp_path, x):
    np.savez(tmp_path / "one.npz", vectors=x)
    np.savez(tmp_path / "two.npz", image=x, text=x)
    assert list(read(f"image={tmp_path}/one.npz")) == ["image"]
    found = read_groups(f"text={tmp_path}/two.npz")
    assert list(found.groups) == ["text"]
    assert "group 'image' is not used" in found.notes[0]


def test_a_path_with_an_equals_sign_that_exists_is_a_path(tmp_path, x, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("run=3.npz", image=x)
    assert list(read("run=3.npz")) == ["image"]


def test_control_characters_do_not_reach_the_message_raw(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        read(f"image={tmp_path}/\x1b[31m.npy")
    assert "\x1b" not in str(caught.value)


def test_shards_are_joined_in_numeric_order(tmp_path):
    rows = np.arange(36, dtype=np.float32).reshape(12, 3)
    for number in range(12):
        np.save(tmp_path / f"part_{number}.npy", rows[number : number + 1])
    for source in (f"image={tmp_path}", f"image={tmp_path}/part_*.npy"):
        assert np.array_equal(read(source)["image"].vectors, rows)
        lazy = read(source, load_limit=8)["image"].vectors
        assert isinstance(lazy, ShardedRows)
        assert np.array_equal(np.concatenate([block for _, block in row_blocks(lazy, 5)]), rows)
        assert np.array_equal(lazy[np.array([11, 0, 3, 3, -1])], rows[[11, 0, 3, 3, 11]])
        assert np.array_equal(lazy[3], rows[3])
        assert np.array_equal(lazy[2:11:3], rows[2:11:3])
        assert np.array_equal(np.asarray(lazy), rows)
        assert lazy[4:4].shape == (0, 3)


def test_a_folder_names_groups_by_its_files(tmp_path, x):
    np.save(tmp_path / "image.npy", x)
    np.save(tmp_path / "text.npy", x)
    (tmp_path / "README.md").write_text("hello")
    found = read_groups(tmp_path)
    assert list(found.groups) == ["image", "text"]
    assert found.inputs[0]["format"] == "npy"
    assert len(found.notes) == 1
    assert "README.md" in found.notes[0]
    np.save(tmp_path / "my text.npy", x)
    with pytest.raises(FormatError, match="cannot name a group after itself"):
        read(tmp_path)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".parquet"])
def test_shards_of_every_format_join_with_their_facts(tmp_path, rng, suffix):
    parts = []
    for number in range(11):
        x = rng.normal(size=(2, 3)).astype(np.float32)
        group = Group(vectors=x, items=[f"{number}a", f"{number}b"], text=["t", None] if number % 2 else None)
        parts.append(group)
        write(Embeddings({"image": group}), tmp_path / f"{number}{suffix}")
    group = read(tmp_path)["image"]
    assert np.array_equal(group.vectors, np.concatenate([part.vectors for part in parts]))
    assert group.items.tolist() == [i for part in parts for i in part.items]
    assert group.text == [None, None, "t", None] * 5 + [None, None]


def test_folders_of_nothing_or_of_several_formats(tmp_path, x):
    with pytest.raises(FormatError, match=r"holds no .npy"):
        read(tmp_path)
    np.save(tmp_path / "image.npy", x)
    np.savez(tmp_path / "text.npz", text=x)
    with pytest.raises(FormatError, match=r"several formats \(.npy, .npz\)"):
        read(tmp_path)


def test_shards_that_do_not_fit(tmp_path, x):
    np.save(tmp_path / "0.npy", x)
    np.save(tmp_path / "1.npy", x[:, :2])
    with pytest.raises(FormatError, match=r"image of 2 dimensions, but .*0.npy' of 3"):
        read(f"image={tmp_path}")
    np.savez(tmp_path / "0.npz", image=x, items=np.arange(6))
    np.savez(tmp_path / "1.npz", image=x)
    with pytest.raises(FormatError, match="no item ids"):
        read(f"{tmp_path}/*.npz")
    np.savez(tmp_path / "0.npz", image=x, text=x[:2])
    np.savez(tmp_path / "1.npz", image=x[:2], text=x)
    with pytest.raises(FormatError, match="pair up across shards"):
        read(f"{tmp_path}/*.npz")


def test_shards_of_integer_and_string_ids_become_strings(tmp_path, x):
    np.savez(tmp_path / "0.npz", image=x, items=np.arange(6))
    np.savez(tmp_path / "1.npz", image=x.astype(np.float64), items=np.array(list("abcdef")))
    group = read(tmp_path)["image"]
    assert group.items.tolist() == ["0", "1", "2", "3", "4", "5", *"abcdef"]
    assert group.vectors.dtype == np.float64


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors", ".parquet"])
def test_urls(tmp_path, x, suffix):
    fsspec = pytest.importorskip("fsspec")
    write(Embeddings({"image": Group(vectors=x)}), tmp_path / f"10{suffix}")
    memory = fsspec.filesystem("memory")
    memory.pipe(f"/box/10{suffix}", (tmp_path / f"10{suffix}").read_bytes())
    memory.pipe(f"/box/9{suffix}", (tmp_path / f"10{suffix}").read_bytes())
    try:
        for limit in (0, 1 << 20):
            for source, n in ((f"memory://box/10{suffix}", 6), ("memory://box", 12), (f"memory://box/*{suffix}", 12)):
                vectors = read(f"image={source}", load_limit=limit)["image"].vectors
                assert np.array_equal(vectors[:6], x)
                assert vectors.shape == (n, 3)
        with pytest.raises(FileNotFoundError, match="no file or folder"):
            read("image=memory://box/none.npy")
        with pytest.raises(FileNotFoundError, match="no file matches"):
            read("image=memory://box/none*.npy")
        order = [source.name for source in locate("memory://box").children()]
        assert order == [f"9{suffix}", f"10{suffix}"]
    finally:
        memory.rm("/box", recursive=True)


def test_protocols_that_cannot_be_opened(monkeypatch):
    pytest.importorskip("fsspec")
    with pytest.raises(ValueError, match="neither a local path nor a URL"):
        read("nonsense://a/b.npz")
    import fsspec.core

    def fail(path):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", fail)
    with pytest.raises(MissingExtraError, match="Install s3fs"):
        read("image=s3://bucket/a.npy")


def test_files_that_cannot_be_read(tmp_path, x, monkeypatch):
    np.save(tmp_path / "image.npy", x)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    def break_down(*_, **__):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.listdir", refuse)
    with pytest.raises(PermissionError, match="may not be read by this user"):
        read(tmp_path)
    monkeypatch.setattr("os.listdir", break_down)
    with pytest.raises(OSError, match="Input/output error"):
        read(tmp_path)


def test_a_server_that_does_not_tell_the_size(monkeypatch):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    monkeypatch.setattr(type(memory), "info", lambda *_, **__: {"type": "file", "size": None})
    with pytest.raises(OSError, match="does not tell its size"):
        read("image=memory://a.npy")


def test_shards_may_hold_one_modality_each(tmp_path, x):
    for name in ("image", "text"):
        for number, rows in enumerate((x[:4], x[4:])):
            np.savez(tmp_path / f"{name}-{number}.npz", **{name: rows})
    e = read(tmp_path)
    assert np.array_equal(e["image"].vectors, x)
    assert len(e.pairs("image", "text")) == 6


def test_local_files_need_neither_fsspec_nor_pyarrow(tmp_path, x):
    np.savez(tmp_path / "a.npz", image=x)
    code = (
        "import sys; from crossgap.data import read; read(sys.argv[1]); "
        "print({'fsspec', 'pyarrow', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a.npz"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


STREAM = """
import resource, sys
import numpy as np
from crossgap.data import read
from crossgap.geometry.rows import row_blocks
list(row_blocks(read(sys.argv[1], load_limit=1)["image"].vectors))  # a small file, so that all libraries are loaded
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = read(sys.argv[2], load_limit=1 << 20)["image"].vectors
total = sum(block.sum(axis=0, dtype=np.float64) for _, block in row_blocks(rows))
print(type(rows).__name__, float(total[0] / rows.shape[0]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors", ".parquet"])
def test_large_files_are_streamed(tmp_path, suffix):
    n = 131_072
    big = np.broadcast_to(np.float32(1.5), (n, 512))  # 256 MiB on disk, nothing in memory
    name = "image=" if suffix == ".npy" else ""
    write(Embeddings({"image": Group(vectors=big)}), tmp_path / f"big{suffix}")
    write(Embeddings({"image": Group(vectors=big[:8192])}), tmp_path / f"small{suffix}")
    sources = [f"{name}{tmp_path}/{size}{suffix}" for size in ("small", "big")]
    done = subprocess.run([sys.executable, "-c", STREAM, *sources], capture_output=True, text=True, check=True)
    kind, mean, growth = done.stdout.split()
    assert kind == ("ParquetRows" if suffix == ".parquet" else "NpyRows")
    assert float(mean) == 1.5
    assert int(growth) < 64 * 1024  # KiB; the file has 262144
    (tmp_path / f"big{suffix}").unlink()


def test_the_load_limit_decides(tmp_path, x):
    np.save(tmp_path / "a.npy", x)
    assert isinstance(read(f"image={tmp_path}/a.npy", load_limit=x.nbytes)["image"].vectors, np.ndarray)
    assert isinstance(read(f"image={tmp_path}/a.npy", load_limit=x.nbytes - 1)["image"].vectors, NpyRows)


def test_real_data(shared_data):
    coco = read(shared_data / "pairs" / "coco500_clip-vit-b16.npz")
    assert len(coco.pairs("image", "text")) == 500
    fashion = read(shared_data / "pairs" / "fashion1000_marqo-fashionclip.npz")
    assert fashion["image"].vectors.shape == (1000, 512)
    cifar = read_groups(shared_data / "pairs" / "cifar500_clip-vit-b32.npz")
    assert list(cifar.groups) == ["image", "imagenet_text_a", "imagenet_text_b"]
    assert cifar.groups["image"].label is None
    assert [word in note for word, note in zip(["'pixels'", "'label'"], cifar.notes, strict=True)] == [True, True]
    others = read(shared_data / "pairs" / "other_encoders.npz", groups=["convirt_a", "convirt_text"])
    assert others.dimension == 512


def clip_folder(path, sizes=(2, 3), text=True):
    rng = np.random.default_rng(0)
    written = {}
    for folder in ("img_emb", "text_emb")[: 1 + text]:
        (path / folder).mkdir(parents=True)
        shards = [rng.normal(size=(n, 4)).astype(np.float16) for n in sizes]
        written[folder] = np.concatenate(shards)
        for number, shard in enumerate(shards):
            np.save(path / folder / f"{folder}_{9 + number}.npy", shard)
    (path / "metadata").mkdir()
    for number, n in enumerate(sizes):
        names = [f"{number}-{i}.jpg" for i in range(n)]
        table = pa.table({"image_path": names, "caption": [f"a {name}" for name in names], "width": [1] * n})
        pq.write_table(table, path / "metadata" / f"metadata_{9 + number}.parquet")
    return written


def test_clip_retrieval_folder(tmp_path):
    written = clip_folder(tmp_path / "out")
    found = read_groups(tmp_path / "out")
    assert [entry["format"] for entry in found.inputs] == ["clip-retrieval"] * 2
    assert np.array_equal(found.groups["image"].vectors, written["img_emb"])  # shard 9 before shard 10
    assert np.array_equal(found.groups["text"].vectors, written["text_emb"])
    assert found.groups["image"].uri == ["0-0.jpg", "0-1.jpg", "1-0.jpg", "1-1.jpg", "1-2.jpg"]
    assert found.groups["text"].text[4] == "a 1-2.jpg"
    assert found.notes == ("metadata: columns not used: 'width'.",)
    assert len(read(tmp_path / "out").pairs("image", "text")) == 5


def test_clip_retrieval_folder_with_images_only_and_stray_files(tmp_path):
    clip_folder(tmp_path / "out", text=False)
    (tmp_path / "out" / "notes.txt").write_text("x")
    (tmp_path / "out" / "img_emb" / "log.txt").write_text("x")
    found = read_groups(tmp_path / "out")
    assert list(found.groups) == ["image"]
    assert sum("not used" in note for note in found.notes) == 3


def test_clip_retrieval_folders_that_do_not_fit(tmp_path):
    clip_folder(tmp_path / "a")
    (tmp_path / "a" / "text_emb" / "text_emb_9.npy").unlink()
    with pytest.raises(FormatError, match="2 shards in img_emb/ but 1 in text_emb/"):
        read(tmp_path / "a")
    clip_folder(tmp_path / "b")
    (tmp_path / "b" / "metadata" / "metadata_9.parquet").unlink()
    with pytest.raises(FormatError, match="but 1 in metadata/"):
        read(tmp_path / "b")
    clip_folder(tmp_path / "c")
    np.save(tmp_path / "c" / "text_emb" / "text_emb_9.npy", np.ones((5, 4), np.float32))
    with pytest.raises(FormatError, match=r"has 5 rows but .* has 2"):
        read(tmp_path / "c")
    clip_folder(tmp_path / "d")
    pq.write_table(pa.table({"caption": ["a"]}), tmp_path / "d" / "metadata" / "metadata_9.parquet")
    with pytest.raises(FormatError, match="has 1 rows, but the vectors beside it have 2"):
        read(tmp_path / "d")
    (tmp_path / "e" / "img_emb").mkdir(parents=True)
    with pytest.raises(FormatError, match=r"holds no \.npy file"):
        read(tmp_path / "e")
    clip_folder(tmp_path / "f")
    table = pa.table({"caption": [1, 2], "item": pa.array([1, None])})
    pq.write_table(table, tmp_path / "f" / "metadata" / "metadata_9.parquet")
    pq.write_table(pa.table({"caption": ["a"] * 3}), tmp_path / "f" / "metadata" / "metadata_10.parquet")
    notes = read_groups(tmp_path / "f").notes
    assert any("column 'caption' is not used" in note for note in notes)
    assert any("column 'item' is not used" in note for note in notes)
