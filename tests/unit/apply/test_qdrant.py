"""A collection of Qdrant: copied with its vectors moved, an alias switched and led back, errors before anything."""

import uuid

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from crossgap.apply.qdrant import apply_to_collection
from crossgap.apply.qdrant_connection import connected
from crossgap.apply.store_record import StoreTask
from crossgap.apply.stores import apply_to_store
from crossgap.close.mean_removal import MeanRemoval

N, D = 60, 6
GROUPS = ["image"] * 20 + ["text"] * 40


def _rows():
    rng = np.random.default_rng(11)
    return (rng.normal(size=(N, D)) + np.repeat([[1.0], [-1.0]], [20, 40], axis=0)).astype(np.float32)


def _closer(**parameters):
    return MeanRemoval(**parameters).fit(_rows(), groups=GROUPS)


def _lead(client, alias, collection):
    new = models.CreateAlias(collection_name=collection, alias_name=alias)
    client.update_collection_aliases([models.CreateAliasOperation(create_alias=new)])


def _points(client, collection):
    points, more = client.scroll(collection, limit=1000, with_vectors=True)
    assert more is None
    return points


@pytest.fixture
def client():
    """Sixty points of two groups, and an alias."""
    client = QdrantClient(":memory:")
    client.create_collection(
        "photos", models.VectorParams(size=D, distance=models.Distance.COSINE), metadata={"owner": "me"}
    )
    payloads = [{"modality": name, "tags": ["a", {"n": i}]} for i, name in enumerate(GROUPS)]
    points = zip(range(N), _rows().tolist(), payloads, strict=True)
    client.upsert("photos", [models.PointStruct(id=i, vector=v, payload=p) for i, v, p in points])
    _lead(client, "docs", "photos")
    yield client
    client.close()


def _apply(client, name="docs", closer=None, **options):
    task = StoreTask(closer=closer or _closer(), source=f"qdrant:memory/{name}", **options)
    return apply_to_collection(task, client, name)


def test_vectors_move_and_all_else_stays(client):
    record = _apply(client, batch=7)
    assert record.as_json() | {"notes": []} == {
        "store": "qdrant",
        "source": "photos",
        "output": "photos_closed",
        "rows": N,
        "groups": {"image": 20, "text": 40},
        "kept_rows": 0,
        "missing_rows": 0,
        "zero_rows": 0,
        "resumed_from": 0,
        "written": N,
        "dry_run": False,
        "switched": False,
        "rolled_back": False,
        "notes": [],
    }
    old, new = _points(client, "docs"), _points(client, "photos_closed")
    assert [point.id for point in new] == [point.id for point in old]
    assert [point.payload for point in new] == [point.payload for point in old]
    # cosine collections hold unit rows, which is what a closer begins with
    expected = _closer().transform(_rows(), groups=GROUPS)
    np.testing.assert_allclose([point.vector for point in new], expected, atol=1e-6)
    np.testing.assert_allclose(
        [point.vector for point in old], _rows() / np.linalg.norm(_rows(), axis=1)[:, None], atol=1e-6
    )
    assert client.get_collection("photos_closed").config.metadata["owner"] == "me"


def test_switch_and_roll_back_and_switch_again(client):
    assert _apply(client, switch=True).switched
    assert _points(client, "docs") == _points(client, "photos_closed")
    again = _apply(client, switch=True)
    assert again.switched
    assert again.written == 0
    assert "nothing was left to do" in again.notes[0]
    back = _apply(client, roll_back=True)
    assert back.rolled_back
    assert (back.source, back.output) == ("photos", "photos_closed")
    assert _points(client, "docs") == _points(client, "photos")
    once_more = _apply(client, switch=True)
    assert (once_more.written, once_more.resumed_from, once_more.switched) == (0, N, True)
    assert _apply(client, name="photos", roll_back=True).rolled_back  # by the name of the collection


def test_a_name_of_a_collection_finds_its_alias(client):
    assert _apply(client, name="photos", switch=True).switched
    assert {one.alias_name: one.collection_name for one in client.get_aliases().aliases} == {"docs": "photos_closed"}


