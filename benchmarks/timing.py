"""What every benchmark shares: seeded rows, routines timed in turn in one process, memory, and the record of a figure.

A script is started by ``run.py``, which sets one thread for every library before any of them is imported.
"""

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from crossgap.geometry.products import product_routine

if os.environ.get("OMP_NUM_THREADS") != "1":
    sys.exit("one thread is set before libraries load; start this script as: python benchmarks/run.py NAME")

D = 512
_BLOCK = 1024


def unit_rows(n: int, seed: int = 0, noise: float = 0.0, of: np.ndarray | None = None) -> np.ndarray:
    """Random unit rows (n, 512) in float32; with ``of``, those rows plus ``noise`` times rows of their own."""
    rng = np.random.default_rng(seed)
    x = np.empty((n, D), np.float32)
    for first in range(0, n, _BLOCK):
        block = rng.standard_normal((min(_BLOCK, n - first), D), dtype=np.float32)
        if of is not None:
            block = of[first : first + _BLOCK] + noise / np.sqrt(D) * block
        x[first : first + _BLOCK] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return x


def bare_products(x: np.ndarray, y: np.ndarray | None = None) -> None:
    """Only the products that all pairs need, in blocks, by the routine that the kernels take; the floor."""
    other = x if y is None else y
    product = product_routine(x, (1 if y is None else 2) * len(x) * len(other) * x.shape[1])
    for i, a in _blocks(x):
        for j, b in _blocks(other):
            if y is not None or j >= i:
                product(a, b)


def _blocks(x: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    for first in range(0, len(x), _BLOCK):
        yield first, x[first : first + _BLOCK]


def in_turn(
    routines: dict[str, Callable[[], Any]], rounds: int = 3, once: tuple[str, ...] = ()
) -> tuple[dict[str, dict[str, float]], dict[str, Any]]:
    """Median CPU and wall seconds of each routine, run one after the other in every round, and what each returned.

    Those named in ``once`` run in the first round only.
    """
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in routines}
    returned = {}
    for number in range(rounds):
        for name, routine in routines.items():
            if number and name in once:
                continue
            cpu, wall = time.process_time(), time.perf_counter()
            returned[name] = routine()
            seconds[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    medians = {
        name: {
            "cpu_s": statistics.median(cpu for cpu, _ in taken),
            "wall_s": statistics.median(wall for _, wall in taken),
            "rounds": len(taken),
        }
        for name, taken in seconds.items()
    }
    return medians, returned


def extra_mib(routine: Callable[[], Any]) -> float:
    """Peak of resident memory during the call above what was resident before it, in MiB (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = _resident_mib("VmRSS")
    routine()
    return _resident_mib("VmHWM") - before


def _resident_mib(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise OSError(f"/proc/self/status has no line {name}, which is how memory is measured; run this on Linux.")


def figure(
    what: str, value: float, target: float | None, *, at_most: bool = True, unit: str = "x", note: str = ""
) -> dict[str, Any]:
    """One measured number beside its target; None where there is none."""
    if target is None:
        return {"what": what, "value": value, "unit": unit, "target": "", "met": None, "note": note}
    met = value <= target if at_most else value >= target
    sign = "at most" if at_most else "at least"
    return {"what": what, "value": value, "unit": unit, "target": f"{sign} {target:g}", "met": bool(met), "note": note}


def publish(job: str, figures: list[dict[str, Any]], timings: dict[str, Any], **facts: Any) -> None:
    """Print the record of one job; ``run.py`` reads it."""
    print(json.dumps({"job": job, "figures": figures, "timings": timings, "facts": facts, "machine": machine()}))


def machine() -> dict[str, Any]:
    """CPU, libraries and the product routine that the probe chose for a long job."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        facts = dict(line.split(":", 1) for line in info.read_text().split("\n\n")[0].splitlines() if ":" in line)
        facts = {key.strip(): value.strip() for key, value in facts.items()}
        cpu = f"{facts['model name']}, family {facts['cpu family']}, model {facts['model']}"
    libraries = ("numpy", "scipy", "scikit-learn", "torch", "faiss-cpu", "pyarrow")
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in libraries},
        "blas": sorted({f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}".strip()
                        for pool in threadpool_info() if pool["user_api"] == "blas"}),
        "product": product_routine(np.empty((1, D), np.float32), 1e15).__name__,
        "load_1_5_15": [round(load, 1) for load in os.getloadavg()],
    }  # fmt: skip


def rows_wanted(default: int) -> int:
    """Number of rows given on the command line."""
    return int(sys.argv[1]) if len(sys.argv) > 1 else default
