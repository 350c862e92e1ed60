"""What a decoder is given: the four arms by hand, the noise, and every refusal."""

import numpy as np
import pytest

from crossgap.close import MeanRemoval, MemoryProjection, Translation
from crossgap.data import Embeddings
from crossgap.errors import DegenerateError
from crossgap.transfer import ARMS, Preparation


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def two_groups(rng):
    content = rng.normal(size=(200, 24))
    offset = np.zeros(24)
    offset[0] = 6.0
    image = unit(content + 0.3 * rng.normal(size=content.shape) + offset)
    text = unit(content + 0.3 * rng.normal(size=content.shape) - offset)
    return Embeddings.from_arrays(image=image, text=text)


@pytest.mark.parametrize("arm", ARMS)
def test_use_is_normalise_subtract_normalise(two_groups, arm):
    prepared = Preparation.fit(two_groups, arm=arm)
    image = two_groups["image"].vectors
    expected = unit(image - image.mean(axis=0)) if arm in ("C2_1", "C3") else image
    np.testing.assert_allclose(prepared.rows(image * 3.0, "image"), expected, atol=1e-6)
    assert prepared.rows(image, "image").dtype == np.float32
    assert prepared.collapses == (arm in ("C2_1", "C3"))


@pytest.mark.parametrize("arm", ARMS)
def test_training_adds_noise_before_the_last_normalisation(two_groups, arm):
    variance = 0.02
    prepared = Preparation.fit(two_groups, arm=arm, variance=variance)
    text = two_groups["text"].vectors
    clean = text - text.mean(axis=0) if arm in ("C2_1", "C3") else text
    noised = np.stack([prepared.training_rows(text, epoch=epoch) for epoch in range(60)])
    np.testing.assert_allclose(np.linalg.norm(noised, axis=2), 1.0, atol=1e-6)
    cosine = float((noised * unit(clean)).sum(axis=2).mean())
    if arm in ("C1", "C2_1"):
        assert cosine == pytest.approx(1.0, abs=1e-6)
    else:
        draws = np.random.default_rng(5).normal(size=(60, *clean.shape)) * np.sqrt(variance)
        direct = clean + draws
        direct /= np.linalg.norm(direct, axis=2, keepdims=True)
        assert cosine == pytest.approx(float((direct * unit(clean)).sum(axis=2).mean()), abs=0.005)


def test_noise_is_of_the_epoch_and_the_rows(two_groups):
    prepared = Preparation.fit(two_groups)
    text = two_groups["text"].vectors[:8]
    index = np.arange(8)
    first = prepared.training_rows(text, epoch=0, index=index)
    assert np.array_equal(first, prepared.training_rows(text, epoch=0, index=index))
    assert not np.array_equal(first, prepared.training_rows(text, epoch=1, index=index))
    assert not np.array_equal(first, prepared.training_rows(text, epoch=0, index=index + 1))
    other = Preparation.fit(two_groups, seed=1)
    assert not np.array_equal(first, other.training_rows(text, epoch=0, index=index))


def test_collapse_brings_partners_together(two_groups):
    image, text = two_groups["image"].vectors, two_groups["text"].vectors
    cosine = {}
    for arm in ("C1", "C2_1"):
        prepared = Preparation.fit(two_groups, arm=arm)
        cosine[arm] = float((prepared.rows(image, "image") * prepared.rows(text, "text")).sum(axis=1).mean())
    assert cosine["C1"] < 0.2
    assert cosine["C2_1"] > 0.8


def test_target_cosine_is_the_cosine(two_groups):
    prepared = Preparation.fit(two_groups, target_cosine=0.6)
    text = two_groups["text"].vectors
    noised = np.stack([prepared.training_rows(text, epoch=epoch) for epoch in range(40)])
    assert float((noised * prepared.rows(text, "text")).sum(axis=2).mean()) == pytest.approx(0.6, abs=0.02)


