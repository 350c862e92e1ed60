import numpy as np
import pytest

from crossgap.close.mean_removal import MeanRemoval
from crossgap.data.embeddings import Embeddings
from crossgap.errors import DegenerateError
from crossgap.evaluate.comparison import Resampling
from crossgap.evaluate.folds import as_is, in_sample, numbered, other_half, with_closer
from crossgap.evaluate.retrieval import evaluate_retrieval
from crossgap.measure.retrieval_ranks import retrieval_ranks

from .conftest import world

FEW = Resampling(replicates=20)


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_numbers_match_a_plain_loop():
    e = numbered(world(n=40, captions=3, d=4))[0]
    found = evaluate_retrieval(as_is(e), resampling=Resampling(replicates=0))
    image, text = _unit(e["image"].vectors), _unit(e["text"].vectors)
    for queries, gallery, rows, others, owner in (
        ("image", "text", image, text, lambda q, g: g // 3 == q),
        ("text", "image", text, image, lambda q, g: q // 3 == g),
    ):
        places = []
        for q, row in enumerate(rows):
            order = np.argsort(-(others @ row))
            places.append(1 + next(p for p, g in enumerate(order) if owner(q, g)))
        places = np.array(places)
        for k in (1, 5, 10):
            assert found.find("recall_at_k", queries, gallery, k=k).value == pytest.approx((places <= k).mean())
        assert found.find("mean_reciprocal_rank", queries, gallery).value == pytest.approx((1 / places).mean())
        assert found.find("median_rank", queries, gallery).value == np.median(places)


def test_folds_are_joined(pairs):
    found = evaluate_retrieval(other_half(pairs), resampling=FEW)
    for closed, version in ((False, "before"), (True, "after")):
        parts = [
            retrieval_ranks(
                fold.rows("text", closed=closed),
                fold.rows("image", closed=closed),
                query_items=fold.items("text"),
                gallery_items=fold.items("image"),
            )
            for fold in other_half(pairs)
        ]
        best = np.concatenate([part.best for part in parts])
        measured = found.find("recall_at_k", "text", "image", k=5, version=version)
        assert measured.value == pytest.approx((best <= 5).mean())
        assert measured.options["m"] == 60
        assert found.find("median_rank", "text", "image", version=version).value == np.median(best)
    assert [verdict.groups for verdict in found.verdicts] == [("image", "text"), ("text", "image")]


def test_the_values_of_the_specification_in_sample(coco_pairs):
    """500 real pairs: mean removal takes recall@1 from 0.552/0.506 to 0.542/0.500."""
    found = evaluate_retrieval(in_sample(coco_pairs), resampling=FEW)
    numbers = [
        found.find("recall_at_k", *groups, k=1, version=version).value
        for version in ("before", "after")
        for groups in (("image", "text"), ("text", "image"))
    ]
    assert numbers == pytest.approx([0.552, 0.506, 0.542, 0.500], abs=1e-3)
    assert [verdict.decision for verdict in found.verdicts] == ["leave it", "leave it"]


def test_out_of_sample_figures_of_coco(coco_pairs):
    found = evaluate_retrieval(other_half(coco_pairs), resampling=FEW)
    numbers = [
        found.find("recall_at_k", "image", "text", k=1, version=version).value for version in ("before", "after")
    ]
    assert numbers == pytest.approx([0.652, 0.634], abs=2e-3)


def test_one_version_is_measured_as_it_is(pairs):
    found = evaluate_retrieval(as_is(pairs), resampling=FEW)
    assert {m.options["version"] for m in found.measurements} == {"as is"}
    assert [verdict.decision for verdict in found.verdicts] == ["measured", "measured"]
    assert found.verdicts[0].sentence.startswith("image to text: recall@1 ")


def test_a_given_closer_and_the_unit_matter():
    e = numbered(world(n=40, captions=4))[0]
    closer = MeanRemoval().fit_embeddings(e)
    items = evaluate_retrieval(with_closer(e, closer), resampling=Resampling(replicates=100))
    rows = evaluate_retrieval(with_closer(e, closer), unit="row", resampling=Resampling(replicates=100))
    wide, narrow = (np.ptp(one.find("recall_at_k", "text", "image", k=1).interval) for one in (items, rows))
    assert narrow < wide


def test_small_galleries_have_short_lists():
    e = numbered(world(n=6))[0]
    found = evaluate_retrieval(as_is(e), resampling=FEW)
    assert [m.options["k"] for m in found.measurements if m.name == "recall_at_k"] == [1, 5, 1, 5]
    assert all(m.interval is None for m in found.measurements)


def test_groups_that_do_not_pair_are_refused(rng):
    e = numbered(Embeddings.from_arrays(image=rng.normal(size=(5, 3)), text=rng.normal(size=(6, 3))))[0]
    with pytest.raises(DegenerateError, match="retrieval needs groups that pair, but no two groups share an item"):
        evaluate_retrieval(as_is(e))


def test_the_same_seed_gives_the_same_bytes(pairs):
    a, b = (evaluate_retrieval(other_half(pairs), resampling=FEW).to_json() for _ in range(2))
    assert a == b
