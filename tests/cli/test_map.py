"""``crossgap map``: the file it writes, what it says of it, and what it refuses."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from crossgap import __version__, measure, sample, topology, write

PAIRS = "pairs.npz"


def test_a_linear_map(process, files, vectors, tmp_path):
    path = tmp_path / "map.parquet"
    out = process("map", PAIRS, "-o", path, cwd=files).check_success()
    distance = float(measure.centroid_distance(*vectors))
    assert out.splitlines()[0] == "A linear map of 120 rows: image 60, text 60"
    assert f"centroid distance {distance:.3f}" in out
    assert "of the 15 nearest rows (12.6% by chance)" in out
    space, by_chance = topology.neighbour_purity(*vectors), topology.neighbour_purity_by_chance(60, 60)
    assert f"{space:.1%} are of a row's own group in the space" in out
    assert f"on the map ({by_chance:.1%} by chance)" in out
    assert out.splitlines()[-2:] == [
        f"Written: {path}",
        f"Next: embedding-atlas {path} --x x --y y --neighbors neighbors",
    ]
    table = pq.read_table(path)
    x = table.column("x").to_numpy()
    assert x[:60].mean() - x[60:].mean() == pytest.approx(distance, abs=1e-6)


def test_the_default_name_and_the_same_bytes(here, files, tmp_path, monkeypatch):
    source = files / PAIRS
    here("map", source, cwd=tmp_path).check_success()
    first = (tmp_path / "map.parquet").read_bytes()
    here("map", source, cwd=tmp_path).check_success()  # an older map may be replaced
    assert (tmp_path / "map.parquet").read_bytes() == first
    here("map", source, "--rows", "20", "--seed", "1", cwd=tmp_path).check_success()
    assert (tmp_path / "map.parquet").read_bytes() != first
    assert [path.name for path in tmp_path.iterdir()] == ["map.parquet"]


def test_json(here, files, tmp_path):
    path = tmp_path / "map.parquet"
    out = here("map", files / PAIRS, "-o", path, "--rows", "30", "--json").check_success()
    document = json.loads(out)
    assert document["schema"] == 1
    assert document["crossgap"] == __version__
    assert document["kind"] == "linear"
    assert document["settings"]["rows_used"] == {"image": 30, "text": 30}
    table = pq.read_table(path)
    coordinates = np.stack([table[axis].to_numpy() for axis in "xy"], axis=1)
    purity = topology.neighbour_purity(coordinates[:30], coordinates[30:], unit=False)
    assert document["neighbour_purity"]["map"] == pytest.approx(purity)
    assert document["notes"][0] == "30 of 60 rows of image are shown (whole items, seed 0)."
    assert document["next"].startswith("embedding-atlas ")
    kept = {key: value for key, value in document.items() if key not in ("written", "next")}
    assert json.loads(pq.read_schema(path).metadata[b"crossgap.map"]) == kept


def test_a_sample_and_groups_are_told(here, files, tmp_path):
    path = tmp_path / "map.parquet"
    out = here("map", files / PAIRS, "-o", path, "--groups", "text", "--rows", "30").check_success()
    assert "A linear map of 30 rows: text 30" in out
    assert "own group" not in out
    assert "centroid distance" not in out
    assert "Note: 30 of 60 rows of text are shown (whole items, seed 0)." in out
    assert set(pq.read_table(path).column("modality").to_pylist()) == {"text"}


def test_unpaired_rows_share_no_item(here, files, tmp_path):
    path = tmp_path / "map.parquet"
    out = here("map", files / PAIRS, "-o", path, "--unpaired").check_success()
    assert "Note: rows of different groups were taken to show different items (--unpaired)." in out
    assert len(set(pq.read_table(path).column("item").to_pylist())) == 120


def test_what_rows_are_is_kept(here, tmp_path):
    write(sample(), tmp_path / "sample.parquet")
    out = here("map", "sample.parquet", "--rows", "100", cwd=tmp_path).check_success()
    assert out.splitlines()[-1].endswith("--text text")
    found = pq.read_table(tmp_path / "map.parquet").to_pylist()
    rows = sample()
    for row in found[::37]:
        group, _, number = row["id"].rpartition("/")
        assert row["text"] == rows[group].text[int(number)]
        assert row["item"] == rows[group].items[int(number)]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "x"), [("umap", "x"), ("sphere", "longitude")])
def test_umap(process, files, tmp_path, kind, x):
    pytest.importorskip("umap")
    path = tmp_path / "map.parquet"
    words = ("map", PAIRS, "-o", path, "--kind", kind, "--neighbours", "8", "--min-distance", "0.2")
    out = process(*words, cwd=files).check_success()
    assert "the distance between clouds means nothing; --kind linear shows the gap" in out
    assert f"--x {x} --y" in out.splitlines()[-1]
    first = path.read_bytes()
    process(*words, cwd=files).check_success()
    assert path.read_bytes() == first
    settings = json.loads(pq.read_schema(path).metadata[b"crossgap.map"])["settings"]
    assert (settings["neighbours"], settings["min_distance"]) == (8, 0.2)


@pytest.mark.parametrize(
    ("words", "fragments"),
    [
        (["--kind", "tsne"], ["--kind must be one of linear, umap, sphere, but it is 'tsne'"]),
        (["--neighbours", "9"], ["--neighbours and --min-distance must go with --kind umap or sphere"]),
        (["-o", "map.json"], ["the map must end in .parquet, but it is 'map.json'", "'map.parquet'"]),
        (["-o", "missing/map.parquet"], ["the output folder 'missing' does not exist"]),
        (["-o", "-"], ["the output must be a path"]),
        (["-o", "pairs.parquet"], ["'pairs.parquet' exists and is no map of an earlier run"]),
        (["--groups", "audio"], ["there is no group 'audio'"]),
        (["--rows", "1"], ["a map needs at least three rows, but there are 2"]),
    ],
)
def test_refusals(here, files, words, fragments):
    before = {path: path.stat().st_mtime_ns for path in files.iterdir()}
    here("map", PAIRS, *words, cwd=files).check_refusal(*fragments)
    assert {path: path.stat().st_mtime_ns for path in files.iterdir()} == before


def test_without_the_extra(here, files, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "umap", None)
    here("map", files / PAIRS, "--kind", "umap", cwd=tmp_path).check_refusal("pip install 'crossgap[umap]'")
    assert not list(tmp_path.iterdir())


def test_a_bad_row_is_named_as_in_the_source(here, tmp_path):
    rows = np.eye(5, dtype=np.float32)
    rows[3, 1] = np.nan
    np.save(tmp_path / "img.npy", rows)
    here("map", "image=img.npy", cwd=tmp_path).check_refusal("image must be finite, but row 3")


def test_a_full_disk_leaves_nothing(here, files, tmp_path, monkeypatch):
    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.write_table", full)
    here("map", files / PAIRS, cwd=tmp_path).check_refusal("cannot be used (no space left on device); free some space")
    assert not list(tmp_path.iterdir())
