"""Bad input: exit 2, one sentence, nothing printed, nothing half-written."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crossgap import Embeddings, Group, write

OLD = '{"old": true}\n'


def _array(values: np.ndarray, name: str = "bad.npy") -> Callable[[Path], None]:
    return lambda folder: np.save(folder / name, values)


def _text(text: bytes, name: str = "bad.npy") -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / name).write_bytes(text)

    return make


def _good() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((30, 8)) + 1


def _with(row: int, value: float) -> np.ndarray:
    rows = _good()
    rows[row, 2] = value
    return rows


def _with_zero_row() -> np.ndarray:
    rows = _good()
    rows[4] = 0
    return rows


def _cut_short(folder: Path) -> None:
    np.save(folder / "bad.npy", _good())
    whole = (folder / "bad.npy").read_bytes()
    (folder / "bad.npy").write_bytes(whole[:-100])


def _pickled(folder: Path) -> None:
    np.save(folder / "bad.npy", np.array([{"a": 1}, None], dtype=object), allow_pickle=True)


def _parquet(vector: list, **columns: list) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        n = len(vector)
        table = {"modality": ["image"] * (n // 2) + ["text"] * (n - n // 2), "vector": vector, **columns}
        pq.write_table(pa.table(table), folder / "bad.parquet")

    return make


def _damaged_parquet(folder: Path) -> None:
    write(Embeddings.from_arrays(image=_good(), text=_good()), folder / "bad.parquet")
    whole = (folder / "bad.parquet").read_bytes()
    (folder / "bad.parquet").write_bytes(whole[: len(whole) // 2])


def _contradicting_ids(folder: Path) -> None:
    np.savez(folder / "bad.npz", **{"image": _good(), "text": _good(), "image@items": np.arange(29)})


def _no_common_id(folder: Path) -> None:
    image = Group(vectors=_good(), items=np.arange(30))
    text = Group(vectors=_good(), items=np.arange(100, 130))
    write(Embeddings({"image": image, "text": text}), folder / "bad.npz")


def _ids_on_one_side(folder: Path) -> None:
    write(Embeddings({"image": Group(vectors=_good(), items=np.arange(30)), "text": Group(vectors=_good())}),
          folder / "bad.npz")  # fmt: skip


BAD = ["image=bad.npy", "text=good.npy"]
PAIRS = ["pairs.npz"]

CASES = {
    # name: (make the file, the arguments, what the sentence says)
    "missing file": (None, ["nowhere.npz"], ["'nowhere.npz'", "check the name"]),
    "missing file of a group": (None, ["image=nowhere.npy", "text=good.npy"], ["'nowhere.npy'", "check the name"]),
    "nothing matches": (None, ["shards/*.npz"], ["no file matches", "check the pattern"]),
    "empty file": (_text(b""), BAD, ["'bad.npy' is empty", "NumPy array was expected", "save it again"]),
    "cut short": (_cut_short, BAD, ["cut short", "shape (30, 8)", "save it again"]),
    "pickled": (_pickled, BAD, ["pickled", "never loads", "save a float array instead"]),
    "a NaN": (_array(_with(7, np.nan)), BAD, ["image must be finite", "row 7", "drop such rows"]),
    "an infinity": (_array(_with(7, np.inf)), BAD, ["image must be finite", "row 7", "drop such rows"]),
    "a NaN in the second": (
        _array(_with(7, np.nan)),
        ["image=good.npy", "text=bad.npy"],
        ["text must be finite", "row 7"],
    ),
    "a zero row": (_array(_with_zero_row()), BAD, ["image must have rows of a length above zero", "row 4", "drop"]),
    "a zero row in the second": (
        _array(_with_zero_row()),
        ["image=good.npy", "text=bad.npy"],
        ["text must have", "row 4"],
    ),
    "different d": (_array(np.ones((30, 9))), BAD, ["image and text", "9 and 8", "same model"]),
    "one row": (_array(_good()[:1]), BAD, ["image must have at least 2 rows", "it has 1", "give more"]),
    "no row": (_array(np.zeros((0, 8))), BAD, ["is empty", "(0, 8)", "save one vector a row"]),
    "text named .npy": (_text(b"a photo of a dog\n"), BAD, ["does not begin like a .npy", "numpy.save"]),
    "one axis": (_array(np.arange(8.0)), BAD, ["has shape (8,)", "(n, d)", "save one vector a row"]),
    "integers": (_array(np.ones((30, 8), int)), BAD, ["int64", "float32", "save"]),
    "an unknown ending": (_text(b"1,2,3\n", "bad.csv"), ["image=bad.csv"], ["no format that is read", "convert it"]),
    "a bare .npy": (None, ["good.npy"], ["without a name", "image=good.npy"]),
    "a group twice": (None, ["pairs.npz", "pairs.npz"], ["'image' is given twice", "name=path"]),
    "a group misnamed": (None, ["my image=good.npy"], ["'my image'", "use letters"]),
    "an empty path": (None, ["image="], ["there is no file", "check the name"]),
    "a folder without vectors": (_text(b"hi", "note.txt"), ["empty"], ["holds no", "give the folder"]),
    "contradictory ids": (_contradicting_ids, ["bad.npz"], ["'image@items'", "each of the 30 rows", "write it again"]),
    "some rows without id": (
        _parquet([[1.0, 0.0]] * 6, item=[1, 2, None, 1, 2, 3]),
        ["bad.parquet"],
        ["row 2 has no item", "give every row"],
    ),
    "ids of a wrong type": (
        _parquet([[1.0, 0.0]] * 4, item=[0.5, 1.5, 0.5, 1.5]),
        ["bad.parquet"],
        ["'item' holds double", "integers or strings", "convert the column"],
    ),
    "an unreadable column": (
        _parquet(["0.1 0.2"] * 4),
        ["bad.parquet"],
        ["'vector' holds string", "fixed-size list", "convert the column"],
    ),
    "vectors of several lengths": (
        _parquet([[1.0, 2.0], [1.0]] * 2),
        ["bad.parquet"],
        ["row 1 has 1 numbers", "2 were expected", "one model"],
    ),
    "half a Parquet file": (_damaged_parquet, ["bad.parquet"], ["cannot be read as Parquet", "copy it again"]),
    "pairs asked for, sizes differ": (
        _array(_good()[:20]),
        [*BAD, "--metrics", "alignment"],
        ["alignment has no value", "image (20 rows) and text (30 rows)", "differ in size"],
    ),
    "pairs asked for, no common id": (
        _no_common_id,
        ["bad.npz", "--metrics", "uniformity,matched_cosine"],
        ["matched_cosine has no value", "share no item id"],
    ),
    "pairs asked for, ids on one side": (
        _ids_on_one_side,
        ["bad.npz", "--metrics", "recall_at_k"],
        ["recall_at_k has no value", "image has item ids and text has none"],
    ),
    "two groups asked for, one given": (
        None,
        ["image=good.npy", "--metrics", "centroid_distance"],
        ["centroid_distance has no value", "it needs two groups"],
    ),
    "an unknown metric": (
        None,
        [*PAIRS, "--metrics", "centroid_distanc"],
        ["there is no metric 'centroid_distanc'", "choose from centroid_distance"],
    ),
    "an empty metric": (None, [*PAIRS, "--metrics", ""], ["there is no metric ''", "choose from"]),
    "an unknown group": (None, [*PAIRS, "--groups", "imag"], ["there is no group 'imag'", "choose from image"]),
    "a group named twice": (
        None,
        [*PAIRS, "--groups", "image,image"],
        ["each group once", "leave the repeated name out"],
    ),
    "precision of 2": (None, [*PAIRS, "--precision", "2"], ["precision must lie between 0 and 1", "2.0", "0.9"]),
    "precision of 0": (None, [*PAIRS, "--precision", "0"], ["precision must lie between 0 and 1"]),
    "precision of nan": (None, [*PAIRS, "--precision", "nan"], ["precision must lie between 0 and 1", "nan"]),
    "precision of no number": (None, [*PAIRS, "--precision", "high"], ["'--precision'", "number", "--help"]),
    "bootstrap below zero": (None, [*PAIRS, "--bootstrap", "-1"], ["'--bootstrap'", "0", "--help"]),
    "bootstrap of one": (None, [*PAIRS, "--bootstrap", "1"], ["replicates must be 0 or at least 2", "it is 1", "200"]),
    "bootstrap beyond memory": (None, [*PAIRS, "--bootstrap", "10001"], ["'--bootstrap'", "10000", "--help"]),
    "bootstrap of no number": (None, [*PAIRS, "--bootstrap", "many"], ["'--bootstrap'", "integer", "--help"]),
    "seed below zero": (None, [*PAIRS, "--seed", "-3"], ["'--seed'", "0", "--help"]),
    "too few rows": (None, [*PAIRS, "--rows", "5"], ["'--rows'", "100", "--help"]),
    "an unknown option": (None, [*PAIRS, "--bogus"], ["--bogus", "measure --help"]),
    "no source": (None, [], ["SOURCE", "measure --help"]),
    "control characters": (None, ["a\nb\x1b[31m\x07.npz"], ["\\n", "\\x1b"]),
    "control characters in a pattern": (None, ["no\x1b[2J*.npz"], ["\\x1b"]),
    "control characters in a group": (None, ["im\x1bage=good.npy"], ["\\x1b", "use letters"]),
    "control characters in a metric": (None, [*PAIRS, "--metrics", "a\nb\x1b"], ["there is no metric"]),
}
SEPARATE = ["missing file", "pickled", "a NaN", "an unreadable column", "bootstrap below zero", "control characters"]


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with good files and an old result."""
    np.save(tmp_path / "good.npy", _good())
    np.savez(tmp_path / "pairs.npz", image=_good(), text=-_good())
    (tmp_path / "empty").mkdir()
    (tmp_path / "gap.json").write_text(OLD)
    return tmp_path


