import numpy as np
import pytest

from crossgap.errors import DegenerateError
from crossgap.measure.mean_average_precision import mean_average_precision, r_precision
from crossgap.measure.median_rank import mean_reciprocal_rank, median_rank
from crossgap.measure.recall_at_k import recall_at_k
from crossgap.measure.retrieval_ranks import retrieval_ranks, retrieval_ranks_both

SCORES = [recall_at_k, median_rank, mean_reciprocal_rank, mean_average_precision, r_precision]


def _places_by_sorting(queries, gallery, query_items, gallery_items, ties):
    """Places of right answers of each query by a plain sort in float64, tied rows ordered as ``ties`` says."""
    q, g = (
        rows.astype(float) / np.linalg.norm(rows.astype(float), axis=1, keepdims=True) for rows in (queries, gallery)
    )
    places = []
    for row, item in zip(q, query_items, strict=True):
        scores = np.round((g * row).sum(axis=1), 10)
        right = np.asarray(gallery_items) == item
        first = ~right if ties == "optimistic" else right
        order = np.lexsort((first, -scores))
        places.append(np.flatnonzero(right[order]) + 1)
    return places


def _captions(rng, pictures=230, each=5, d=4):
    """Pictures with several captions, in which a fifth of the captions repeat one another, within items and across."""
    x = rng.normal(size=(pictures, d))
    y = np.repeat(x, each, axis=0) + 0.6 * rng.normal(size=(pictures * each, d))
    copies = rng.choice(pictures * each, (2, pictures * each // 5))
    y[copies[0]] = y[copies[1]]
    y[5:7] = y[7]  # three equal captions of one picture
    y[30] = y[7]  # and an equal one of another
    return x, y, np.arange(pictures), np.repeat(np.arange(pictures), each)


def _expected(places, k):
    found = [p for p in places if len(p)]
    best = np.array([p[0] for p in found])
    return {
        "recall_at_k": (best <= k).mean(),
        "median_rank": np.median(best),
        "mean_reciprocal_rank": (1 / best).mean(),
        "mean_average_precision": np.mean([np.mean(np.arange(1, len(p) + 1) / p) for p in found]),
        "r_precision": np.mean([(p <= len(p)).mean() for p in found]),
    }


@pytest.mark.parametrize("ties", ["optimistic", "pessimistic"])
@pytest.mark.parametrize("direction", ["picture searches", "caption searches"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_score_matches_a_plain_sort(rng, ties, direction, dtype):
    x, y, x_items, y_items = _captions(rng)
    x, y = x.astype(dtype), y.astype(dtype)
    if direction == "caption searches":
        x, y, x_items, y_items = y, x, y_items, x_items
    places = _places_by_sorting(x, y, x_items, y_items, ties)
    ranks = retrieval_ranks(x, y, query_items=x_items, gallery_items=y_items, ties=ties)
    np.testing.assert_array_equal(ranks.place, np.concatenate(places))
    for score in SCORES:
        options = {"k": 3} if score is recall_at_k else {}
        value = score(x, y, query_items=x_items, gallery_items=y_items, ties=ties, **options)
        assert value == pytest.approx(_expected(places, 3)[score.__name__], abs=1e-12), score.__name__


def test_duplicated_captions_make_ties_matter(rng):
    x, y, x_items, y_items = _captions(rng)
    for score in set(SCORES) - {median_rank}:
        values = [
            float(score(x, y, query_items=x_items, gallery_items=y_items, ties=ties))
            for ties in ("optimistic", "pessimistic")
        ]
        assert values[0] != values[1], score.__name__


def test_many_rows_in_several_blocks(rng):
    x = rng.normal(size=(1300, 3))
    y = x[rng.permutation(1300)] * 0.1 + x
    places = _places_by_sorting(x, y, np.arange(1300), np.arange(1300), "optimistic")
    forward, backward = retrieval_ranks_both(x, y)
    np.testing.assert_array_equal(forward.place, np.concatenate(places))
    np.testing.assert_array_equal(backward.place, retrieval_ranks(y, x).place)


@pytest.mark.parametrize(
    ("names", "recalls"),
    [
        (("image", "text"), (0.552, 0.808, 0.892)),
        (("text", "image"), (0.506, 0.766, 0.862)),
        (("image_random_init", "text_random_init"), (0.002, 0.008, 0.026)),
        (("text_random_init", "image_random_init"), (0.002, 0.008, 0.012)),
    ],
)
def test_golden(coco, names, recalls):
    queries, gallery = (coco[name] for name in names)
    ranks = retrieval_ranks(queries, gallery)
    assert [float(ranks.recall_at_k(k)) for k in (1, 5, 10)] == pytest.approx(recalls, abs=1e-12)
    assert recall_at_k(queries, gallery, k=5) == pytest.approx(recalls[1], abs=1e-12)


def test_one_answer_each_makes_precisions_equal_to_simpler_scores(coco):
    x, y = coco["image"], coco["text"]
    assert mean_average_precision(x, y) == pytest.approx(mean_reciprocal_rank(x, y))
    assert r_precision(x, y) == pytest.approx(recall_at_k(x, y, k=1))


def test_queries_without_an_answer_are_left_out_and_counted(rng):
    x = rng.normal(size=(6, 3))
    ranks = retrieval_ranks(x, x, query_items=list("abcdef"), gallery_items=list("abcxyz"))
    assert (ranks.skipped, ranks.answered.tolist(), ranks.best.tolist()) == (3, [0, 1, 2], [1, 1, 1])
    weights = np.ones((6, 2))
    assert ranks.recall_at_k(1, weights).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("score", SCORES)
def test_weights_repeat_queries(rng, score):
    x, y, x_items, y_items = _captions(rng, 60)
    weights = rng.integers(0, 3, (60, 5))
    weights[:, 0] = 1
    values = score(x, y, query_items=x_items, gallery_items=y_items, weights=weights)
    for value, column in zip(values, weights.T, strict=True):
        rows = np.repeat(np.arange(60), column)
        expected = score(x[rows], y, query_items=x_items[rows], gallery_items=y_items)
        assert value == pytest.approx(float(expected), abs=1e-12)
    both = score(x, y, query_items=x_items, gallery_items=y_items, weights=(weights, np.ones((300, 5))))
    np.testing.assert_array_equal(both, values)


@pytest.mark.parametrize("score", SCORES)
def test_numpy_torch_and_float16_agree(rng, coco, score):
    torch = pytest.importorskip("torch")
    x, y = coco["image"][:100], coco["text"][:100]
    expected = float(score(x, y))
    found = score(torch.tensor(x), torch.tensor(y))
    assert found.dtype == torch.float64
    assert float(found) == pytest.approx(expected, abs=1e-6)
    weighted = score(torch.tensor(x), torch.tensor(y), weights=np.ones((100, 2), np.uint8))
    assert weighted.tolist() == pytest.approx([expected, expected])
    assert score(x.astype(np.float16), y.astype(np.float16)) == pytest.approx(expected, abs=0.05)


def test_messages(rng):
    x = rng.normal(size=(5, 3))
    with pytest.raises(ValueError, match="k must lie between 1 and the 5 rows"):
        recall_at_k(x, x, k=6)
    with pytest.raises(ValueError, match="ties must be"):
        recall_at_k(x, x, ties="random")
    with pytest.raises(DegenerateError, match="5 rows against 4, without item ids"):
        recall_at_k(x, x[:4])
    with pytest.raises(DegenerateError, match="with no item id in common"):
        recall_at_k(x, x, query_items=np.arange(5), gallery_items=np.arange(5) + 9)
    with pytest.raises(ValueError, match="weights must have shape"):
        recall_at_k(x, x, weights=np.ones((4, 2)))
    with pytest.raises(ValueError, match="must share one space"):
        recall_at_k(x, x[:, :2])
    with pytest.raises(ValueError, match="row 2 is all zeros"):
        recall_at_k(x, x * (np.arange(5) != 2)[:, None])
