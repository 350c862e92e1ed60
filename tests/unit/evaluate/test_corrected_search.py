import numpy as np
import pytest

from crossgap.close.csls import csls_scores
from crossgap.close.inverted_softmax import inverted_softmax_scores
from crossgap.close.mean_removal import MeanRemoval
from crossgap.close.query_bank import query_bank_scores
from crossgap.close.score_standardisation import ScoreStandardisation
from crossgap.close.sinkhorn_scores import sinkhorn_scores
from crossgap.data.embeddings import Embeddings
from crossgap.errors import DegenerateError
from crossgap.evaluate.corrected_search import CORRECTIONS, Correction, Scoring, learned_scoring, search_corpus
from crossgap.evaluate.folds import as_is, in_sample, numbered, other_half, with_closer
from crossgap.evaluate.mixed_corpus import FUSED, lay_out

from .conftest import world

SCORES = {
    "csls": csls_scores,
    "inverted-softmax": inverted_softmax_scores,
    "query-bank": query_bank_scores,
    "sinkhorn": sinkhorn_scores,
}


def _roles(n=40, d=6):
    e = world(n=n, d=d)
    rng = np.random.default_rng(5)
    queries = np.asarray(e["text"].vectors) + 0.2 * rng.normal(size=(n, d))
    rows = {"image": e["image"].vectors, "text": e["text"].vectors, "text/query": queries}
    return numbered(Embeddings.from_arrays(rows, items=np.arange(n)))[0]


def _searched(fold, corpus, name, k, **options):
    correction = Correction(name=name, **options)
    scoring = learned_scoring(fold, corpus, closed=True, correction=correction)
    return search_corpus(fold, corpus, k=k, closed=True, scoring=scoring), scoring


@pytest.mark.parametrize("name", sorted(SCORES))
@pytest.mark.parametrize("make", [None, MeanRemoval])
def test_lists_are_those_of_the_scores(name, make):
    fold = other_half(_roles(), make)[0]
    corpus = lay_out(fold.judged, "text/query")
    rows = corpus.vectors(fold, closed=True)
    gallery = np.concatenate(list(rows.values()))
    labels = [(g, i) for g, part in enumerate(rows.values()) for i in range(len(part))]
    bank = fold.bank("text/query", closed=True)
    scores = SCORES[name](fold.rows("text/query", closed=True), gallery, bank)
    found, _ = _searched(fold, corpus, name, 7)
    for i, order in enumerate(np.argsort(-scores, axis=1)[:, :7]):
        assert list(zip(found.group[i], found.row[i], strict=True)) == [labels[j] for j in order]


@pytest.mark.parametrize("name", sorted(SCORES))
def test_a_scoring_gives_the_scores_themselves(name):
    fold = other_half(_roles(), None)[0]
    corpus = lay_out(fold.judged, "text/query")
    rows = corpus.vectors(fold, closed=True)
    queries, bank = fold.rows("text/query", closed=True), fold.bank("text/query", closed=True)
    scores = SCORES[name](queries, np.concatenate(list(rows.values())), bank)
    _, scoring = _searched(fold, corpus, name, 3)
    chosen = scoring.corrected(search_corpus(fold, corpus, k=1, closed=True, scoring=Scoring()))
    got = np.concatenate([scoring.apply(queries @ part.T, group, chosen) for group, part in rows.items()], axis=1)
    order = np.argsort(-scores, axis=1)
    np.testing.assert_array_equal(np.argsort(-got, axis=1), order)


def test_scores_are_standardised_by_what_the_other_half_taught():
    fold = other_half(_roles(), None)[0]
    corpus = lay_out(fold.judged, "text/query")
    found, scoring = _searched(fold, corpus, "score-standardisation", 5)
    closer = ScoreStandardisation()
    learned = {name: fold.bank(name, closed=False) for name in ("image", "text", "text/query")}
    closer.fit(
        np.concatenate(list(learned.values())), groups=np.repeat(list(learned), [len(r) for r in learned.values()])
    )
    assert scoring.scales == {name: closer.scales("text/query")[name] for name in ("image", "text")}
    queries = fold.rows("text/query", closed=False)
    scores = {
        name: closer.standardise(queries @ part.T, "text/query", name)
        for name, part in corpus.vectors(fold, closed=False).items()
    }
    best = np.argmax(np.concatenate(list(scores.values()), axis=1), axis=1)
    assert (found.group[:, 0] * len(scores["image"][0]) + found.row[:, 0]).tolist() == best.tolist()


def test_a_closer_of_scores_does_the_same(pairs):
    closer = ScoreStandardisation().fit_embeddings(pairs)
    (fold,) = with_closer(pairs, closer)
    corpus = lay_out(pairs, "text")
    scoring = learned_scoring(fold, corpus, closed=True, correction=None)
    assert scoring.scales == closer.scales("text")
    assert learned_scoring(fold, corpus, closed=False, correction=None).scales is None
    with pytest.raises(ValueError, match="the closer standardises the scores of image, text, so it goes with no other"):
        learned_scoring(fold, corpus, closed=True, correction=Correction(name="csls"))
    with pytest.raises(ValueError, match="no fused documents; leave them out"):
        learned_scoring(fold, lay_out(pairs, "text", fused=0.5), closed=True, correction=None)


@pytest.mark.parametrize("name", CORRECTIONS)
def test_in_sample_a_row_is_not_its_own_bank(pairs, name):
    """With itself in its bank every text would lose against every picture."""
    (fold,) = in_sample(pairs, None)
    corpus = lay_out(pairs, "text")
    found, scoring = _searched(fold, corpus, name, 10)
    assert not ((found.group == 1) & (found.row == np.arange(120)[:, None])).any()
    if scoring.offsets:
        rows = {name: fold.rows(name, closed=True) for name in ("text", "image")}
        gallery = np.concatenate(list(rows.values()))
        wanted = Correction(name=name).offsets(gallery, rows["text"], leave_out_self=True)
        np.testing.assert_allclose(np.concatenate([scoring.offsets["text"], scoring.offsets["image"]]), wanted)


@pytest.mark.parametrize("name", CORRECTIONS)
def test_fused_documents_with_the_query_in_them_are_never_found(pairs, name):
    for fold in other_half(pairs, None):
        corpus = lay_out(fold.judged, "text", fused=0.6)
        found, _ = _searched(fold, corpus, name, 20)
        place = found.names.index(FUSED)
        assert not ((found.group == place) & (found.row == corpus.hidden[:, None])).any()
        assert (found.group == place).any()


def test_the_temperature_and_the_neighbours_matter(pairs):
    fold = other_half(pairs, None)[0]
    corpus = lay_out(fold.judged, "text")
    for name, option, values in (("inverted-softmax", "temperature", (0.05, 1.0)), ("csls", "neighbours", (1, 20))):
        a, b = (_searched(fold, corpus, name, 5, **{option: value})[1].offsets["image"] for value in values)
        assert not np.allclose(a, b)


def test_bad_corrections_are_named(pairs):
    with pytest.raises(ValueError, match="the correction must be one of csls, inverted-softmax"):
        Correction(name="softmax")
    (fold,) = as_is(pairs)
    with pytest.raises(DegenerateError, match="a score correction needs a bank of queries"):
        learned_scoring(fold, lay_out(pairs, "text"), closed=True, correction=Correction(name="csls"))
