"""``crossgap apply`` on stores: beside, switched, rolled back; one sentence where it cannot be."""

import json
import os
import signal
import subprocess
import sys

import faiss
import numpy as np
import pytest

from crossgap.close.closer_file import write_closer
from crossgap.close.mean_removal import MeanRemoval


@pytest.fixture(scope="module")
def closer(tmp_path_factory, vectors):
    """A closer in a file."""
    rows = np.concatenate(vectors)
    fitted = MeanRemoval().fit(rows, groups=_groups(vectors))
    return write_closer(fitted, tmp_path_factory.mktemp("closer") / "closer.safetensors")


def _groups(vectors):
    return ["image"] * len(vectors[0]) + ["text"] * len(vectors[1])


def _moved(vectors):
    rows = np.concatenate(vectors)
    return MeanRemoval().fit(rows, groups=_groups(vectors)).transform(rows, groups=_groups(vectors))


@pytest.fixture
def index(tmp_path, vectors):
    """A FAISS index, and the groups of its rows."""
    rows = np.concatenate(vectors)
    flat = faiss.IndexFlatIP(rows.shape[1])
    flat.add(rows)
    faiss.write_index(flat, str(tmp_path / "photos.faiss"))
    (tmp_path / "groups.txt").write_text("\n".join(_groups(vectors)))
    return tmp_path / "photos.faiss"


@pytest.fixture
def table(tmp_path, vectors):
    """A LanceDB table."""
    import lancedb
    import pyarrow as pa

    rows = np.concatenate(vectors)
    column = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
    data = pa.table({"id": range(len(rows)), "modality": _groups(vectors), "vector": column})
    return lancedb.connect(tmp_path / "lance").create_table("photos", data)


@pytest.fixture
def collection(tmp_path, vectors):
    """A collection of Qdrant in a folder, with an alias."""
    from qdrant_client import QdrantClient, models

    client = QdrantClient(path=str(tmp_path / "qdrant"))
    rows = np.concatenate(vectors)
    client.create_collection("photos", models.VectorParams(size=rows.shape[1], distance=models.Distance.COSINE))
    client.upsert(
        "photos",
        [
            models.PointStruct(id=number, vector=row, payload={"modality": name})
            for number, (row, name) in enumerate(zip(rows.tolist(), _groups(vectors), strict=True))
        ],
    )
    alias = models.CreateAlias(collection_name="photos", alias_name="docs")
    client.update_collection_aliases([models.CreateAliasOperation(create_alias=alias)])
    client.close()
    return f"qdrant:{tmp_path}/qdrant/docs"


def test_faiss(process, closer, index, vectors):
    groups = ("--groups-file", "groups.txt")
    said = process("apply", closer, index.name, *groups, "--dry-run", cwd=index.parent).check_success()
    assert "120 rows in photos.faiss (60 image, 60 text)" in said
    assert "Nothing was written" in said
    assert not (index.parent / "photos_closed.faiss").exists()
    said = process("apply", closer, index.name, *groups, cwd=index.parent).check_success()
    assert "photos_closed.faiss: 120 rows written" in said
    assert "move queries with the same closer" in said
    said = process("apply", closer, index.name, *groups, "--switch", "--json", cwd=index.parent).check_success()
    record = json.loads(said)
    assert (record["resumed_from"], record["written"], record["switched"]) == (120, 0, True)
    np.testing.assert_array_equal(faiss.read_index(str(index)).reconstruct_n(0, 120), _moved(vectors))
    assert "rolled back" in process("apply", closer, index.name, "--roll-back", cwd=index.parent).check_success()
    np.testing.assert_array_equal(faiss.read_index(str(index)).reconstruct_n(0, 120), np.concatenate(vectors))


def test_lancedb(process, closer, table, vectors, tmp_path):
    source = f"lancedb:{tmp_path}/lance/photos"
    assert json.loads(process("apply", closer, source, "--dry-run", "--json").check_success())["dry_run"]
    record = json.loads(process("apply", closer, source, "--switch", "--batch", "50", "--json").check_success())
    assert (record["written"], record["switched"], record["groups"]) == (120, True, {"image": 60, "text": 60})
    table.checkout_latest()
    rows = table.search().to_arrow().sort_by("id")
    np.testing.assert_array_equal(np.stack(rows["vector"].to_pylist()).astype(np.float32), _moved(vectors))
    assert "rolled back" in process("apply", closer, source, "--roll-back").check_success()
    table.checkout_latest()
    assert table.schema.names == ["id", "modality", "vector", "vector_closed"]


