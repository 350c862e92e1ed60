"""C9: targets that differ from an image in one respect."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import check_estimator

from crossgap.close.projection_augmentation import ProjectionAugmentation
from crossgap.errors import DegenerateError
from crossgap.geometry.rows import unit_rows


@pytest.fixture
def prompts(rng):
    return unit_rows(rng.normal(size=(6, 12)) + 1)


@pytest.fixture
def image(rng):
    return unit_rows(rng.normal(size=(5, 12)))


def projection_by_loop(v, t, basis, strength, text_sum):
    out = []
    for row in v:
        target, shift = row.copy(), 0.0
        for b in basis:
            size = strength * abs(float(sum(p * q for p, q in zip(row, b, strict=True))))
            shift += size
            target = target - size * b
        out.append(target + shift / text_sum * t)
    return np.array(out)


@pytest.mark.parametrize("basis", ["gram-schmidt", "components", "raw"])
def test_projection_by_a_plain_loop(prompts, image, basis):
    closer = ProjectionAugmentation(basis=basis, renormalise=False).fit(prompts)
    text = prompts[2]
    text_sum = 1.0 if basis == "raw" else float((closer.basis_ @ text).sum())
    for strength in (0.0, 1.0, 3.0):
        np.testing.assert_allclose(
            closer.target(image, text, strength=strength),
            projection_by_loop(image, text, closer.basis_, strength, text_sum),
            atol=1e-12,
        )


def test_plain_and_exclusive_by_hand(prompts, image):
    closer = ProjectionAugmentation(renormalise=False).fit(prompts)
    text = prompts[1]
    np.testing.assert_allclose(closer.target(image, text, strength=2.0, form="plain"), image + 2 * text)
    nearest = prompts[np.argmax(image @ prompts.T, axis=1)]
    np.testing.assert_allclose(
        closer.target(image, text, strength=2.0, form="exclusive"), image - 2 * nearest + 2 * text, atol=1e-12
    )


def test_gram_schmidt_keeps_the_span_and_says_what_it_left_out(prompts):
    with_copy = np.concatenate([prompts[:2], prompts[:1] + prompts[1:2], prompts[2:]])
    closer = ProjectionAugmentation().fit(with_copy)
    assert closer.kept_.tolist() == [0, 1, 3, 4, 5, 6]
    np.testing.assert_allclose(closer.basis_ @ closer.basis_.T, np.eye(6), atol=1e-12)
    np.testing.assert_allclose(prompts @ closer.basis_.T @ closer.basis_, prompts, atol=1e-12)
    np.testing.assert_allclose(closer.basis_[0], prompts[0], atol=1e-12)


def test_components_are_principal_and_turned_to_the_mean(prompts):
    closer = ProjectionAugmentation(basis="components", components=3).fit(prompts)
    centred = prompts - prompts.mean(axis=0)
    expected = np.linalg.svd(centred)[2][:3]
    np.testing.assert_allclose(np.abs(np.vecdot(closer.basis_, expected)), 1, atol=1e-9)
    assert (closer.basis_ @ prompts.mean(axis=0) >= 0).all()
    assert ProjectionAugmentation(basis="components").fit(prompts).basis_.shape == (5, 12)


def test_the_projection_touches_nothing_else_of_the_image(prompts, image):
    closer = ProjectionAugmentation(renormalise=False).fit(prompts[:3])
    text = prompts[0]
    moved = closer.target(image, text, strength=1.0)
    outside = np.eye(12) - closer.basis_.T @ closer.basis_
    np.testing.assert_allclose(moved @ outside, image @ outside, atol=1e-12)
    np.testing.assert_allclose(closer.target(image, text, strength=0.0), image)


def test_coordinates(prompts, image):
    closer = ProjectionAugmentation().fit(prompts)
    np.testing.assert_allclose(closer.transform(3 * image), image @ closer.basis_.T, atol=1e-12)
    assert closer.get_feature_names_out().tolist() == [f"projectionaugmentation{k}" for k in range(6)]
    with_zero = np.concatenate([image, np.zeros((1, 12))])
    with pytest.warns(UserWarning, match="1 of 6 rows are all zeros"):
        np.testing.assert_allclose(closer.transform(with_zero)[:-1], closer.transform(image), atol=1e-12)


def test_every_parameter_matters(prompts, image):
    text = prompts[1]
    targets = [
        ProjectionAugmentation(**parameters).fit(prompts).target(image, text)
        for parameters in (
            {},
            {"strength": 2.0},
            {"basis": "raw"},
            {"basis": "components"},
            {"basis": "components", "components": 2},
            {"renormalise": False},
        )
    ]
    for number, target in enumerate(targets):
        assert not any(np.allclose(target, other) for other in targets[:number])
    np.testing.assert_allclose(np.linalg.norm(targets[0], axis=1), 1)


def test_one_text_for_all_or_one_for_each(prompts, image):
    closer = ProjectionAugmentation().fit(prompts)
    one = closer.target(image, prompts[0])
    np.testing.assert_allclose(closer.target(image, prompts[:1]), one)
    each = closer.target(image, prompts[[0, 1, 2, 0, 1]])
    np.testing.assert_allclose(each[3], one[3], atol=1e-12)
    np.testing.assert_allclose(each[1], closer.target(image[1:2], prompts[1])[0], atol=1e-12)
    assert closer.target(image.astype(np.float32), prompts[0].astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize(
    ("form", "rank", "kept"), [("plain", 36, 0.76), ("projection", 62, 0.78), ("exclusive", 15, 0.68)]
)
def test_targets_move_real_photos_towards_a_caption_and_stay_near(coco, form, rank, kept):
    """ "Photo i, but as caption j says": how many of 500 photos are nearer than photo j, in the median over 250."""
    image, text = unit_rows(coco["image"]), unit_rows(coco["text"])
    first, other = image[:250], image[250:]

    def median_rank(rows):
        return np.median((rows @ image.T > np.vecdot(rows, other)[:, None]).sum(axis=1))

    closer = ProjectionAugmentation(basis="components").fit(text[250:])
    targets = closer.target(first, text[250:], form=form)
    assert median_rank(first) > 200
    assert median_rank(targets) == pytest.approx(rank, abs=2)
    assert np.vecdot(targets, first).mean() == pytest.approx(kept, abs=0.01)


@pytest.mark.parametrize("basis", ["gram-schmidt", "components", "raw"])
def test_scikit_learn_takes_it(basis):
    check_estimator(ProjectionAugmentation(basis=basis), on_skip=None)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"strength": -1.0}, ValueError, "strength must be finite and at least 0, but it is -1.0"),
        ({"basis": "axes"}, ValueError, "basis must be one of 'gram-schmidt', .* but it is 'axes'"),
        ({"basis": "components", "components": 0}, ValueError, "components must be at least 1, but it is 0"),
        ({"basis": "components", "components": 6}, DegenerateError, "the 6 prompts span 5 components"),
    ],
)
def test_bad_parameters(prompts, parameters, error, message):
    with pytest.raises(error, match=message):
        ProjectionAugmentation(**parameters).fit(prompts)


def test_prompts_that_are_all_alike():
    with pytest.raises(DegenerateError, match="all prompts are alike"):
        ProjectionAugmentation(basis="components").fit(np.ones((3, 4)))


def test_bad_targets(prompts, image):
    closer = ProjectionAugmentation().fit(prompts[:2])
    with pytest.raises(ValueError, match=r"form must be one of 'plain', .* but it is 'text'"):
        closer.target(image, prompts[0], form="text")
    with pytest.raises(ValueError, match="strength must be finite and at least 0"):
        closer.target(image, prompts[0], strength=np.nan)
    with pytest.raises(
        ValueError, match="text must be one row for all images or one for each of the 5, but there are 2"
    ):
        closer.target(image, prompts[:2])
    with pytest.raises(ValueError, match="image must have rows of a length above zero, but row 0 is all zeros"):
        closer.target(np.zeros((1, 12)), prompts[0])
    aside = np.linalg.svd(closer.basis_)[2][-1]
    with pytest.raises(DegenerateError, match="the coordinates of text 0 in the subspace sum to"):
        closer.target(image, aside)
