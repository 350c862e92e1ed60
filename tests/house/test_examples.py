"""Every example is a short script of cells that runs as it stands, in seconds and without a warning."""

import ast
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def _run(*command: str) -> str:
    """Return what a script prints."""
    done = subprocess.run([sys.executable, *command], env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _run_example(name: str) -> str:
    return _run("-W", "error", str(EXAMPLES / name))


def _numbers(word: str, printed: str) -> list[float]:
    """Return the numbers that follow a word."""
    return [float(number) for number in re.findall(rf"{re.escape(word)} +(-?[\d.]+)", printed)]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_is_short_and_made_of_cells(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 100
    assert ast.get_docstring(ast.parse(text)), "say first what it shows"
    assert text.split('"""', 2)[2].lstrip().startswith("# %% "), "begin with a cell that has a title"
    assert all(line.startswith("# %% ") for line in text.splitlines() if line.startswith("# %%"))


def test_every_example_is_run_below():
    names = set(re.findall(r'"(\w+\.py)"', Path(__file__).read_text(encoding="utf-8")))
    assert {path.name for path in SCRIPTS} == names


def test_the_loop_of_open_clip_closes_the_gap():
    printed = _run_example("open_clip_loop.py")
    untrained, clip, cua = _numbers("gap", printed)
    assert cua < clip / 2 < untrained / 2
    assert min(_numbers("R@1", printed)[1:]) > 0.9
    assert len(_numbers("alignment_loss", printed)) == 1


def test_the_loop_of_hugging_face_trains():
    if find_spec("transformers") is None:
        pytest.skip("transformers is not installed")
    printed = _run_example("hugging_face_loop.py")
    gaps, found = _numbers("gap", printed), _numbers("R@5", printed)
    assert gaps[1] < gaps[0] / 2
    assert found[1] > 0.3 > found[0]


def test_two_processes_take_the_steps_of_one():
    alone = _run_example("distributed.py")
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    together = _run(*launcher, str(EXAMPLES / "distributed.py"))
    assert _numbers("step", alone) == _numbers("step", together)
    losses = _numbers("loss", alone)
    assert losses == pytest.approx(_numbers("loss", together), abs=2e-4)
    assert losses[-1] < losses[0] - 5
