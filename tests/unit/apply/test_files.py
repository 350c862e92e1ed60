"""Files moved by a closer: every format, every column, resumed to the same bytes, and refusals that leave nothing."""

import os
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossgap import Embeddings, Group, read, write
from crossgap.apply import files, npy_stream, parquet_stream
from crossgap.apply.file_plan import FilePlan, plan_files
from crossgap.apply.files import apply_to_files, finished_rows
from crossgap.close.closer import Closer
from crossgap.close.mean_removal import MeanRemoval
from crossgap.close.standardisation import Standardisation
from crossgap.errors import DegenerateError, FormatError

D = 16


def _rows(n: int, seed: int = 0, sign: int = 1, dtype: type = np.float16) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((n, D))
    rows[:, 0] += 2 * sign
    return rows.astype(dtype)


@pytest.fixture(scope="module")
def closer() -> Closer:
    rows = np.concatenate([_rows(50, 1, 1, np.float64), _rows(50, 2, -1, np.float64)])
    return MeanRemoval().fit(rows, groups=["image"] * 50 + ["text"] * 50)


@pytest.fixture(autouse=True)
def small_steps(monkeypatch):
    """Steps of 256 rows of Parquet and 100 of .npy, so that a small file takes several."""
    monkeypatch.setattr(parquet_stream, "_STEP_BYTES", 1)
    monkeypatch.setattr(npy_stream, "_STEP_BYTES", 100 * D * 2)


def _table(n: int = 1000, dtype: type = np.float16, *, mixed: bool = False, seed: int = 3) -> pa.Table:
    rng = np.random.default_rng(seed)
    modality = np.array(["image"] * (n // 2) + ["text"] * (n - n // 2))
    if mixed:
        rng.shuffle(modality)
    rows = np.where((modality == "image")[:, None], _rows(n, seed, 1, dtype), _rows(n, seed, -1, dtype))
    kind = pa.list_(pa.field("element", pa.from_numpy_dtype(np.dtype(dtype)), nullable=False), D)
    vector = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), type=kind)
    return pa.table(
        {
            "made": pa.array(rng.integers(0, 10**6, n), pa.timestamp("s")),
            "modality": modality.tolist(),
            "vector": vector,
            "tags": [["a", None] * (i % 3) for i in range(n)],
            "item": np.arange(n),
        }
    ).replace_schema_metadata({"made by": "test"})


def _vectors(table: pa.Table) -> np.ndarray:
    return table.column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(len(table), -1)


def _moved(closer: Closer, table: pa.Table) -> np.ndarray:
    rows = _vectors(table)
    return closer.transform(rows, groups=np.array(table.column("modality").to_pylist())).astype(rows.dtype)


def _left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# formats


@pytest.mark.parametrize("row_group", [37, 256, 1000])
@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_parquet_keeps_all_but_the_vectors(tmp_path, closer, dtype, mixed, row_group):
    table = _table(1000, dtype, mixed=mixed)
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=row_group, compression="snappy")
    table = pq.read_table(tmp_path / "in.parquet")
    record = apply_to_files(plan_files(closer, [str(tmp_path / "in.parquet")], tmp_path / "out.parquet"))
    found = pq.read_table(tmp_path / "out.parquet")
    found.validate(full=True)
    assert found.drop_columns(["vector"]).equals(table.drop_columns(["vector"]))
    assert found.schema.equals(table.schema)
    assert found.schema.metadata == {b"made by": b"test", b"crossgap.closer": record.closer.encode()}
    assert (_vectors(found) == _moved(closer, table)).all()
    assert record.groups == dict(zip(*np.unique(table["modality"], return_counts=True), strict=True))
    assert (record.rows, record.zero_rows, record.resumed_from, record.files) == (1000, 0, 0, 1)
    assert record.bytes == (tmp_path / "out.parquet").stat().st_size
    metadata = pq.read_metadata(tmp_path / "out.parquet")
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [256, 256, 256, 232]
    assert metadata.row_group(0).column(0).compression == "SNAPPY"
    assert _left(tmp_path) == ["in.parquet", "out.parquet"]


@pytest.mark.parametrize("kind", ["list", "large_list"])
def test_lists_of_no_fixed_size_stay_such(tmp_path, closer, kind):
    table = _table(300)
    vector = pa.array(list(_vectors(table)), type=getattr(pa, f"{kind}_")(pa.float16()) if kind == "list" else
                      pa.large_list(pa.float16()))  # fmt: skip
    table = table.set_column(2, "vector", vector)
    pq.write_table(table, tmp_path / "in.parquet")
    apply_to_files(plan_files(closer, [str(tmp_path / "in.parquet")], tmp_path / "out.parquet"))
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.schema.field("vector").type.equals(pq.read_schema(tmp_path / "in.parquet").field("vector").type)
    assert (_vectors(found) == _moved(closer, table)).all()


