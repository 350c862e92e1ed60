"""Pages keep their word: their code runs, and the tables name every quantity and every loss."""

import dataclasses
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import crossgap
from crossgap import close, compare, losses, measure, topology
from crossgap.train import CollapseAlarm, config
from crossgap.train.loss_terms import LOSSES

CHECKOUT = Path(__file__).resolve().parents[2]
README = CHECKOUT / "README.md"
CONVENTIONS = CHECKOUT / "docs" / "conventions.md"
CLOSING = CHECKOUT / "docs" / "closing.md"
COMPARING = CHECKOUT / "docs" / "comparing.md"
GUIDE = CHECKOUT / "docs" / "training.md"
CAPTIONING = CHECKOUT / "docs" / "captioning.md"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def _blocks(page: Path, kind: str) -> list[str]:
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    return [found.group(1) for found in re.finditer(rf"^```{kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]


def _commands(page: Path) -> list[str]:
    """Return the lines that call crossgap, continued ones whole: after a ``$`` in console blocks, bare in sh blocks."""
    kinds = (("console", "$ crossgap "), ("sh", "crossgap "))
    return [
        line.removeprefix("$ ").strip()
        for kind, start in kinds
        for line in "\n".join(_blocks(page, kind)).replace("\\\n", " ").splitlines()
        if line.startswith(start)
    ]


def _fill(folder: Path) -> None:
    """Put files there by the names that pages use."""
    pairs = crossgap.sample().sample_items(60)
    few = crossgap.Embeddings.from_arrays(image=pairs["image"].vectors, text=pairs["text"].vectors)
    for name in ("pairs.npz", "pairs.safetensors", "pairs.parquet", "vectors.parquet"):
        crossgap.write(few, folder / name)
    for group, names in (("image", ("img.npy", "images.npy")), ("text", ("txt.npy", "texts.npy"))):
        for name in names:
            np.save(folder / name, few[group].vectors)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """One folder for the whole page, so that a block may use what an earlier one wrote."""
    place = tmp_path_factory.mktemp("readme")
    _fill(place)
    return place


def test_the_python_of_the_readme_runs(folder):
    code = "\n\n".join(_blocks(README, "python"))
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stderr}\n\n{code}"


def _command(line: str, folder: Path) -> None:
    words = shlex.split(line, comments=True)[1:]
    done = subprocess.run(
        [sys.executable, "-m", "crossgap", *words], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.returncode == 0, f"$ {line}\n{done.stderr}"


def test_the_commands_of_the_readme_run(folder):
    for line in _commands(README):
        _command(line, folder)


def test_blocks_are_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A page\n\n```python\nx = 1\n```\n\n```console\n$ make demo\n$ crossgap measure a.npz \\\n    -o b.json\n"
        "image and text\n```\n\n```\n$ crossgap no\n```\n\n```sh\n# first\ncrossgap demo  # here\n```\n\n"
        "```python\ny = x\n```\n"
    )
    assert _blocks(page, "python") == ["x = 1\n", "y = x\n"]
    assert [shlex.split(line, comments=True) for line in _commands(page)] == [
        ["crossgap", "measure", "a.npz", "-o", "b.json"],
        ["crossgap", "demo"],
    ]


def test_every_quantity_stands_in_the_conventions():
    rooms = (measure, compare, topology)
    functions = [name for room in rooms for name in room.__all__ if inspect.isfunction(getattr(room, name))]
    assert CONVENTIONS.exists(), (
        f"docs/conventions.md is missing; write it, with a line for each of the {len(functions)} functions of "
        f"crossgap.measure, crossgap.compare and crossgap.topology."
    )
    told = set(re.findall(r"`(\w+)[`(]", CONVENTIONS.read_text(encoding="utf-8")))
    missing = [name for name in functions if name not in told]
    assert not missing, f"docs/conventions.md says nothing of {', '.join(missing)}; give each a line, in backticks."


def test_every_loss_stands_in_the_conventions():
    told = set(re.findall(r"`(\w+)[`(]", CONVENTIONS.read_text(encoding="utf-8")))
    missing = [name for name in losses.__all__ if name not in told]
    assert not missing, (
        f"docs/conventions.md says nothing of {', '.join(missing)}; give each loss a line, in backticks."
    )
    lines = dict(re.findall(r"^\| `(\w+)` \| ([rf –]*) \| ", CONVENTIONS.read_text(encoding="utf-8"), re.MULTILINE))
    for name in losses.__all__:
        if name.endswith("_loss"):
            parameters = inspect.signature(getattr(losses, name)).parameters
            marks = [letter for letter, keyword in (("r", "rows"), ("f", "fused")) if keyword in parameters]
            assert lines[name].split() == (marks or ["–"]), f"{name}: r says that it takes rows, f that it takes fused"


def test_every_closer_stands_in_the_conventions():
    page = CONVENTIONS.read_text(encoding="utf-8")
    told = set(re.findall(r"`(\w+)[`(]", page))
    closers = {name: kind for name in close.__all__ if isinstance(kind := getattr(close, name), type)}
    closers = {name: kind for name, kind in closers.items() if issubclass(kind, close.Closer)}
    frames = {"Closer", "LinearCloser", "MomentCloser"}
    functions = {name for name in close.__all__ if name.endswith(("_scores", "_offsets"))}
    missing = (set(closers) - frames | functions) - told
    assert not missing, f"docs/conventions.md says nothing of {', '.join(sorted(missing))}"
    lines = dict(re.findall(r"^\| `(\w+)` \| ([pbl ]*) ?\| ", page.split("## Closers")[1], re.MULTILINE))
    for name in set(closers) - frames:
        kind = closers[name]
        marks = set(lines[name].split())
        assert ("l" in marks) == issubclass(kind, close.LinearCloser), f"{name}: l says that it is linear"
        assert ("b" in marks) == ("partial_fit" in dir(kind)), f"{name}: b says that it takes batches"


# the guide for closing


@pytest.fixture(scope="module")
def closing(tmp_path_factory) -> Path:
    """A folder with the files that the guide for closing names."""
    place = tmp_path_factory.mktemp("closing")
    _fill(place)
    return place


def test_the_python_of_the_guide_for_closing_runs(closing):
    _run("\n\n".join(_blocks(CLOSING, "python")), closing, "-W", "error")


def test_the_commands_of_the_guide_for_closing_run(closing):
    for line in _commands(CLOSING):
        _command(line, closing)


# the guide for comparing


def test_the_commands_of_the_guide_for_comparing_run(tmp_path):
    _fill(tmp_path)
    rng = np.random.default_rng(0)
    with np.load(tmp_path / "pairs.npz") as pairs:
        other = {name: rows + 0.02 * rng.standard_normal(rows.shape) for name, rows in pairs.items()}
    np.savez(tmp_path / "other.npz", **other)
    lines = _commands(COMPARING)
    assert len(lines) == 8
    for line in lines:
        _command(line.replace("crossgap compare ", "crossgap compare --bootstrap 10 "), tmp_path)


# the guide for training


def _run(code: str, folder: Path, *options: str) -> None:
    command = [sys.executable, *options, "-c", code]
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stderr}\n\n{code}"


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder in which the guide's Python, configuration and commands have run, in this order."""
    folder = tmp_path_factory.mktemp("guide")
    blocks = [block for block in _blocks(GUIDE, "python") if "hugging_face" not in block]
    _run("\n\n".join(blocks), folder, "-W", "error")
    (file,) = _blocks(GUIDE, "toml")
    (folder / file.splitlines()[0].removeprefix("# ")).write_text(file, encoding="utf-8")
    lines = [shlex.split(line, comments=True) for line in _commands(GUIDE)]
    assert len(lines) == 3
    _run(
        f"import sys\nfrom crossgap.cli import main\n"
        f"for sys.argv in {lines!r}:\n"
        f"    try:\n        main()\n    except SystemExit as left:\n        assert not left.code\n",
        folder,
    )
    return folder


