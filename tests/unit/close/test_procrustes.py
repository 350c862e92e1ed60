"""C6, Procrustes: a known rotation is inverted, options, real pairs in- and out-of-sample, few pairs."""

import numpy as np
import pytest
from scipy.stats import ortho_group, special_ortho_group

from crossgap.close.procrustes import Procrustes
from crossgap.errors import DegenerateError

GROUPS = np.repeat(["image", "text"], 40)


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1)[:, None]


@pytest.fixture
def x(rng):
    return _unit(rng.normal(size=(40, 6)) + 0.5)


def test_a_known_rotation_is_inverted(x):
    turn = ortho_group.rvs(6, random_state=1)
    closer = Procrustes().fit(np.concatenate([x, x @ turn.T]), groups=GROUPS)
    np.testing.assert_allclose(closer.matrices_["text"], turn.T, atol=1e-10)
    np.testing.assert_allclose(closer.move(x @ turn.T, "text"), x, atol=1e-10)
    assert closer.pairs_ == {"text": 40}
    assert closer.scales_ == {"text": 1.0}


def test_distances_within_the_moved_group_stay(x, rng):
    y = _unit(rng.normal(size=(40, 6)))
    moved = Procrustes().fit(np.concatenate([x, y]), groups=GROUPS).move(y, "text")
    np.testing.assert_allclose(moved @ moved.T, y @ y.T, atol=1e-12)


def test_a_mirror_is_allowed_unless_forbidden(x):
    mirror = np.diag([-1.0, 1, 1, 1, 1, 1])
    X = np.concatenate([x, x @ mirror])
    free = Procrustes().fit(X, groups=GROUPS).matrices_["text"]
    proper = Procrustes(reflection=False).fit(X, groups=GROUPS).matrices_["text"]
    np.testing.assert_allclose(free, mirror, atol=1e-10)
    assert np.linalg.det(proper) == pytest.approx(1.0)
    np.testing.assert_allclose(proper @ proper.T, np.eye(6), atol=1e-12)


