import numpy as np
import pytest

from crossgap.close.mean_removal import MeanRemoval
from crossgap.close.translation import Translation
from crossgap.data.embeddings import Embeddings, document_groups
from crossgap.errors import DegenerateError
from crossgap.evaluate.folds import as_is, in_sample, numbered, other_half
from crossgap.evaluate.mixed_corpus import lay_out

from .conftest import world


def _roles(n=60, d=5, seed=0):
    """Queries of their own beside documents: the shape of MixBench."""
    rng = np.random.default_rng(seed)
    rows = {name: rng.normal(size=(n, d)) for name in ("text/query", "text/document", "image")}
    return numbered(Embeddings.from_arrays(rows, items=np.arange(n)))[0]


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_queries_that_are_rows_of_the_corpus_search_everything(pairs):
    corpus = lay_out(pairs, "text")
    assert corpus.own == "text"
    assert corpus.sizes() == {"image": 120, "text": 120}
    np.testing.assert_allclose(corpus.expected_shares()[0], [120 / 239, 119 / 239])
    assert corpus.dealt == 0
    assert corpus.hidden is None


def test_queries_of_their_own_search_one_form_of_each_item():
    e = _roles()
    assert document_groups(e) == ["text/document", "image"]
    corpus = lay_out(e, "text/query", fused=0.5)
    assert corpus.own is None
    assert corpus.sizes() == {"text/document": 20, "image": 20, "fused": 20}
    found = np.concatenate([*(e[name].items[rows] for name, rows in corpus.rows.items()), corpus.fused.items])
    assert sorted(found.tolist()) == list(range(60))
    assert corpus.dealt == 60
    np.testing.assert_allclose(corpus.expected_shares(), 1 / 3)


def test_the_deal_has_a_seed():
    e = _roles()
    one, same, other = (lay_out(e, "text/query", seed=seed).rows["image"].tolist() for seed in (42, 42, 43))
    assert one == same != other


def test_items_that_lack_a_form_keep_those_that_they_have():
    rng = np.random.default_rng(0)
    e = Embeddings.from_arrays(
        {"text/query": rng.normal(size=(8, 3)), "text": rng.normal(size=(8, 3)), "image": rng.normal(size=(6, 3))},
        items={"text/query": np.arange(8), "text": np.arange(8), "image": np.arange(2, 8)},
    )
    corpus = lay_out(numbered(e)[0], "text/query")
    assert corpus.dealt == 6
    assert {0, 1} <= set(corpus.rows["text"].tolist())
    assert corpus.sizes() == {"text": 5, "image": 3}


def test_a_query_may_not_find_the_document_that_it_is_a_part_of():
    e = numbered(world(n=12, captions=2))[0]
    corpus = lay_out(e, "text", fused=0.5)
    assert corpus.hidden.tolist() == [place for item in range(12) for place in (item, -1)]  # the first caption is fused
    pictures = lay_out(e, "image", fused=0.5)
    assert pictures.hidden.tolist() == list(range(12))
    shares = corpus.expected_shares()
    np.testing.assert_allclose(shares[0], np.array([12, 23, 11]) / 46)
    np.testing.assert_allclose(shares[1], np.array([12, 23, 12]) / 47)


def test_fused_documents_weigh_their_parts(pairs):
    (fold,) = as_is(pairs)
    corpus = lay_out(pairs, "text", fused=0.7)
    wanted = _unit(0.7 * _unit(pairs["text"].vectors) + 0.3 * _unit(pairs["image"].vectors))
    np.testing.assert_allclose(corpus.fused.vectors(fold, closed=False), wanted, atol=1e-12)


def test_after_mean_removal_fused_documents_lose_the_weighted_mean(pairs):
    (fold,) = in_sample(pairs)
    corpus = lay_out(pairs, "text", fused=0.7)
    text, image = _unit(pairs["text"].vectors), _unit(pairs["image"].vectors)
    wanted = _unit(0.7 * text + 0.3 * image - (0.7 * text.mean(axis=0) + 0.3 * image.mean(axis=0)))
    np.testing.assert_allclose(corpus.fused.vectors(fold, closed=True), wanted, atol=1e-12)
    assert isinstance(fold.closer, MeanRemoval)


def test_after_another_closer_the_moved_parts_are_fused(pairs):
    (fold,) = in_sample(pairs, Translation)
    corpus = lay_out(pairs, "text", fused=0.7)
    wanted = _unit(0.7 * fold.rows("text", closed=True) + 0.3 * fold.rows("image", closed=True))
    np.testing.assert_allclose(corpus.fused.vectors(fold, closed=True), wanted, atol=1e-12)


def test_fused_documents_of_the_other_half(pairs):
    fold = other_half(pairs)[0]
    corpus = lay_out(fold.judged, "text", fused=0.5)
    text, image = (fold.closer.means_[name] for name in ("text", "image"))
    learned = {name: _unit(fold.learned[name].vectors) for name in ("text", "image")}
    wanted = _unit((learned["text"] - text + learned["image"] - image) / 2)
    np.testing.assert_allclose(corpus.fused.learned(fold, closed=True), wanted, atol=1e-12)
    (same,) = in_sample(pairs)
    corpus = lay_out(pairs, "text", fused=0.5)
    np.testing.assert_array_equal(corpus.fused.learned(same, closed=True), corpus.fused.vectors(same, closed=True))


@pytest.mark.parametrize("weight", [0.0, 1.0, -1.0])
def test_the_weight_lies_between_0_and_1(pairs, weight):
    with pytest.raises(ValueError, match="the weight of the text in a fused document must lie between 0 and 1"):
        lay_out(pairs, "text", fused=weight)


def test_what_cannot_be_fused_is_named():
    rows = np.eye(4)
    one = numbered(Embeddings.from_arrays({"text/a": rows, "text/b": rows}))[0]
    with pytest.raises(ValueError, match="fused documents need two modalities, but the documents are text/a, text/b"):
        lay_out(one, "text/a", fused=0.5)
    taken = numbered(Embeddings.from_arrays(text=rows, image=rows, fused=rows))[0]
    with pytest.raises(ValueError, match="a group is called 'fused'"):
        lay_out(taken, "text", fused=0.5)
    apart = Embeddings.from_arrays(text=rows, image=rows, items={"text": list("abcd"), "image": list("efgh")})
    with pytest.raises(DegenerateError, match="no item has rows of both text and image"):
        lay_out(numbered(apart)[0], "text", fused=0.5)


def test_queries_alone_have_nothing_to_search():
    e = numbered(Embeddings.from_arrays({"text/query": np.eye(3)}))[0]
    with pytest.raises(DegenerateError, match="text/query has nothing to search, since all groups are queries"):
        lay_out(e, "text/query")
