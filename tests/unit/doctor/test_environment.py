"""The installed packages, played by fake ones on a temporary path."""

import sys

import pytest

from crossgap.doctor import environment, examine_environment


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Install a fake package: its version, its requirements, and the source of its module."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *(p for p in sys.path if "site-packages" not in p)])

    def install(name, version, source="", requires=(), constants=None):
        info = tmp_path / f"{name}-{version}.dist-info"
        info.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        (info / "METADATA").write_text("\n".join(lines + [f"Requires-Dist: {r}" for r in requires]) + "\n")
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(source)
        if constants is not None:
            (tmp_path / name / "version.py").write_text(constants)

    monkeypatch.delitem(sys.modules, "torch", raising=False)
    return install


BROKEN = "raise RuntimeError('operator torchvision::nms does not exist')"


def test_nothing_installed_is_nothing_wrong(packages):
    assert examine_environment() == ()


def test_torch_alone_is_nothing_wrong(packages):
    packages("torch", "2.13.0+cpu", constants="cuda: Optional[str] = None\n")
    assert examine_environment() == ()


def test_a_fitting_torchvision_is_nothing_wrong(packages):
    packages("torch", "2.13.0+cpu")
    packages("torchvision", "0.28.0+cpu", requires=["numpy", "torch==2.13.0"])
    assert examine_environment() == ()


def test_a_torchvision_that_cannot_be_imported(packages):
    packages("torch", "2.13.0+cpu")
    packages("torchvision", "0.28.0", BROKEN, ["torch==2.13.0"])
    (finding,) = examine_environment()
    assert (finding.name, finding.severity) == ("broken-torchvision", "error")
    assert "operator torchvision::nms does not exist" in finding.evidence
    assert "pip uninstall torchvision" in finding.mend


def test_a_torchvision_for_another_torch(packages):
    packages("torch", "2.13.0+cpu")
    packages("torchvision", "0.20.0", requires=["torch (==2.5.0)"])
    (finding,) = examine_environment()
    assert finding.severity == "warning"
    assert "was built for torch 2.5.0" in finding.evidence
    assert finding.numbers == {"imports": 1, "versions_fit": 0}


def test_a_torchvision_for_another_torch_that_fails_too(packages):
    packages("torch", "2.13.0")
    packages("torchvision", "0.20.0", BROKEN, ["torch==2.5.0"])
    (finding,) = examine_environment()
    assert finding.severity == "error"
    assert "built for torch 2.5.0, and importing it fails" in finding.evidence


def test_a_torchvision_without_torch(packages):
    packages("torchvision", "0.20.0", "import torch_that_is_not_there", ["torch==2.5.0"])
    (finding,) = examine_environment()
    assert "with no torch" in finding.evidence


def test_a_silent_failure_names_the_status(packages):
    packages("torch", "2.13.0")
    packages("torchvision", "0.28.0", "import os; os._exit(3)")
    (finding,) = examine_environment()
    assert "it ended with status 3" in finding.evidence


def test_an_import_that_hangs_is_stopped_and_not_reported(packages):
    packages("torch", "2.13.0")
    packages("torchvision", "0.28.0", "import time; time.sleep(60)")
    assert examine_environment(seconds=0.5) == ()


@pytest.mark.parametrize(("available", "names"), [(False, ["cuda-torch-without-cuda"]), (True, [])])
def test_a_cuda_build_without_cuda(packages, available, names):
    source = f"class cuda:\n    is_available = staticmethod(lambda: {available})\n"
    packages("torch", "2.13.0", source, constants="cuda: Optional[str] = '12.8'\n")
    findings = examine_environment()
    assert [finding.name for finding in findings] == names
    assert [finding.severity for finding in findings] == ["note"] * len(names)


def test_a_torch_that_fails_for_another_reason_is_no_matter_of_cuda(packages):
    packages("torch", "2.13.0", "raise OSError('no library')", constants="cuda = '12.8'\n")
    assert examine_environment() == ()


def test_metadata_without_files(packages, tmp_path):
    packages("torch", "2.13.0")
    (tmp_path / "torch" / "__init__.py").unlink()
    (tmp_path / "torch").rmdir()
    assert environment._cuda_of_torch() is None
