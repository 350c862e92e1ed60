"""FAISS moves rows as the closer does, and an index behind it finds the same."""

import sys

import numpy as np
import pytest

from crossgap.close.canonical_map import CanonicalMap
from crossgap.close.corruption import Corruption
from crossgap.close.faiss_transforms import faiss_transforms, with_closer, write_faiss
from crossgap.close.score_standardisation import ScoreStandardisation

faiss = pytest.importorskip("faiss")


def top_ten(scores: np.ndarray) -> np.ndarray:
    return np.argsort(-scores, axis=1, kind="stable")[:, :10]


def tolerance(expected: np.ndarray) -> float:
    """1e-6 of rows of length 1; longer rows are rounded by as much more."""
    return 1e-6 * max(1.0, float(np.linalg.norm(expected, axis=1).max()))


@pytest.mark.parametrize("group", ["image", "text"])
def test_it_moves_real_rows(linear_closer, pairs, group):
    rows = pairs.of(group).astype(np.float32)
    moved = rows
    for transform in faiss_transforms(linear_closer, group):
        assert transform.is_trained
        moved = transform.apply(moved)
    expected = linear_closer.move(rows, group)
    np.testing.assert_allclose(moved, expected, rtol=0, atol=tolerance(expected))


def test_raw_queries_find_what_numpy_finds(linear_closer, pairs):
    """A mixed index of moved images and texts, searched with raw texts through the transforms."""
    rows = {group: pairs.of(group).astype(np.float32) for group in ("image", "text")}
    moved = {group: linear_closer.move(own, group) for group, own in rows.items()}
    corpus = np.concatenate([moved["image"], moved["text"]])
    index = faiss.IndexFlatIP(corpus.shape[1])
    index.add(corpus)
    _, found = with_closer(index, linear_closer, "text").search(rows["text"][:200], 10)
    scores = moved["text"][:200].astype(np.float64) @ corpus.T.astype(np.float64)
    expected = top_ten(scores)
    for row in range(200):
        differ = found[row] != expected[row]  # two scores may be equal to rounding, and then change places
        np.testing.assert_allclose(scores[row, found[row]], scores[row, expected[row]], rtol=0, atol=2e-6)
        assert set(found[row]) == set(expected[row]) or np.isclose(
            *np.sort(scores[row])[::-1][9:11], rtol=0, atol=2e-6
        ), differ


def test_two_views_fill_one_index(closers, pairs):
    closer = closers("mean removal")
    index = faiss.IndexFlatIP(512)
    views = {group: with_closer(index, closer, group) for group in ("image", "text")}
    for group, view in views.items():
        view.add(pairs.of(group).astype(np.float32))
    assert index.ntotal == 1000
    expected = np.concatenate([closer.move(pairs.of(group).astype(np.float32), group) for group in views])
    np.testing.assert_allclose(index.reconstruct_n(0, 1000), expected, atol=1e-6)


def test_the_view_lives_longer_than_its_parts(closers, pairs):
    import gc

    view = with_closer(faiss.IndexFlatIP(512), closers("standardisation"), "text")
    gc.collect()
    view.add(pairs.of("text").astype(np.float32))
    _, found = view.search(pairs.of("text").astype(np.float32), 1)
    np.testing.assert_array_equal(found[:, 0], np.arange(500))


def test_each_transform_can_be_written(closers, pairs, tmp_path):
    rows = pairs.of("text").astype(np.float32)
    for label in ("mean removal", "realign", "canonical map"):
        moved = rows
        for transform in faiss_transforms(closers(label), "text"):
            faiss.write_VectorTransform(transform, str(tmp_path / "transform"))
            moved = faiss.read_VectorTransform(str(tmp_path / "transform")).apply(moved)
        np.testing.assert_allclose(moved, closers(label).move(rows, "text"), rtol=0, atol=1e-6)


def test_the_index_can_be_written_with_it(closers, pairs, tmp_path):
    rows = pairs.of("text").astype(np.float32)
    view = with_closer(faiss.IndexHNSWFlat(512, 16, faiss.METRIC_INNER_PRODUCT), closers("whitening"), "text")
    view.add(rows)
    faiss.write_index(view, str(tmp_path / "index"))
    again = faiss.read_index(str(tmp_path / "index"))
    np.testing.assert_array_equal(again.search(rows, 10)[1], view.search(rows, 10)[1])


def test_one_file_holds_the_chain(closers, pairs, tmp_path):
    closer = closers("coral")
    paths = [write_faiss(closer, tmp_path / name, group="text") for name in ("a.faiss", "b.faiss")]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    rows = pairs.of("text").astype(np.float32)
    view = faiss.read_index(str(paths[0]))
    assert view.ntotal == 0
    view.add(rows)
    np.testing.assert_allclose(
        faiss.downcast_index(view.index).reconstruct_n(0, 500), closer.move(rows, "text"), atol=1e-6
    )


def test_an_index_of_ones_own_goes_behind_it(closers, pairs, tmp_path):
    """What the docstring of ``write_faiss`` promises."""
    closer = closers("mean removal")
    index = faiss.IndexFlatIP(512)
    index.add(closer.move(pairs.of("image").astype(np.float32), "image"))
    path = write_faiss(closer, tmp_path / "closer.faiss", group="text")
    assert path.stat().st_size < 5000
    view = faiss.read_index(str(path))
    view.own_fields = False
    view.index, view.ntotal = index, index.ntotal
    rows = pairs.of("text").astype(np.float32)
    np.testing.assert_array_equal(view.search(rows, 10)[1], index.search(closer.move(rows, "text"), 10)[1])


def test_other_dimensions(closers, pairs):
    closer = CanonicalMap(dimensions=8, regularisation=0.1).fit(pairs.X[:, :16], groups=pairs.groups, items=pairs.items)
    assert with_closer(faiss.IndexFlatIP(8), closer, "image").d == 16
    with pytest.raises(ValueError, match="index must have 8 dimensions, as the moved rows, but it has 16"):
        with_closer(faiss.IndexFlatIP(16), closer, "image")
    wider = ScoreStandardisation().fit(pairs.X[:, :16], groups=pairs.groups)
    assert faiss_transforms(wider, "text")[-1].d_out == 17


def test_what_cannot_be_written(closers, tmp_path, rng):
    with pytest.raises(ValueError, match="group must be named"):
        faiss_transforms(closers("mean removal"))
    with pytest.raises(TypeError, match="Corruption does not"):
        write_faiss(Corruption().fit(rng.normal(size=(3, 2))), tmp_path / "closer.faiss")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["faiss_transforms", "with_closer", "write_faiss"])
def test_faiss_is_named_where_it_is_missing(closers, tmp_path, monkeypatch, name):
    call = {
        "faiss_transforms": lambda: faiss_transforms(closers("mean removal"), "text"),
        "with_closer": lambda: with_closer(None, closers("mean removal"), "text"),
        "write_faiss": lambda: write_faiss(closers("mean removal"), tmp_path / "x", group="text"),
    }[name]
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match=rf"{name} needs faiss, which is not installed; .*'crossgap\[faiss\]'"):
        call()
