"""Closers that give vectors of another length: in files and in every store, found by the search that they ask for."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossgap import read
from crossgap.apply import apply_to_files, plan_files
from crossgap.apply.qdrant import apply_to_collection
from crossgap.apply.searching import how_to_search, wants_inner_product
from crossgap.apply.store_record import StoreTask
from crossgap.apply.stores import apply_to_store
from crossgap.close.bipartite_spectral import BipartiteSpectral
from crossgap.close.canonical_map import CanonicalMap
from crossgap.close.mean_removal import MeanRemoval
from crossgap.close.score_standardisation import ScoreStandardisation

N, D, K = 60, 8, 10
GROUPS = np.array(["image"] * N + ["text"] * N)
ITEMS = np.tile(np.arange(N), 2)
CLOSERS = {
    "appended": ScoreStandardisation(queries="text"),
    "appended, centred": ScoreStandardisation(queries="text", centre=True),
    "fewer": CanonicalMap(dimensions=3),
    "more": BipartiteSpectral(dimensions=20),
}


def _rows() -> np.ndarray:
    rng = np.random.default_rng(4)
    shared = rng.normal(size=(N, D))
    noise = rng.normal(size=(2 * N, D)) * 0.3
    return (np.vstack([shared, shared]) + noise + np.where(GROUPS == "image", 1, -1)[:, None]).astype(np.float32)


@pytest.fixture(scope="module", params=CLOSERS)
def closer(request):
    """A fitted closer."""
    return CLOSERS[request.param].fit(_rows(), groups=GROUPS, items=ITEMS)


@pytest.fixture(scope="module")
def standardised():
    """A fitted closer whose documents are searched by the inner product."""
    return ScoreStandardisation(queries="text").fit(_rows(), groups=GROUPS)


def _best(scores: np.ndarray) -> list[list[int]]:
    return np.argsort(-scores, axis=1)[:, :K].tolist()


def _by_z(closer: ScoreStandardisation) -> list[list[int]]:
    """The ten best of each text by z, from the formula alone."""
    unit = _rows().astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1)[:, None]
    cosines = unit[N:] @ unit.T
    names = ("image", "text")
    z = np.concatenate([closer.standardise(cosines[:, name == GROUPS], "text", name) for name in names], axis=1)
    return _best(z)


def _table(kind: str) -> pa.Table:
    rows = _rows()
    vector = pa.array(list(rows), pa.list_(pa.float32(), D) if kind == "fixed" else pa.list_(pa.float32()))
    return pa.table({"id": range(2 * N), "modality": GROUPS.tolist(), "vector": vector, "after": ["x"] * 2 * N})


@pytest.mark.parametrize("kind", ["fixed", "list"])
def test_parquet(tmp_path, closer, kind):
    table = _table(kind)
    pq.write_table(table, tmp_path / "in.parquet")
    apply_to_files(plan_files(closer, [str(tmp_path / "in.parquet")], tmp_path / "out.parquet"))
    found = pq.read_table(tmp_path / "out.parquet")
    found.validate(full=True)
    expected = closer.transform(_rows(), groups=GROUPS)
    assert np.array_equal(np.stack(found["vector"].to_pylist()).astype(np.float32), expected)
    if kind == "fixed":
        assert found.schema.field("vector").type.list_size == expected.shape[1] != D
    assert found.drop_columns(["vector"]).equals(table.drop_columns(["vector"]))


def test_arrays(tmp_path, closer):
    expected = closer.transform(_rows(), groups=GROUPS)
    np.save(tmp_path / "in.npy", _rows()[:N])
    np.savez(tmp_path / "in.npz", image=_rows()[:N], text=_rows()[N:])
    apply_to_files(plan_files(closer, [f"image={tmp_path}/in.npy"], tmp_path / "out.npy"))
    assert np.array_equal(np.load(tmp_path / "out.npy"), expected[:N])
    plan = plan_files(closer, [str(tmp_path / "in.npz")], tmp_path / "out.npz")
    assert plan.samples()["image"].mean_cosine is None
    apply_to_files(plan)
    found = read(tmp_path / "out.npz")
    assert np.array_equal(np.asarray(found["text"].vectors), expected[N:])


def test_no_row_may_keep_its_length(tmp_path, closer):
    np.savez(tmp_path / "in.npz", image=_rows()[:N], audio=_rows()[N:])
    with pytest.raises(ValueError, match=r"while rows that pass unchanged keep 8; leave --keep-others .* with --as"):
        plan_files(closer, [str(tmp_path / "in.npz")], tmp_path / "out.npz", keep_others=True)
    plan_files(closer, [str(tmp_path / "in.npz")], tmp_path / "out.npz", treat_as={"audio": "text"})


def test_what_is_asked_of_queries(standardised):
    assert wants_inner_product(standardised)
    assert "a 1 appended: closer.as_queries(queries)" in how_to_search(standardised)
    plain = MeanRemoval().fit(_rows(), groups=GROUPS)
    assert not wants_inner_product(plain)
    assert "move queries with the same closer" in how_to_search(plain)


@pytest.mark.parametrize("kind", ["Flat", "HNSW32"])
def test_faiss(tmp_path, standardised, kind):
    faiss = pytest.importorskip("faiss")
    (tmp_path / "groups.txt").write_text("\n".join(GROUPS))
    index = faiss.index_factory(D, kind, faiss.METRIC_INNER_PRODUCT)
    index.add(_rows())
    faiss.write_index(index, str(tmp_path / "p.faiss"))
    options = {"groups_file": str(tmp_path / "groups.txt")}
    record = apply_to_store(standardised, str(tmp_path / "p.faiss"), switch=True, **options)
    assert record.notes[0] == how_to_search(standardised)
    assert not any("not of length 1" in note for note in record.notes)
    new = faiss.read_index(str(tmp_path / "p.faiss"))
    assert (new.d, new.metric_type) == (D + 1, faiss.METRIC_INNER_PRODUCT)
    if kind == "HNSW32":
        new.hnsw.efSearch = 2 * N
    assert new.search(standardised.as_queries(_rows()[N:]), K)[1].tolist() == _by_z(standardised)
    euclidean = faiss.index_factory(D, kind, faiss.METRIC_L2)
    euclidean.add(_rows())
    faiss.write_index(euclidean, str(tmp_path / "l2.faiss"))
    with pytest.raises(ValueError, match="is compared by the L2 distance"):
        apply_to_store(standardised, str(tmp_path / "l2.faiss"), **options)


def test_lancedb(tmp_path, standardised):
    lancedb = pytest.importorskip("lancedb")
    table = lancedb.connect(tmp_path).create_table("photos", _table("fixed"))
    images = ScoreStandardisation().fit(_rows()[:N], groups=GROUPS[:N])
    with pytest.raises(ValueError, match="leave --keep-others"):
        apply_to_store(images, f"lancedb:{tmp_path}/photos", keep_others=True)
    record = apply_to_store(standardised, f"lancedb:{tmp_path}/photos", switch=True)
    assert record.notes[0] == how_to_search(standardised)
    assert any('distance_type("dot")' in note for note in record.notes)
    table.checkout_latest()
    assert table.schema.field("vector").type.list_size == D + 1
    queries = standardised.as_queries(_rows()[N:])
    pages = [table.search(q, vector_column_name="vector").distance_type("dot").limit(K).to_arrow() for q in queries]
    assert [page["id"].to_pylist() for page in pages] == _by_z(standardised)
    apply_to_store(standardised, f"lancedb:{tmp_path}/photos", roll_back=True)
    table.checkout_latest()
    assert table.schema.field("vector").type.list_size == D


def test_qdrant(standardised):
    qdrant_client = pytest.importorskip("qdrant_client")
    models = qdrant_client.models
    client = qdrant_client.QdrantClient(":memory:")
    for name, distance in (("dot", models.Distance.DOT), ("cosine", models.Distance.COSINE)):
        client.create_collection(name, models.VectorParams(size=D, distance=distance))
        points = [
            models.PointStruct(id=i, vector=row, payload={"modality": str(GROUPS[i])})
            for i, row in enumerate(_rows().tolist())
        ]
        client.upsert(name, points)
    record = apply_to_collection(StoreTask(closer=standardised, source="memory"), client, "dot")
    assert record.notes[0] == how_to_search(standardised)
    assert len(record.notes) == 2
    params = client.get_collection("dot_closed").config.params.vectors
    assert (params.size, params.distance) == (D + 1, models.Distance.DOT)
    queries = standardised.as_queries(_rows()[N:]).tolist()
    found = [[hit.id for hit in client.query_points("dot_closed", query=q, limit=K).points] for q in queries]
    assert found == _by_z(standardised)
    with pytest.raises(ValueError, match="by the distance 'cosine', which would undo the standardised scores"):
        apply_to_collection(StoreTask(closer=standardised, source="memory"), client, "cosine")
    assert not client.collection_exists("cosine_closed")
    client.close()