def test_dry_run_writes_nothing(client):
    record = _apply(client, dry_run=True, batch=10)
    assert (record.dry_run, record.rows, record.written, record.groups) == (True, N, 0, {"image": 20, "text": 40})
    assert [one.name for one in client.get_collections().collections] == ["photos"]


def test_a_run_that_was_stopped_goes_on(client):
    class StopError(Exception):
        pass

    def stop(done, total, text):
        if text.startswith("writing") and done >= 30:
            raise StopError

    with pytest.raises(StopError):
        _apply(client, batch=10, progress=stop)
    assert client.count("photos_closed").count == 30
    client.delete("photos_closed", models.PointIdsList(points=[4, 11]))  # a hole, as in a batch half written
    assert _apply(client, dry_run=True).resumed_from == 28
    record = _apply(client, batch=10)
    assert (record.resumed_from, record.written) == (28, 32)
    expected = _closer().transform(_rows(), groups=GROUPS)
    np.testing.assert_allclose([p.vector for p in _points(client, "photos_closed")], expected, atol=1e-6)


def test_progress_counts_up(client):
    said = []
    _apply(client, batch=25, progress=lambda *news: said.append(news))
    assert said == [
        (25, N, "looking at photos"),
        (50, N, "looking at photos"),
        (60, N, "looking at photos"),
        (25, N, "writing photos_closed"),
        (50, N, "writing photos_closed"),
        (60, N, "writing photos_closed"),
    ]


def test_restart_writes_anew(client):
    _apply(client)
    other = _closer(renormalise=False)
    with pytest.raises(ValueError, match="was begun with another closer or from another collection"):
        _apply(client, closer=other)
    record = _apply(client, closer=other, restart=True)
    assert (record.resumed_from, record.written) == (0, N)
    assert any("not of length 1" in note for note in record.notes)


def test_restart_never_takes_what_is_in_use_or_of_others(client):
    _apply(client)
    _lead(client, "live", "photos_closed")
    with pytest.raises(ValueError, match="is in use by the alias 'live', so it is not written anew"):
        _apply(client, restart=True)
    client.create_collection("mine", models.VectorParams(size=D, distance=models.Distance.COSINE))
    with pytest.raises(ValueError, match="'mine' exists and was not made here"):
        _apply(client, output="mine", restart=True)
    assert client.collection_exists("mine")


def test_moved_vectors_are_not_moved_again(client):
    _apply(client, switch=True)
    with pytest.raises(ValueError, match="'photos_closed' were moved by a closer already, and a second time"):
        _apply(client, closer=_closer(renormalise=False))
    with pytest.raises(ValueError, match="were moved by a closer already"):
        _apply(client, name="photos_closed")


def test_named_vectors_others_and_ids():
    client = QdrantClient(":memory:")
    client.create_collection(
        "shop",
        {
            "clip": models.VectorParams(size=D, distance=models.Distance.DOT),
            "other": models.VectorParams(size=2, distance=models.Distance.EUCLID),
        },
        sparse_vectors_config={"words": models.SparseVectorParams()},
    )
    rows, sparse = _rows().tolist(), models.SparseVector(indices=[1, 5], values=[0.5, 2.0])
    ids = [1, 2, str(uuid.UUID(int=7)), str(uuid.UUID(int=8))]
    points = [
        models.PointStruct(id=ids[0], vector={"clip": rows[0], "other": [3.0, 4.0]}, payload={"kind": "photo"}),
        models.PointStruct(id=ids[1], vector={"clip": [0.0] * D, "words": sparse}, payload={"kind": "photo"}),
        models.PointStruct(id=ids[2], vector={"other": [1.0, 0.0]}, payload={"kind": "caption"}),
        models.PointStruct(id=ids[3], vector={"clip": rows[30]}, payload={"kind": "caption", "role": "query"}),
    ]
    client.upsert("shop", points)
    options = {"group_field": "kind", "vector": "clip"}
    options |= {"aliases": {"photo": "image", "caption": "text", "caption/query": "text"}}
    record = _apply(client, "shop", **options)
    assert (record.groups, record.zero_rows, record.missing_rows) == ({"image": 2, "text": 2}, 1, 1)
    closer = _closer()
    new = {point.id: point for point in _points(client, "shop_closed")}
    assert list(new) == ids
    moved = closer.transform(np.array([rows[0], rows[30]]), groups=["image", "text"])
    np.testing.assert_allclose([new[ids[0]].vector["clip"], new[ids[3]].vector["clip"]], moved, atol=1e-6)
    assert new[ids[0]].vector["other"] == [3.0, 4.0]
    assert new[ids[1]].vector["clip"] == [0.0] * D
    assert new[ids[1]].vector["words"] == sparse
    assert new[ids[2]].vector == {"other": [1.0, 0.0]}
    assert new[ids[3]].payload == {"kind": "caption", "role": "query"}
    with pytest.raises(ValueError, match=r"shop has 2 dense vectors \(it has 'clip', 'other'\); name the one"):
        _apply(client, "shop", group="image")
    with pytest.raises(ValueError, match="shop has no vector 'nope'"):
        _apply(client, "shop", group="image", vector="nope")
    with pytest.raises(ValueError, match="'other' has 2 dimensions, but the closer was fitted on 6"):
        _apply(client, "shop", group="image", vector="other")
    client.close()


