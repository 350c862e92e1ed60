import numpy as np
import pytest

from crossgap.errors import DegenerateError
from crossgap.geometry.neighbours import nearest_rows
from crossgap.measure.mixed_search import mixed_search
from crossgap.measure.modality_share import modality_share_at_k, modality_share_excess
from crossgap.measure.ndcg_at_k import ndcg_at_k


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _world(rng, n=1100):
    """Texts, images and sounds of shared items, with an offset for each modality."""
    centre = rng.normal(size=(n, 6))
    image_items = rng.permutation(n)[: n - 50]
    corpus = {
        "text/query": centre + 0.3 * rng.normal(size=(n, 6)) + np.eye(6)[0],
        "text/document": np.repeat(centre, 2, axis=0) + 0.3 * rng.normal(size=(2 * n, 6)) + 0.5 * np.eye(6)[0],
        "image": centre[image_items] + 0.3 * rng.normal(size=(n - 50, 6)) - np.eye(6)[0],
        "audio": rng.normal(size=(7, 6)),
    }
    items = {
        "text/query": np.arange(n),
        "text/document": np.repeat(np.arange(n), 2),
        "image": image_items,
    }
    return corpus, items


def _plain(queries, corpus, k, own):
    """For each query the (group, row) at each place, by one sort over everything."""
    names = list(corpus)
    label = [(g, i) for g, name in enumerate(names) for i in range(len(corpus[name]))]
    rows = _unit(np.concatenate(list(corpus.values())))
    for i, query in enumerate(_unit(queries)):
        scores = rows @ query
        if own is not None:
            scores[label.index((names.index(own), i))] = -np.inf
        yield [label[j] for j in np.argsort(-scores, kind="stable")[:k]]


@pytest.mark.parametrize("own", [None, "text/query"])
def test_everything_matches_one_plain_sort(rng, own):
    corpus, items = _world(rng)
    queries = corpus["text/query"] if own else corpus["text/query"] + 0.1
    query_items, k = items["text/query"], 9
    search = mixed_search(queries, corpus, k=k, own=own)
    names, shares, gains = list(corpus), [], {}
    every = np.concatenate(list(items.values()))
    for i, found in enumerate(_plain(queries[:200], corpus, k, own)):
        assert list(zip(search.group[i].tolist(), search.row[i].tolist(), strict=True)) == found
        shares.append(np.mean([names[g].startswith("text") for g, _ in found]))
        relevant = (every == query_items[i]).sum() - (own is not None)
        hits = [names[g] in items and items[names[g]][r] == query_items[i] for g, r in found]
        gains[i] = sum(h / np.log2(p + 2) for p, h in enumerate(hits)) / sum(
            1 / np.log2(p + 2) for p in range(min(k, relevant))
        )
    answered, values = search.ndcg_per_query(query_items, items)
    assert answered[:200].tolist() == list(gains)
    np.testing.assert_allclose(values[:200], list(gains.values()), atol=1e-12)
    taken = np.isin(search.group, [0, 1]).mean(axis=1)
    np.testing.assert_allclose(taken[:200], shares)
    share = modality_share_at_k(queries, corpus, modality="text", k=k, own=own)
    assert share == pytest.approx(taken.mean(), abs=1e-12)
    texts, rows = 3300, 3300 + 1050 + 7
    expected = (texts - 1) / (rows - 1) if own else texts / rows
    assert modality_share_excess(queries, corpus, modality="text", k=k, own=own) == pytest.approx(share - expected)
    assert sum(search.modality_shares().values()) == pytest.approx(1.0)
    value = ndcg_at_k(queries, corpus, query_items=query_items, corpus_items=items, k=k, own=own)
    assert value == pytest.approx(values.mean(), abs=1e-12)


def test_a_gap_fills_lists_with_the_own_modality(coco):
    corpus = {"image": coco["image"], "text": coco["text"]}
    assert modality_share_at_k(coco["text"], corpus, modality="text", own="text") == 1.0
    assert modality_share_excess(coco["text"], corpus, modality="text", own="text") == pytest.approx(500 / 999)
    ids = np.arange(500)
    value = ndcg_at_k(coco["text"], corpus, own="text", query_items=ids, corpus_items={"image": ids, "text": ids})
    assert value == 0.0  # every relevant image is pushed out, while recall among images alone is 0.5


def test_a_group_without_ids_takes_places_but_is_not_relevant(rng):
    x = rng.normal(size=(20, 3))
    corpus = {"image": x, "text": x}
    ids = np.arange(20)
    both = ndcg_at_k(x, corpus, query_items=ids, corpus_items={"image": ids, "text": ids}, k=2)
    assert both == pytest.approx(1.0)
    text_only = ndcg_at_k(x, corpus, query_items=ids, corpus_items={"text": ids}, k=2)
    assert text_only == pytest.approx(1 / np.log2(3))  # equal scores: the group named first
    # queries without a relevant row are left out
    some = ndcg_at_k(x, corpus, query_items=np.where(ids < 5, ids, 99), corpus_items={"image": ids}, k=2)
    assert some == pytest.approx(1.0)


def test_a_small_own_group_never_finds_itself(rng):
    corpus = {"a": rng.normal(size=(3, 4)), "b": rng.normal(size=(2, 4))}
    search = mixed_search(corpus["a"], corpus, k=4, own="a")
    assert np.isfinite(search.cosine).all()
    assert not ((search.group == 0) & (search.row == np.arange(3)[:, None])).any()