def _listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", CASES)
def test_refusal(name, folder, here):
    make, arguments, fragments = CASES[name]
    if make is not None:
        make(folder)
    before = _listing(folder)
    here("measure", *arguments, "-o", "gap.json", cwd=folder).check_refusal(*fragments)
    assert _listing(folder) == before
    assert (folder / "gap.json").read_text() == OLD


@pytest.mark.parametrize("name", SEPARATE)
def test_refusal_of_the_real_command(name, folder, process):
    make, arguments, fragments = CASES[name]
    if make is not None:
        make(folder)
    process("measure", *arguments, "-o", "new.json", cwd=folder).check_refusal(*fragments)
    assert not (folder / "new.json").exists()


def test_json_does_not_change_a_refusal(folder, here):
    here("measure", "nowhere.npz", "--json", cwd=folder).check_refusal("'nowhere.npz'")


@pytest.mark.parametrize(
    ("output", "fragments"),
    [
        ("nowhere/gap.json", ["'nowhere' does not exist", "mkdir -p nowhere"]),
        ("empty", ["'empty' is a folder", "empty/gap.json"]),
        ("good.npy/gap.json", ["'good.npy' is a file", "another path"]),
        ("/dev/null/gap.json", ["'/dev/null' is a file"]),
        ("/dev/null", ["must be a plain file", "'/dev/null' is none", "give another name"]),
        ("-", ["must be a path", "it is '-'", "use --json for standard output"]),
        ("", ["must be a path", "it is ''", "use --json for standard output"]),
        ("new.npy", ["'new.npy' has an ending of vectors", "give another name, such as 'gap.json'"]),
        ("empty/new.NPZ", ["'empty/new.NPZ' has an ending of vectors", "such as 'empty/gap.json'"]),
        ("new.parquet", ["has an ending of vectors", "give another name"]),
        ("new.safetensors", ["has an ending of vectors", "give another name"]),
        ("good.npy", ["has an ending of vectors", "give another name"]),
    ],
)
def test_an_output_that_cannot_be_written(output, fragments, folder, here):
    before = _listing(folder)
    here("measure", "pairs.npz", "-o", output, cwd=folder).check_refusal(*fragments)
    assert _listing(folder) == before