def test_modality_and_role():
    rows = _rows()
    groups = ["image"] * 20 + ["text/query"] * 20 + ["text/document"] * 20
    closer = MeanRemoval().fit(rows, groups=groups)
    client = QdrantClient(":memory:")
    client.create_collection("p", models.VectorParams(size=D, distance=models.Distance.COSINE))
    points = []
    for number, name in enumerate(groups):
        modality, _, role = name.partition("/")
        payload = {"modality": modality} | ({"role": role} if role else {})
        points.append(models.PointStruct(id=number, vector=rows[number].tolist(), payload=payload))
    client.upsert("p", points)
    assert _apply(client, "p", closer).groups == {"image": 20, "text/query": 20, "text/document": 20}
    expected = closer.transform(rows, groups=groups)
    np.testing.assert_allclose([p.vector for p in _points(client, "p_closed")], expected, atol=1e-6)
    client.overwrite_payload("p", {"modality": "text"}, points=list(range(20, 60)))
    with pytest.raises(ValueError, match="40 rows are of the group 'text', but the closer knows image, text/query"):
        _apply(client, "p", closer, output="q")
    client.close()


def test_unknown_groups_stop_before_anything_is_written(client):
    client.overwrite_payload("photos", {"modality": "audio"}, points=[3, 4])
    client.overwrite_payload("photos", {"name": "x"}, points=[5])
    with pytest.raises(ValueError, match="2 rows are of the group 'audio', but the closer knows image, text, so noth"):
        _apply(client)
    assert not client.collection_exists("photos_closed")
    record = _apply(client, keep_others=True)
    assert (record.kept_rows, record.groups) == (3, {"image": 17, "text": 40})
    old, new = _points(client, "photos"), _points(client, "photos_closed")
    for number in (3, 4, 5):
        np.testing.assert_allclose(old[number].vector, new[number].vector, atol=1e-6)


def test_a_point_without_a_group(client):
    client.overwrite_payload("photos", {"name": "x"}, points=[5])
    with pytest.raises(ValueError, match="1 rows are without 'modality'"):
        _apply(client)


def test_one_group_for_all(client):
    record = _apply(client, group="text")
    assert record.groups == {"text": N}
    expected = _closer().transform(_rows(), groups=["text"] * N)
    np.testing.assert_allclose([p.vector for p in _points(client, "photos_closed")], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group": "audio"}, "there is no group 'audio' in the closer"),
        ({"aliases": {"image": "audio"}}, "there is no group 'audio' in the closer"),
        ({"output": "docs"}, "the output 'docs' is an alias"),
        ({"output": "photos"}, "the output 'photos' is the source"),
        ({"roll_back": True}, "nothing to roll back at 'docs', since no alias of it leads to moved vectors"),
    ],
)
def test_what_does_not_fit(client, options, message):
    with pytest.raises(ValueError, match=message):
        _apply(client, **options)


