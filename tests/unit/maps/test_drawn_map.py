import dataclasses

import numpy as np
import pytest
import torch

from crossgap import Embeddings, Group
from crossgap.errors import DegenerateError
from crossgap.geometry.neighbours import nearest_rows
from crossgap.maps import draw_map, linear_map, neighbours_kept


@pytest.fixture
def arrays(rng):
    shared = rng.normal(size=(50, 8))
    return {
        name: (shared + 0.3 * rng.normal(size=(50, 8)) + shift).astype(np.float32)
        for name, shift in (("image", 1.0), ("text", -1.0))
    }


@pytest.fixture
def embeddings(arrays):
    return Embeddings.from_arrays(arrays)


def test_it_is_the_linear_map_of_the_rows(embeddings, arrays):
    drawn = draw_map(embeddings)
    expected = linear_map(arrays["image"], arrays["text"])
    np.testing.assert_array_equal(drawn.coordinates["text"], expected.coordinates[1])
    assert drawn.settings["axes"] == list(expected.axis_names)
    assert drawn.settings["shares"] == list(expected.shares)
    assert drawn.settings["within_shares"] == list(expected.within_shares)
    assert drawn.settings["centroids"]["text"] == expected.centroids[1].tolist()
    joined = np.concatenate(list(arrays.values()))
    np.testing.assert_array_equal(drawn.nearest.rows, nearest_rows(joined, joined, 15, leave_out_self=True).rows)
    assert drawn.neighbours_kept == neighbours_kept(joined, np.concatenate(expected.coordinates))
    assert drawn.neighbours_kept_by_chance == 15 / 99
    assert drawn.notes == ()


def test_a_sample_holds_whole_items_and_says_so(embeddings, arrays):
    drawn = draw_map(embeddings, most_rows=20, seed=4)
    assert drawn.rows["image"].tolist() == drawn.rows["text"].tolist()
    assert drawn.settings["rows_used"] == {"image": 20, "text": 20}
    assert drawn.settings["rows_given"] == {"image": 50, "text": 50}
    np.testing.assert_array_equal(drawn.embeddings["text"].vectors, arrays["text"][drawn.rows["text"]])
    assert drawn.notes[0] == "20 of 50 rows of image are shown (whole items, seed 4)."
    assert drawn.rows["image"].tolist() != draw_map(embeddings, most_rows=20, seed=5).rows["image"].tolist()


def test_rows_keep_what_is_known_of_them(arrays):
    embeddings = Embeddings(
        {
            "image": Group(vectors=arrays["image"][:10], items=np.arange(10), uri=[f"{i}.png" for i in range(10)]),
            "text": Group(vectors=arrays["text"], items=np.arange(50) // 5, text=[f"caption {i}" for i in range(50)]),
        }
    )
    drawn = draw_map(embeddings, most_rows=20)
    text = drawn.embeddings["text"]
    assert len(text) == 20
    assert text.text == [f"caption {row}" for row in drawn.rows["text"]]
    assert text.items.tolist() == (drawn.rows["text"] // 5).tolist()
    assert set(text.items.tolist()) == set(drawn.embeddings["image"].items.tolist())


def test_rows_without_a_direction_are_left_out(embeddings, arrays):
    arrays["text"][[3, 8]] = 0
    drawn = draw_map(Embeddings.from_arrays(arrays))
    assert drawn.settings["rows_used"] == {"image": 50, "text": 48}
    assert drawn.rows["text"].tolist() == [row for row in range(50) if row not in (3, 8)]
    assert drawn.notes == ("text: 2 rows are all zeros and were left out.",)


def test_one_group_few_rows_and_torch(arrays):
    drawn = draw_map(Embeddings.from_arrays(image=torch.tensor(arrays["image"][:6])))
    assert drawn.nearest.rows.shape == (6, 5)
    assert drawn.neighbours_kept == drawn.neighbours_kept_by_chance == 1
    assert drawn.coordinates["image"].shape == (6, 2)


def test_steps_are_told(embeddings):
    steps = []
    draw_map(embeddings, show=lambda *step: steps.append(step))
    assert [done for done, _, _ in steps] == [0, 1, 2, 3, 4]
    assert {total for _, total, _ in steps} == {4}


def test_it_is_frozen(embeddings):
    with pytest.raises(dataclasses.FrozenInstanceError):
        draw_map(embeddings).kind = "umap"


class _Reader:
    """Rows that are read when they are asked for, and so were not checked before."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, rows):
        return self.array[rows]


def test_refusals(embeddings, arrays):
    with pytest.raises(ValueError, match="kind must be one of linear, umap, sphere, but it is 'tsne'"):
        draw_map(embeddings, kind="tsne")
    with pytest.raises(ValueError, match="most_rows must be at least 1, but it is 0"):
        draw_map(embeddings, most_rows=0)
    for options in ({"neighbours": 9}, {"min_distance": 0.2}):
        with pytest.raises(ValueError, match="must go with kind umap or sphere, but the kind is linear"):
            draw_map(embeddings, **options)
    with pytest.raises(DegenerateError, match="a map needs at least three rows, but there are 2"):
        draw_map(embeddings, most_rows=1)
    with pytest.raises(DegenerateError, match="text has no row of a length above zero"):
        draw_map(Embeddings.from_arrays(image=arrays["image"], text=np.zeros((3, 8))))
    arrays["text"][7, 2] = np.nan
    broken = Embeddings({name: Group(vectors=_Reader(rows)) for name, rows in arrays.items()})
    with pytest.raises(ValueError, match="text must be finite, but row 7 holds a NaN or an infinity"):
        draw_map(broken)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "columns"), [("umap", 2), ("sphere", 3)])
def test_umap(embeddings, arrays, kind, columns):
    pytest.importorskip("umap")
    from crossgap.maps import umap_coordinates

    drawn = draw_map(embeddings, kind=kind, neighbours=10, min_distance=0.3, seed=2)
    assert drawn.coordinates["image"].shape == (50, columns)
    output = {"umap": "euclidean", "sphere": "haversine"}[kind]
    expected = umap_coordinates(
        np.concatenate(list(arrays.values())), neighbours=10, min_distance=0.3, seed=2, output_metric=output
    )
    np.testing.assert_array_equal(np.concatenate(list(drawn.coordinates.values())), expected)
    settings = {"neighbours": 10, "min_distance": 0.3, "metric": "cosine", "output_metric": output, "seed": 2}
    assert settings.items() <= drawn.settings.items()
    assert drawn.neighbours_kept > 0.3
