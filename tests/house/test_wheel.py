"""The wheel works away from the checkout, and the check of it notices a wheel without the sample."""

import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
CHECK = CHECKOUT / "scripts" / "check_wheel.py"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel built from the checkout with what is installed, so without a network."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed, and fetching it needs a network")
    folder = tmp_path_factory.mktemp("dist")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-build-isolation"]
    subprocess.run([*pip, "--no-deps", "-w", str(folder), str(CHECKOUT)], check=True, capture_output=True)
    (found,) = folder.glob("*.whl")
    return found


def _check(folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, str(CHECK), str(folder)], capture_output=True, text=True, check=False)


def test_the_wheel_works(wheel):
    done = _check(wheel.parent)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert "from the wheel: 800 pairs, centroid distance 0." in done.stdout


def test_the_wheel_holds_the_sample_and_its_licence_and_no_tests(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {"crossgap/sample/emoji.parquet", "crossgap/sample/ATTRIBUTION.md", "crossgap/cli/__init__.py"} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if "tests" in name or "benchmarks" in name]


def test_a_wheel_without_the_sample_is_noticed(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive, zipfile.ZipFile(tmp_path / wheel.name, "w") as poorer:
        for name in archive.namelist():
            if not name.endswith("emoji.parquet"):
                poorer.writestr(name, archive.read(name))
    done = _check(tmp_path)
    assert done.returncode != 0
    assert "the wheel should hold the sample" in done.stderr


def test_no_wheel_and_two_wheels_are_noticed(wheel, tmp_path):
    done = _check(tmp_path)
    assert done.returncode != 0
    assert "should hold one wheel, but it holds 0" in done.stderr
    for name in ("a.whl", "b.whl"):
        (tmp_path / name).write_bytes(b"")
    assert "it holds 2" in _check(tmp_path).stderr
