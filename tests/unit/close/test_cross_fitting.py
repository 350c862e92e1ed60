"""Items dealt into folds: whole items, evenly, and nothing judged that was fitted on."""

import numpy as np
import pytest

from crossgap import Embeddings, Group
from crossgap.close.cross_fitting import cross_fitted, deal_folds, fewest_items, rows_with_a_direction
from crossgap.errors import DegenerateError


def _captions(rng) -> Embeddings:
    """40 images with one to four captions each, in another order."""
    items = rng.permutation(np.repeat(np.arange(40), rng.integers(1, 5, size=40)))
    return Embeddings.from_arrays(
        image=rng.normal(size=(40, 4)),
        text=rng.normal(size=(len(items), 4)),
        items={"image": np.arange(40), "text": items},
    )


@pytest.mark.parametrize("folds", [2, 3])
def test_items_stay_whole_and_folds_are_even(rng, folds):
    e = _captions(rng)
    dealt = deal_folds(e, folds)
    of_item = dict(zip(e.row_items["image"].tolist(), dealt["image"].tolist(), strict=True))
    assert [of_item[item] for item in e.row_items["text"].tolist()] == dealt["text"].tolist()
    sizes = np.bincount(dealt["image"])
    assert len(sizes) == folds
    assert np.ptp(sizes) <= 1


def test_groups_without_pairs_are_dealt_evenly_each(rng):
    e = Embeddings.from_arrays(image=rng.normal(size=(31, 4)), text=rng.normal(size=(50, 4)))
    dealt = deal_folds(e, 2)
    assert sorted(np.bincount(dealt["image"]).tolist()) == [15, 16]
    assert np.bincount(dealt["text"]).tolist() == [25, 25]


def test_the_seed_decides(rng):
    e = Embeddings.from_arrays(image=rng.normal(size=(50, 4)), text=rng.normal(size=(50, 4)))
    first, again, other = (deal_folds(e, 2, seed=seed)["image"].tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_a_fold_judges_what_it_does_not_fit_on(rng):
    e = _captions(rng)
    folds = list(cross_fitted(e, folds=2, replicates=20))
    judged = [set(fold.items["image"].tolist()) for fold in folds]
    assert judged[0].isdisjoint(judged[1])
    assert len(judged[0] | judged[1]) == 40
    for fold in folds:
        assert set(np.asarray(fold.fit["text"].items).tolist()).isdisjoint(fold.items["text"].tolist())
        assert np.linalg.norm(fold.rows["text"], axis=1) == pytest.approx(1.0)
        assert fold.counts["text"].shape == (len(fold.rows["text"]), 21)
        assert (fold.counts["text"][:, 0] == 1).all()
        by_item = dict(zip(fold.items["image"].tolist(), fold.counts["image"].tolist(), strict=True))
        assert [by_item[item] for item in fold.items["text"].tolist()] == fold.counts["text"].tolist()


def test_facts_of_rows_go_along(rng):
    group = Group(vectors=rng.normal(size=(30, 3)), label=[str(i) for i in range(30)])
    e = Embeddings({"image": group, "text": group})
    for fold in cross_fitted(e, replicates=0):
        assert list(map(int, fold.judged["image"].label)) == fold.items["image"].tolist()


def test_rows_of_zeros_are_left_out_and_said(rng):
    x = rng.normal(size=(5, 3))
    x[2] = 0
    kept, notes = rows_with_a_direction(Embeddings.from_arrays(image=x, text=x + 5))
    assert len(kept["image"]) == 4
    assert notes == ["image: 1 of 5 rows are all zeros and were left out."]
    assert kept.pairs("image", "text").y_rows.tolist() == [0, 1, 3, 4]
    with pytest.raises(DegenerateError, match="text has no row of a length above zero"):
        rows_with_a_direction(Embeddings.from_arrays(image=x, text=np.zeros((5, 3))))


def test_what_it_refuses(rng):
    e = Embeddings.from_arrays(image=rng.normal(size=(18, 3)), text=rng.normal(size=(18, 3)))
    assert fewest_items(e, 2) == 9
    with pytest.raises(DegenerateError, match="at least 10 items of each group in each of the 2 folds, but one has 9"):
        next(cross_fitted(e))
    with pytest.raises(
        ValueError, match="folds must lie between 2 and the 18 items of the smallest group, but it is 1"
    ):
        next(cross_fitted(e, folds=1))
    with pytest.raises(ValueError, match="replicates must be 0 or at least 2, but it is 1"):
        next(cross_fitted(e, replicates=1))
