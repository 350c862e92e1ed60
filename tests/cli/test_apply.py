"""``crossgap apply`` as users run it: files in, files out, killed and gone on with, and every refusal one sentence."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossgap import read
from crossgap.apply import file_plan, files
from crossgap.close.closer_file import read_closer, write_closer
from crossgap.close.mean_removal import MeanRemoval
from crossgap.close.pretrained import save_pretrained
from crossgap.close.score_standardisation import ScoreStandardisation

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error"}


@pytest.fixture
def folder(tmp_path, vectors, files) -> Path:
    """A closer, and the vectors it was fitted on in every format."""
    x, y = vectors
    closer = MeanRemoval().fit(np.concatenate([x, y]), groups=["image"] * len(x) + ["text"] * len(y))
    write_closer(closer, tmp_path / "closer.safetensors")
    save_pretrained(closer, tmp_path / "shared")
    for path in files.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


def _expected(folder: Path, name: str, rows: np.ndarray) -> np.ndarray:
    return read_closer(folder / "closer.safetensors").move(rows, name)


@pytest.mark.parametrize("closer", ["closer.safetensors", "shared"])
@pytest.mark.parametrize("suffix", ["parquet", "npz", "safetensors"])
def test_a_file(here, folder, vectors, suffix, closer):
    done = here("apply", closer, f"pairs.{suffix}", "-o", f"closed.{suffix}", cwd=folder)
    lines = done.check_success().splitlines()
    assert lines[0].startswith("120 rows of 16 numbers (float32) in 1 file, ")
    assert lines[1].split() == ["image", "60"]
    assert lines[-2].startswith(f"Written: closed.{suffix} (120 rows, ")
    assert lines[-1] == f"Next: crossgap measure closed.{suffix}"
    found = read(folder / f"closed.{suffix}")
    for name, rows in zip(("image", "text"), vectors, strict=True):
        assert (np.asarray(found[name].vectors) == _expected(folder, name, rows)).all()


def test_what_it_names_next_can_be_measured(here, folder):
    done = here("apply", "closer.safetensors", "image=img.npy", "text=txt.npy", "-o", "closed", cwd=folder)
    last = done.check_success().splitlines()[-1]
    assert last == "Next: crossgap measure image=closed/img.npy text=closed/txt.npy"
    here(*last.split()[2:], "--metrics", "centroid_distance", "--bootstrap", "0", cwd=folder).check_success()
    done = here("apply", "closer.safetensors", "image=img.npy", "-o", "one.npy", cwd=folder)
    assert done.check_success().splitlines()[-1] == "Next: crossgap measure image=one.npy"
    done = here("apply", "closer.safetensors", "shards", "-o", "closed shards", cwd=folder)
    assert done.check_success().splitlines()[-1] == "Next: crossgap measure 'closed shards'"
    assert len(list((folder / "closed shards").iterdir())) == 3


def test_standardised_scores_are_to_be_searched_and_not_measured(here, folder, vectors):
    rows = np.concatenate(vectors)
    closer = ScoreStandardisation().fit(rows, groups=["image"] * 60 + ["text"] * 60)
    write_closer(closer, folder / "scores.safetensors")
    done = here("apply", "scores.safetensors", "pairs.parquet", "-o", "closed.parquet", cwd=folder)
    last = done.check_success().splitlines()[-1]
    assert last.startswith(
        "Next: search the new vectors by the inner product, with queries of text only, brought to length 1 and a 1"
    )
    assert "crossgap measure" not in last
    assert last.endswith("judge them by: crossgap evaluate mixed SOURCE --closer CLOSER.")
    assert pq.read_schema(folder / "closed.parquet").field("vector").type.list_size == 17
    done = here("apply", "scores.safetensors", "pairs.npz", "-o", "closed.npz", "--dry-run", cwd=folder)
    assert "image: 60 rows, now of 17 numbers\n" in done.check_success()


def test_json(here, folder):
    done = here("apply", "closer.safetensors", "pairs.parquet", "-o", "closed.parquet", "--json", cwd=folder)
    record = json.loads(done.check_success())
    assert list(record) == [
        "schema", "crossgap", "closer", "source", "output", "files", "rows", "groups", "treated_as", "zero_rows",
        "kept_rows", "resumed_from", "bytes", "notes",
    ]  # fmt: skip
    assert record["rows"] == 120
    assert record["groups"] == {"image": 60, "text": 60}
    assert len(record["closer"]) == 64


def test_dry_run(here, folder):
    before = sorted(path.name for path in folder.iterdir())
    done = here("apply", "closer.safetensors", "pairs.parquet", "-o", "closed.parquet", "--dry-run", cwd=folder)
    text = done.check_success()
    assert "image: 60 rows, mean cosine of old and new 0." in text
    assert "closed.parquet would take 7.68 kB of vectors, and " in text
    assert text.splitlines()[-2:] == ["Nothing was written.", "Next: the same without --dry-run"]
    done = here("apply", "closer.safetensors", "pairs.npz", "-o", "closed.npz", "--dry-run", "--json", cwd=folder)
    record = json.loads(done.check_success())
    assert record["vector_bytes"] == 120 * 16 * 4
    assert 0 < record["sample"]["text"]["mean_cosine"] < 1
    assert sorted(path.name for path in folder.iterdir()) == before


def test_other_groups_and_zeros_are_told(here, folder):
    rows = np.random.default_rng(0).standard_normal((9, 16)).astype(np.float32)
    rows[[2, 5]] = 0
    np.savez(folder / "other.npz", caption=rows, audio=rows + 1, image=rows + 1)
    words = ["apply", "closer.safetensors", "other.npz", "-o", "closed.npz"]
    here(*words, cwd=folder).check_refusal("9 rows are of the group 'caption'", "--as caption=image", "--keep-others")
    done = here(*words, "--as", "caption=text", "--keep-others", cwd=folder)
    text = done.check_success()
    assert "  caption             9  treated as text\n" in text
    assert "  audio               9  passes unchanged\n" in text
    assert "2 rows of zeros have no direction and stay zero (crossgap doctor lists them).\n" in text
    assert "9 rows of other groups passed unchanged.\n" in text
    assert (np.load(folder / "closed.npz")["audio"] == rows + 1).all()


@pytest.mark.parametrize(
    ("words", "fragments"),
    [
        (["none.safetensors", "pairs.npz", "-o", "out.npz"], ["'none.safetensors' does not exist"]),
        (["pairs.safetensors", "pairs.npz", "-o", "out.npz"], ["without a closer"]),
        (["closer.safetensors", "pairs.npz"], ["the output is missing", "-o OUT"]),
        (["closer.safetensors", "none.npz", "-o", "out.npz"], ["there is no file or folder 'none.npz'"]),
        (["closer.safetensors", "pairs.npz", "-o", "pairs.npz"], ["is a file of the source"]),
        (["closer.safetensors", "pairs.npz", "-o", "shards"], ["must be a file", "is a folder"]),
        (["closer.safetensors", "pairs.npz", "-o", "out.npz", "--as", "text"], ["--as must be name=group"]),
        (["closer.safetensors", "pairs.npz", "-o", "out.npz", "--as", "a=text", "--as", "a=image"], ["'a' once"]),
        (["closer.safetensors", "pairs.npz", "-o", "out.npz", "--as", "a=text"], ["no group 'a' in the source"]),
        (["closer.safetensors", "pairs.npz", "-o", "out.npz", "--switch"], ["--switch must go with stores"]),
        (["closer.safetensors", "pairs.npz", "-o", "out.npz", "--group-field", "x"], ["--group-field must go with"]),
        (["closer.safetensors", "a.faiss", "pairs.npz"], ["'a.faiss' is a store, which must be the only source"]),
        (["closer.safetensors", "wide.npz", "-o", "out.npz"], ["vectors of 17 dimensions", "fitted on 16"]),
        (["closer.safetensors", "image=nan.npy", "-o", "out.npy"], ["row 3 (image) holds a NaN"]),
        (["cut.safetensors", "pairs.npz", "-o", "out.npz"], ["'cut.safetensors' is cut short"]),
        (["changed.safetensors", "pairs.npz", "-o", "out.npz"], ["was changed after it was written"]),
    ],
)
def test_refusals(here, folder, words, fragments):
    np.savez(folder / "wide.npz", image=np.ones((3, 17)))
    rows = np.ones((5, 16))
    rows[3, 3] = np.nan
    np.save(folder / "nan.npy", rows)
    whole = (folder / "closer.safetensors").read_bytes()
    (folder / "cut.safetensors").write_bytes(whole[:-9])
    (folder / "changed.safetensors").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    before = sorted(path.name for path in folder.iterdir())
    done = here("apply", *words, cwd=folder)
    if words[1:2] == ["image=nan.npy"]:  # found once the work has begun
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert fragments[0] in done.err
    else:
        done.check_refusal(*fragments)
    assert sorted(path.name for path in folder.iterdir()) == before


# stopped


def _big(folder: Path, n: int = 60_000, d: int = 64) -> None:
    """Rows of 1 kB in 8 steps, and a closer for them."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((n, d)).astype(np.float32)
    rows[:, 0] += np.where(np.arange(n) % 2, 2, -2)
    groups = np.where(np.arange(n) % 2, "text", "image")
    write_closer(MeanRemoval().fit(rows[:2000], groups=groups[:2000]), folder / "closer.safetensors")
    vector = pa.FixedSizeListArray.from_arrays(pa.array(rows.astype(np.float16).reshape(-1)), d)
    table = pa.table({"modality": groups, "vector": vector, "text": [f"row {i}" * 120 for i in range(n)]})
    pq.write_table(table, folder / "big.parquet", row_group_size=50_000, use_dictionary=["modality"])


