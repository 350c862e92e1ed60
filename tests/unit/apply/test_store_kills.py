"""SIGKILL at random moments while a closer is applied to a store: resumed, every vector is moved, and moved once."""

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from crossgap.close.mean_removal import MeanRemoval

N, D = 120, 12
BATCH = 8

RUN = """
import json
import os
import signal
import sys
import threading
import time

import numpy as np

from crossgap.apply.stores import apply_to_store
from crossgap.close.mean_removal import MeanRemoval

data, source, options, delay = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), float(sys.argv[4])
library = {"q": "qdrant_client", "l": "lancedb"}.get(source[0], "faiss")
__import__(library)
with np.load(data) as arrays:
    closer = MeanRemoval().fit(arrays["X"], groups=arrays["groups"])
if delay:
    timer = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL))
    timer.daemon = True
    timer.start()
start = time.monotonic()
record = apply_to_store(closer, source, **options)
print(json.dumps({**record.as_json(), "seconds": time.monotonic() - start}), flush=True)
"""


def _rows():
    rng = np.random.default_rng(5)
    apart = np.repeat([[1.0], [-1.0]], [N // 2, N // 2], axis=0)
    return (rng.normal(size=(N, D)) + apart).astype(np.float32), np.repeat(["image", "text"], N // 2)


def _make_qdrant(folder):
    from qdrant_client import QdrantClient, models

    X, groups = _rows()
    client = QdrantClient(path=str(folder / "store"))
    client.create_collection("photos", models.VectorParams(size=D, distance=models.Distance.COSINE))
    client.upsert(
        "photos",
        [models.PointStruct(id=i, vector=X[i].tolist(), payload={"modality": str(groups[i])}) for i in range(N)],
    )
    alias = models.CreateAlias(collection_name="photos", alias_name="docs")
    client.update_collection_aliases([models.CreateAliasOperation(create_alias=alias)])
    client.close()
    return "qdrant:{}/store/docs", {"switch": True, "batch": BATCH}


def _qdrant_state(folder):
    from qdrant_client import QdrantClient

    client = QdrantClient(path=str(folder / "store"))
    state = {}
    for name in ("docs", "photos"):
        points, more = client.scroll(name, limit=10 * N, with_vectors=True)
        assert more is None
        assert [point.payload for point in points] == [{"modality": name} for name in _rows()[1].tolist()]
        state[name] = (np.array([p.id for p in points]), np.array([p.vector for p in points]))
    state["collections"] = sorted(one.name for one in client.get_collections().collections)
    client.close()
    return state


def _make_lancedb(folder):
    import lancedb
    import pyarrow as pa

    X, groups = _rows()
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), D)
    columns = {"id": pa.array(range(N)), "modality": pa.array(groups.tolist()), "vector": vectors}
    lancedb.connect(folder / "store").create_table("photos", pa.table(columns))
    return "lancedb:{}/store/photos", {"switch": True, "batch": BATCH}


def _lancedb_state(folder):
    import lancedb

    table = lancedb.connect(folder / "store").open_table("photos").search().to_arrow().sort_by("id")
    vectors = {
        name: np.asarray(table[name].combine_chunks().flatten()).reshape(-1, D) for name in ("vector", "vector_before")
    }
    assert table["modality"].to_pylist() == _rows()[1].tolist()
    return {"columns": sorted(table.schema.names), "id": np.asarray(table["id"]), **vectors}


def _make_faiss(folder):
    import faiss

    X, groups = _rows()
    (folder / "store").mkdir()
    index = faiss.index_factory(D, "IDMap2,HNSW8", faiss.METRIC_INNER_PRODUCT)
    index.add_with_ids(X, np.arange(N) * 3)
    faiss.write_index(index, str(folder / "store" / "photos.faiss"))
    np.save(folder / "groups.npy", groups)
    options = {"switch": True, "batch": BATCH, "groups_file": str(folder / "groups.npy")}
    return "{}/store/photos.faiss", options


def _faiss_state(folder):
    import faiss

    state = {"files": sorted(path.name for path in (folder / "store").iterdir() if path.name[0] != ".")}
    for name in ("photos.faiss", "photos.faiss.before"):
        index = faiss.read_index(str(folder / "store" / name))
        state[name] = np.array([index.reconstruct(3 * row) for row in range(N)])
    return state


STORES = {
    "qdrant": (_make_qdrant, _qdrant_state),
    "lancedb": (_make_lancedb, _lancedb_state),
    "faiss": (_make_faiss, _faiss_state),
}


def _run(folder, source, options, delay):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", RUN, str(folder.parent / "data.npz"), source.format(folder), json.dumps(options)]
    done = subprocess.run(
        [*command, str(delay)], capture_output=True, text=True, check=False, env=environment, timeout=300
    )
    if done.returncode == -signal.SIGKILL:
        return None
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def _same(a, b):
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_equal(a[key], b[key])


def _kill_and_resume(store, kills, tmp_path):
    make, state = STORES[store]
    X, groups = _rows()
    np.savez(tmp_path / "data.npz", X=X, groups=groups)
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    source, options = make(fresh)
    whole = tmp_path / "whole"
    shutil.copytree(fresh, whole)
    record = _run(whole, source, options, 0)
    assert (record["written"], record["resumed_from"], record["switched"]) == (N, 0, True)
    seconds, expected = record["seconds"], state(whole)
    rng = np.random.default_rng([ord(letter) for letter in store])
    taken, lives = 0, 0
    while taken < kills:
        lives += 1
        place = tmp_path / f"life{lives}"
        shutil.copytree(fresh, place)
        record = None
        while record is None:
            delay = float(rng.uniform(0, seconds)) if taken < kills else 0
            record = _run(place, source, options, delay)
            taken += record is None
        assert record["switched"]
        _same(state(place), expected)
        shutil.rmtree(place)
    return taken, lives


@pytest.mark.parametrize("store", STORES)
def test_a_few_kills(store, tmp_path):
    assert _kill_and_resume(store, 2, tmp_path)[0] == 2


@pytest.mark.slow
@pytest.mark.parametrize("store", STORES)
def test_twenty_kills(store, tmp_path):
    taken, lives = _kill_and_resume(store, 20, tmp_path)
    print(f"{store}: {taken} kills in {lives} lives")
    assert taken == 20


def test_moving_twice_would_show():
    X, groups = _rows()
    closer = MeanRemoval().fit(X, groups=groups)
    once = closer.transform(X, groups=groups)
    assert np.abs(closer.transform(once, groups=groups) - once).max() > 0.1