def test_the_guide_runs(trained):
    assert (trained / "run.safetensors").exists()
    for run in ("domain", "clip-alone"):
        found = {path.name for path in (trained / run).iterdir()}
        assert found == {"config.toml", "checkpoint.safetensors", "records.jsonl", "gap.json"}
        assert all(f"| `{name}` |" in GUIDE.read_text(encoding="utf-8") for name in found)


def test_the_numbers_of_the_guide_are_those_of_its_runs(trained):
    def ends(run: str) -> tuple[dict, dict]:
        lines = (trained / run / "records.jsonl").read_text(encoding="utf-8").splitlines()
        curves = [record["values"] for record in map(json.loads, lines) if record["event"] == "evaluation"]
        return curves[0], curves[-1]

    start, domain = ends("domain")
    found = (start, ends("clip-alone")[1], domain)
    _, table = GUIDE.read_text(encoding="utf-8").split("| held-out items |")
    rows = re.findall(r"^\| `([\w/]+)` \| (.+) \|$", table.split("\n\n")[0], re.MULTILINE)
    assert len(rows) == 6
    for name, cells in rows:
        told = [float(cell.replace("−", "-")) for cell in cells.split(" | ")]
        assert told == pytest.approx([values[name] for values in found], abs=0.05), name


def test_the_guide_reads_a_model_of_hugging_face(tmp_path):
    if find_spec("transformers") is None:
        pytest.skip("transformers is not installed")
    made = """
from transformers import CLIPConfig, CLIPModel
tiny = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
text, vision = {**tiny, "vocab_size": 20}, {**tiny, "image_size": 8, "patch_size": 4}
CLIPModel(CLIPConfig(text_config=text, vision_config=vision)).save_pretrained("clip-vit-base-patch32")
"""
    (block,) = [block for block in _blocks(GUIDE, "python") if "hugging_face" in block]
    _run(f"{made}\n{block}\nassert model.x_tower.model.visual_projection.out_features == 128\n", tmp_path)