def test_parquet_of_crossgap_is_read_by_crossgap(tmp_path, closer):
    x, y = _rows(300, 1), _rows(300, 2, -1)
    write(
        Embeddings(
            {
                "image": Group(vectors=x, uri=[f"{i}.jpg" for i in range(300)], items=np.arange(300)),
                "text": Group(vectors=y, text=["a dog"] * 300, items=np.arange(300)),
            }
        ),
        tmp_path / "in.parquet",
    )
    apply_to_files(plan_files(closer, [str(tmp_path / "in.parquet")], tmp_path / "out.parquet"))
    before, after = read(tmp_path / "in.parquet"), read(tmp_path / "out.parquet")
    for name, rows in (("image", x), ("text", y)):
        assert (np.asarray(after[name].vectors) == closer.move(rows.astype(np.float32), name).astype("f2")).all()
        assert after[name].uri == before[name].uri
        assert after[name].text == before[name].text
        assert (after[name].items == before[name].items).all()


def test_columns_that_are_encoded_or_missing(tmp_path, closer):
    """Dictionaries that differ between row groups; a role; one file without a modality, named outside."""
    table = _table(600).append_column("role", pa.array(["query"] * 300 + [None] * 100 + [""] * 200))
    table = table.set_column(1, "modality", table["modality"].dictionary_encode())
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=100)
    table = pq.read_table(tmp_path / "in.parquet")
    plan = plan_files(
        closer, [str(tmp_path / "in.parquet")], tmp_path / "out.parquet", treat_as={"image/query": "image"}
    )
    assert plan.groups == {"image/query": 300, "text": 300}
    apply_to_files(plan)
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.drop_columns(["vector"]).equals(table.drop_columns(["vector"]))
    assert (_vectors(found) == _moved(closer, table)).all()
    alone = table.select(["vector", "item"])
    pq.write_table(alone, tmp_path / "alone.parquet")
    record = apply_to_files(plan_files(closer, [f"text={tmp_path}/alone.parquet"], tmp_path / "out2.parquet"))
    assert record.groups == {"text": 600}
    expected = closer.transform(_vectors(alone), groups=["text"] * 600).astype(np.float16)
    assert (_vectors(pq.read_table(tmp_path / "out2.parquet")) == expected).all()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f2", ">f2", "<f4", ">f8"])
def test_npy(tmp_path, closer, dtype, order):
    rows = np.asarray(_rows(950, 1, 1, np.float64).astype(dtype), order=order)
    np.save(tmp_path / "in.npy", rows)
    record = apply_to_files(plan_files(closer, [f"image={tmp_path}/in.npy"], tmp_path / "out.npy"))
    found = np.load(tmp_path / "out.npy")
    assert found.dtype == np.dtype(dtype).newbyteorder("<")
    native = rows.astype(rows.dtype.newbyteorder("="))
    assert (found == closer.transform(native, groups=["image"] * 950).astype(native.dtype)).all()
    assert (record.groups, record.rows) == ({"image": 950}, 950)


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
def test_formats_that_are_written_in_one_go(tmp_path, closer, suffix):
    x, y = _rows(300, 1), _rows(200, 2, -1)
    x[7] = 0
    held = Embeddings({"image": Group(vectors=x, label=["a"] * 300), "text": Group(vectors=y, items=np.arange(200))})
    write(held, tmp_path / f"in.{suffix}")
    record = apply_to_files(plan_files(closer, [str(tmp_path / f"in.{suffix}")], tmp_path / f"out.{suffix}"))
    found = read(tmp_path / f"out.{suffix}")
    assert found["image"].label == ["a"] * 300
    assert (found["text"].items == np.arange(200)).all()
    assert (np.asarray(found["text"].vectors) == closer.move(y.astype("f4"), "text").astype("f2")).all()
    assert not np.asarray(found["image"].vectors)[7].any()
    assert (record.zero_rows, record.groups) == (1, {"image": 300, "text": 200})
    assert _left(tmp_path) == [f"in.{suffix}", f"out.{suffix}"]


