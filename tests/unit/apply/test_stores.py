"""A closer applied to each store: the same top 10 as NumPy, on synthetic rows and on real pairs."""

import dataclasses
import json
import sys

import numpy as np
import pytest

from crossgap.apply.qdrant import apply_to_collection
from crossgap.apply.store_record import StoreRecord, StoreTask
from crossgap.apply.stores import apply_to_store, is_store
from crossgap.close.mean_removal import MeanRemoval
from crossgap.close.standardisation import Standardisation
from crossgap.close.translation import Translation
from crossgap.errors import MissingExtraError
from crossgap.geometry.neighbours import nearest_rows

K = 10


def _synthetic():
    rng = np.random.default_rng(3)
    apart = np.repeat([[1.0], [-1.0]], [150, 250], axis=0)
    return (rng.normal(size=(400, 24)) + apart).astype(np.float32), np.repeat(["image", "text"], [150, 250])


@pytest.fixture(scope="module", params=["synthetic", "real"])
def rows(request):
    """Rows and groups: made up, or the 500 real pairs."""
    if request.param == "synthetic":
        return _synthetic()
    coco = request.getfixturevalue("coco")
    both = np.concatenate([coco["image"], coco["text"]]).astype(np.float32)
    return both, np.repeat(["image", "text"], [len(coco["image"]), len(coco["text"])])


@pytest.fixture(scope="module", params=[MeanRemoval(), Translation(target="image"), Standardisation()], ids=repr)
def moved(request, rows):
    """A closer, and the ten nearest rows to moved queries by NumPy."""
    X, groups = rows
    closer = request.param.fit(X, groups=groups)
    after = closer.transform(X, groups=groups)
    queries = after[np.flatnonzero(groups == "text")[:100]]
    return closer, queries, after, nearest_rows(queries, after, K).rows


def _agrees(found, moved, least=0.999):
    """Two rows change places only where float32 cannot tell their cosines apart, and that hardly ever."""
    _, queries, after, expected = moved
    np.testing.assert_allclose(_cosines(queries, after, found), _cosines(queries, after, expected), atol=3e-7)
    assert np.mean(np.asarray(found) == expected) >= least


def _cosines(queries, after, rows):
    return np.einsum("qd,qkd->qk", queries.astype(np.float64), after.astype(np.float64)[np.asarray(rows)])


def test_qdrant_gives_the_top_10_of_numpy(rows, moved):
    from qdrant_client import QdrantClient, models

    X, groups = rows
    client = QdrantClient(":memory:")
    client.create_collection("photos", models.VectorParams(size=X.shape[1], distance=models.Distance.COSINE))
    points = [
        models.PointStruct(id=i, vector=row, payload={"modality": name})
        for i, (row, name) in enumerate(zip(X.tolist(), groups.tolist(), strict=True))
    ]
    client.upsert("photos", points)
    alias = models.CreateAlias(collection_name="photos", alias_name="docs")
    client.update_collection_aliases([models.CreateAliasOperation(create_alias=alias)])
    record = apply_to_collection(StoreTask(closer=moved[0], source="memory", switch=True), client, "docs")
    assert (record.written, record.switched, dict(record.groups)) == (len(X), True, _sizes(rows))
    _agrees(
        [[hit.id for hit in client.query_points("docs", query=q, limit=K).points] for q in moved[1].tolist()], moved
    )
    client.close()


def test_lancedb_gives_the_top_10_of_numpy(rows, moved, tmp_path):
    import lancedb
    import pyarrow as pa

    closer, queries = moved[:2]
    X, groups = rows
    database = lancedb.connect(tmp_path / "l")
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), X.shape[1])
    columns = {"id": pa.array(range(len(X))), "modality": pa.array(groups.tolist()), "vector": vectors}
    database.create_table("photos", pa.table(columns))
    record = apply_to_store(closer, f"lancedb:{tmp_path}/l/photos", switch=True)
    assert (record.written, record.switched, dict(record.groups)) == (len(X), True, _sizes(rows))
    table = database.open_table("photos")
    found = [table.search(q, vector_column_name="vector").distance_type("cosine").limit(K).to_arrow() for q in queries]
    _agrees([page["id"].to_pylist() for page in found], moved)


@pytest.mark.parametrize("kind", ["Flat", "HNSW32", "IVF8,Flat", "IDMap2,Flat"])
def test_faiss_gives_the_top_10_of_numpy(rows, moved, tmp_path, kind):
    import faiss

    closer, queries = moved[:2]
    X, groups = rows
    index = faiss.index_factory(X.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
    index.train(X)
    ids = np.arange(len(X)) * 7 + 5
    index.add_with_ids(X, ids) if "IDMap" in kind else index.add(X)
    if "IVF" in kind:
        index.nprobe = 8  # all lists
    if "HNSW" in kind:
        index.hnsw.efSearch = 512
    faiss.write_index(index, str(tmp_path / "photos.faiss"))
    (tmp_path / "groups.txt").write_text("\n".join(groups) + "\n")
    source = str(tmp_path / "photos.faiss")
    record = apply_to_store(closer, source, groups_file=str(tmp_path / "groups.txt"), switch=True)
    assert (record.written, record.switched, dict(record.groups)) == (len(X), True, _sizes(rows))
    found = faiss.read_index(source).search(queries.astype(np.float32), K)[1]
    _agrees((found - 5) // 7 if "IDMap" in kind else found, moved)


def _sizes(rows):
    names, counts = np.unique(rows[1], return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def test_what_a_store_is():
    assert is_store("qdrant:x/y")
    assert is_store("lancedb:x/y")
    assert is_store("x.FAISS")
    assert is_store("x.index")
    assert not is_store("x.npy")


def _closer():
    X, groups = _synthetic()
    return MeanRemoval().fit(X, groups=groups)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("photos.npy", {}, "must be qdrant:PLACE/collection, lancedb:FOLDER/table or a file that ends in .faiss"),
        ("x.faiss", {"dry_run": True, "switch": True}, "dry_run and switch must not be asked for at once"),
        ("x.faiss", {"switch": True, "roll_back": True}, "switch and roll_back must not be asked for at once"),
        ("x.faiss", {"restart": True, "roll_back": True}, "roll_back and restart must not be asked for at once"),
        ("x.faiss", {"batch": 0}, "batch must be at least 1 row, but it is 0"),
        ("qdrant:photos", {}, "must be qdrant:FOLDER/collection or qdrant:http://host:6333/collection"),
        ("lancedb:photos", {}, "must be lancedb:FOLDER/table, but it is 'lancedb:photos'"),
    ],
)
def test_what_cannot_be_meant(source, options, message):
    with pytest.raises(ValueError, match=message):
        apply_to_store(_closer(), source, **options)


@pytest.mark.parametrize(
    ("source", "library", "extra"),
    [("qdrant:x/y", "qdrant_client", "qdrant"), ("lancedb:x/y", "lancedb", "lancedb"), ("x.faiss", "faiss", "faiss")],
)
def test_a_missing_library_is_named(monkeypatch, tmp_path, source, library, extra):
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.faiss").write_bytes(b"x")
    with pytest.raises(MissingExtraError, match=rf"pip install 'crossgap\[{extra}\]'"):
        apply_to_store(_closer(), source)


def test_a_record_is_frozen_and_plain():
    record = StoreRecord(store="faiss", source="a", output="b", rows=2, groups={"image": 2}, notes=("n",))
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.rows = 3  # pyright: ignore[reportAttributeAccessIssue]
    assert json.loads(json.dumps(record.as_json()))["groups"] == {"image": 2}
    assert record.as_json()["notes"] == ["n"]