def _start(folder: Path, output: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "crossgap", "apply", "closer.safetensors", "big.parquet", "-o", output],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hear_interrupts,
    )


def _hear_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _noted(journal: Path) -> int:
    return journal.read_bytes().count(b'{"file"') if journal.exists() else 0


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_killed_at_random_it_ends_in_the_same_bytes(tmp_path):
    _big(tmp_path)
    done = _start(tmp_path, "whole.parquet")
    assert done.communicate(timeout=100)[1] == ""
    chosen = random.Random(0)
    journal = tmp_path / ".out.parquet.crossgap-journal"
    noted = []
    for _ in range(3):
        process = _start(tmp_path, "out.parquet")
        before = _noted(journal)
        while process.poll() is None and _noted(journal) <= before:  # it has gone on
            time.sleep(0.001)
        time.sleep(chosen.uniform(0, 0.02))
        process.kill()
        process.communicate()
        if (tmp_path / "out.parquet").exists():
            break
        noted.append(_noted(journal))
    assert noted
    assert noted == sorted(noted)
    done = _start(tmp_path, "out.parquet")
    out, err = done.communicate(timeout=100)
    assert (done.returncode, err) == (0, "")
    assert "rows were there from an earlier run." in out or (tmp_path / "out.parquet").exists()
    assert (tmp_path / "out.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.skipif(os.name == "nt", reason="signals work differently there")
def test_interrupted_it_says_how_to_go_on(tmp_path, here, monkeypatch):
    """Ctrl-C once a part is written: in this process, so that it comes at a known time."""
    _big(tmp_path)
    run = files.apply_to_files

    def interrupted(plan, *, restart, progress):
        def stop(done, total, text):
            if done > 20_000:
                raise KeyboardInterrupt

        return run(plan, restart=restart, progress=stop)

    words = ["apply", "closer.safetensors", "big.parquet", "-o", "out.parquet"]
    with monkeypatch.context() as patched:
        patched.setattr(files, "apply_to_files", interrupted)
        done = here(*words, cwd=tmp_path)
    assert done.code == 130
    assert done.err.endswith("of 60,000 rows are kept beside out.parquet, and the same command goes on from there.\n")
    assert not (tmp_path / "out.parquet").exists()
    done = here(*words, "--json", cwd=tmp_path)
    assert json.loads(done.check_success())["resumed_from"] > 20_000


@pytest.mark.skipif(os.name == "nt", reason="signals work differently there")
def test_a_real_interrupt(tmp_path, here):
    _big(tmp_path)
    journal = tmp_path / ".out.parquet.crossgap-journal"
    process = _start(tmp_path, "out.parquet")
    while process.poll() is None and not _noted(journal):
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=100)[1]
    if process.returncode == 0:  # it was done before
        assert (tmp_path / "out.parquet").exists()
        return
    assert process.returncode == 130
    assert err.startswith("interrupted; ")
    assert err.endswith(" of 60,000 rows are kept beside out.parquet, and the same command goes on from there.\n")
    done = here("apply", "closer.safetensors", "big.parquet", "-o", "out.parquet", "--json", cwd=tmp_path)
    assert json.loads(done.check_success())["resumed_from"] > 0