def test_a_folder_of_shards(tmp_path, closer):
    (tmp_path / "shards").mkdir()
    tables = [_table(n, seed=n) for n in (300, 520, 10)]
    for number, table in enumerate(tables):
        pq.write_table(table, tmp_path / "shards" / f"part-{number}.parquet")
    (tmp_path / "shards" / "README.md").write_text("no vectors")
    plan = plan_files(closer, [str(tmp_path / "shards")], tmp_path / "out")
    record = apply_to_files(plan)
    assert _left(tmp_path / "out") == ["part-0.parquet", "part-1.parquet", "part-2.parquet"]
    for number, table in enumerate(tables):
        found = pq.read_table(tmp_path / "out" / f"part-{number}.parquet")
        assert (_vectors(found) == _moved(closer, table)).all()
    assert (record.files, record.rows) == (3, 830)
    assert "not copied" in record.notes[0]
    assert "README.md" in record.notes[0]
    assert _left(tmp_path) == ["out", "shards"]


def test_several_sources_and_patterns(tmp_path, closer):
    for number in range(3):
        np.save(tmp_path / f"img_{number}.npy", _rows(120, number))
    np.save(tmp_path / "txt.npy", _rows(90, 9, -1))
    apply_to_files(plan_files(closer, [f"image={tmp_path}/img_*.npy", f"text={tmp_path}/txt.npy"], tmp_path / "out"))
    assert _left(tmp_path / "out") == ["img_0.npy", "img_1.npy", "img_2.npy", "txt.npy"]
    expected = closer.move(_rows(90, 9, -1).astype("f4"), "text").astype("f2")
    assert (np.load(tmp_path / "out" / "txt.npy") == expected).all()


def test_arrays_named_by_their_files(tmp_path, closer):
    (tmp_path / "in").mkdir()
    np.save(tmp_path / "in" / "image.npy", _rows(20))
    np.save(tmp_path / "in" / "text.npy", _rows(30))
    assert plan_files(closer, [str(tmp_path / "in")], tmp_path / "out").groups == {"image": 20, "text": 30}


def test_vectors_that_become_shorter(tmp_path):
    class Shorter(MeanRemoval):
        def _move(self, rows: np.ndarray, group: str) -> np.ndarray:
            return rows[:, :5].copy()

    closer = Shorter().fit(_rows(40, dtype=np.float64), groups=["image"] * 40)
    table = _table(300).slice(0, 150)
    pq.write_table(table, tmp_path / "in.parquet")
    np.save(tmp_path / "in.npy", _rows(30))
    apply_to_files(plan_files(closer, [str(tmp_path / "in.parquet")], tmp_path / "out.parquet"))
    apply_to_files(plan_files(closer, [f"image={tmp_path}/in.npy"], tmp_path / "out.npy"))
    assert pq.read_schema(tmp_path / "out.parquet").field("vector").type.list_size == 5
    assert np.load(tmp_path / "out.npy").shape == (30, 5)


def test_files_that_lie_elsewhere(tmp_path, closer):
    fsspec = pytest.importorskip("fsspec")
    elsewhere = fsspec.filesystem("memory")
    table = _table(600)
    with elsewhere.open("/apply/in.parquet", "wb") as file:
        pq.write_table(table, file)
    with elsewhere.open("/apply/in.npy", "wb") as file:
        np.save(file, _vectors(table))
    apply_to_files(plan_files(closer, ["memory://apply/in.parquet"], tmp_path / "out.parquet"))
    assert (_vectors(pq.read_table(tmp_path / "out.parquet")) == _moved(closer, table)).all()
    apply_to_files(plan_files(closer, ["text=memory://apply/in.npy"], tmp_path / "out.npy"))
    expected = closer.transform(_vectors(table), groups=["text"] * 600).astype(np.float16)
    assert (np.load(tmp_path / "out.npy") == expected).all()


def test_threads_do_not_change_the_bytes(tmp_path, monkeypatch):
    """Products of matrices too, whose sums depend on the shapes of the blocks."""
    from crossgap.apply import overlap
    from crossgap.close.whitening import Whitening

    rows = np.concatenate([_rows(100, 1, 1, np.float64), _rows(100, 2, -1, np.float64)])
    closer = Whitening().fit(rows, groups=["image"] * 100 + ["text"] * 100)
    pq.write_table(_table(1000, np.float32, mixed=True), tmp_path / "in.parquet")
    written = set()
    for workers in (1, 2, 4):
        monkeypatch.setattr(overlap, "worker_count", lambda workers=workers: workers)
        apply_to_files(plan_files(closer, [str(tmp_path / "in.parquet")], tmp_path / "out.parquet"))
        written.add((tmp_path / "out.parquet").read_bytes())
    assert len(written) == 1