def test_the_configuration_of_the_guide_names_every_key():
    (file,) = _blocks(GUIDE, "toml")
    parts = {part.partition("]")[0]: part for part in re.split(r"^\[", file, flags=re.MULTILINE)[1:]}
    tables = {"data": "DataTable", "model": "ModelTable", "temperature": "TemperatureTable"}
    tables |= {"optimiser": "OptimiserTable", "run": "RunTable"}
    for name, kind in tables.items():
        told = re.findall(r"^(?:# )?(\w+) = ", parts[name], re.MULTILINE)
        assert sorted(told) == sorted(f.name for f in dataclasses.fields(getattr(config, kind))), f"[{name}]"
    text = GUIDE.read_text(encoding="utf-8")
    left_out = text.split("A file can name every loss but", 1)[1].split("Write CUA", 1)[0]
    public = {name for name in losses.__all__ if name.endswith("_loss")}
    assert set(re.findall(r"`(\w+)`", left_out)) == public - set(LOSSES)


def test_the_guide_names_what_there_is():
    text = GUIDE.read_text(encoding="utf-8")
    for name in set(re.findall(r"`(\w+_loss)`", text)):
        assert name in losses.__all__, name
    for link in re.findall(r"\]\((?!https)([^)#]+)", text):
        assert (GUIDE.parent / link).exists(), link
    heads = re.findall(r"^#+ (.+)$", CONVENTIONS.read_text(encoding="utf-8"), re.MULTILINE)
    for anchor in re.findall(r"\]\(conventions.md#([\w-]+)\)", text):
        assert anchor in [head.lower().replace(" ", "-") for head in heads], anchor
    alarm = {key: parameter.default for key, parameter in inspect.signature(CollapseAlarm).parameters.items()}
    table = text.split("| quantity | raised when |", 1)[1].split("\n\n")[0].replace("−", "-")
    for words in (
        f"within {alarm['margin']} of ln B for {alarm['patience']} steps",
        f"| below {alarm['least_dimension']} |",
        f"| below {alarm['least_cross_uniformity']} |",
        f"| above {alarm['most_distance']} |",
    ):
        assert words in table


# the guide for captions


def test_the_guide_for_captions_runs(tmp_path):
    missing = [name for name in ("tokenizers", "torch") if find_spec(name) is None]
    if missing:
        pytest.skip(f"{missing[0]} is not installed")
    _run("\n\n".join(_blocks(CAPTIONING, "python")), tmp_path, "-W", "error")
    lines = [shlex.split(line, comments=True) for line in _commands(CAPTIONING)]
    assert len(lines) == 5
    _run(
        f"import sys\nfrom crossgap.cli import main\n"
        f"for sys.argv in {lines!r}:\n"
        f"    try:\n        main()\n    except SystemExit as left:\n        assert not left.code\n",
        tmp_path,
    )
    text = CAPTIONING.read_text(encoding="utf-8")
    for folder in ("looked-up", "captioner", "my-captioner"):
        found = {path.name for path in (tmp_path / folder).iterdir()} - {"fit"}
        assert "captioner.json" in found
        assert all(f"`{name}`" in text for name in found)
    facts = json.loads((tmp_path / "captioner" / "captioner.json").read_text(encoding="utf-8"))["facts"]
    assert facts["row_gain"] < 0.02, "the guide says that four epochs teach it nothing"
    line = json.loads((tmp_path / "captions.jsonl").read_text(encoding="utf-8").split("\n", 1)[0])
    assert all(f"`{key}`" in text for key in line)


def test_the_guide_for_captions_names_what_there_is():
    text = CAPTIONING.read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!https)([^)#]+)", text):
        assert (CAPTIONING.parent / link).exists(), link
