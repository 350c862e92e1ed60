import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossgap import Embeddings, Group
from crossgap.geometry.neighbours import Neighbours
from crossgap.maps import draw_map, map_record, map_table
from crossgap.maps.drawn_map import DrawnMap
from crossgap.maps.map_file import METADATA_KEY, atlas_words, is_map_file


@pytest.fixture
def embeddings(rng):
    return Embeddings(
        {
            "image": Group(
                vectors=rng.normal(size=(20, 6)) + 1, items=np.arange(20), uri=[f"{i}.png" for i in range(20)]
            ),
            "text/query": Group(
                vectors=rng.normal(size=(20, 6)) - 1, items=np.arange(20), text=[f"caption {i}" for i in range(20)]
            ),
        }
    )


def test_the_columns(embeddings):
    drawn = draw_map(embeddings)
    table = map_table(drawn)
    assert table.column_names == ["id", "modality", "role", "item", "text", "uri", "label", "x", "y", "neighbors"]
    assert table.num_rows == 40
    found = table.slice(23, 1).to_pylist()[0]
    neighbours = found.pop("neighbors")
    x, y = drawn.coordinates["text/query"][3].astype(np.float32)
    assert found == {
        "id": "text/query/3",
        "modality": "text",
        "role": "query",
        "item": "3",
        "text": "caption 3",
        "uri": None,
        "label": None,
        "x": x,
        "y": y,
    }
    assert neighbours["ids"] == [23, *drawn.nearest.rows[23]]
    assert neighbours["distances"][0] == 0
    assert neighbours["distances"][1:] == pytest.approx(1 - drawn.nearest.cosines[23])
    assert table.schema.field("neighbors").type == pa.struct(
        [("ids", pa.list_(pa.int32())), ("distances", pa.list_(pa.float32()))]
    )
    assert {table.schema.field(name).type for name in ("text", "role", "label")} == {pa.string()}


def test_the_record_is_in_the_metadata(embeddings):
    drawn = draw_map(embeddings, most_rows=8)
    table = map_table(drawn, inputs=["pairs.npz"])
    record = json.loads(table.schema.metadata[METADATA_KEY])
    assert record == json.loads(json.dumps({**map_record(drawn), "inputs": ["pairs.npz"]}))
    assert record["kind"] == "linear"
    assert record["settings"]["seed"] == 0
    assert record["settings"]["rows_used"] == {"image": 8, "text/query": 8}
    assert record["notes"][0].startswith("8 of 20 rows of image are shown")
    assert table.column("id")[0].as_py() == f"image/{drawn.rows['image'][0]}"


def test_items_of_rows_in_one_order_and_of_none(rng):
    paired = map_table(draw_map(Embeddings.from_arrays(a=rng.normal(size=(5, 3)), b=rng.normal(size=(5, 3)))))
    assert paired.column("item").to_pylist() == [*"01234", *"01234"]
    unpaired = map_table(draw_map(Embeddings.from_arrays(a=rng.normal(size=(5, 3)), b=rng.normal(size=(4, 3)))))
    assert len(set(unpaired.column("item").to_pylist())) == 9
    some = {"a": np.arange(5)}
    mixed = map_table(
        draw_map(Embeddings.from_arrays(a=rng.normal(size=(5, 3)), b=rng.normal(size=(5, 3)), items=some))
    )
    assert mixed.column("item").to_pylist() == [*"01234", *[None] * 5]


def _on_sphere(embeddings: Embeddings, points: np.ndarray) -> DrawnMap:
    return DrawnMap(
        kind="sphere",
        embeddings=embeddings,
        rows={name: np.arange(len(group)) for name, group in embeddings.items()},
        coordinates=dict.fromkeys(embeddings, points),
        nearest=Neighbours(np.array([[1], [0], [0]]), np.ones((3, 1))),
        neighbours_kept=0.5,
        neighbours_kept_by_chance=0.5,
        settings={},
        notes=(),
    )


def test_longitude_and_latitude_of_the_sphere():
    points = np.array([[1.0, 0, 0], [0, 0.6, 0.8], [0, 0, -1]])
    drawn = _on_sphere(Embeddings.from_arrays(image=np.eye(3)), points)
    table = map_table(drawn)
    assert table.column_names[7:] == ["x", "y", "z", "longitude", "latitude", "neighbors"]
    np.testing.assert_allclose(table.column("longitude").to_numpy(), [0, 90, 0], atol=1e-5)
    np.testing.assert_allclose(table.column("latitude").to_numpy(), [0, np.degrees(np.arcsin(0.8)), -90], atol=1e-5)
    assert atlas_words(drawn, "map.parquet")[2:6] == ["--x", "longitude", "--y", "latitude"]


def test_the_command_names_what_can_be_read(embeddings):
    assert atlas_words(draw_map(embeddings), "map.parquet") == (
        ["embedding-atlas", "map.parquet", "--x", "x", "--y", "y", "--neighbors", "neighbors", "--text", "text"]
    )
    images = embeddings.select(["image"])
    assert atlas_words(draw_map(images), "m.parquet")[-2:] == ["--text", "uri"]
    bare = Embeddings.from_arrays(image=embeddings["image"].vectors)
    assert atlas_words(draw_map(bare), "m.parquet")[-2:] == ["--neighbors", "neighbors"]


def test_a_map_is_told_from_other_files(embeddings, tmp_path):
    for name, table in (("map", map_table(draw_map(embeddings))), ("other", pa.table({"x": [1]}))):
        pq.write_table(table, tmp_path / f"{name}.parquet")
    (tmp_path / "text.parquet").write_text("no Parquet")
    assert is_map_file(tmp_path / "map.parquet")
    assert not any(is_map_file(tmp_path / f"{name}.parquet") for name in ("other", "text", "missing"))