# groups, zeros


def test_groups_that_the_closer_does_not_know(tmp_path, closer):
    table = _table(300).set_column(1, "modality", pa.array(["image"] * 100 + ["audio"] * 150 + ["query"] * 50))
    source = str(tmp_path / "in.parquet")
    pq.write_table(table, source)
    with pytest.raises(ValueError, match=r"150 rows are of the group 'audio'.*--as audio=image.*--keep-others"):
        plan_files(closer, [source], tmp_path / "out.parquet", treat_as={"query": "text"})
    with pytest.raises(ValueError, match="no group 'video' in the source to treat as 'text'; it holds image, audio"):
        plan_files(closer, [source], tmp_path / "out.parquet", treat_as={"video": "text"})
    with pytest.raises(ValueError, match="no group 'tex' in the closer to treat 'query' as"):
        plan_files(closer, [source], tmp_path / "out.parquet", treat_as={"query": "tex"})
    plan = plan_files(closer, [source], tmp_path / "out.parquet", treat_as={"query": "text"}, keep_others=True)
    assert plan.treated_as == {"image": "image", "audio": None, "query": "text"}
    record = apply_to_files(plan)
    assert record.kept_rows == 150
    rows, found = _vectors(table), _vectors(pq.read_table(tmp_path / "out.parquet"))
    assert (found[100:250] == rows[100:250]).all()
    assert (found[250:] == closer.transform(rows[250:], groups=["text"] * 50).astype("f2")).all()
    pq.write_table(table.slice(100, 50), source)
    with pytest.raises(ValueError, match="so nothing would be moved"):
        plan_files(closer, [source], tmp_path / "out.parquet", keep_others=True)


def test_zero_rows_are_counted_and_stay(tmp_path, closer):
    table = _table(1000)
    rows = _vectors(table).copy()
    rows[[3, 600, 999]] = 0
    kind = table.schema.field("vector").type
    table = table.set_column(2, "vector", pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), type=kind))
    pq.write_table(table, tmp_path / "in.parquet")
    record = apply_to_files(plan_files(closer, [str(tmp_path / "in.parquet")], tmp_path / "out.parquet"))
    assert record.zero_rows == 3
    assert np.flatnonzero(~_vectors(pq.read_table(tmp_path / "out.parquet")).any(axis=1)).tolist() == [3, 600, 999]


# stopped and gone on with


class _Killed(BaseException):
    """In place of SIGKILL."""


def _stop_after(plan: FilePlan, rows: int, *, error: type[BaseException] = _Killed) -> None:
    """Run a plan until so many rows are written; what was written but not noted is lost, as by SIGKILL."""

    def progress(done: int, total: int, text: str) -> None:
        if done >= rows:
            raise error

    with pytest.raises(error):
        apply_to_files(plan, progress=progress)


@pytest.mark.parametrize("rows", [1, 300, 512, 999])
def test_a_stopped_run_ends_in_the_same_bytes(tmp_path, closer, rows):
    pq.write_table(_table(1000, mixed=True), tmp_path / "in.parquet", row_group_size=300)
    np.save(tmp_path / "in.npy", _rows(1000))
    for source, name in ((f"{tmp_path}/in.parquet", "out.parquet"), (f"image={tmp_path}/in.npy", "out.npy")):
        apply_to_files(plan_files(closer, [source], tmp_path / f"whole_{name}"))
        plan = plan_files(closer, [source], tmp_path / name)
        _stop_after(plan, rows)
        assert not (tmp_path / name).exists()
        assert finished_rows(plan) >= rows
        with open(tmp_path / f".{name}.crossgap-part", "ab") as part:
            part.write(b"bytes that nobody noted")
        record = apply_to_files(plan_files(closer, [source], tmp_path / name))
        assert 0 < rows <= record.resumed_from <= 1000
        assert (tmp_path / name).read_bytes() == (tmp_path / f"whole_{name}").read_bytes()
    assert _left(tmp_path) == ["in.npy", "in.parquet", "out.npy", "out.parquet", "whole_out.npy", "whole_out.parquet"]


