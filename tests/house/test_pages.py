"""Pages keep their word: the code in README.md runs, and the table of conventions names every quantity."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import crossgap
from crossgap import measure

CHECKOUT = Path(__file__).resolve().parents[2]
README = CHECKOUT / "README.md"
CONVENTIONS = CHECKOUT / "docs" / "conventions.md"
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


def test_the_commands_of_the_readme_run(folder):
    for line in _commands(README):
        words = shlex.split(line, comments=True)[1:]
        done = subprocess.run(
            [sys.executable, "-m", "crossgap", *words], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True
        )
        assert done.returncode == 0, f"$ {line}\n{done.stderr}"


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
    functions = [name for name in measure.__all__ if not isinstance(getattr(measure, name), type)]
    assert CONVENTIONS.exists(), (
        f"docs/conventions.md is missing; write it, with a line for each of the {len(functions)} functions of "
        f"crossgap.measure."
    )
    told = set(re.findall(r"`(\w+)[`(]", CONVENTIONS.read_text(encoding="utf-8")))
    missing = [name for name in functions if name not in told]
    assert not missing, f"docs/conventions.md says nothing of {', '.join(missing)}; give each a line, in backticks."
