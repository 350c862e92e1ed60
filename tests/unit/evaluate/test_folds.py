import numpy as np
import pytest

from crossgap.close.mean_removal import MeanRemoval
from crossgap.close.score_standardisation import ScoreStandardisation
from crossgap.data.embeddings import Embeddings
from crossgap.errors import DegenerateError
from crossgap.evaluate.folds import as_is, in_sample, numbered, other_half, with_closer

from .conftest import world


def test_every_item_is_judged_once_with_what_the_others_taught():
    e = numbered(world(n=31, captions=2))[0]
    folds = other_half(e, seed=3)
    judged = [set(fold.items("image").tolist()) for fold in folds]
    assert judged[0] | judged[1] == set(range(31))
    assert not judged[0] & judged[1]
    for fold, other in zip(folds, judged[::-1], strict=True):
        assert set(np.asarray(fold.learned["text"].items).tolist()) == other
        assert set(fold.items("text").tolist()) == set(fold.items("image").tolist())
        wanted = MeanRemoval().fit_embeddings(fold.learned)
        np.testing.assert_array_equal(fold.rows("text", closed=True), wanted.move(fold.judged["text"].vectors, "text"))
        lengths = np.linalg.norm(fold.rows("text", closed=False), axis=1)
        np.testing.assert_allclose(lengths, 1.0)


def test_the_seed_deals_anew(pairs):
    a, b, c = (other_half(pairs, seed=seed)[0].items("image").tolist() for seed in (0, 0, 1))
    assert a == b != c


def test_rows_are_dealt_on_their_own_where_items_are_classes():
    classes = np.repeat(["cat", "dog"], 20)
    rng = np.random.default_rng(0)
    e = Embeddings.from_arrays(
        image=rng.normal(size=(40, 3)), text=rng.normal(size=(40, 3)), items={"image": classes, "text": classes}
    )
    e = numbered(e, unit="row")[0]
    by_row = other_half(e, unit="row")[0]
    assert len(set(by_row.items("image").tolist())) == 2
    by_item = other_half(e, unit="item")[0]
    assert len(set(by_item.items("image").tolist())) == 1


def test_a_group_may_stand_on_both_sides(pairs):
    folds = other_half(pairs, unit="row", whole=["text"])
    for fold in folds:
        assert len(fold.judged["text"]) == len(fold.learned["text"]) == 120
        assert len(fold.judged["image"]) == 60
    closers = [fold.closer.means_ for fold in folds]
    np.testing.assert_array_equal(closers[0]["text"], closers[1]["text"])
    assert not np.allclose(closers[0]["image"], closers[1]["image"])


def test_in_sample_and_as_is(pairs):
    (fold,) = in_sample(pairs)
    assert fold.learned is fold.judged is pairs
    np.testing.assert_allclose(fold.closer.means_["image"], MeanRemoval().fit_embeddings(pairs).means_["image"])
    (plain,) = as_is(pairs)
    assert plain.closer is None
    np.testing.assert_array_equal(plain.rows("image", closed=True), plain.rows("image", closed=False))
    with pytest.raises(DegenerateError, match="a score correction needs a bank of queries that are not judged"):
        plain.bank("image", closed=False)


def test_a_closer_that_standardises_scores_moves_no_rows(pairs):
    closer = ScoreStandardisation().fit_embeddings(pairs)
    (fold,) = with_closer(pairs, closer)
    np.testing.assert_array_equal(fold.rows("image", closed=True), fold.rows("image", closed=False))
    assert fold.scales("text") == closer.scales("text")
    assert as_is(pairs)[0].scales("text") is None
    centred = ScoreStandardisation(centre=True).fit_embeddings(pairs)
    (fold,) = with_closer(pairs, centred)
    wanted = MeanRemoval().fit_embeddings(pairs).move(pairs["image"].vectors, "image")
    np.testing.assert_allclose(fold.rows("image", closed=True), wanted, atol=1e-12)


def test_a_given_closer_may_be_judged_by_halves(pairs):
    closer = MeanRemoval().fit_embeddings(pairs)
    folds = with_closer(pairs, closer, halves=other_half(pairs, None))
    assert [fold.closer for fold in folds] == [closer, closer]
    assert all(fold.learned is not None for fold in folds)


def test_a_closer_of_other_groups_is_refused(pairs):
    closer = MeanRemoval().fit(np.eye(16), groups=["audio"] * 16)
    with pytest.raises(ValueError, match="there is no group 'image' in the closer"):
        with_closer(pairs, closer)


def test_bad_splits_are_named(pairs):
    with pytest.raises(ValueError, match="unit must be 'item' or 'row', but it is 'pair'"):
        numbered(pairs, unit="pair")
    few = numbered(Embeddings.from_arrays(image=np.eye(3), text=np.eye(3)))[0]
    with pytest.raises(
        DegenerateError, match="image must have at least two rows on each side of a split, but it has 3"
    ):
        other_half(few)


def test_rows_of_zeros_are_left_out_and_told():
    vectors = np.eye(6)
    vectors[2] = 0.0
    found, notes = numbered(Embeddings.from_arrays(image=vectors, text=np.eye(6)))
    assert found["image"].items.tolist() == [0, 1, 3, 4, 5]
    assert notes == ["image: 1 of 6 rows are all zeros and were left out."]