def test_a_file_is_gone_on_with_at_every_line_of_its_journal(tmp_path, closer):
    """As after a kill at any time: the journal ends with any line, and the file is longer than that."""
    pq.write_table(_table(1100), tmp_path / "in.parquet")
    plan = plan_files(closer, [str(tmp_path / "in.parquet")], tmp_path / "out.parquet")
    apply_to_files(plan)
    whole = (tmp_path / "out.parquet").read_bytes()
    (tmp_path / "out.parquet").unlink()
    _stop_after(plan, 1100)
    part, journal = tmp_path / ".out.parquet.crossgap-part", tmp_path / ".out.parquet.crossgap-journal"
    bytes_so_far, lines = part.read_bytes(), journal.read_bytes().splitlines(keepends=True)
    seen = set()
    for count in range(len(lines) + 1):
        part.write_bytes(bytes_so_far)
        journal.write_bytes(b"".join(lines[:count]))
        seen.add(apply_to_files(plan).resumed_from)
        assert (tmp_path / "out.parquet").read_bytes() == whole
        assert not part.exists()
        assert not journal.exists()
    assert seen == {0, 256, 512, 768, 1024, 1100}


def test_zero_rows_of_an_earlier_run_are_counted(tmp_path, closer):
    rows = _rows(1000)
    rows[[5, 950]] = 0
    np.save(tmp_path / "in.npy", rows)
    plan = plan_files(closer, [f"image={tmp_path}/in.npy"], tmp_path / "out.npy")
    _stop_after(plan, 500)
    assert apply_to_files(plan).zero_rows == 2


def test_a_folder_is_gone_on_with(tmp_path, closer):
    (tmp_path / "in").mkdir()
    for number in range(3):
        write(Embeddings.from_arrays(image=_rows(60), text=_rows(60, 1, -1)), tmp_path / "in" / f"{number}.npz")
    apply_to_files(plan_files(closer, [str(tmp_path / "in")], tmp_path / "whole"))
    plan = plan_files(closer, [str(tmp_path / "in")], tmp_path / "out")
    _stop_after(plan, 240)
    assert not (tmp_path / "out").exists()
    record = apply_to_files(plan)
    assert record.resumed_from == 240
    for number in range(3):
        assert (tmp_path / "out" / f"{number}.npz").read_bytes() == (tmp_path / "whole" / f"{number}.npz").read_bytes()
    assert _left(tmp_path) == ["in", "out", "whole"]


@pytest.mark.parametrize("folder", [False, True])
def test_a_run_killed_between_the_name_and_the_end(tmp_path, closer, folder, monkeypatch):
    """The output has its name, its journal is still there: the next run finds that all is done."""
    np.save(tmp_path / "image.npy", _rows(400))
    np.save(tmp_path / "text.npy", _rows(400))
    sources = [f"image={tmp_path}/image.npy", f"text={tmp_path}/text.npy"][: 2 if folder else 1]
    plan = plan_files(closer, sources, tmp_path / ("out" if folder else "out.npy"))

    def killed(folder: Path) -> None:
        raise _Killed

    with monkeypatch.context() as patched:
        patched.setattr(files, "_sync_folder", killed)
        patched.setattr(files.Journal, "remove", lambda journal: None)
        with pytest.raises(_Killed):
            apply_to_files(plan)
    assert plan.output.exists()
    record = apply_to_files(plan_files(closer, sources, plan.output))
    assert record.resumed_from == plan.rows
    assert not [name for name in _left(tmp_path) if name.startswith(".")]


def test_an_output_that_was_replaced_since_is_not_taken_for_the_one_that_was_written(tmp_path, closer, monkeypatch):
    np.save(tmp_path / "in.npy", _rows(1000))
    plan = plan_files(closer, [f"image={tmp_path}/in.npy"], tmp_path / "out.npy")
    with monkeypatch.context() as patched:
        patched.setattr(files.Journal, "remove", lambda journal: None)
        apply_to_files(plan)
    (tmp_path / "out.npy").write_bytes(b"another")
    record = apply_to_files(plan)
    assert (record.resumed_from, record.bytes) == (0, np.load(tmp_path / "out.npy").nbytes + 128)
    assert _left(tmp_path) == ["in.npy", "out.npy"]


def test_a_source_that_changes_while_it_is_read(tmp_path, closer):
    np.save(tmp_path / "in.npy", _rows(1000))
    plan = plan_files(closer, [f"image={tmp_path}/in.npy"], tmp_path / "out.npy")

    def change(done: int, total: int, text: str) -> None:
        if done == 500:
            np.save(tmp_path / "in.npy", _rows(1000, 5))

    with pytest.raises(ValueError, match=r"in.npy' has changed while it was read, so what was made of it is removed"):
        apply_to_files(plan, progress=change)
    assert _left(tmp_path) == ["in.npy"]
    assert apply_to_files(plan).resumed_from == 0


