import numpy as np
import pytest

from crossgap import Embeddings
from crossgap.report import selection
from crossgap.report.selection import Selection, Settings, item_counts


def _settings(**changed) -> Settings:
    return Settings(**{"replicates": 50, "level": 0.9, "seed": 0, "precision": 0.9, "most_rows": 100, **changed})


@pytest.fixture
def embeddings(rng) -> Embeddings:
    return Embeddings.from_arrays(image=rng.standard_normal((40, 3)), text=rng.standard_normal((40, 3)))


def test_counts_have_the_plain_weighting_first():
    counts = item_counts(40, _settings())
    assert counts.shape == (40, 51)
    assert (counts[:, 0] == 1).all()
    assert np.array_equal(counts, item_counts(40, _settings()))
    assert not np.array_equal(counts, item_counts(40, _settings(seed=1)))


def test_no_counts_without_replicates_or_with_few_items():
    assert item_counts(40, _settings(replicates=0)) is None
    assert item_counts(9, _settings()) is None
    assert item_counts(10, _settings()) is not None


def test_many_items_get_fewer_replicates(monkeypatch):
    monkeypatch.setattr(selection, "_MOST_COUNTS", 4500)
    assert item_counts(90, _settings(replicates=200)).shape == (90, 51)
    assert item_counts(90, _settings(replicates=45)).shape == (90, 46)
    assert item_counts(4500, _settings(replicates=200)).shape == (4500, 41), "never fewer than 40"


def test_fewer_replicates_than_asked_are_said(embeddings, monkeypatch):
    chosen = Selection(embeddings=embeddings, names=("image", "text"), settings=_settings(replicates=200))
    assert "replicates" not in chosen.sizes
    monkeypatch.setattr(selection, "_MOST_COUNTS", 2000)
    selection.item_counts.cache_clear()
    chosen = Selection(embeddings=embeddings, names=("image", "text"), settings=_settings(replicates=200))
    assert chosen.sizes["replicates"] == 50
    assert chosen.reversed.counts is chosen.counts
    selection.item_counts.cache_clear()


def test_one_group_is_measured_once(embeddings):
    chosen = Selection(embeddings=embeddings, names=("image", "image"), settings=_settings())
    assert chosen.measured == ("image",)
    assert chosen.sizes == {"n": 40, "d": 3}


def test_reversed_shares_the_search(embeddings):
    chosen = Selection(embeddings=embeddings, names=("image", "text"), settings=_settings())
    assert chosen.sizes == {"n": 40, "m": 40, "d": 3}
    forth, back = chosen.both_ranks
    assert chosen.reversed.names == ("text", "image")
    assert chosen.reversed.both_ranks[0] is back
    assert chosen.reversed.both_ranks[1] is forth
    alone = Selection(embeddings=embeddings, names=("text", "image"), settings=_settings()).both_ranks[0]
    assert np.array_equal(alone.recall_at_k(k=1), back.recall_at_k(k=1))


def test_a_subsample_keeps_pairs(embeddings):
    chosen = Selection(embeddings=embeddings, names=("image", "text"), settings=_settings(), most_rows=25)
    assert chosen.sizes == {"n": 25, "m": 25, "d": 3, "sampled_from": [40, 40]}
    assert np.array_equal(chosen.codes.x, chosen.codes.y)
    rows = [np.flatnonzero((embeddings["image"].vectors == row).all(axis=1))[0] for row in chosen.pairs.x]
    assert np.array_equal(embeddings["text"].vectors[rows], chosen.pairs.y)
