"""Every example is a short script of cells that runs as it stands, in seconds and without a warning."""

import ast
import os
import re
import runpy
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))


@pytest.fixture
def run_example(capsys, monkeypatch):
    """Run an example as the main script, in this process, which has torch loaded; return what it prints."""

    def run(name: str) -> str:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        monkeypatch.delenv("RANK", raising=False)
        capsys.readouterr()
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run


def _launch(name: str, processes: int) -> str:
    """Start an example by torchrun, on a free port of its own; return what all processes print."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"),
            str(EXAMPLES / name),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


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


def test_the_loop_of_open_clip_closes_the_gap(run_example):
    printed = run_example("open_clip_loop.py")
    untrained, clip, cua = _numbers("gap", printed)
    assert cua < clip / 2 < untrained / 2
    assert min(_numbers("R@1", printed)[1:]) > 0.9
    assert len(_numbers("alignment_loss", printed)) == 1


def test_the_loop_of_hugging_face_trains(run_example):
    if find_spec("transformers") is None:
        pytest.skip("transformers is not installed")
    printed = run_example("hugging_face_loop.py")
    gaps, found = _numbers("gap", printed), _numbers("R@5", printed)
    assert gaps[1] < gaps[0] / 2
    assert found[1] > 0.3 > found[0]


def test_two_processes_take_the_steps_of_one(run_example):
    alone = run_example("distributed.py")
    together = _launch("distributed.py", processes=2)
    assert _numbers("step", alone) == _numbers("step", together)
    losses = _numbers("loss", alone)
    assert losses == pytest.approx(_numbers("loss", together), abs=2e-4)
    assert losses[-1] < losses[0] - 5