# the output never takes the place of anything but an older result


@pytest.fixture
def shards(folder) -> Path:
    """Sources of every form, and other names of their files."""
    (folder / "shards").mkdir()
    (folder / "clip" / "img_emb").mkdir(parents=True)
    for name in ("shards/image.npy", "shards/text.npy", "clip/img_emb/img_emb_0.npy"):
        np.save(folder / name, _good())
    (folder / "link.json").symlink_to("pairs.npz")
    (folder / "hard.json").hardlink_to(folder / "pairs.npz")
    (folder / "shard.json").symlink_to("shards/image.npy")
    (folder / "clip.json").symlink_to("clip/img_emb/img_emb_0.npy")
    (folder / "way").symlink_to("shards")
    (folder / "new.json").symlink_to("not_yet.npz")
    return folder


@pytest.mark.parametrize(
    ("sources", "output", "fragments"),
    [
        (["pairs.npz"], "pairs.npz", ["'pairs.npz' is a file of the source 'pairs.npz'"]),
        (["pairs.npz"], "./empty/../pairs.npz", ["is a file of the source 'pairs.npz'"]),
        (["pairs.npz"], "link.json", ["'link.json' is a file of the source 'pairs.npz'"]),
        (["pairs.npz"], "hard.json", ["'hard.json' is a file of the source 'pairs.npz'"]),
        (["link.json"], "pairs.npz", ["'pairs.npz' is a file of the source 'link.json'"]),
        (["image=good.npy", "text=shards/text.npy"], "good.npy", ["a file of the source 'image=good.npy'"]),
        (["image=pairs.npz", "text=pairs.npz"], "hard.json", ["a file of the source 'image=pairs.npz'"]),
        (["shards"], "shards/text.npy", ["'shards/text.npy' is a file of the source 'shards'"]),
        (["shards"], "shard.json", ["'shard.json' is a file of the source 'shards'"]),
        (["way"], "shard.json", ["'shard.json' is a file of the source 'way'"]),
        (["clip"], "clip.json", ["'clip.json' is a file of the source 'clip'"]),
        (["shards/*.npy"], "way/text.npy", ["'way/text.npy' is a file of the source 'shards/*.npy'"]),
        (["image=shards/*.npy"], "shard.json", ["'shard.json' is a file of the source 'image=shards/*.npy'"]),
        (["good.npy", "pairs.npz"], "shards/image.npy", ["has an ending of vectors"]),
        (["pairs.npz"], "new.json", ["'new.json' has an ending of vectors"]),
        (["pairs.npz"], "notes.txt", ["'notes.txt' exists and is no JSON of an earlier run"]),
    ],
)
def test_an_output_that_would_destroy(sources, output, fragments, shards, here, monkeypatch):
    (shards / "notes.txt").write_text("\n  dear diary {")
    before = {path: path.read_bytes() for path in shards.rglob("*") if path.is_file()}
    monkeypatch.setattr("crossgap.data.read_groups", lambda *_: pytest.fail("it reads before it refuses"))
    here("measure", *sources, "-o", output, cwd=shards).check_refusal(*fragments, "give another name")
    assert {path: path.read_bytes() for path in shards.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("old", [b"", b" \n", b'\n {"schema": 1}'])
@pytest.mark.parametrize("source", ["shards", "shards/*", "pairs.npz"])
def test_an_older_result_is_replaced_even_beside_the_shards(source, old, shards, here):
    output = shards / "shards" / "gap.json"
    output.write_bytes(old)
    arguments = ["--metrics", "centroid_distance", "--bootstrap", "0", "-o", "shards/gap.json"]
    here("measure", source, *arguments, cwd=shards).check_success()
    assert json.loads(output.read_text())["schema"] == 1


def test_demo_refuses_such_an_output_too(folder, here):
    for output in ("-", ""):
        here("demo", "-o", output, cwd=folder).check_refusal("use --json for standard output")
    (folder / "empty" / "gap.json").write_text("dear diary")
    here("demo", "-o", "empty", cwd=folder).check_refusal("'empty/gap.json' exists", "give another name")
    assert (folder / "empty" / "gap.json").read_text() == "dear diary"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(folder, here):
    (folder / "empty").chmod(0o555)
    here("measure", "pairs.npz", "-o", "empty/gap.json", cwd=folder).check_refusal("not writable", "another")


def test_a_folder_without_permission_as_the_system_says_it(folder, here, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    here("measure", "pairs.npz", "-o", "empty/gap.json", cwd=folder).check_refusal("'empty' is not writable", "another")


def test_a_full_disk_leaves_the_old_file(folder, here, monkeypatch):
    def full(path, text, **_):
        with open(path, "w") as file:
            file.write(text[:50])
        raise OSError(28, "No space left on device", str(path))

    before = _listing(folder)
    monkeypatch.setattr(Path, "write_text", full)
    arguments = ["measure", "pairs.npz", "--metrics", "centroid_distance", "--bootstrap", "0", "-o", "gap.json"]
    here(*arguments, cwd=folder).check_refusal("no space left")
    assert _listing(folder) == before
    assert (folder / "gap.json").read_text() == OLD


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_standard_output_on_a_full_disk(folder):
    arguments = ["measure", "pairs.npz", "--metrics", "centroid_distance", "--bootstrap", "0", "--json"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "crossgap", *arguments], cwd=folder, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr.decode()[:35]) == (2, "crossgap: the output cannot be used")


def test_a_reader_that_leaves_early_is_no_error(folder):
    """As in ``crossgap measure ... --json | head -1``."""
    reader, writer = os.pipe()
    os.close(reader)
    arguments = ["measure", "pairs.npz", "--metrics", "centroid_distance", "--bootstrap", "0", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "crossgap", *arguments], cwd=folder, stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_good_run_replaces_the_old_file(folder, here):
    arguments = ["measure", "pairs.npz", "--metrics", "centroid_distance", "--bootstrap", "0", "-o", "gap.json"]
    here(*arguments, cwd=folder).check_success()
    assert json.loads((folder / "gap.json").read_text())["schema"] == 1
    assert "gap.json" in _listing(folder)
    assert not [name for name in _listing(folder) if name.startswith(".")]


def test_other_commands_refuse_alike(folder, here):
    here("doctor", "nowhere.npz", cwd=folder).check_refusal("'nowhere.npz'", "check the name")
    here("doctor", "pairs.npz", "--groups", "audio", cwd=folder).check_refusal("no group 'audio'", "image, text")
    here("doctor", cwd=folder).check_refusal("SOURCE", "doctor --help")
    here("demo", "-o", "good.npy", cwd=folder).check_refusal("'good.npy'", "file exists")
    here("demo", "-o", "good.npy/demo", cwd=folder).check_refusal("not a directory")
    here("explain", "--metric", cwd=folder).check_refusal("--metric", "crossgap --help")
    here("explain", "hubness", "--metric", "mmd", cwd=folder).check_refusal("'hubness' and 'mmd'", "leave one out")
    here("explain", "--metric", "recal_at_k", cwd=folder).check_refusal("no quantity 'recal_at_k'", "recall_at_k")
    here("explain", "--metric", "GapGroups", cwd=folder).check_refusal("no quantity 'GapGroups'", "gap_groups")
    here("bogus", cwd=folder).check_refusal("no such command 'bogus'", "crossgap --help")


def test_no_arguments_give_the_help_and_exit_2(process, folder):
    done = process(cwd=folder)
    assert done.code == 2
    assert done.out == ""
    assert "Usage:" in done.err
    assert "Traceback" not in done.err
    assert all(command in done.err for command in ("demo", "doctor", "measure", "explain"))