def test_there_must_be_a_collection(client):
    with pytest.raises(ValueError, match=r"there is no collection 'nope' .*; it holds docs, photos"):
        _apply(client, "nope")


def test_switching_needs_one_alias(client):
    client.create_collection("bare", models.VectorParams(size=D, distance=models.Distance.COSINE))
    with pytest.raises(ValueError, match="no alias leads to 'bare', so there is nothing to switch"):
        _apply(client, "bare", switch=True)
    _lead(client, "more", "photos")
    with pytest.raises(ValueError, match=r"several aliases lead to 'photos' \(docs, more\); name the one"):
        _apply(client, "photos", switch=True)
    assert not client.collection_exists("photos_closed")


def test_an_old_collection_that_is_gone_cannot_come_back(client):
    _apply(client, switch=True)
    client.delete_collection("photos")
    with pytest.raises(ValueError, match="'photos', of which 'photos_closed' was made, is gone"):
        _apply(client, roll_back=True)


@pytest.mark.parametrize(
    ("distance", "parameters", "message"),
    [
        (models.Distance.MANHATTAN, {}, "is compared by the distance 'manhattan'"),
        (models.Distance.EUCLID, {"renormalise": False}, "is compared by the distance 'euclid'"),
    ],
)
def test_a_distance_that_does_not_suit(client, distance, parameters, message):
    client.create_collection("odd", models.VectorParams(size=D, distance=distance))
    with pytest.raises(ValueError, match=message):
        _apply(client, "odd", _closer(**parameters), group="image")


def test_the_euclidean_distance_orders_unit_rows_alike(client):
    client.create_collection("odd", models.VectorParams(size=D, distance=models.Distance.EUCLID))
    client.upsert("odd", [models.PointStruct(id=1, vector=[0.0] * D), models.PointStruct(id=2, vector=[1.0] * D)])
    record = _apply(client, "odd", group="image")
    assert any("orders vectors of length 1 as the cosine does" in note for note in record.notes)
    assert any("rows of zeros seem near" in note for note in record.notes)


def test_vectors_that_cannot_be_moved(client):
    several = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
    client.create_collection(
        "many", models.VectorParams(size=D, distance=models.Distance.COSINE, multivector_config=several)
    )
    with pytest.raises(ValueError, match="holds several vectors a point, but a closer moves one"):
        _apply(client, "many", group="image")
    client.create_collection(
        "bytes", models.VectorParams(size=D, distance=models.Distance.COSINE, datatype=models.Datatype.UINT8)
    )
    with pytest.raises(ValueError, match="is stored as uint8, which cannot hold moved vectors"):
        _apply(client, "bytes", group="image")


def test_a_row_of_which_nothing_is_left_is_named(client):
    closer = _closer()
    mean = closer.means_["image"]
    client.upsert("photos", [models.PointStruct(id=0, vector=mean.tolist(), payload={"modality": "image"})])
    closer.means_["image"] = mean / np.linalg.norm(mean)
    with pytest.raises(ValueError, match=r"photos, in the batch from point 0 on: nothing is left of row 0"):
        _apply(client, closer=closer)


def test_points_that_come_and_go_are_noticed(client):
    def add(done, total, text):
        if text.startswith("writing"):
            payload = {"modality": "image"}
            client.upsert("photos", [models.PointStruct(id=9999, vector=[1.0] * D, payload=payload)])

    with pytest.raises(ValueError, match="photos changed while the closer was applied: it had 60 points and has 61"):
        _apply(client, batch=30, progress=add)
    assert _apply(client).rows == 61

    def foreign(done, total, text):
        if text.startswith("looking") and done == total:
            payload = {"modality": "audio"}
            client.upsert("photos", [models.PointStruct(id=10**6, vector=[1.0] * D, payload=payload)])

    with pytest.raises(ValueError, match="a point of the group 'audio' was added while the closer was applied"):
        _apply(client, progress=foreign, output="elsewhere")


