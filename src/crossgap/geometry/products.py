"""The product of two blocks of rows, by the fastest correct routine that this machine has.

On some processors (AMD with AVX-512 above all) NumPy's BLAS picks a kernel at half of the speed that oneDNN, which
torch brings, reaches in the same precision. For work that lasts seconds the routines are tried once, on one product of
512 x 512 x 512, and oneDNN is taken if it is correct to float32 and at least 1.3 times as fast. For the trial alone
torch is loaded (a second, 200 MiB) only where NumPy's BLAS says that it passes over instructions of this processor.
No setting of NumPy or torch is changed: oneDNN is called as an operator of its own.
"""

import functools
import importlib.util
import platform
import sys
import time
from collections.abc import Callable
from typing import Any

import array_api_compat
import numpy as np

from crossgap.geometry.rows import Array, Rows, is_numpy

__all__ = ["product_routine", "settled_product_routine"]

_WORTH_A_PROBE = 1e11  # flops: about a second of one core
_WORTH_IMPORTING_TORCH = 1e12  # about ten seconds, against one or two for the import
_AVX512_KERNELS = {"SkylakeX", "Cooperlake", "SapphireRapids"}  # of OpenBLAS
_CLEARLY_FASTER = 1.3  # so that two equal routines do not change places from run to run


def product_routine(x: Rows, flops: float) -> Callable[[Array, Array], Array]:
    """Return a function ``(a, b) -> a @ b.T`` for blocks like those of ``x``, given the size of the whole job.

    Differentiable inputs, other types than float32 and other devices than the CPU always take ``a @ b.T``.
    """
    if flops < _WORTH_A_PROBE or str(x.dtype) not in {"float32", "float16", "torch.float32", "torch.float16"}:
        return _plain
    if is_numpy(x):
        has_torch = "torch" in sys.modules or (
            flops >= _WORTH_IMPORTING_TORCH and importlib.util.find_spec("torch") and _numpy_is_narrow()
        )
        return _fastest_for_numpy(_torch_precision()) if has_torch else _plain
    if array_api_compat.is_torch_array(x) and x.device.type == "cpu" and not x.requires_grad:
        return _fastest_for_torch(_torch_precision())
    return _plain


def settled_product_routine(x: Any) -> Callable[[Array, Array], Array] | None:
    """Return oneDNN's product for torch tensors like ``x`` where it is known to be the faster one, else None.

    Chosen by the maker of the processor and not by a trial, so that a run that is stopped and taken up again computes
    the same bits: MKL, which torch's own product calls, keeps to AVX2 on other makers' processors, and oneDNN does not.
    """
    if x.device.type != "cpu" or str(x.dtype) != "torch.float32":
        return None
    return _onednn if _onednn_is_wider() and _is_correct_on_torch(_torch_precision()) else None


@functools.cache
def _onednn_is_wider() -> bool:
    import torch

    capability = torch.backends.cpu.get_cpu_capability()
    return torch.backends.mkl.is_available() and capability == "AVX512" and "GenuineIntel" not in _processor()


def _processor() -> str:
    """What the system says of the processor, its maker among it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return file.read(4096)
    except OSError:
        return platform.processor()


@functools.cache
def _is_correct_on_torch(precision: str) -> bool:
    import torch

    a, b = (torch.from_numpy(rows) for rows in _probe_rows())
    return _is_correct(_onednn, a, b)


@functools.cache
def _numpy_is_narrow() -> bool:
    """Return whether the processor has AVX-512 and no BLAS here says that it uses it."""
    from threadpoolctl import threadpool_info

    found = np.show_config(mode="dicts")["SIMD Extensions"]["found"]  # pyright: ignore[reportOptionalSubscript]
    kernels = {pool.get("architecture") for pool in threadpool_info() if pool["user_api"] == "blas"}
    return any(name == "X86_V4" or name.startswith("AVX512") for name in found) and kernels.isdisjoint(_AVX512_KERNELS)


def _plain(a: Array, b: Array) -> Array:
    return a @ b.T


def _onednn(a: Any, b: Any) -> Any:
    import torch

    return torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], "")


def _onednn_on_numpy(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    import torch

    return _onednn(torch.from_numpy(a), torch.from_numpy(b)).numpy()


def _torch_precision() -> str:
    """The caller's setting under which the probe holds: where it allows less than float32, the routines differ."""
    try:
        import torch
    except (ImportError, OSError):  # installed, but it does not load
        return "none"
    matmul = getattr(torch.backends.mkldnn, "matmul", None)
    return torch.get_float32_matmul_precision() if matmul is None else matmul.fp32_precision


@functools.cache
def _fastest_for_numpy(precision: str) -> Callable[[Array, Array], Array]:
    a, b = _probe_rows()
    return _onednn_on_numpy if _wins(_onednn_on_numpy, a, b) else _plain


@functools.cache
def _fastest_for_torch(precision: str) -> Callable[[Array, Array], Array]:
    import torch

    a, b = (torch.from_numpy(rows) for rows in _probe_rows())
    return _onednn if _wins(_onednn, a, b) else _plain


def _probe_rows() -> tuple[np.ndarray, np.ndarray]:
    rows = np.random.default_rng(0).standard_normal((1024, 512), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows[:512], rows[512:]


def _wins(routine: Callable[[Array, Array], Array], a: Array, b: Array) -> bool:
    return _is_correct(routine, a, b) and _seconds(routine, a, b) * _CLEARLY_FASTER < _seconds(_plain, a, b)


def _is_correct(routine: Callable[[Array, Array], Array], a: Array, b: Array) -> bool:
    try:
        error = np.abs(np.asarray(routine(a, b)) - np.asarray(a, np.float64) @ np.asarray(b, np.float64).T).max()
    except (RuntimeError, AttributeError, ImportError, OSError):  # no torch that loads, or one without oneDNN
        return False
    return bool(error < 1e-6)


def _seconds(routine: Callable[[Array, Array], Array], a: Array, b: Array) -> float:
    times = []
    for _ in range(5):
        start = time.perf_counter()
        routine(a, b)
        times.append(time.perf_counter() - start)
    return min(times)