def test_interrupted_before_anything_is_written(here, folder, monkeypatch):
    def interrupted(plan, **_):
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "apply_to_files", interrupted)
    done = here("apply", "closer.safetensors", "pairs.npz", "-o", "out.npz", cwd=folder)
    assert done.code == 130
    assert done.err == "interrupted; nothing was written, and the same command begins anew.\n"


def test_too_little_room_is_told(here, folder, monkeypatch):
    monkeypatch.setattr(file_plan.FilePlan, "free_bytes", 100)
    done = here("apply", "closer.safetensors", "pairs.npz", "-o", "out.npz", "--dry-run", cwd=folder)
    assert "and 100 bytes are free, which is not enough." in done.check_success()


# stores


@pytest.fixture
def index(folder, vectors) -> Path:
    """A FAISS index of the images."""
    faiss = pytest.importorskip("faiss")
    flat = faiss.IndexFlatIP(16)
    flat.add(vectors[0])
    faiss.write_index(flat, str(folder / "img.faiss"))
    return folder


def test_a_store(here, index, vectors):
    import faiss

    words = ["apply", "closer.safetensors", "img.faiss", "--group", "image"]
    done = here(*words, "--dry-run", cwd=index)
    text = done.check_success()
    assert text.splitlines()[-2:] == ["Nothing was written.", "Next: the same without --dry-run"]
    assert not (index / "img_closed.faiss").exists()
    text = here(*words, cwd=index).check_success()
    assert text.startswith("60 rows in img.faiss (60 image)\n")
    assert text.splitlines()[-1].startswith("Next: the same with --switch")
    found = faiss.read_index(str(index / "img_closed.faiss")).reconstruct_n(0, 60)
    assert (found == _expected(index, "image", vectors[0])).all()