def test_restart_forgets(tmp_path, closer):
    np.save(tmp_path / "in.npy", _rows(1000))
    plan = plan_files(closer, [f"image={tmp_path}/in.npy"], tmp_path / "out.npy")
    _stop_after(plan, 500)
    assert apply_to_files(plan, restart=True).resumed_from == 0


def test_a_part_that_has_lost_bytes_begins_anew(tmp_path, closer):
    np.save(tmp_path / "in.npy", _rows(1000))
    plan = plan_files(closer, [f"image={tmp_path}/in.npy"], tmp_path / "out.npy")
    apply_to_files(plan)
    whole = (tmp_path / "out.npy").read_bytes()
    _stop_after(plan, 500)
    os.truncate(tmp_path / ".out.npy.crossgap-part", 200)
    assert apply_to_files(plan).resumed_from == 0
    assert (tmp_path / "out.npy").read_bytes() == whole


def test_another_closer_or_source_does_not_go_on(tmp_path, closer):
    source = f"image={tmp_path}/in.npy"
    np.save(tmp_path / "in.npy", _rows(1000))
    _stop_after(plan_files(closer, [source], tmp_path / "out.npy"), 500)
    other = Standardisation().fit(np.vstack([_rows(50), _rows(50, 1)]), groups=["image"] * 50 + ["text"] * 50)
    with pytest.raises(ValueError, match="begun with another closer"):
        apply_to_files(plan_files(other, [source], tmp_path / "out.npy"))
    with pytest.raises(ValueError, match="begun with other options"):
        apply_to_files(plan_files(closer, [source], tmp_path / "out.npy", treat_as={"image": "text"}))
    np.save(tmp_path / "in.npy", _rows(1000, 4))
    with pytest.raises(ValueError, match="another source, or one that has changed"):
        apply_to_files(plan_files(closer, [source], tmp_path / "out.npy"))
    assert (tmp_path / ".out.npy.crossgap-part").exists()
    apply_to_files(plan_files(closer, [source], tmp_path / "out.npy"), restart=True)


def test_two_runs_at_once(tmp_path, closer):
    np.save(tmp_path / "in.npy", _rows(1000))
    plan = plan_files(closer, [f"image={tmp_path}/in.npy"], tmp_path / "out.npy")
    met = []

    def second(done: int, total: int, text: str) -> None:
        if not met:
            with pytest.raises(ValueError, match=r"another run .* is writing") as error:
                apply_to_files(plan)
            met.append(error)

    assert apply_to_files(plan, progress=second).rows == 1000
    assert met
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("crossgap")]


def test_an_interrupt_keeps_what_is_done(tmp_path, closer):
    np.save(tmp_path / "in.npy", _rows(1000))
    plan = plan_files(closer, [f"image={tmp_path}/in.npy"], tmp_path / "out.npy")
    _stop_after(plan, 500, error=KeyboardInterrupt)
    assert finished_rows(plan) == 500
    assert apply_to_files(plan).resumed_from == 500
    assert finished_rows(plan) == 0


def test_a_full_disk(tmp_path, closer, monkeypatch):
    import errno

    np.save(tmp_path / "in.npy", _rows(1000))
    plan = plan_files(closer, [f"image={tmp_path}/in.npy"], tmp_path / "out.npy")
    written = files.PartFile._write

    def full(self, data: memoryview) -> None:
        if self.stop > 20_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        written(self, data)

    told = r"out.npy' cannot be written \(no space left on device\), and \d+ of 1000 rows"
    with monkeypatch.context() as patched:
        patched.setattr(files.PartFile, "_write", full)
        with pytest.raises(OSError, match=told):
            apply_to_files(plan)
    assert not (tmp_path / "out.npy").exists()
    assert apply_to_files(plan).rows == 1000


# refusals


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_row_that_is_not_finite(tmp_path, closer, value):
    rows = _rows(1000)
    rows[789, 3] = value
    np.save(tmp_path / "in.npy", rows)
    (tmp_path / "out.npy").write_bytes(b"older")
    with pytest.raises(ValueError, match=r"in.npy': row 789 \(image\) holds a NaN or an infinity"):
        apply_to_files(plan_files(closer, [f"image={tmp_path}/in.npy"], tmp_path / "out.npy"))
    assert _left(tmp_path) == ["in.npy", "out.npy"]
    assert (tmp_path / "out.npy").read_bytes() == b"older"


