"""SIGKILL in the middle of a training run: resumed, it ends in the same bits as one that was never killed."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossgap.train.tensor_file import read_tensors

KILLS = 4

RUN = """
import os
import sys
from pathlib import Path

import torch
import torch._dynamo  # the optimiser would load it later
from torch import nn

from crossgap.losses.clip import clip_loss
from crossgap.losses.infoloob import infoloob_loss
from crossgap.losses.objective import ContrastiveLoss
from crossgap.losses.temperature import LogitScale
from crossgap.train.checkpoint import save_model
from crossgap.train.dual_encoder import DualEncoder
from crossgap.train.optimisers import adamw, cosine_schedule
from crossgap.train.pairs import PairedTensors
from crossgap.train.run import TrainingRun
from crossgap.train.towers import mlp_tower


def train(folder, every):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 32, generator=generator)
    y = x[:, None] + 0.5 * torch.randn(300, 4, 32, generator=generator)
    towers = [nn.Sequential(nn.Dropout(0.1), mlp_tower(32, 48, 2, 16, generator=generator)) for _ in range(2)]
    model = DualEncoder(*towers, LogitScale(14.0))
    run = TrainingRun(
        model,
        ContrastiveLoss({clip_loss: 1.0, infoloob_loss: 0.5}),
        PairedTensors(x, y, several_y=True),
        optimiser=adamw(model, learning_rate=3e-3, weight_decay=0.1),
        schedule=cosine_schedule(20, 160),
        batch_size=32,
        epochs=16,
        seed=7,
    )
    if (folder / "run.safetensors").exists():
        run.restore(folder / "run.safetensors")
    print(os.getpid(), run.step, flush=True)
    for record in run:
        print("took", record.step, flush=True)
        if run.step % every == 0:
            run.save(folder / "run.safetensors")
    run.save(folder / "run.safetensors")
    save_model(model, folder / "model.safetensors")


torch.set_num_threads(1)
for line in sys.stdin:  # a process for each run, which spares the imports
    folder, every = line.split("|")
    child = os.fork()
    if child == 0:
        train(Path(folder), int(every))
        os._exit(0)
    print("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class _Runs:
    """Training runs, each in a process of its own, all children of one that has loaded torch."""

    def __init__(self) -> None:
        self.parent = subprocess.Popen(
            [sys.executable, "-c", RUN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            text=True,
        )

    def run(self, folder: Path, every: int, *, kill_at: int | None = None) -> tuple[int, int]:
        """Train in a folder; return the step it began from and its exit code. The kill follows the report of a step."""
        self.parent.stdin.write(f"{folder}|{every}\n")
        self.parent.stdin.flush()
        pid, begun = (int(word) for word in self.parent.stdout.readline().split())
        for line in self.parent.stdout:
            if line == f"took {kill_at}\n":
                os.kill(pid, signal.SIGKILL)  # it has gone on meanwhile: into a step, or into a save
            if line.startswith("ended"):
                return begun, int(line.split()[1])
        raise AssertionError("the process that starts the runs has ended")


@pytest.fixture(scope="module")
def runs() -> Iterator[_Runs]:
    """Start the parent of the runs, and end it."""
    started = _Runs()
    try:
        yield started
    finally:
        started.parent.kill()
        started.parent.communicate()


@pytest.fixture(scope="module")
def undisturbed(runs, tmp_path_factory) -> dict[str, bytes]:
    """The files of a run that nobody killed, which saved at its end only."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert runs.run(folder, every=10**9) == (0, 0)
    return _files(folder)


def _files(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("run.safetensors", "model.safetensors")}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no SIGKILL")
@pytest.mark.parametrize(
    ("every", "seed"),
    [(7, 0), (1, 1), *(pytest.param(every, seed, marks=pytest.mark.slow) for every in (1, 7) for seed in (2, 3))],
    ids=["saved every {}, seed {}".format(*case) for case in [(7, 0), (1, 1), (1, 2), (1, 3), (7, 2), (7, 3)]],
)
def test_a_killed_run_ends_in_the_same_bits(tmp_path, runs, undisturbed, every, seed):
    steps = sorted(random.Random(seed).sample(range(10, 150), KILLS))
    begun = []
    for step in steps:
        started, code = runs.run(tmp_path, every, kill_at=step)
        assert code == -signal.SIGKILL
        begun.append(started)
        assert read_tensors(tmp_path / "run.safetensors")[1]["step"] % every == 0
    assert begun[0] == 0
    assert all(step - every < later for step, later in zip(steps, begun[1:], strict=False)), "it lost steps"
    assert runs.run(tmp_path, every)[1] == 0
    assert _files(tmp_path) == undisturbed