def test_centring_brings_the_means_together(x, rng):
    y = _unit(x @ special_ortho_group.rvs(6, random_state=2).T + 0.5 * rng.normal(size=(40, 6)) + 1)
    X = np.concatenate([x, y])
    closer = Procrustes(centre=True, renormalise=False).fit(X, groups=GROUPS)
    np.testing.assert_allclose(closer.move(y, "text").mean(axis=0), x.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(closer.move(x, "image"), x, atol=1e-15)
    plain = Procrustes(renormalise=False).fit(X, groups=GROUPS)
    assert np.linalg.norm(plain.move(y, "text").mean(axis=0) - x.mean(axis=0)) > 0.05
    origin = Procrustes(centre=True, add_mean_back=False, renormalise=False).fit(X, groups=GROUPS)
    np.testing.assert_allclose(origin.move(y, "text"), closer.move(y, "text") - x.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(origin.move(x, "image"), x - x.mean(axis=0), atol=1e-12)
    unit = Procrustes(centre=True, add_mean_back=False).fit(X, groups=GROUPS)
    np.testing.assert_allclose(np.linalg.norm(unit.transform(X, groups=GROUPS), axis=1), 1)


def test_the_scale_makes_distances_smallest(x, rng):
    y = _unit(x + rng.normal(size=(40, 6)))
    closer = Procrustes(centre=True, scale=True, renormalise=False).fit(np.concatenate([x, y]), groups=GROUPS)
    s, W = closer.scales_["text"], closer.matrices_["text"] / closer.scales_["text"]
    np.testing.assert_allclose(W @ W.T, np.eye(6), atol=1e-12)

    def loss(factor):
        return ((x - x.mean(0) - factor * (y - y.mean(0)) @ W.T) ** 2).sum()

    assert loss(s) < min(loss(0.99 * s), loss(1.01 * s))
    assert s < 0.95
    assert loss(s) == pytest.approx(((x - closer.move(y, "text")) ** 2).sum())


def test_the_identity_is_the_best_map_of_the_penalised_sum(x, rng):
    y = _unit(x @ ortho_group.rvs(6, random_state=3).T + 0.3 * rng.normal(size=(40, 6)))
    found = Procrustes(identity_weight=4.0).fit(np.concatenate([x, y]), groups=GROUPS).matrices_["text"]

    def loss(W):
        return ((x - y @ W.T) ** 2).sum() + 4.0 * ((W - np.eye(6)) ** 2).sum()

    for seed in range(20):
        small = ortho_group.rvs(6, random_state=seed)
        nearby = np.linalg.svd(found + 0.05 * small)
        assert loss(found) < loss(nearby[0] @ nearby[2])
        assert loss(found) < loss(small)
    strong = Procrustes(identity_weight=1e6).fit(np.concatenate([x, y]), groups=GROUPS).matrices_["text"]
    np.testing.assert_allclose(strong, np.eye(6), atol=1e-4)


def test_fewer_pairs_than_dimensions_warn_and_leave_the_rest_near_the_identity(rng):
    turn = np.eye(8)
    turn[:2, :2] = [[0, -1], [1, 0]]
    x = np.concatenate([_unit(rng.normal(size=(5, 3))), np.zeros((5, 5))], axis=1)  # three axes of eight
    X, groups = np.concatenate([x, x @ turn]), ["image"] * 5 + ["text"] * 5
    with pytest.warns(UserWarning, match=r"Procrustes is fitted on 5 pairs in 8 dimensions: .* held out"):
        closer = Procrustes().fit(X, groups=groups)
    np.testing.assert_allclose(closer.matrices_["text"], turn, atol=1e-6)


@pytest.mark.filterwarnings("ignore:.*fewer pairs than dimensions")
def test_the_map_of_few_pairs_does_not_hang_on_rounding(coco):
    X = np.concatenate([coco["image"][:100], coco["text"][:100]])
    order = np.concatenate([np.arange(100)[::-1], 100 + np.arange(100)[::-1]])
    groups = np.repeat(["image", "text"], 100)
    a, b = Procrustes().fit(X, groups=groups), Procrustes().fit(X[order], groups=groups)
    np.testing.assert_allclose(a.move(coco["text"], "text"), b.move(coco["text"], "text"), atol=1e-4)


def test_values_of_the_specification_on_real_pairs(judged):
    """C6 of the specification, in-sample; out-of-sample recall is far below that of the untouched rows, 0.642/0.596."""
    inside, outside = judged(Procrustes())
    np.testing.assert_allclose(inside[:2], [0.013, 0.856], atol=1e-3)
    np.testing.assert_allclose(inside[2:], [0.914, 0.926], atol=1e-9)
    np.testing.assert_allclose(outside[:2], [0.062, 0.686], atol=5e-3)
    assert (outside[2:] < 0.30).all()


def test_out_of_sample_the_identity_and_centred_rows_help(judged):
    inside, outside = judged(Procrustes(centre=True, identity_weight=1.0))
    np.testing.assert_allclose(inside, [0.0072, 0.7711, 0.638, 0.570], atol=5e-3)
    np.testing.assert_allclose(outside, [0.056, 0.718, 0.474, 0.432], atol=0.01)
    _, outside = judged(Procrustes(centre=True, identity_weight=3.0, add_mean_back=False))
    np.testing.assert_allclose(outside, [0.086, 0.383, 0.582, 0.582], atol=0.01)


def test_what_cannot_be_is_refused(x):
    X = np.concatenate([x, x])
    for wrong in (-1.0, np.nan):
        with pytest.raises(ValueError, match="identity_weight must be a finite number of at least 0"):
            Procrustes(identity_weight=wrong).fit(X, groups=GROUPS)
    same = np.tile([[3.0, 4.0, 0, 0, 0, 0]], (40, 1))
    with pytest.raises(
        DegenerateError, match="text must vary with its partners of image for a rotation between them, but it does not"
    ):
        Procrustes(centre=True).fit(np.concatenate([same, same]), groups=GROUPS)


def test_every_group_has_a_scale_of_this_fit_alone(x, rng):
    others = [_unit(x + i * rng.normal(size=(40, 6))) for i in (1, 2)]
    closer = Procrustes(scale=True)
    closer.fit(np.concatenate([x, *others]), groups=np.repeat(["image", "text", "audio"], 40))
    assert set(closer.scales_) == {"text", "audio"}
    assert 1 > closer.scales_["text"] > closer.scales_["audio"] > 0
    alone = closer.fit(np.concatenate([x, others[0]]), groups=GROUPS).scales_
    assert alone == {"text": pytest.approx(np.linalg.svd(x.T @ others[0])[1].sum() / 40)}


def test_pairs_that_repeat_three_items_are_three_pairs(rng):
    """1200 pairs of 3 items in 6 dimensions fix a rotation of three directions; on the rest it stays the identity."""
    X = np.concatenate([np.repeat(rng.normal(size=(3, 6)), 20, axis=0), rng.normal(size=(60, 6))])
    groups, items = ["image"] * 60 + ["text"] * 60, np.tile(np.repeat(range(3), 20), 2)
    with pytest.warns(UserWarning, match="is fitted on 3 pairs in 6 dimensions"):
        closer = Procrustes().fit(X, groups=groups, items=items)
    assert closer.pairs_ == {"text": 1200}
    turned = ortho_group.rvs(6, random_state=0)
    with pytest.warns(UserWarning, match="3 pairs"):
        again = Procrustes().fit(X @ turned.T, groups=groups, items=items)
    assert np.allclose(again.matrices_["text"], turned @ closer.matrices_["text"] @ turned.T, atol=1e-6)


def test_a_coordinate_that_no_pair_fixes_stays(rng):
    X = rng.normal(size=(60, 5))
    X[:, 3] = 0.0
    closer = Procrustes().fit(np.concatenate([X, X]), groups=["image"] * 60 + ["text"] * 60)
    assert np.allclose(closer.matrices_["text"], np.eye(5), atol=1e-6)
