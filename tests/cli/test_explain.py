"""``crossgap explain``: every quantity is documented, and the command shows it."""

import inspect
import json
import re

import numpy as np
import pytest
from typer.testing import CliRunner

from crossgap import compare, measure, topology
from crossgap.cli import app
from crossgap.report.collect import MEASURED
from crossgap.report.documentation import documentation

ROOMS = {
    name: room
    for room in (measure, compare, topology)
    for name in room.__all__
    if inspect.isfunction(getattr(room, name))
}
FUNCTIONS = list(ROOMS)
TOOLS = {"bootstrap_interval", "bootstrap_weights", "paired_difference"}  # of certainty, and no quantities


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_says_what_it_is_and_whose(name):
    found = documentation(getattr(ROOMS[name], name))
    assert found.summary.endswith(".")
    assert found.parameters, "has no section Parameters"
    if name not in TOOLS:
        assert found.formula or found.how_to_read, "has neither 'Formula::' nor 'How to read it:'"
        assert found.references, "has no section References"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_explained(name):
    done = CliRunner().invoke(app, ["explain", "--metric", name])
    assert done.exit_code == 0
    assert done.stderr == ""
    assert done.stdout.startswith(f"{ROOMS[name].__name__}.{name}(")
    assert done.stdout.splitlines()[-1].startswith("Next: ")
    for part in documentation(getattr(ROOMS[name], name)).how_to_read.split()[1:6]:
        assert part in done.stdout


@pytest.mark.parametrize("name", MEASURED)
def test_every_name_in_a_report_can_be_explained(name):
    assert name in FUNCTIONS


def test_the_next_step_is_one_that_works():
    for name in FUNCTIONS:
        last = CliRunner().invoke(app, ["explain", "--metric", name]).stdout.splitlines()[-1]
        assert ("--metrics" in last) == (name in MEASURED), last


@pytest.mark.parametrize(
    ("name", "start", "step"),
    [
        ("cka", "crossgap.compare.cka(", "Next: crossgap compare A B"),
        ("representation_topology_divergence", "crossgap.compare.", "Next: crossgap compare A B --everything"),
        ("cknna", "crossgap.compare.cknna(", "(crossgap compare does not call it by name)"),
        ("cross_edge_share", "crossgap.topology.cross_edge_share(", "--metrics cross_edge_share"),
        ("bottleneck_distance", "crossgap.topology.", "from crossgap.topology import bottleneck_distance"),
    ],
)
def test_quantities_of_spaces_and_of_topology(here, name, start, step):
    out = here("explain", "--metric", name).check_success()
    assert out.startswith(start)
    assert step in out.splitlines()[-1]


def test_the_sections(here):
    out = here("explain", "--metric", "centroid_distance").check_success()
    titles = [line for line in out.splitlines() if line and not line.startswith((" ", "crossgap.", "Next"))]
    for title in ("Formula", "How to read it", "Arguments", "Source"):
        assert title in titles


def test_json(here):
    document = json.loads(here("explain", "--metric", "uniformity", "--json").check_success())
    assert document["name"] == "uniformity"
    assert list(document) == [
        *("name", "signature", "summary", "formula", "how_to_read", "parameters", "returns"),
        *("raises", "notes", "references", "examples"),
    ]


def test_the_real_command(process):
    assert "Formula" in process("explain", "--metric", "recall_at_k").check_success()


@pytest.mark.parametrize(("given", "meant"), [("centroid_distanc", "centroid_distance"), ("hubnes", "hubness")])
def test_an_unknown_name_suggests_the_closest(given, meant, here):
    here("explain", "--metric", given).check_refusal(f"there is no quantity '{given}'", meant)


def test_suggestions_are_few(here):
    done = here("explain", "uniform_gap_cosine_distance")
    done.check_refusal("choose from ", "; crossgap explain lists all.")
    assert done.err.count(", ") <= 4


def test_a_name_far_from_all_says_where_they_are(here):
    done = here("explain", "zzz")
    done.check_refusal("there is no quantity 'zzz'; crossgap explain lists all.")


def test_a_bare_name_in_any_case(here):
    expected = here("explain", "--metric", "uniformity").check_success()
    for words in (["uniformity"], ["Uniformity"], ["--metric", "UNIFORMITY"]):
        assert here("explain", *words).check_success() == expected


def test_without_a_name_all_are_listed(here):
    out = here("explain").check_success()
    assert [line.split()[0] for line in out.splitlines()[:-2] if not line.startswith(" ")] == FUNCTIONS
    assert re.search(r"^hubness +[A-Z]", out, re.MULTILINE)
    assert out.splitlines()[-1].startswith("Next: crossgap explain ")
    assert here("explain", "--json").check_success().startswith("[")


def test_the_list_as_json(here):
    document = json.loads(here("explain", "--json").check_success())
    assert [entry["name"] for entry in document] == FUNCTIONS
    for entry in document:
        assert list(entry) == ["name", "summary"]
        assert entry["summary"] == inspect.getdoc(getattr(ROOMS[entry["name"]], entry["name"])).splitlines()[0]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_list_fits_the_terminal(width, process):
    out = process("explain", COLUMNS=str(width)).check_success()
    lines = out.splitlines()[:-2]
    assert max(map(len, lines)) <= max(width, *map(len, FUNCTIONS))
    words = " ".join(out.split())
    for name in FUNCTIONS:
        assert f"{name} {inspect.getdoc(getattr(ROOMS[name], name)).splitlines()[0]}" in words
    if width > 40:
        assert len({len(line) - len(line.lstrip()) for line in lines}) <= 4, "two columns a room"