def test_a_server_without_metadata(client, monkeypatch):
    create = client.create_collection
    monkeypatch.setattr(client, "create_collection", lambda *a, metadata, **b: create(*a, **b))
    with pytest.raises(ValueError, match=r"keeps no metadata of collections.*; use a Qdrant server of version 1.16"):
        _apply(client)
    assert not client.collection_exists("photos_closed")


def test_shard_keys_are_not_copied(client, monkeypatch):
    get = client.get_collection

    def told(name):
        info = get(name)
        info.config.params.sharding_method = models.ShardingMethod.CUSTOM
        return info

    monkeypatch.setattr(client, "get_collection", told)
    with pytest.raises(ValueError, match="spread by shard keys of your own, which are not copied"):
        _apply(client)


def test_settings_and_indexes_of_a_server_are_copied(client, monkeypatch):
    get, create, made, indexed = client.get_collection, client.create_collection, {}, []

    def told(name):
        info = get(name)
        info.config.hnsw_config.m = 48
        info.config.strict_mode_config = models.StrictModeConfigOutput(enabled=True, max_query_limit=77)
        info.config.quantization_config = models.ScalarQuantization(
            scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8)
        )
        info.config.params.shard_number = 3
        params = models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=True, range=False)
        info.payload_schema = {
            "tags": models.PayloadIndexInfo(data_type=models.PayloadSchemaType.KEYWORD, points=N),
            "n": models.PayloadIndexInfo(data_type=models.PayloadSchemaType.INTEGER, params=params, points=N),
        }
        if name != "photos":
            info.payload_schema = dict(list(info.payload_schema.items())[: len(indexed)])
        return info

    monkeypatch.setattr(client, "get_collection", told)
    monkeypatch.setattr(client, "create_collection", lambda name, **how: (made.update(how), create(name, **how))[1])
    monkeypatch.setattr(
        client, "create_payload_index", lambda name, key, field_schema: indexed.append((key, field_schema))
    )
    _apply(client)
    assert made["hnsw_config"] == models.HnswConfigDiff(
        m=48, ef_construct=100, full_scan_threshold=10000, max_indexing_threads=0
    )
    assert made["strict_mode_config"] == models.StrictModeConfig(enabled=True, max_query_limit=77)
    assert made["quantization_config"].scalar.type == models.ScalarType.INT8
    assert made["shard_number"] == 3
    assert [key for key, _ in indexed] == ["tags", "n"]
    assert indexed[0][1] == models.PayloadSchemaType.KEYWORD
    assert indexed[1][1].lookup is True
    indexed.pop()  # as if a run had been stopped before the second
    assert _apply(client).resumed_from == N
    assert [key for key, _ in indexed] == ["tags", "n"]
    assert _apply(client).resumed_from == N
    assert len(indexed) == 2


# a client that finds its folder locked leaves the file of the lock open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="is no folder of Qdrant in local mode"):
        apply_to_store(_closer(), f"qdrant:{tmp_path}/nope/photos")
    assert not (tmp_path / "nope").exists()
    client = QdrantClient(path=str(tmp_path / "q"))
    client.create_collection("photos", models.VectorParams(size=D, distance=models.Distance.COSINE))
    points = [models.PointStruct(id=i, vector=_rows()[i].tolist()) for i in range(5)]
    client.upsert("photos", points)
    with pytest.raises(OSError, match="is in use by another process, and a folder of Qdrant takes one at a time"):
        apply_to_store(_closer(), f"qdrant:{tmp_path}/q/photos", group="image")
    client.close()
    record = apply_to_store(_closer(), f"qdrant:{tmp_path}/q/photos", group="image")
    assert record.written == 5
    with connected(str(tmp_path / "q")) as client:
        assert client.count("photos_closed").count == 5


def test_a_server_that_does_not_answer():
    with pytest.raises(
        OSError, match=r"'http://127.0.0.1:9' gave no usable answer, but .*; check the address and the key"
    ):
        apply_to_store(_closer(), "qdrant:http://127.0.0.1:9/photos", group="image")
