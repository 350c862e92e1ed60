"""Installed packages that break each other: a torchvision that does not fit torch stops transformers from importing.

Nothing is imported here: versions come from the packages' metadata, and one trial import runs in a process of its own.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from crossgap.doctor.finding import Finding, sorted_findings

__all__ = ["examine_environment"]

_SECONDS = 60.0
_EXACT = re.compile(r"torch\s*\(?\s*==\s*([\w.+]+)")
_CUDA = re.compile(r"^cuda\b[^=]*=\s*['\"]([\d.]+)['\"]", re.MULTILINE)


def examine_environment(*, seconds: float = _SECONDS) -> tuple[Finding, ...]:
    """Look for a torchvision that does not fit torch, and for a CUDA build of torch without CUDA.

    Parameters
    ----------
    seconds
        How long a trial import may take; one that takes longer is stopped and not reported.
    """
    return sorted_findings([*_torchvision(seconds), *_cuda(seconds)])


def _torchvision(seconds: float) -> Iterator[Finding]:
    vision, torch = _version("torchvision"), _version("torch")
    if vision is None:
        return
    wanted = _wanted_torch()
    fits = wanted is None or torch is None or _release(wanted) == _release(torch)
    complaint = _complaint("import torchvision", seconds)
    if fits and complaint is None:
        return
    have = f"torchvision {vision} is installed with {'no torch' if torch is None else f'torch {torch}'}"
    needs = "" if fits else f" but was built for torch {wanted}"
    fails = "" if complaint is None else f"{',' if fits else ', and'} importing it fails: {complaint}"
    yield Finding(
        name="broken-torchvision",
        severity="warning" if complaint is None else "error",
        evidence=f"{have}{needs}{fails}".rstrip(".") + ".",
        mend="transformers cannot be imported beside a torchvision that fails, and crossgap needs none: "
        "pip uninstall torchvision; or install one of the same build as torch: pip install --force-reinstall "
        "torch torchvision --index-url https://download.pytorch.org/whl/cpu (open_clip_torch, timm and lightly pull "
        "the CUDA build).",
        numbers={"imports": int(complaint is None), "versions_fit": int(fits)},
    )


def _cuda(seconds: float) -> Iterator[Finding]:
    built_for = _cuda_of_torch()
    if built_for is None:
        return
    failed = _complaint("import torch, sys; sys.exit(0 if torch.cuda.is_available() else 'no CUDA device')", seconds)
    if failed is None or not failed.endswith("no CUDA device"):
        return
    yield Finding(
        name="cuda-torch-without-cuda",
        severity="note",
        evidence=f"torch {_version('torch')} is built for CUDA {built_for}, but this machine shows no CUDA device.",
        mend="It runs on the CPU; the CPU build is several GB smaller: pip install --force-reinstall torch --index-url "
        "https://download.pytorch.org/whl/cpu.",
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _wanted_torch() -> str | None:
    """The version of torch that torchvision pins in its metadata."""
    for requirement in metadata.requires("torchvision") or []:
        found = _EXACT.match(requirement)
        if found:
            return found.group(1)
    return None


def _cuda_of_torch() -> str | None:
    """The CUDA version that torch says it was built for, read from its file of constants."""
    if _version("torch") is None:
        return None
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    constants = Path(spec.origin).with_name("version.py")
    found = _CUDA.search(constants.read_text(encoding="utf-8")) if constants.is_file() else None
    return None if found is None else found.group(1)


def _release(version: str) -> str:
    """The version without its build, such as ``+cpu``."""
    return version.split("+")[0]


def _complaint(code: str, seconds: float) -> str | None:
    """Run the code in a fresh interpreter; return the last line of its complaint, None if it has none or hangs."""
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path if entry)
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", code],
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    if done.returncode == 0:
        return None
    lines = done.stderr.strip().splitlines()
    return lines[-1].strip() if lines else f"it ended with status {done.returncode}"
