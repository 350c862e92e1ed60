"""Ctrl-C during a long run: exit 130, one line, nothing half-written."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest


@pytest.mark.skipif(os.name == "nt", reason="signals work differently there")
@pytest.mark.parametrize("old", [None, '{"old": true}\n'])
def test_interrupt(tmp_path, old):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((12_000, 128)).astype(np.float32)
    np.savez(tmp_path / "pairs.npz", image=rows + 0.5, text=rows - 0.5)
    result = tmp_path / "gap.json"
    if old is not None:
        result.write_text(old)
    before = sorted(path.name for path in tmp_path.iterdir())
    process = subprocess.Popen(
        [sys.executable, "-m", "crossgap", "measure", "pairs.npz", "-o", "gap.json", "--bootstrap", "1000"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        text=True,
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
    if old is not None:
        assert result.read_text() == old


def _wait_until_it_measures(process: subprocess.Popen) -> None:
    """Wait for more processor time than the start takes, so that the signal meets the work."""
    watched = psutil.Process(process.pid)
    for _ in range(600):
        assert process.poll() is None, "the run ended before it could be interrupted"
        if watched.cpu_times().user > 1.5:
            return
        time.sleep(0.05)
    raise AssertionError("the run never started to work")