def test_k_matters(rng):
    corpus, items = _world(rng, 200)
    queries = corpus["text/query"]
    assert modality_share_at_k(queries, corpus, modality="image", k=3) != modality_share_at_k(
        queries, corpus, modality="image", k=100
    )
    values = {
        float(ndcg_at_k(queries, corpus, query_items=items["text/query"], corpus_items=items, k=k)) for k in (1, 3, 10)
    }
    assert len(values) == 3


def test_weights_repeat_queries(rng):
    corpus, items = _world(rng, 120)
    queries = corpus["text/query"] + 0.1
    weights = rng.integers(0, 3, (120, 3))
    for score, options in (
        (modality_share_at_k, {"modality": "text"}),
        (modality_share_excess, {"modality": "image"}),
        (ndcg_at_k, {"query_items": items["text/query"], "corpus_items": {"image": items["image"]}}),
    ):
        values = score(queries, corpus, weights=weights, **options)
        for value, column in zip(values, weights.T, strict=True):
            rows = np.repeat(np.arange(120), column)
            again = {**options, "query_items": items["text/query"][rows]} if "query_items" in options else options
            assert value == pytest.approx(float(score(queries[rows], corpus, **again)), abs=1e-12)


def test_numpy_and_torch_agree(rng):
    torch = pytest.importorskip("torch")
    corpus, items = _world(rng, 100)
    tensors = {name: torch.tensor(rows) for name, rows in corpus.items()}
    for score, options in (
        (modality_share_at_k, {"modality": "text"}),
        (modality_share_excess, {"modality": "text"}),
        (ndcg_at_k, {"query_items": items["text/query"], "corpus_items": items}),
    ):
        expected = score(corpus["text/query"], corpus, own="text/query", **options)
        found = score(tensors["text/query"], tensors, own="text/query", **options)
        assert found.dtype == torch.float64
        assert float(found) == pytest.approx(float(expected), abs=1e-6)


def test_messages(rng):
    x = rng.normal(size=(5, 3))
    corpus = {"image": x, "text": x[:4]}
    with pytest.raises(ValueError, match="corpus must hold at least one group"):
        mixed_search(x, {})
    with pytest.raises(ValueError, match="'sound' is not in the corpus"):
        mixed_search(x, corpus, own="sound", k=2)
    with pytest.raises(ValueError, match="holds the 5 queries, but 'text' has 4 rows"):
        mixed_search(x, corpus, own="text", k=2)
    with pytest.raises(ValueError, match="between 1 and the 8 rows"):
        mixed_search(x, corpus, own="image", k=9)
    with pytest.raises(ValueError, match="must share one space"):
        mixed_search(x[:, :2], corpus, k=2)
    with pytest.raises(ValueError, match=r"modality must be one of the corpus \(image, text\)"):
        modality_share_at_k(x, corpus, modality="audio", k=2)
    with pytest.raises(ValueError, match="corpus_items must name groups of the corpus"):
        ndcg_at_k(x, corpus, query_items=range(5), corpus_items={"audio": range(5)}, k=2)
    with pytest.raises(ValueError, match="it names none"):
        ndcg_at_k(x, corpus, query_items=range(5), corpus_items={}, k=2)
    with pytest.raises(ValueError, match=r"corpus_items\['text'\] must hold one id for each of the 4 rows"):
        ndcg_at_k(x, corpus, query_items=range(5), corpus_items={"text": range(5)}, k=2)
    with pytest.raises(DegenerateError, match="no query has a relevant row"):
        ndcg_at_k(x, corpus, query_items=range(5), corpus_items={"text": range(10, 14)}, k=2)


def test_scales_merge_the_groups_by_standardised_scores(rng):
    queries, corpus = rng.normal(size=(6, 5)), {"image": rng.normal(size=(8, 5)), "text": rng.normal(size=(7, 5))}
    scales = {"image": (0.1, 0.5), "text": (-0.2, 2.0)}
    search = mixed_search(queries, corpus, k=5, scales=scales)
    for query, groups, rows in zip(queries, search.group, search.row, strict=True):
        scored = []
        for number, (name, members) in enumerate(corpus.items()):
            mean, deviation = scales[name]
            for row, v in enumerate(members):
                cosine = query @ v / np.linalg.norm(query) / np.linalg.norm(v)
                scored.append((-(cosine - mean) / deviation, number, row))
        assert [(group, row) for _, group, row in sorted(scored)[:5]] == list(zip(groups, rows, strict=True))


@pytest.mark.parametrize("scales", [{"image": (0.0, 1.0)}, {"image": (0.0, 1.0), "text": (0.0, 0.0)}])
def test_scales_must_cover_the_corpus(rng, scales):
    corpus = {"image": rng.normal(size=(8, 5)), "text": rng.normal(size=(7, 5))}
    with pytest.raises(ValueError, match="scales must give a mean and a deviation above 0 for each group"):
        mixed_search(rng.normal(size=(2, 5)), corpus, scales=scales)


def test_the_nearest_rows_of_each_group_are_kept(rng):
    queries, corpus = rng.normal(size=(12, 4)), {"image": rng.normal(size=(30, 4)), "text": rng.normal(size=(3, 4))}
    search = mixed_search(queries, corpus, k=5)
    assert [part.shape for part in search.nearest] == [(12, 5), (12, 3)]
    np.testing.assert_array_equal(search.nearest[0], nearest_rows(queries, corpus["image"], 5).rows)
