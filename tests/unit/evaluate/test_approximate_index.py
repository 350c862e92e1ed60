import subprocess
import sys

import numpy as np
import pytest

from crossgap.evaluate.approximate_index import INDEXES, approximate_neighbours, index_settings
from crossgap.geometry.neighbours import nearest_rows


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def rows(rng):
    return _unit(rng.normal(size=(400, 32))).astype(np.float32)


@pytest.mark.parametrize("kind", INDEXES)
def test_each_index_finds_most_of_what_is_there(rows, kind):
    pytest.importorskip("faiss")
    settings = index_settings(kind, 400, 32, {"nprobe": 20} if kind == "ivf-pq" else None)
    found = approximate_neighbours(rows, rows, 10, kind=kind, settings=settings, leave_out_self=True)
    true = nearest_rows(rows, rows, 10, leave_out_self=True).rows
    recall = (found[:, :, None] == true[:, None, :]).any(axis=1).mean()
    assert recall > (0.95 if kind == "hnsw" else 0.2)
    assert found.shape == (400, 10)
    assert not (found == np.arange(400)[:, None]).any()


def test_a_graph_that_looks_far_is_exact(rows):
    pytest.importorskip("faiss")
    settings = index_settings("hnsw", 400, 32, {"efSearch": 400, "efConstruction": 400, "M": 32})
    found = approximate_neighbours(rows[:50], rows[50:], 5, kind="hnsw", settings=settings)
    np.testing.assert_array_equal(found, nearest_rows(rows[:50], rows[50:], 5).rows)


@pytest.mark.parametrize("kind", INDEXES)
def test_the_same_rows_give_the_same_answer_and_threads_are_put_back(rows, kind):
    faiss = pytest.importorskip("faiss")
    settings, threads = index_settings(kind, 400, 32), faiss.omp_get_max_threads()
    a, b = (approximate_neighbours(rows, rows, 5, kind=kind, settings=settings) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert faiss.omp_get_max_threads() == threads


def test_the_seed_and_every_parameter_matter(rows):
    pytest.importorskip("faiss")

    def run(seed=0, **given):
        settings = index_settings("ivf-pq", 400, 32, given)
        return approximate_neighbours(rows, rows, 5, kind="ivf-pq", settings=settings, seed=seed)

    plain = run()
    for other in (run(seed=1), run(nlist=5), run(nprobe=15), run(m=2), run(nbits=3)):
        assert (other != plain).any()


@pytest.mark.parametrize(
    ("kind", "rows", "dimension", "wanted"),
    [
        ("ivf-pq", 250, 512, {"nlist": 16, "nprobe": 2, "m": 64, "nbits": 5}),
        ("ivf-pq", 100_000, 512, {"nlist": 316, "nprobe": 39, "m": 64, "nbits": 8}),
        ("flat-pq", 2000, 768, {"m": 96, "nbits": 8}),
        ("flat-pq", 100, 7, {"m": 1, "nbits": 4}),
        ("hnsw", 10, 3, {"M": 16, "efConstruction": 100, "efSearch": 32}),
    ],
)
def test_parameters_fit_the_rows(kind, rows, dimension, wanted):
    assert index_settings(kind, rows, dimension) == wanted


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        ("tree", {}, "the index must be one of ivf-pq, hnsw, flat-pq, but it is 'tree'"),
        ("hnsw", {"nprobe": 3}, "hnsw has no parameter 'nprobe'; it has M, efConstruction, efSearch"),
        ("ivf-pq", {"nprobe": 0}, "nprobe must be at least 1, but it is 0"),
        ("ivf-pq", {"m": 5}, "m must divide the 32 dimensions, but it is 5"),
        ("ivf-pq", {"nlist": 500}, "ivf-pq must have at most as many cells and codes as there are rows"),
        ("flat-pq", {"nbits": 9}, "and at most 8 bits"),
    ],
)
def test_bad_parameters_are_named(kind, given, message):
    with pytest.raises(ValueError, match=message):
        index_settings(kind, 400, 32, given)


def test_without_faiss_one_sentence_says_what_to_install():
    code = (
        "import sys; sys.modules['faiss'] = None; import numpy as np\n"
        "from crossgap.evaluate import approximate_neighbours, index_settings\n"
        "approximate_neighbours(np.eye(4), np.eye(4), 1, kind='hnsw', settings=index_settings('hnsw', 4, 4))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == (
        "crossgap.errors.MissingExtraError: approximate indexes need faiss, which is not installed; install it: "
        "pip install 'crossgap[faiss]'."
    )
