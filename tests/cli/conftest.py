"""Ways to run the command, and small files for it to read."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from crossgap import Embeddings, write
from crossgap.cli import main

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "100", "PYTHONWARNINGS": "error"}


@dataclass(frozen=True)
class Done:
    """What a run of the command left."""

    code: int
    out: str
    err: str

    def check_refusal(self, *fragments: str) -> None:
        """Exit 2, nothing on standard output, and on standard error one sentence that holds the fragments."""
        assert self.code == 2, self
        assert self.out == ""
        assert "Traceback" not in self.err
        assert self.err.count("\n") == 1
        assert self.err.startswith("crossgap: ")
        assert self.err.endswith(".\n")
        sentence = self.err.rstrip("\n")
        assert sentence.isprintable()
        unquoted = re.sub(r"'[^']*'", "", sentence)  # what a library said is quoted
        assert not re.search(r"[.!?] [A-Z]", unquoted), "more than one sentence"
        for fragment in fragments:
            assert fragment in sentence

    def check_success(self) -> str:
        """Exit 0 with nothing on standard error; return standard output."""
        assert self.code == 0, self
        assert self.err == ""
        return self.out


Run = Callable[..., Done]


@pytest.fixture(scope="session")
def process() -> Run:
    """Run the real command in a process of its own."""

    def run(*args: str, cwd: Path | None = None, command: tuple[str, ...] = ("-m", "crossgap"), **environment: str):
        done = subprocess.run(
            [sys.executable, *command, *map(str, args)],
            cwd=cwd,
            env={**ENVIRONMENT, **environment},
            capture_output=True,
            timeout=120,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture
def here(monkeypatch, capsys) -> Run:
    """Run the command's entry point in this process, which spares the start."""

    def run(*args: str, cwd: Path | None = None) -> Done:
        monkeypatch.setattr(sys, "argv", ["crossgap", *map(str, args)])
        monkeypatch.setenv("COLUMNS", "100")
        if cwd is not None:
            monkeypatch.chdir(cwd)
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        found = capsys.readouterr()
        return Done(left.value.code or 0, found.out, found.err)

    return run


def two_cones(n: int = 60, d: int = 16, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Pairs that match, in two clouds that lie apart."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((n, d))
    offset = np.zeros(d)
    offset[0] = 2.0
    x = shared + 0.4 * rng.standard_normal((n, d)) + offset
    y = shared + 0.4 * rng.standard_normal((n, d)) - offset
    return x.astype(np.float32), y.astype(np.float32)


@pytest.fixture(scope="session")
def vectors() -> tuple[np.ndarray, np.ndarray]:
    """60 pairs of 16 numbers with a clear gap."""
    return two_cones()


@pytest.fixture(scope="session")
def files(tmp_path_factory, vectors) -> Path:
    """The same vectors in every format that is read."""
    folder = tmp_path_factory.mktemp("formats")
    x, y = vectors
    embeddings = Embeddings.from_arrays(image=x, text=y)
    np.save(folder / "img.npy", x)
    np.save(folder / "txt.npy", y)
    for name in ("pairs.npz", "pairs.safetensors", "pairs.parquet", "clip"):
        write(embeddings, folder / name)
    (folder / "arrays").mkdir()
    np.save(folder / "arrays" / "image.npy", x)
    np.save(folder / "arrays" / "text.npy", y)
    (folder / "shards").mkdir()
    for part in range(3):
        rows = slice(20 * part, 20 * part + 20)
        write(Embeddings.from_arrays(image=x[rows], text=y[rows]), folder / "shards" / f"part{part}.npz")
    return folder
