"""What the original evaluation gave, and a stand-in for Java."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

RECORD = Path(__file__).with_name("original_scores.json")


@pytest.fixture(scope="session")
def original_scores() -> dict:
    """100 made-up scenes told five times, one telling the candidate; made by make_original_scores.py."""
    return json.loads(RECORD.read_text(encoding="utf-8"))


@pytest.fixture
def stand_in(tmp_path, monkeypatch) -> Callable[..., Path]:
    """Put a program of a few lines of Python in the place of Java, and an empty package in that of pycocoevalcap."""

    def make(code: str, *files: str) -> Path:
        programs = tmp_path / "bin"
        programs.mkdir()
        java = programs / "java"
        java.write_text(f"#!{sys.executable}\nimport json, os, sys, time\n{code}\n", encoding="utf-8")
        java.chmod(0o755)
        for file in ("meteor/x", "spice/x", *files):
            path = tmp_path / "site" / "pycocoevalcap" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        monkeypatch.setenv("PATH", str(programs))
        monkeypatch.setattr(sys, "path", [str(tmp_path / "site")])
        monkeypatch.delitem(sys.modules, "pycocoevalcap", raising=False)
        return tmp_path

    return make
