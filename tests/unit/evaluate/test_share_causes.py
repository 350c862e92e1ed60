import numpy as np
import pytest

from crossgap.data.embeddings import Embeddings
from crossgap.evaluate.corrected_search import Scoring, search_corpus
from crossgap.evaluate.folds import as_is, in_sample, numbered
from crossgap.evaluate.mixed_corpus import lay_out
from crossgap.evaluate.share_causes import ShareCauses, expected_places, score_law, share_causes

from .conftest import world


def _taken_apart(fold, queries, group, k=10, *, closed=False, fused=None):
    corpus = lay_out(fold.judged, queries, fused=fused)
    law = score_law(fold, corpus, closed=closed, scoring=Scoring())
    search = search_corpus(fold, corpus, k=k, closed=closed, scoring=Scoring())
    return share_causes(search, corpus, law, group, k), search, corpus


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_the_law_matches_a_plain_loop():
    e = numbered(world(n=14, captions=2))[0]
    (fold,) = as_is(e)
    corpus = lay_out(e, "text", fused=0.5)
    law = score_law(fold, corpus, closed=False, scoring=Scoring())
    assert law.names == ("image", "text", "fused")
    rows = corpus.vectors(fold, closed=False)
    items = {**{name: fold.items(name) for name in ("image", "text")}, "fused": corpus.fused.items}
    for i in (0, 1, 27):
        query = fold.rows("text", closed=False)[i]
        for place, name in enumerate(law.names):
            wrong = [query @ row for row, item in zip(rows[name], items[name], strict=True) if item != i // 2]
            assert law.mean[i, place] == pytest.approx(np.mean(wrong))
            assert law.deviation[i, place] == pytest.approx(np.std(wrong))
            assert law.count[i, place] == len(wrong)


def test_the_law_is_that_of_the_scores(pairs):
    (fold,) = as_is(pairs)
    corpus = lay_out(pairs, "text")
    plain = score_law(fold, corpus, closed=False, scoring=Scoring())
    scales = {"image": (0.5, 0.1), "text": (0.0, 1.0)}
    scaled = score_law(fold, corpus, closed=False, scoring=Scoring(scales=scales))
    np.testing.assert_allclose(scaled.mean[:, 0], (plain.mean[:, 0] - 0.5) / 0.1)
    np.testing.assert_allclose(scaled.deviation[:, 0], plain.deviation[:, 0] / 0.1)
    np.testing.assert_allclose(scaled.mean[:, 1], plain.mean[:, 1])


@pytest.mark.parametrize("group", ["image", "text", "fused"])
@pytest.mark.parametrize("closed", [False, True])
def test_the_parts_sum_to_the_excess(pairs, group, closed):
    (fold,) = in_sample(pairs)
    causes, search, corpus = _taken_apart(fold, "text", group, closed=closed, fused=0.5)
    place = search.names.index(group)
    excess = (search.group == place).mean() - corpus.expected_shares()[:, place].mean()
    parts = causes.right_answers + causes.level + causes.spread + causes.rest
    assert parts == pytest.approx(excess, abs=1e-9)


def test_expected_places_follow_normal_draws(rng):
    mean, deviation, count = np.array([[0.0, 0.1]]), np.array([[0.1, 0.08]]), np.array([[300.0, 200.0]])
    drawn = []
    for _ in range(2000):
        scores = np.concatenate([rng.normal(0.0, 0.1, 300), rng.normal(0.1, 0.08, 200)])
        drawn.append((np.argsort(-scores)[:10] >= 300).mean())
    assert expected_places(mean, deviation, count, 10)[0, 1] == pytest.approx(np.mean(drawn), abs=0.02)


def test_an_offset_is_a_matter_of_level(pairs):
    """Two clouds of one shape that lie apart: the whole excess is the level, and mean removal takes it away."""
    (fold,) = in_sample(pairs)
    before, _, _ = _taken_apart(fold, "text", "text")
    assert before.main == "level"
    assert before.level > 0.3
    after, _, _ = _taken_apart(fold, "text", "text", closed=True)
    assert abs(after.level) < 0.03


def test_a_common_subspace_is_a_matter_of_spread(rng):
    """Texts vary along few directions of their own, so the cosines among them spread wider."""
    common = rng.normal(size=(300, 24))
    own = rng.normal(size=(300, 3)) @ np.linalg.qr(rng.normal(size=(24, 3)))[0].T
    e = numbered(Embeddings.from_arrays(text=common + 6 * own, image=common))[0]
    (fold,) = in_sample(e)
    causes, _, _ = _taken_apart(fold, "text", "text", closed=True)
    assert causes.main == "spread"
    assert causes.spread > 0.2
    assert abs(causes.level) < 0.05


def test_right_answers_that_are_there_are_no_fault(rng):
    """Every query has five right pictures among many wrong ones of one law: they rightly fill half of its list."""
    centres = rng.normal(size=(60, 40))
    e = Embeddings.from_arrays(
        {"text/query": centres, "image": np.repeat(centres, 5, axis=0), "text": rng.normal(size=(300, 40))},
        items={"text/query": np.arange(60), "image": np.repeat(np.arange(60), 5), "text": np.arange(100, 400)},
    )
    (fold,) = as_is(numbered(e)[0])
    causes, search, _ = _taken_apart(fold, "text/query", "image")
    assert causes.main == "right_answers"
    assert causes.right_answers == pytest.approx(0.25, abs=0.02)
    assert abs(causes.level + causes.spread + causes.rest) < 0.06
    assert (search.group[:, :5] == search.names.index("image")).all()


def test_the_main_part_has_the_sign_of_the_excess():
    parts = {"right_answers": 0.1, "level": -0.5, "spread": 0.0, "rest": 0.05}
    assert ShareCauses(group="a", **parts).main == "level"
    assert ShareCauses(group="a", **{**parts, "level": 0.0}).main == "right_answers"


def test_of_many_queries_some_of_all_are_looked_at(rng, monkeypatch):
    """Rows often stand in order of class; the first ones alone would tell of one class."""
    monkeypatch.setattr("crossgap.evaluate.share_causes._MOST_QUERIES", 50)
    monkeypatch.setattr("crossgap.evaluate.share_causes._AT_A_TIME", 20)
    x, y = rng.normal(size=(200, 8)), rng.normal(size=(200, 8))
    x[:100] += 3 * np.eye(8)[0]
    e = numbered(Embeddings.from_arrays(image=x, text=y))[0]
    (fold,) = as_is(e)
    corpus = lay_out(e, "image")
    law = score_law(fold, corpus, closed=False, scoring=Scoring())
    assert law.queries.tolist() == np.linspace(0, 199, 50).astype(int).tolist()
    monkeypatch.setattr("crossgap.evaluate.share_causes._MOST_QUERIES", 1000)
    every = score_law(fold, corpus, closed=False, scoring=Scoring())
    np.testing.assert_allclose(law.mean, every.mean[law.queries])
    np.testing.assert_allclose(law.deviation, every.deviation[law.queries])
    search = search_corpus(fold, corpus, k=10, closed=False, scoring=Scoring())
    causes = share_causes(search, corpus, law, "image", 10)
    excess = (search.group[law.queries] == 0).mean() - corpus.expected_shares()[law.queries, 0].mean()
    assert causes.right_answers + causes.level + causes.spread + causes.rest == pytest.approx(excess, abs=1e-9)