def test_a_store_as_json(here, index):
    done = here("apply", "closer.safetensors", "img.faiss", "--group", "image", "--json", cwd=index)
    record = json.loads(done.check_success())
    assert (record["schema"], record["store"], record["rows"], record["groups"]) == (1, "faiss", 60, {"image": 60})


def test_every_option_of_a_store_reaches_it(here, folder, monkeypatch):
    from crossgap.apply import stores
    from crossgap.apply.store_record import StoreRecord

    seen = {}

    def apply_to_store(closer, source, **options):
        seen.update(options, source=source)
        return StoreRecord(
            store="qdrant", source="a", output="b", rows=9, rolled_back=True, zero_rows=1, kept_rows=2, missing_rows=3,
            resumed_from=4, notes=("A note.",),
        )  # fmt: skip

    monkeypatch.setattr(stores, "apply_to_store", apply_to_store)
    words = "--group g --group-field f --groups-file h --vector v --vectors-file w --batch 7 --switch --roll-back"
    flags = "--alias a=text --keep-others --dry-run --restart -o out"
    done = here("apply", "closer.safetensors", "qdrant:x/y", *words.split(), *flags.split(), cwd=folder)
    lines = done.check_success().splitlines()
    del seen["progress"]
    assert seen == {
        "source": "qdrant:x/y", "output": "out", "aliases": {"a": "text"}, "keep_others": True, "dry_run": True,
        "restart": True, "group": "g", "group_field": "f", "groups_file": "h", "vector": "v", "vectors_file": "w",
        "batch": 7, "switch": True, "roll_back": True,
    }  # fmt: skip
    assert lines[0] == "9 rows in a"
    assert [line.split()[0] for line in lines[1:5]] == ["4", "1", "2", "3"]
    assert lines[5] == "A note."


def test_what_it_did_not_write_is_never_replaced(here, folder):
    foreign = folder / "mine.parquet"
    pq.write_table(pa.table({"price": [1.0, 2.0]}), foreign)
    (folder / "text.parquet").write_text("a note")
    before = foreign.read_bytes()
    for name in ("mine.parquet", "text.parquet"):
        done = here("apply", "closer.safetensors", "pairs.parquet", "-o", name, cwd=folder)
        assert done.code == 2
        assert "exists, and crossgap apply did not write it; give another name, or remove it first." in done.err
    assert foreign.read_bytes() == before
    here("apply", "closer.safetensors", "pairs.parquet", "-o", "new.parquet", cwd=folder).check_success()
    here("apply", "closer.safetensors", "pairs.parquet", "-o", "new.parquet", cwd=folder).check_success()
    kept = (folder / "closer.safetensors").read_bytes()
    done = here("apply", "closer.safetensors", "pairs.safetensors", "-o", "closer.safetensors", cwd=folder)
    assert done.code == 2
    assert "the output 'closer.safetensors' is the closer itself; give another name." in done.err
    assert (folder / "closer.safetensors").read_bytes() == kept
