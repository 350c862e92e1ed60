import subprocess
import sys

import numpy as np
import pytest
import torch

from crossgap.geometry import products
from crossgap.geometry.products import product_routine

LONG = 1e15


@pytest.fixture(autouse=True)
def _fresh_probe():
    probes = (
        products._fastest_for_numpy,
        products._fastest_for_torch,
        products._numpy_is_narrow,
        products._onednn_is_wider,
        products._is_correct_on_torch,
    )
    for probe in probes:
        probe.cache_clear()
    yield
    for probe in probes:
        probe.cache_clear()


def _rows(n=1030, d=64):
    rows = np.random.default_rng(0).standard_normal((n, d), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("flops", [1.0, LONG])
@pytest.mark.parametrize("make", [np.asarray, torch.tensor])
def test_the_product_is_that_of_float64(flops, make):
    a, b = _rows()[:500], _rows()[500:]
    found = product_routine(make(a), flops)(make(a), make(b))
    assert type(found) is type(make(a))
    assert np.abs(np.asarray(found) - a.astype(float) @ b.astype(float).T).max() < 1e-6


@pytest.mark.parametrize("make", [np.asarray, torch.tensor])
def test_onednn_gives_the_product_of_float64_where_it_is_available(make):
    a, b = _rows()[:500], _rows()[500:]
    routine = products._onednn_on_numpy if make is np.asarray else products._onednn
    try:
        found = routine(make(a), make(b))
    except (RuntimeError, AttributeError):
        pytest.skip("this torch has no oneDNN")
    assert np.abs(np.asarray(found) - a.astype(float) @ b.astype(float).T).max() < 1e-6


def test_a_probe_changes_no_setting():
    threadpoolctl = pytest.importorskip("threadpoolctl")

    def settings():
        return (
            torch.get_float32_matmul_precision(),
            torch.get_num_threads(),
            torch.get_num_interop_threads(),
            torch.is_grad_enabled(),
            torch.get_default_dtype(),
            torch.backends.mkldnn.enabled,
            [(pool["filepath"], pool["num_threads"]) for pool in threadpoolctl.threadpool_info()],
            np.geterr(),
        )

    before = settings()
    for rows in (_rows(), torch.tensor(_rows())):
        product_routine(rows, LONG)(rows, rows)
        assert settings() == before


def _wrong(a, b):
    return a @ b.T + 1e-4


def _not_a_number(a, b):
    return a @ b.T * float("nan")


def _broken(a, b):
    raise RuntimeError("no such operator")


def _missing(a, b):
    return a.no_such_operator(b)


def _without_library(a, b):
    raise ImportError("torch does not load")


@pytest.mark.parametrize("routine", [_wrong, _not_a_number, _broken, _missing, _without_library])
def test_the_probe_keeps_a_wrong_routine_out_however_fast(routine, monkeypatch):
    monkeypatch.setattr(products, "_seconds", lambda routine, a, b: 1.0 if routine is products._plain else 0.001)
    monkeypatch.setattr(products, "_onednn_on_numpy", routine)
    monkeypatch.setattr(products, "_onednn", routine)
    for rows in (_rows(), torch.tensor(_rows())):
        assert product_routine(rows, LONG) is products._plain


@pytest.mark.parametrize(("seconds", "wins"), [(2.0, False), (1.0, False), (0.8, False), (0.7, True)])
def test_the_probe_takes_only_what_is_clearly_faster(seconds, wins, monkeypatch):
    def fast(a, b):
        return a @ b.T

    monkeypatch.setattr(products, "_seconds", lambda routine, a, b: 1.0 if routine is products._plain else seconds)
    monkeypatch.setattr(products, "_onednn_on_numpy", fast)
    monkeypatch.setattr(products, "_onednn", fast)
    for rows in (_rows(), torch.tensor(_rows())):
        assert product_routine(rows, LONG) is (fast if wins else products._plain)


def test_the_probe_runs_once_for_each_setting_of_the_caller(monkeypatch):
    runs = []
    monkeypatch.setattr(products, "_wins", lambda routine, a, b: runs.append(routine))
    for _ in range(3):
        product_routine(_rows(), LONG)
    assert len(runs) == 1
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        product_routine(_rows(), LONG)
    finally:
        torch.set_float32_matmul_precision(before)
    assert len(runs) == 2


@pytest.mark.parametrize(
    ("rows", "flops"),
    [
        (np.ones((2, 2), np.float32), 1e10),
        (np.ones((2, 2)), LONG),
        (torch.ones(2, 2), 1e10),
        (torch.ones(2, 2, dtype=torch.float64), LONG),
        (torch.ones(2, 2, dtype=torch.bfloat16), LONG),
        (torch.ones(2, 2, requires_grad=True), LONG),
    ],
    ids=["short", "float64", "short tensor", "float64 tensor", "bfloat16 tensor", "with gradients"],
)
def test_what_is_never_probed(rows, flops, monkeypatch):
    monkeypatch.setattr(products, "_wins", lambda *_: pytest.fail("probed"))
    assert product_routine(rows, flops) is products._plain


def test_float16_rows_and_readers_of_files_are_probed_as_float32(monkeypatch, lazy):
    monkeypatch.setattr(products, "_wins", lambda *_: True)
    assert product_routine(_rows().astype(np.float16), LONG) is products._onednn_on_numpy
    assert product_routine(lazy(_rows()), LONG) is products._onednn_on_numpy


def test_a_torch_that_does_not_load_leaves_numpys_product(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # import torch now raises ImportError
    rows = _rows()
    assert product_routine(rows, LONG) is products._plain


@pytest.mark.parametrize("narrow", [True, False])
@pytest.mark.parametrize("flops", [1e10, 5e11, 2e12])
def test_torch_is_loaded_only_for_long_jobs_where_numpy_passes_over_instructions(flops, narrow):
    code = (
        "import sys, numpy as np; from crossgap.geometry import products; "
        f"products._numpy_is_narrow = lambda: {narrow}; "
        f"products.product_routine(np.ones((2, 2), np.float32), {flops}); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(narrow and flops >= 1e12)


@pytest.mark.parametrize(
    ("found", "kernel", "narrow"),
    [
        (["X86_V3", "X86_V4"], "Haswell", True),
        (["AVX2", "AVX512F"], "Haswell", True),
        (["X86_V3", "X86_V4"], None, True),
        (["X86_V3", "X86_V4"], "SkylakeX", False),
        (["X86_V3"], "Haswell", False),
    ],
)
def test_what_numpys_blas_says_of_itself(found, kernel, narrow, monkeypatch):
    pools = [{"user_api": "blas", "architecture": kernel}, {"user_api": "openmp"}]
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: pools)
    monkeypatch.setattr(np, "show_config", lambda mode: {"SIMD Extensions": {"found": found}})
    assert products._numpy_is_narrow() is narrow


# the routine of training, chosen without a trial


@pytest.mark.parametrize(
    ("capability", "processor", "wider"),
    [
        ("AVX512", "vendor_id\t: AuthenticAMD", True),
        ("AVX512", "vendor_id\t: GenuineIntel", False),
        ("AVX2", "vendor_id\t: AuthenticAMD", False),
    ],
)
def test_the_maker_of_the_processor_settles_the_routine(capability, processor, wider, monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    monkeypatch.setattr(products, "_processor", lambda: processor)
    monkeypatch.setattr(products, "_onednn", lambda a, b: a @ b.T)
    monkeypatch.setattr(products, "_seconds", lambda *_: pytest.fail("timed"))
    x = torch.tensor(_rows())
    assert products.settled_product_routine(x) is (products._onednn if wider else None)
    assert products.settled_product_routine(x.double()) is None
    assert products.settled_product_routine(x.to("meta")) is None


@pytest.mark.parametrize("routine", [_wrong, _broken])
def test_a_wrong_routine_is_never_settled_on(routine, monkeypatch):
    monkeypatch.setattr(products, "_onednn_is_wider", lambda: True)
    monkeypatch.setattr(products, "_onednn", routine)
    assert products.settled_product_routine(torch.tensor(_rows())) is None


def test_what_is_known_of_the_processor(monkeypatch):
    assert isinstance(products._processor(), str)

    def refuse(*_, **__):
        raise OSError("no such file")

    monkeypatch.setattr("builtins.open", refuse)
    monkeypatch.setattr(products.platform, "processor", lambda: "x86_64")
    assert products._processor() == "x86_64"