def test_qdrant(process, closer, collection, vectors):
    assert "Nothing was written" in process("apply", closer, collection, "--dry-run").check_success()
    record = json.loads(process("apply", closer, collection, "--switch", "-o", "new", "--json").check_success())
    assert (record["output"], record["written"], record["switched"]) == ("new", 120, True)
    from qdrant_client import QdrantClient

    client = QdrantClient(path=collection.removeprefix("qdrant:").removesuffix("/docs"))
    points = client.scroll("docs", limit=200, with_vectors=True)[0]
    client.close()
    np.testing.assert_allclose([point.vector for point in points], _moved(vectors), atol=1e-6)
    assert "rolled back" in process("apply", closer, collection, "--roll-back").check_success()


@pytest.mark.skipif(os.name == "nt", reason="signals work differently there")
def test_an_interrupt_says_that_what_was_written_is_kept(process, closer, table, tmp_path):
    words = ["apply", str(closer), f"lancedb:{tmp_path}/lance/photos", "--json", "--batch"]
    running = subprocess.Popen(
        [sys.executable, "-m", "crossgap", *words, "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hear_interrupts,
    )
    written = 0
    while running.poll() is None and not written:
        table.checkout_latest()
        if "vector_closed" in table.schema.names:
            written = table.count_rows("vector_closed IS NOT NULL")
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=100)
    assert (running.returncode, out) == (130, "")
    assert err == "interrupted; what was written is kept, and the same command goes on from there.\n"
    record = json.loads(process(*words, "50").check_success())
    assert record["resumed_from"] >= written > 0
    assert record["resumed_from"] + record["written"] == 120


def _hear_interrupts():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupt_of_a_dry_run_says_that_nothing_was_written(here, closer, index, monkeypatch):
    from crossgap.apply import stores

    def interrupted(*given, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(stores, "apply_to_store", interrupted)
    done = here("apply", closer, index, "--group", "text", "--dry-run")
    assert (done.code, done.err) == (130, "interrupted; nothing was written.\n")


def test_a_role_that_the_closer_does_not_know_is_an_error_in_files_and_in_stores(here, closer, vectors, tmp_path):
    """As for the closer ``text`` is another group than ``text/query``: which is which is said, never guessed."""
    import lancedb
    import pyarrow as pa
    import pyarrow.parquet as pq

    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors[1].ravel()), vectors[1].shape[1])
    data = pa.table({"modality": ["text"] * 60, "role": ["query"] * 60, "vector": column})
    pq.write_table(data, tmp_path / "queries.parquet")
    lancedb.connect(tmp_path / "lance").create_table("queries", data)
    for source in (tmp_path / "queries.parquet", f"lancedb:{tmp_path}/lance/queries"):
        words = ["apply", closer, source, *(("-o", tmp_path / "out.parquet") if "lance" not in str(source) else ())]
        here(*words).check_refusal("60 rows are of the group 'text/query'", "for example --as text/query=text ")
        here(*words, "--as", "text=text").check_refusal("there is no group 'text'", "to treat", "it holds text/query")
        here(*words, "--as", "text/query=text").check_success()


def test_refusals(here, closer, index, table, collection, tmp_path):
    here("apply", closer, index).check_refusal("an index says nothing of the groups of its rows", "--groups-file")
    here("apply", closer, index, "--group", "audio").check_refusal("there is no group 'audio' in the closer")
    here("apply", closer, index, "--group", "text", "--roll-back").check_refusal("there is nothing to roll back")
    here("apply", closer, tmp_path / "nope.faiss").check_refusal("does not exist or is no file")
    here("apply", closer, index, "x.npy").check_refusal("is a store, which must be the only source")
    here("apply", closer, index, "--switch", "--dry-run").check_refusal("must not be asked for at once")
    here("apply", closer, f"lancedb:{tmp_path}/lance/nope").check_refusal("there is no table 'nope'")
    here("apply", closer, f"lancedb:{tmp_path}/lance/photos", "--group-field", "kind").check_refusal(
        "there is no column 'kind' that says the group of each row", "--group-field"
    )
    here("apply", closer, f"qdrant:{tmp_path}/nope/x").check_refusal("is no folder of Qdrant in local mode")
    here("apply", closer, collection.replace("docs", "nope")).check_refusal("there is no collection 'nope'")
    here("apply", closer, "qdrant:http://127.0.0.1:9/x").check_refusal("gave no usable answer")
    (tmp_path / "cut.faiss").write_bytes(index.read_bytes()[:99])
    here("apply", closer, tmp_path / "cut.faiss", "--group", "text").check_refusal("is cut short, damaged, or no FAISS")