def test_a_row_that_the_closer_cannot_move(tmp_path):
    closer = MeanRemoval().fit(np.tile([[3.0, 4.0]], (3, 1)), groups=["image"] * 3)
    rows = np.tile([[1.0, 0.0]], (900, 1))
    rows[555] = [3.0, 4.0]
    np.save(tmp_path / "in.npy", rows)
    with pytest.raises(DegenerateError, match=r"nothing is left of row 555 \(image\)"):
        apply_to_files(plan_files(closer, [f"image={tmp_path}/in.npy"], tmp_path / "out.npy"))
    assert _left(tmp_path) == ["in.npy"]


def test_the_output_of_a_closer_is_not_moved_by_it_again(tmp_path, closer):
    pq.write_table(_table(100), tmp_path / "in.parquet")
    apply_to_files(plan_files(closer, [str(tmp_path / "in.parquet")], tmp_path / "out.parquet"))
    with pytest.raises(ValueError, match=r"out.parquet' was moved by this closer already"):
        apply_to_files(plan_files(closer, [str(tmp_path / "out.parquet")], tmp_path / "twice.parquet"))
    assert _left(tmp_path) == ["in.parquet", "out.parquet"]
    other = Standardisation().fit(np.vstack([_rows(50), _rows(50, 1)]), groups=["image"] * 50 + ["text"] * 50)
    apply_to_files(plan_files(other, [str(tmp_path / "out.parquet")], tmp_path / "both.parquet"))


@pytest.mark.parametrize(
    ("source", "output", "kind", "message"),
    [
        ("image=in.npy", "in.npy", ValueError, "is a file of the source"),
        ("image=in.npy", "link.npy", ValueError, "is a file of the source"),
        ("image=in.npy", "out.parquet", FormatError, "must end in .npy, as the source does"),
        ("image=in.npy", "folder", IsADirectoryError, "must be a file, but '.*folder' is a folder"),
        ("image=in.npy", "none/out.npy", FileNotFoundError, "does not exist; create it first"),
        ("image=in.npy", "s3://bucket/out.npy", ValueError, "is a URL, but only local paths are written"),
        ("image=folder", "folder", IsADirectoryError, "is a folder that exists already"),
        ("image=folder", "in.npy", ValueError, "must be a new folder"),
        ("in.npy", "out.npy", ValueError, "holds one array without a name"),
        ("image=none.npy", "out.npy", FileNotFoundError, "there is no file or folder"),
        ("none*.npy", "out", FileNotFoundError, "no file matches"),
        ("empty", "out", FormatError, "holds no .npy, .npz, .safetensors or .parquet file"),
        ("both", "out", FormatError, "several formats"),
        ("image=notes.txt", "out.txt", FormatError, "is of no format that is read"),
        ("named", "out", FormatError, "cannot name a group after itself"),
        ("clip", "out", FormatError, "is a folder of clip-retrieval, whose parts are moved one by one"),
        ("image=short.npy", "out.npy", ValueError, "has vectors of 3 dimensions, but the closer was fitted on 16"),
        ("audio=in.npy", "out.npy", ValueError, "1000 rows are of the group 'audio'"),
        ("text=two.parquet", "out.parquet", ValueError, "so they cannot all be 'text'; give the file without text="),
        ("nobody.parquet", "out.parquet", FormatError, "no column 'modality'"),
        ("null.parquet", "out.parquet", FormatError, "'modality' is empty in row 2"),
        ("strange.parquet", "out.parquet", FormatError, "row 0 belongs to 'a b'"),
        ("nothing.parquet", "out.parquet", FormatError, "has no rows"),
        ("lengths.npz", "out.npz", FormatError, "text has 3 dimensions, but image has 16"),
    ],
)
def test_refusals_leave_nothing(tmp_path, closer, source, output, kind, message, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("in.npy", _rows(1000))
    np.save("short.npy", np.ones((4, 3)))
    for name in ("folder", "empty", "both", "named", "clip/img_emb"):
        Path(name).mkdir(parents=True)
    np.save("folder/a.npy", _rows(10))
    np.save("named/a b.npy", _rows(10))
    for name in ("both/a.npy", "both/b.npz", "notes.txt"):
        Path(name).write_bytes(b"")
    Path("link.npy").symlink_to("in.npy")
    table = _table(10)
    pq.write_table(table, "two.parquet")
    pq.write_table(table.drop_columns(["modality"]), "nobody.parquet")
    pq.write_table(table.set_column(1, "modality", pa.array(["a", "a", None] + ["a"] * 7)), "null.parquet")
    pq.write_table(table.set_column(1, "modality", pa.array(["a b"] * 10)), "strange.parquet")
    pq.write_table(table.slice(0, 0), "nothing.parquet")
    np.savez("lengths.npz", image=_rows(4), text=np.ones((4, 3)))
    before = _left(tmp_path)
    with pytest.raises(kind, match=message):
        apply_to_files(plan_files(closer, [source], output))
    assert _left(tmp_path) == before
    assert (np.load("in.npy") == _rows(1000)).all()


def test_sources_that_do_not_go_together(tmp_path, closer):
    with pytest.raises(ValueError, match="at least one source"):
        plan_files(closer, [], tmp_path / "out")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "x.npy", _rows(10))
    with pytest.raises(ValueError, match=r"two files of the source are called 'x.npy'"):
        plan_files(closer, [f"image={tmp_path}/a", f"text={tmp_path}/b"], tmp_path / "out")