@pytest.mark.parametrize(
    "change",
    [
        {"variance": 0.3},
        {"target_cosine": 0.3},
        {"noise": "ball"},
        {"noise_subspace": "gap-only"},
        {"renormalise": False},
        {"seed": 3},
        {"arm": "C1"},
        {"learn_on": "image"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_parameter_matters(two_groups, change):
    plain, changed = Preparation.fit(two_groups), Preparation.fit(two_groups, **change)
    rows = two_groups["text"].vectors[:9]
    assert not np.allclose(plain.training_rows(rows, epoch=2), changed.training_rows(rows, epoch=2))


def test_without_renormalisation_the_length_is_what_is_left(two_groups):
    image = two_groups["image"].vectors
    prepared = Preparation.fit(two_groups, arm="C2_1", renormalise=False)
    np.testing.assert_allclose(prepared.rows(image, "image"), image - image.mean(axis=0), atol=1e-6)


def test_a_further_group(two_groups, rng):
    sounds = unit(rng.normal(size=(50, 24)) + 2.0)
    prepared = Preparation.fit(two_groups)
    with pytest.raises(ValueError, match="no mean for 'audio'"):
        prepared.rows(sounds, "audio")
    prepared.add_group(sounds, "audio")
    np.testing.assert_allclose(prepared.rows(sounds, "audio"), unit(sounds - sounds.mean(axis=0)), atol=1e-6)
    assert prepared.groups == ("text", "image", "audio")
    with pytest.raises(ValueError, match="a group 'audio' already"):
        prepared.add_group(sounds, "audio")
    with pytest.raises(DegenerateError, match="at least 2 rows"):
        prepared.add_group(sounds[:1], "video")


def test_without_collapse_any_group_will_do(two_groups, rng):
    sounds = unit(rng.normal(size=(5, 24)))
    np.testing.assert_allclose(Preparation.fit(two_groups, arm="C2_2").rows(sounds, "audio"), sounds, atol=1e-6)


def test_means_of_one_modality_alone_are_enough_to_train(two_groups):
    prepared = Preparation.fit(two_groups.select(["text"]))
    assert prepared.training_rows(two_groups["text"].vectors, epoch=0).shape == (200, 24)
    with pytest.raises(ValueError, match="no mean for 'image'"):
        prepared.rows(two_groups["image"].vectors, "image")


def test_another_closer_takes_the_place_of_the_means(two_groups):
    image = two_groups["image"].vectors
    closer = MemoryProjection().fit_embeddings(two_groups)
    prepared = Preparation.fit(two_groups, arm="C1", closer=closer)
    np.testing.assert_allclose(prepared.rows(image, "image"), closer.move(image, "image"), atol=1e-6)
    removal = MeanRemoval().fit_embeddings(two_groups)
    noised = Preparation.fit(two_groups, arm="C2_2", closer=removal, target_cosine=0.5)
    found = noised.training_rows(two_groups["text"].vectors, epoch=0)
    assert float((found * noised.rows(two_groups["text"].vectors, "text")).sum(axis=1).mean()) == pytest.approx(
        0.5, abs=0.05
    )
    with pytest.raises(ValueError, match="cannot learn a further group"):
        noised.add_group(image, "audio")


def test_a_translation_that_is_too_long_or_too_short(two_groups):
    image, text = two_groups["image"].vectors, two_groups["text"].vectors
    gaps = []
    for strength in (0.0, 0.5, 1.0):
        closer = Translation(strength=strength).fit_embeddings(two_groups)
        prepared = Preparation.fit(two_groups, arm="C1", closer=closer)
        gaps.append(
            float(np.linalg.norm(prepared.rows(image, "image").mean(axis=0) - prepared.rows(text, "text").mean(axis=0)))
        )
    assert gaps[0] > gaps[1] > gaps[2]


def test_refusals(two_groups):
    with pytest.raises(ValueError, match="arm must be one of"):
        Preparation.fit(two_groups, arm="C4")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="learn_on must be one of the groups image, text"):
        Preparation.fit(two_groups, learn_on="audio")
    with pytest.raises(ValueError, match="takes the place of the means"):
        Preparation.fit(two_groups, closer=MeanRemoval().fit_embeddings(two_groups))
    prepared = Preparation.fit(two_groups)
    image = two_groups["image"].vectors
    with pytest.raises(ValueError, match=r"image must have shape \(n, 24\)"):
        prepared.rows(image[:, :5], "image")
    with pytest.raises(ValueError, match="NaN or infinity"):
        prepared.rows(np.where(np.arange(24) == 3, np.nan, image), "image")
    with pytest.raises(ValueError, match="row 1 is all zeros"):
        prepared.rows(np.stack([image[0], np.zeros(24)]), "image")


def test_half_floats_are_taken(two_groups):
    image = two_groups["image"].vectors
    prepared = Preparation.fit(two_groups)
    np.testing.assert_allclose(
        prepared.rows(image.astype(np.float16), "image"), prepared.rows(image, "image"), atol=2e-3
    )
