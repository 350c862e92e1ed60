"""C2: closed forms, the values of the specification, batches, fused documents."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from crossgap import measure
from crossgap.close.mean_removal import MeanRemoval

GROUPS = ["image"] * 500 + ["text"] * 500


def _fit_and_move(coco, closer):
    X = np.concatenate([coco["image"], coco["text"]])
    moved = closer.fit(X, groups=GROUPS).transform(X, groups=GROUPS)
    return moved[:500], moved[500:]


def test_it_is_a_plain_loop(rng):
    X, groups = rng.normal(size=(9, 4)), ["b", "a", "b", "c", "a", "b", "c", "c", "a"]
    moved = MeanRemoval().fit(X, groups=groups).transform(X, groups=groups)
    for i, row in enumerate(X):
        unit = [v / np.linalg.norm(v) for v, group in zip(X, groups, strict=True) if group == groups[i]]
        left = row / np.linalg.norm(row) - sum(unit) / len(unit)
        np.testing.assert_allclose(moved[i], left / np.linalg.norm(left))


def test_values_of_the_specification_on_real_pairs(coco):
    """C2 of the specification, in-sample: fitted and measured on the same 500 pairs."""
    x, y = _fit_and_move(coco, MeanRemoval())
    assert float(measure.centroid_distance(x, y)) == pytest.approx(0.028, abs=1e-3)
    assert float(measure.uniformity(x)) == pytest.approx(-3.758, abs=1e-3)
    assert float(measure.uniformity(y)) == pytest.approx(-3.759, abs=1e-3)
    assert float(measure.cross_uniformity(x, y)) == pytest.approx(-3.926, abs=1e-3)
    assert float(measure.alignment(x, y)) == pytest.approx(1.371, abs=1e-3)
    assert float(measure.matched_cosine(x, y)) == pytest.approx(0.315, abs=1e-3)
    assert float(measure.unmatched_cosine(x, y)) == pytest.approx(-0.001, abs=1e-3)
    assert float(measure.relative_modality_gap(x, y)) == pytest.approx(0.406, abs=1e-3)
    assert float(measure.recall_at_k(x, y, k=1)) == pytest.approx(0.542)
    assert float(measure.recall_at_k(y, x, k=1)) == pytest.approx(0.500)


def test_the_loss_rises_since_cosines_spread(coco):
    torch = pytest.importorskip("torch")
    from crossgap.losses import clip_loss

    x, y = (torch.from_numpy(part) for part in _fit_and_move(coco, MeanRemoval()))
    assert float(clip_loss(x, y, 100.0)) == pytest.approx(2.974, abs=1e-3)


def test_out_of_sample_the_gap_is_larger(coco):
    """Means of one half leave sampling error on the other: in-sample figures flatter."""
    X, groups = np.concatenate([coco["image"], coco["text"]]), np.array(GROUPS)
    even = np.tile(np.arange(500) % 2 == 0, 2)
    found = []
    for half in (even, ~even):
        moved = MeanRemoval().fit(X[half], groups=groups[half]).transform(X[~half], groups=groups[~half])
        found.append(float(measure.centroid_distance(moved[:250], moved[250:])))
    assert all(0.05 < distance < 0.12 for distance in found)


def test_batches_give_what_one_fit_gives(rng):
    X, groups = rng.normal(size=(60, 5)) + 1, np.array(["a", "b", "c"] * 20)
    whole, parts = MeanRemoval().fit(X, groups=groups), MeanRemoval()
    for first in range(0, 60, 7):
        parts.partial_fit(X[first : first + 7], groups=groups[first : first + 7])
    assert parts.fit_rows_ == whole.fit_rows_
    for name in "abc":
        np.testing.assert_allclose(parts.means_[name], whole.means_[name], atol=1e-15)
    parts.fit(X[:30], groups=groups[:30])  # fit begins anew
    assert parts.fit_rows_ == {"a": 10, "b": 10, "c": 10}


def test_one_row_of_a_group_is_not_enough_yet(rng):
    X = rng.normal(size=(4, 3))
    closer = MeanRemoval().partial_fit(X[:1], groups=["a"])
    with pytest.raises(NotFittedError):
        closer.transform(X, groups=["a"] * 4)
    closer.partial_fit(X[1:], groups=["a"] * 3)
    np.testing.assert_allclose(closer.means_["a"], MeanRemoval().fit(X).means_["rows"])


def test_a_closer_without_its_sums_takes_no_more_batches(rng):
    X = rng.normal(size=(4, 3))
    closer = MeanRemoval().fit(X)
    del closer._moments  # as after reading it from a file
    closer.transform(X)
    with pytest.raises(ValueError, match="was read from a file, which keeps no sums to add to; fit it anew"):
        closer.partial_fit(X)


def test_renormalise_matters_and_its_absence_keeps_distances_within_a_group(rng):
    X = rng.normal(size=(10, 4)) + 1
    unit = X / np.linalg.norm(X, axis=1)[:, None]
    kept = MeanRemoval(renormalise=False).fit(X).transform(X)
    for i in range(10):
        for j in range(10):
            assert np.linalg.norm(kept[i] - kept[j]) == pytest.approx(np.linalg.norm(unit[i] - unit[j]))
    assert not np.allclose(np.linalg.norm(kept, axis=1), 1)


def test_fused_documents_are_centred_by_the_mean_of_their_parts(rng):
    image, text = rng.normal(size=(12, 5)) + 1, rng.normal(size=(12, 5)) - 1
    closer = MeanRemoval().fit(np.concatenate([image, text]), groups=["image"] * 12 + ["text/document"] * 12)
    fused = closer.fuse({"text/document": text, "image": image}, {"text/document": 0.25, "image": 0.75})
    for i in range(12):
        v, t = image[i] / np.linalg.norm(image[i]), text[i] / np.linalg.norm(text[i])
        e = 0.25 * t + 0.75 * v - (0.25 * closer.means_["text/document"] + 0.75 * closer.means_["image"])
        np.testing.assert_allclose(fused[i], e / np.linalg.norm(e))
    plain = MeanRemoval(renormalise=False).fit(np.concatenate([image, text]), groups=["image"] * 12 + ["text"] * 12)
    assert not np.allclose(np.linalg.norm(plain.fuse({"text": text}, {"text": 1.0}), axis=1), 1)


def test_fused_documents_refuse_what_does_not_fit(rng):
    closer = MeanRemoval().fit(rng.normal(size=(4, 3)))
    with pytest.raises(ValueError, match="weights must be of sum 1"):
        closer.fuse({"rows": np.eye(3)}, {"rows": 0.5})
    with pytest.raises(ValueError, match="weights must be of sum 1"):
        closer.fuse({"rows": np.eye(3)}, {"other": 1.0})
    with pytest.raises(ValueError, match="there is no group 'audio' in the closer"):
        closer.fuse({"audio": np.eye(3)}, {"audio": 1.0})


def test_fusing_asks_for_a_fitted_closer_and_for_aligned_parts(rng):
    x, y = rng.normal(size=(2, 8, 3))
    halves = {"image": 0.5, "text": 0.5}
    with pytest.raises(NotFittedError):
        MeanRemoval().fuse({"image": x, "text": y}, halves)
    closer = MeanRemoval().fit(np.concatenate([x, y]), groups=["image"] * 8 + ["text"] * 8)
    with pytest.raises(ValueError, match=r"one part of each document .* \(image 8, text 1\); align them first"):
        closer.fuse({"image": x, "text": y[:1]}, halves)
    with pytest.raises(ValueError, match="weights must be of sum 1"):
        closer.fuse({"image": x, "text": y}, {"image": float("nan"), "text": 0.5})