@pytest.fixture
def folder(files, monkeypatch):
    monkeypatch.chdir(files)
    return files


@pytest.mark.parametrize(
    "source",
    [["pairs.npz"], ["pairs.parquet"], ["clip"], ["arrays"], ["image=img.npy", "text=txt.npy"], ["shards/*.npz"]],
)
def test_a_source_is_taken_apart(folder, source, here):
    out = here("explain", *source, "--bootstrap", "20").check_success()
    lines = out.splitlines()
    assert max(map(len, lines[:-1])) <= 100
    assert " lie " in lines[0]
    assert "chance alone" in out
    for name in ("offset", "details", "covariance_mismatch", "mean_removal", "translation", "rogue_coordinates"):
        assert any(line.startswith(name) for line in lines), name
    words = "'shards/*.npz'" if "*" in source[0] else " ".join(source)
    assert lines[-1] == f"Next: crossgap close {words} -o closer.safetensors"


def test_the_findings_as_json(folder, here, tmp_path):
    path = tmp_path / "explain.json"
    words = ["explain", "pairs.npz", "--bootstrap", "20", "--seed", "3", "--temperature", "0.07", "--rows", "100"]
    printed = here(*words, "--json", "-o", path).check_success()
    assert path.read_text(encoding="utf-8") == printed
    document = json.loads(printed)
    assert list(document) == ["schema", "crossgap", "inputs", "settings", "findings"]
    assert [facts["group"] for facts in document["inputs"]] == ["image", "text"]
    settings = {"seed": 3, "bootstrap": 20, "level": 0.95, "temperature": 0.07, "rows": 100, "notes": []}
    assert document["settings"] == settings
    assert document["findings"][0]["name"] == "gap"
    for finding in document["findings"]:
        assert list(finding) == ["name", "groups", "sentence", "value", "interval", "reason", "evidence"]
    assert here(*words, "--json").check_success() == printed


def test_it_says_where_it_wrote(folder, here, tmp_path):
    out = here("explain", "pairs.npz", "--bootstrap", "0", "-o", tmp_path / "explain.json").check_success()
    assert out.splitlines()[-2:] == [
        f"Written: {tmp_path / 'explain.json'}",
        "Next: crossgap close pairs.npz -o closer.safetensors",
    ]
    assert "no intervals" in out


def test_groups_are_chosen_and_turned(folder, here):
    out = here("explain", "pairs.npz", "--groups", "text,image", "--bootstrap", "0").check_success()
    assert out.startswith("text and image lie ")
    assert out.splitlines()[-1] == "Next: crossgap close pairs.npz --groups text,image -o closer.safetensors"


def test_without_pairs_the_reason_is_printed(here, tmp_path, vectors):
    x, y = vectors
    np.savez(tmp_path / "unpaired.npz", image=x, text=y[:50])
    out = here("explain", "unpaired.npz", "--bootstrap", "0", cwd=tmp_path).check_success()
    assert "skipped: offset, details, constancy, noise_shape, temperature: needs pairs: image (60" in out


def test_a_real_process(folder, process):
    out = process("explain", "pairs.npz", "--bootstrap", "20", cwd=folder).check_success()
    assert out.startswith("image and text lie ")


def test_a_file_named_like_a_quantity_is_a_source(here, tmp_path, files):
    import shutil

    shutil.copytree(files / "clip", tmp_path / "uniformity")
    assert " lie " in here("explain", "uniformity", "--bootstrap", "0", cwd=tmp_path).check_success()
    assert "Formula" in here("explain", "--metric", "uniformity", cwd=tmp_path).check_success()


@pytest.mark.parametrize(
    ("words", "fragments"),
    [
        (["missing.npz"], ["there is no file or folder 'missing.npz'"]),
        (["image=missing.npy"], ["there is no file"]),
        (["img.npy"], ["holds one array without a name"]),
        (["image=img.npy"], ["a gap needs two groups, but there is one, image"]),
        (["pairs.npz", "--groups", "image,audio"], ["there is no group 'audio'"]),
        (["pairs.npz", "--metric", "mmd"], ["a source or a quantity is explained, but 'pairs.npz' and --metric mmd"]),
        (["pairs.npz", "--temperature", "0"], ["temperature must be a finite number above 0, but it is 0.0"]),
        (["pairs.npz", "--bootstrap", "1"], ["replicates must be 0 or at least 2"]),
        (["pairs.npz", "-o", "pairs.npz"], ["is a file of the source"]),
        (["pairs.npz", "-o", "a/b/c.json"], ["does not exist; make it first"]),
        (["mmd", "uniformity"], ["one name is explained at a time, but 'mmd' and 'uniformity' were given"]),
        (["mmd", "--metric", "mmd"], ["one name is explained at a time"]),
        (["mmd", "-o", "x.json"], ["-o goes with a source, but 'mmd' is no file or folder"]),
        (["--groups", "a,b"], ["--groups goes with a source, but none was given"]),
    ],
)
def test_refusals(folder, here, words, fragments):
    before = sorted(folder.iterdir())
    here("explain", *words).check_refusal(*fragments)
    assert sorted(folder.iterdir()) == before