@pytest.mark.parametrize(("row", "message"), [("null", "row 700 has no vector"), ("short", "row 700 has 3 numbers")])
def test_vectors_that_are_missing_or_short(tmp_path, closer, row, message):
    rows = list(_rows(1000))
    rows[700] = None if row == "null" else rows[0][:3]
    table = pa.table({"vector": pa.array(rows, pa.list_(pa.float16()))})
    pq.write_table(table, tmp_path / "in.parquet")
    with pytest.raises(FormatError, match=message):
        apply_to_files(plan_files(closer, [f"image={tmp_path}/in.parquet"], tmp_path / "out.parquet"))
    assert _left(tmp_path) == ["in.parquet"]


def test_what_is_written_is_read_before_it_gets_its_name(tmp_path, closer, monkeypatch):
    pq.write_table(_table(600), tmp_path / "in.parquet")
    plan = plan_files(closer, [str(tmp_path / "in.parquet")], tmp_path / "out.parquet")
    end = parquet_stream.ParquetStream.end
    monkeypatch.setattr(parquet_stream.ParquetStream, "end", lambda self, notes: end(self, notes)[:-1])
    with pytest.raises(FormatError, match="written but cannot be read"):
        apply_to_files(plan)
    whole = parquet_stream.footer_bytes
    monkeypatch.setattr(parquet_stream, "footer_bytes", lambda footer, groups, rows: whole(footer, groups, 1))
    monkeypatch.setattr(parquet_stream.ParquetStream, "end", end)
    with pytest.raises(FormatError, match="which is not what was meant"):
        apply_to_files(plan)
    assert _left(tmp_path) == ["in.parquet"]


# what would be done


def test_a_plan_writes_nothing_and_samples(tmp_path, closer):
    table = _table(1000, mixed=True)
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=200)
    plan = plan_files(closer, [str(tmp_path / "in.parquet")], tmp_path / "out.parquet")
    samples = plan.samples(500)
    assert set(samples) == {"image", "text"}
    rows, moved = (part.astype(np.float64) for part in (_vectors(table), _moved(closer, table)))
    for name, sample in samples.items():
        own = np.flatnonzero(np.array(table["modality"].to_pylist()) == name)[: sample.rows]
        lengths = np.linalg.norm(rows[own], axis=1) * np.linalg.norm(moved[own], axis=1)
        assert 50 < sample.rows <= 250
        assert sample.mean_cosine == pytest.approx(float(np.mean((rows[own] * moved[own]).sum(axis=1) / lengths)))
    facts = plan.as_json()
    assert facts["vector_bytes"] == 1000 * D * 2
    assert (facts["rows"], facts["dimension"], facts["dtype"], facts["fits"]) == (1000, D, "float16", True)
    assert _left(tmp_path) == ["in.parquet"]


def test_samples_of_other_formats_and_of_zeros(tmp_path, closer):
    np.savez(tmp_path / "in.npz", image=np.zeros((5, D)), text=_rows(5, 1, -1))
    samples = plan_files(closer, [str(tmp_path / "in.npz")], tmp_path / "out.npz").samples()
    assert (samples["image"].rows, samples["image"].mean_cosine) == (0, None)
    assert samples["text"].rows == 5
    np.save(tmp_path / "in.npy", _rows(500))
    plan = plan_files(closer, [f"audio={tmp_path}/in.npy"], tmp_path / "out.npy", treat_as={"audio": "image"})
    assert plan.samples(40)["audio"].rows == 40
