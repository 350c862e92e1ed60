"""Ctrl-C during a long run: exit 130, one line, nothing half-written."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
import typer


@pytest.mark.skipif(os.name == "nt", reason="signals work differently there")
def test_interrupt(tmp_path):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((12_000, 128)).astype(np.float32)
    np.savez(tmp_path / "pairs.npz", image=rows + 0.5, text=rows - 0.5)
    result = tmp_path / "gap.json"
    result.write_text('{"old": true}\n')
    before = sorted(path.name for path in tmp_path.iterdir())
    process = subprocess.Popen(
        [sys.executable, "-m", "crossgap", "measure", "pairs.npz", "-o", "gap.json", "--bootstrap", "1000"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        text=True,
        preexec_fn=_hear_interrupts,
    )
    try:
        _wait_until_it_measures(process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert out == ""
    assert err == "interrupted; nothing was written.\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert result.read_text() == '{"old": true}\n'


@pytest.mark.parametrize("module", ["numpy", "crossgap.data.read", "crossgap.report.collect"])
def test_interrupt_while_modules_load(module, process, files):
    code = f"""
import sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
from crossgap.cli import main
main()
"""
    done = process("measure", "pairs.npz", cwd=files, command=("-c", code))
    assert (done.code, done.out, done.err) == (130, "", "interrupted; nothing was written.\n")


@pytest.mark.parametrize("error", [KeyboardInterrupt, typer.Abort])
def test_interrupt_before_the_command_begins(error, here, monkeypatch):
    def interrupted(**_):
        raise error

    monkeypatch.setattr("crossgap.cli.app", interrupted)
    done = here("measure", "pairs.npz")
    assert (done.code, done.out, done.err) == (130, "", "interrupted; nothing was written.\n")


def _hear_interrupts() -> None:
    """A shell that runs the tests in the background has its children ignore SIGINT, as ``nohup`` does with SIGHUP."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _wait_until_it_measures(process: subprocess.Popen) -> None:
    """Wait for more processor time than the start takes, so that the signal meets the work."""
    watched = psutil.Process(process.pid)
    for _ in range(600):
        assert process.poll() is None, "the run ended before it could be interrupted"
        if watched.cpu_times().user > 1.5:
            return
        time.sleep(0.05)
    raise AssertionError("the run never started to work")
