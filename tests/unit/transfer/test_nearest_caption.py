import json

import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError, FormatError
from crossgap.transfer import Caption, Decoding, NearestCaption


def random_rows(n, d=5, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def test_it_is_the_caption_of_the_highest_cosine():
    gallery, queries = random_rows(40), random_rows(9, seed=1)
    decoder = NearestCaption(gallery, [f"text {number}" for number in range(40)])
    for query, caption in zip(queries, decoder.generate(queries), strict=True):
        cosines = [float(query @ row) / np.linalg.norm(query) / np.linalg.norm(row) for row in gallery]
        best = int(np.argmax(cosines))
        assert caption == Caption(text=f"text {best}", score=pytest.approx(cosines[best], abs=1e-6), tokens=0)


def test_the_k_nearest_come_nearest_first():
    gallery, queries = random_rows(40), random_rows(3, seed=1)
    decoder = NearestCaption(gallery, [str(number) for number in range(40)])
    for query, captions in zip(queries, decoder.nearest(queries, k=7), strict=True):
        order = np.argsort(-(gallery @ query) / np.linalg.norm(gallery, axis=1))[:7]
        assert [int(caption.text) for caption in captions] == order.tolist()
    assert [found[0] for found in decoder.nearest(queries, k=3)] == decoder.generate(queries)


def test_ties_go_to_the_lowest_number():
    rows = np.array([[0, 1], [1, 0], [1, 0], [2, 0]], np.float32)
    decoder = NearestCaption(rows, ["north", "east", "also east", "far east"])
    assert decoder.generate([[3.0, 0.0]])[0].text == "east"
    assert [caption.text for caption in decoder.nearest([[3.0, 0.0]], k=3)[0]] == ["east", "also east", "far east"]


def test_lengths_do_not_matter_and_a_cosine_is_at_most_1():
    rows = random_rows(200)
    decoder = NearestCaption(rows * np.linspace(0.1, 9, 200, dtype=np.float32)[:, None], [str(n) for n in range(200)])
    captions = decoder.generate(rows * 7)
    assert [int(caption.text) for caption in captions] == list(range(200))
    assert all(0.999999 < caption.score <= 1 for caption in captions)


def test_tensors_arrays_and_any_decoding_give_the_same():
    decoder = NearestCaption(torch.eye(3), ["a", "b", "c"])
    rows = random_rows(6, 3)
    expected = decoder.generate(rows)
    assert decoder.generate(torch.from_numpy(rows)) == expected
    assert decoder.generate(rows, Decoding(method="nucleus", seed=5), numbers=range(6)) == expected
    assert decoder.generate(np.zeros((0, 3))) == []


def test_it_is_built_again_from_settings_files_and_its_state():
    texts = ["a dog", "ein Hund 🐕", "", 'quo"ted\n', "half \ud800"]
    decoder = NearestCaption(random_rows(5), texts)
    assert list(decoder.parameters()) == []
    again = NearestCaption.from_settings(json.loads(json.dumps(decoder.settings)), decoder.files())
    again.load_state_dict(decoder.state_dict())
    assert again.texts == tuple(texts)
    assert again.generate(random_rows(9, seed=3)) == decoder.generate(random_rows(9, seed=3))


def test_what_is_given_is_not_changed():
    rows = 3 * random_rows(4)
    before = rows.copy()
    NearestCaption(rows, list("abcd")).rows.zero_()
    assert np.array_equal(rows, before)


def test_refusals():
    with pytest.raises(ValueError, match=r"rows must have shape \(m, d\), but it is \(3,\)"):
        NearestCaption(np.ones(3), ["a"] * 3)
    with pytest.raises(ValueError, match="there must be one text a row, but there are 3 rows and 2 texts"):
        NearestCaption(np.eye(3), ["a", "b"])
    with pytest.raises(ValueError, match="there must be one text a row, but there are 3 rows and one string"):
        NearestCaption(np.eye(3), "abc")
    with pytest.raises(TypeError, match="each text must be a string, but text 1 is a int"):
        NearestCaption(np.eye(3), ["a", 2, "c"])
    with pytest.raises(DegenerateError, match="there is no caption that could be nearest"):
        NearestCaption(np.zeros((0, 3)), [])
    with pytest.raises(ValueError, match="row 1 is all zeros"):
        NearestCaption(np.array([[1.0, 0.0], [0.0, 0.0]]), ["a", "b"])
    decoder = NearestCaption(np.eye(3), ["a", "b", "c"])
    for k in (0, 4, 1.0, True):
        with pytest.raises(ValueError, match="k must be a whole number from 1 to the 3 captions"):
            decoder.nearest(np.eye(3), k=k)
    with pytest.raises(
        ValueError, match=r"rows must have shape \(n, 3\), as those of the captions, but it is \(2, 4\)"
    ):
        decoder.generate(np.ones((2, 4)))
    with pytest.raises(ValueError, match="finite"):
        decoder.generate(np.full((1, 3), np.nan))
    with pytest.raises(ValueError, match="row 0 is all zeros"):
        decoder.generate(np.zeros((1, 3)))


@pytest.mark.parametrize(
    ("settings", "files"),
    [
        ({"dimension": 3}, {}),
        ({}, {"texts.json": b'["a"]'}),
        ({"dimension": 0}, {"texts.json": b'["a"]'}),
        ({"dimension": 3}, {"texts.json": b"["}),
        ({"dimension": 3}, {"texts.json": b"[1]"}),
        ({"dimension": 3}, {"texts.json": b'"abc"'}),
        ({"dimension": 3}, {"texts.json": b"3"}),
    ],
)
def test_a_foreign_folder(settings, files):
    with pytest.raises(FormatError, match=r"texts.json and settings are not those of captions"):
        NearestCaption.from_settings(settings, files)
