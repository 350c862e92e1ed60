import json

import numpy as np
import pytest

from crossgap.close.mean_removal import MeanRemoval
from crossgap.data.embeddings import Embeddings
from crossgap.evaluate.comparison import Resampling
from crossgap.evaluate.corrected_search import Correction
from crossgap.evaluate.folds import as_is, in_sample, numbered, other_half, with_closer
from crossgap.evaluate.mixed import evaluate_mixed
from crossgap.evaluate.search_scores import modality_fairness
from crossgap.measure.mixed_search import mixed_search

from .conftest import world

FEW = Resampling(replicates=20)


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _value(found, name, *groups, k=10, version="after"):
    return found.find(name, *groups, k=k, version=version).value


def test_everything_matches_a_plain_loop_over_queries():
    """Captions in plenty, fused documents, all hidden rows left out: one sort for each query."""
    e = numbered(world(n=25, captions=2))[0]
    found = evaluate_mixed(as_is(e), queries=["text"], k=6, fused=0.4, resampling=Resampling(replicates=0))
    text, image = _unit(e["text"].vectors), _unit(e["image"].vectors)
    fused = _unit(0.4 * text[::2] + 0.6 * image)
    corpus = [("image", i, i) for i in range(25)] + [("text", i, i // 2) for i in range(50)]
    corpus += [("fused", i, i) for i in range(25)]
    rows = np.concatenate([image, text, fused])
    shares, gains = {"image": [], "text": [], "fused": []}, []
    for q in range(50):
        scores = rows @ text[q]
        reachable = [
            place
            for place, (name, row, _) in enumerate(corpus)
            if (name, row) != ("text", q) and not (name == "fused" and q == 2 * row)
        ]
        order = sorted(reachable, key=lambda place: -scores[place])[:6]
        for name in shares:
            shares[name].append(np.mean([corpus[place][0] == name for place in order]))
        right = sum(corpus[place][2] == q // 2 for place in reachable)
        dcg = sum(1 / np.log2(p + 2) for p, place in enumerate(order) if corpus[place][2] == q // 2)
        gains.append(dcg / sum(1 / np.log2(p + 2) for p in range(min(right, 6))))
    for name, values in shares.items():
        assert _value(found, "modality_share_at_k", "text", name, k=6, version="as is") == pytest.approx(
            np.mean(values)
        )
    assert _value(found, "ndcg_at_k", "text", k=6, version="as is") == pytest.approx(np.mean(gains))
    means = {name: np.mean(values) for name, values in shares.items()}
    expected = {name: found.find("modality_share_at_k", "text", name, k=6).options["corpus_share"] for name in shares}
    fairness = 1 - sum(abs(means[name] - expected[name]) for name in shares) / 2
    assert _value(found, "modality_fairness", "text", k=6, version="as is") == pytest.approx(fairness)
    sizes = {"image": 25, "text": 50, "fused": 25}
    assert found.find("ndcg_at_k", "text").options["corpus"] == sizes


def test_before_and_after_are_those_of_the_halves(pairs):
    found = evaluate_mixed(other_half(pairs), queries=["image"], resampling=FEW)
    shares, gains = {False: [], True: []}, {False: [], True: []}
    for fold in other_half(pairs):
        for closed in (False, True):
            rows = {name: fold.rows(name, closed=closed) for name in ("image", "text")}
            search = mixed_search(rows["image"], rows, own="image")
            shares[closed].append(search.modality_share("text"))
            items = {name: fold.items(name) for name in rows}
            gains[closed].append(search.ndcg(fold.items("image"), items))
    for closed, version in ((False, "before"), (True, "after")):
        assert _value(found, "modality_share_at_k", "image", "text", version=version) == pytest.approx(
            np.mean(shares[closed])
        )
        assert _value(found, "ndcg_at_k", "image", version=version) == pytest.approx(np.mean(gains[closed]))
    difference = found.find("ndcg_at_k", "image", version="difference")
    assert difference.value == pytest.approx(np.mean(gains[True]) - np.mean(gains[False]))
    assert difference.interval[0] < difference.value < difference.interval[1]


def test_clouds_of_one_shape_are_mixed_evenly_once_their_means_are_gone(pairs):
    found = evaluate_mixed(other_half(pairs), queries=["text"], resampling=FEW)
    (verdict,) = found.verdicts
    assert verdict.decision == "close it"
    assert _value(found, "modality_share_at_k", "text", "image", version="before") < 0.2
    assert _value(found, "modality_share_at_k", "text", "image") == pytest.approx(0.5, abs=0.05)
    assert "more than its share" not in verdict.sentence
    assert verdict.sentence.startswith("text queries: close it: NDCG@10 rises by +0.")


def test_a_closer_that_was_fitted_before(pairs):
    closer = MeanRemoval().fit_embeddings(pairs)
    found = evaluate_mixed(with_closer(pairs, closer), queries=["text"], resampling=FEW)
    same = evaluate_mixed(in_sample(pairs), queries=["text"], resampling=FEW)
    assert found.measurements == same.measurements


def test_the_same_seed_gives_the_same_bytes(pairs):
    def run(seed=0, fold_seed=0):
        folds = other_half(pairs, seed=fold_seed)
        return evaluate_mixed(folds, queries=["text"], resampling=Resampling(replicates=20, seed=seed)).to_json()

    assert run() == run()
    assert run() != run(seed=1)
    assert run() != run(fold_seed=1)


def test_every_option_matters(pairs):
    def run(**options):
        found = evaluate_mixed(other_half(pairs), queries=["text"], resampling=FEW, **options)
        return [m.value for m in found.measurements if m.name == "ndcg_at_k"], found.settings

    plain, settings = run()
    assert settings["fused"] is None
    assert settings["correction"] is None
    for options in ({"k": 3}, {"fused": 0.5}, {"correction": Correction(name="csls")}):
        other, settings = run(**options)
        assert other != plain
        ((key, value),) = options.items()
        assert settings[key] == (value.name if key == "correction" else value)
    assert run(fused=0.5)[0] != run(fused=0.9)[0]


def test_queries_may_be_resampled_one_by_one():
    e = numbered(world(n=30, captions=4))[0]
    rows = evaluate_mixed(as_is(e), queries=["text"], unit="row", resampling=Resampling(replicates=200))
    items = evaluate_mixed(as_is(e), queries=["text"], resampling=Resampling(replicates=200))
    wide, narrow = (np.ptp(one.find("ndcg_at_k", "text").interval) for one in (items, rows))
    assert narrow < wide


def test_the_deal_of_forms_has_its_seed():
    rng = np.random.default_rng(0)
    names = ("text/query", "text/document", "image")
    shared = rng.normal(size=(60, 8))
    rows = {name: shared + 0.5 * rng.normal(size=(60, 8)) for name in names}
    e = numbered(Embeddings.from_arrays(rows, items=np.arange(60)))[0]
    one = evaluate_mixed(as_is(e), queries=["text/query"], fused=0.5, resampling=FEW)
    assert one.find("ndcg_at_k").options["corpus"] == {"text/document": 20, "image": 20, "fused": 20}
    assert one.find("ndcg_at_k").options["answered"] == 60
    other = evaluate_mixed(as_is(e), queries=["text/query"], fused=0.5, deal_seed=7, resampling=FEW)
    assert one.find("ndcg_at_k").value != other.find("ndcg_at_k").value
    assert (one.settings["deal_seed"], other.settings["deal_seed"]) == (42, 7)


def test_groups_that_do_not_pair_are_judged_by_their_shares(rng):
    e = numbered(Embeddings.from_arrays(image=rng.normal(size=(40, 6)) + 1, text=rng.normal(size=(50, 6)) - 1))[0]
    found = evaluate_mixed(other_half(e), queries=["text"], resampling=FEW)
    ndcg = found.find("ndcg_at_k", "text")
    assert ndcg.value is None
    assert ndcg.reason == "needs matches, but no other row shows the item of a row of text"
    (verdict,) = found.verdicts
    assert verdict.decision == "close it"
    assert "no ids say which rows are right, so only the shares speak" in verdict.sentence


def test_too_few_items_give_no_interval_and_no_verdict(rng):
    e = numbered(Embeddings.from_arrays(image=rng.normal(size=(8, 4)), text=rng.normal(size=(8, 4))))[0]
    found = evaluate_mixed(in_sample(e), queries=["text"], k=3)
    assert found.settings["notes"] == ["no intervals for text: its rows show too few items."]
    assert found.verdicts[0].decision == "not enough data"
    assert "there are too few items for an interval" in found.verdicts[0].sentence


def test_lists_that_are_too_long_are_refused(pairs):
    with pytest.raises(ValueError, match="k must lie between 1 and the 239 rows that a query of text can find"):
        evaluate_mixed(as_is(pairs), queries=["text"], k=240)
    with pytest.raises(ValueError, match="the 358 rows that a query of text can find, but it is 0"):
        evaluate_mixed(as_is(pairs), queries=["text"], fused=0.5, k=0)


def test_fairness_is_one_less_the_total_variation():
    assert modality_fairness(np.array([0.2, 0.3, 0.5]), np.array([0.2, 0.3, 0.5])) == 1.0
    assert modality_fairness(np.array([0.0, 1.0]), np.array([0.5, 0.5])) == 0.5
    shares = np.array([[0.0, 1.0], [0.5, 0.5]])
    np.testing.assert_allclose(modality_fairness(shares, np.array([0.5, 0.5])), [0.5, 1.0])


def test_the_record_is_plain_json(pairs):
    found = evaluate_mixed(
        other_half(pairs),
        queries=["text", "image"],
        resampling=FEW,
        settings={"fitted": "x"},
        inputs=[{"group": "text"}],
    )
    document = json.loads(found.to_json())
    assert list(document) == ["schema", "crossgap", "task", "inputs", "settings", "measurements", "verdicts"]
    assert document["settings"]["fitted"] == "x"
    assert [verdict["groups"] for verdict in document["verdicts"]] == [["text"], ["image"]]


def test_steps_are_shown(pairs):
    told = []

    def progress(steps, label):
        for step in steps:
            told.append(label(step))
            yield step

    evaluate_mixed(as_is(pairs), queries=["text", "image"], resampling=FEW, progress=progress)
    assert told == ["text queries", "image queries"]
