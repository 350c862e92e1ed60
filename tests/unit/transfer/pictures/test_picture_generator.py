"""Fitting a flow to pictures alone: what it is given, that it learns, resumes and is read again."""

import re

import numpy as np
import pytest
import torch

from crossgap.close import MeanRemoval, Translation, write_closer
from crossgap.data import Embeddings
from crossgap.errors import DegenerateError, FormatError
from crossgap.train.checkpoint import save_model
from crossgap.transfer import Preparation
from crossgap.transfer.pictures import PictureFlow, PictureGenerator, PreparedPictures, Sampling, fit_pictures

pytest.importorskip("diffusers", reason="diffusers is not installed (extra pictures)")


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def world():
    """Twelve pictures of one colour each; image rows lie about +e_8, text rows about -e_8."""
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, size=(12, 3), dtype=np.uint8)
    pictures = np.broadcast_to(colours[:, :, None, None], (12, 3, 8, 8)).copy()
    known = np.concatenate([colours / 64.0 - 2, rng.normal(scale=0.1, size=(12, 4))], axis=1)
    offset = np.zeros((12, 1)) + 3.0
    image, text = (unit(np.concatenate([known, sign * offset], axis=1)) for sign in (1, -1))
    return image, text, pictures


def prepared(world, arm="C3", **options):
    image, text, _ = world
    options = {"target_cosine": 0.95, **options}
    return Preparation.fit(Embeddings.from_arrays(image=image, text=text), arm=arm, learn_on="image", **options)


def flow():
    return PictureFlow(8, size=8, channels=(8, 8))


def test_a_batch_is_a_function_of_its_numbers_and_the_epoch(world):
    image, _, pictures = world
    preparation = prepared(world)
    pairs = PreparedPictures(image, pictures, preparation, seed=3)
    index = torch.tensor([4, 1, 7])
    rows, drawn = pairs.batch(index, 2)
    np.testing.assert_array_equal(rows, preparation.training_rows(image[index], epoch=2, index=index.numpy()))
    np.testing.assert_array_equal(drawn["picture"], pictures[index])
    again_rows, again = PreparedPictures(image, pictures, prepared(world), seed=3).batch(index, 2)
    assert torch.equal(rows, again_rows)
    assert all(torch.equal(drawn[name], again[name]) for name in drawn)
    for other in (pairs.batch(index, 3), PreparedPictures(image, pictures, preparation, seed=4).batch(index, 2)):
        assert not torch.equal(drawn["noise"], other[1]["noise"])
        assert not torch.equal(drawn["time"], other[1]["time"])
    assert len(pairs) == 12


def test_times_and_dropped_conditions_have_their_laws(world):
    image, _, pictures = world
    pairs = PreparedPictures(image, pictures, prepared(world), drop_condition=0.3)
    drawn = [pairs.batch(torch.arange(12), epoch)[1] for epoch in range(300)]
    logits = torch.logit(torch.cat([one["time"] for one in drawn]).double())
    assert float(logits.mean()) == pytest.approx(0, abs=0.06)
    assert float(logits.std()) == pytest.approx(1, abs=0.06)
    assert float(torch.cat([one["dropped"] for one in drawn]).double().mean()) == pytest.approx(0.3, abs=0.03)


def test_the_fingerprint_tells_other_data(world):
    image, _, pictures = world

    def fingerprint(rows=image, seen=pictures, drop=0.1, seed=0, **options):
        preparation = prepared(world, **options)
        return PreparedPictures(rows, seen, preparation, drop_condition=drop, seed=seed).fingerprint

    own = fingerprint()
    assert own == fingerprint()
    others = [fingerprint(rows=image[::-1]), fingerprint(seen=pictures[::-1].copy()), fingerprint(drop=0.2)]
    others += [fingerprint(seed=1), fingerprint(arm="C1"), fingerprint(target_cosine=0.8)]
    assert own not in others


def test_it_learns_from_pictures_and_draws_from_texts(world):
    """Trained on the pictures' own rows, it gives the colour of a text; without the collapse it does worse."""
    image, text, pictures = world
    errors = {}
    for arm in ("C2_1", "C1"):
        preparation, made = prepared(world, arm), PictureFlow(8, size=8, patch=4, channels=(16, 16))
        run = fit_pictures(image, pictures, preparation, made, batch_size=12, epochs=200, learning_rate=1e-2)
        losses = [step.loss for step in run]
        assert np.mean(losses[-20:]) < 0.8 * np.mean(losses[:5])
        drawn = PictureGenerator(preparation, made).pictures(text, group="text", sampling=Sampling(steps=8))
        errors[arm] = np.abs(drawn.mean(axis=(2, 3)) - pictures.mean(axis=(2, 3))).mean()
    assert errors["C2_1"] < 0.85 * errors["C1"]
    assert errors["C2_1"] < 30  # of 255; a picture of another item is 85 away


def test_a_run_that_was_stopped_goes_on_with_the_same_result(world, tmp_path):
    image, _, pictures = world

    def fitted(stop=None):
        made = flow()
        run = fit_pictures(image, pictures, prepared(world), made, batch_size=5, epochs=4, seed=2)
        if stop == "restore":
            run.restore(tmp_path / "run.safetensors")
        for step in run:
            if stop == "save" and step.step == 4:
                run.save(tmp_path / "run.safetensors")
                return made
        return made

    whole = fitted()
    fitted("save")
    resumed = fitted("restore")
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)


def test_other_data_does_not_go_on(world, tmp_path):
    image, _, pictures = world
    run = fit_pictures(image, pictures, prepared(world), flow(), batch_size=6, epochs=1)
    run.save(tmp_path / "run.safetensors")
    other = fit_pictures(image, pictures, prepared(world, "C1"), flow(), batch_size=6, epochs=1)
    with pytest.raises(ValueError, match="fingerprint"):
        other.restore(tmp_path / "run.safetensors")


@pytest.mark.parametrize("with_closer", [False, True])
def test_a_generator_is_read_as_it_was_written(world, tmp_path, with_closer):
    image, text, _ = world
    closer = None
    if with_closer:
        groups = np.repeat(["image", "text"], 12)
        closer = Translation().fit(np.concatenate([image, text]), groups=groups, items=np.tile(np.arange(12), 2))
    preparation = prepared(world, "C2_2" if with_closer else "C3", closer=closer)
    made = flow()
    with torch.no_grad():
        made.unet.conv_out.weight.fill_(0.05)
    generator = PictureGenerator(preparation, made)
    generator.save(tmp_path / "generator")
    read = PictureGenerator.load(tmp_path / "generator")
    how = Sampling(steps=2)
    for rows, group in ((image, "image"), (text, "text")):
        np.testing.assert_array_equal(
            read.pictures(rows, group=group, sampling=how), generator.pictures(rows, group=group, sampling=how)
        )
    assert (read.preparation.arm, read.preparation.learn_on) == (preparation.arm, "image")
    np.testing.assert_array_equal(
        read.preparation.training_rows(image, epoch=3), preparation.training_rows(image, epoch=3)
    )
    first = {file.name: file.read_bytes() for file in (tmp_path / "generator").iterdir()}
    generator.save(tmp_path / "again")
    assert first == {file.name: file.read_bytes() for file in (tmp_path / "again").iterdir()}
    with pytest.raises(IsADirectoryError, match="exists already"):
        generator.save(tmp_path / "generator")


def test_folders_that_hold_no_generator(world, tmp_path):
    with pytest.raises(FileNotFoundError):
        PictureGenerator.load(tmp_path / "none")
    place = tmp_path / "generator"
    PictureGenerator(prepared(world), flow()).save(place)
    whole = (place / "flow.safetensors").read_bytes()
    (place / "flow.safetensors").write_bytes(whole[:-100])
    with pytest.raises(FormatError, match="cut short"):
        PictureGenerator.load(place)
    save_model(torch.nn.Linear(2, 2), place / "flow.safetensors")
    with pytest.raises(FormatError, match="holds no flow"):
        PictureGenerator.load(place)
    write_closer(MeanRemoval().fit(world[0]), place / "preparation.safetensors")
    with pytest.raises(FormatError, match="holds no preparation of a generator"):
        PictureGenerator.load(place)


def test_a_group_without_a_mean(world):
    image, _, _ = world
    preparation = Preparation.fit(Embeddings.from_arrays(image=image), learn_on="image")
    with pytest.raises(ValueError, match="there is no mean for 'text'"):
        PictureGenerator(preparation, flow()).pictures(image, group="text")


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        ({"pictures": np.zeros((12, 3, 8, 8), np.float32)}, "pictures must be bytes (n, 3, height, width)"),
        ({"pictures": np.zeros((12, 8, 8, 3), np.uint8)}, "pictures must be bytes"),
        ({"pictures": np.zeros((11, 3, 8, 8), np.uint8)}, "rows must have shape (11, 8)"),
        ({"pictures": np.zeros((12, 3, 8, 16), np.uint8)}, "pictures must have 8 x 8 pixels"),
        ({"rows": np.ones((12, 7))}, "rows must have shape (12, 8)"),
        ({"drop_condition": 1.0}, "drop_condition must be from 0 to below 1"),
        ({"batch_size": 1}, "batch_size must be"),
    ],
)
def test_what_fitting_refuses(world, change, fragment):
    given = {"rows": world[0], "pictures": world[2], "batch_size": 4, **change}
    with pytest.raises(ValueError, match=re.escape(fragment)):
        fit_pictures(given.pop("rows"), given.pop("pictures"), prepared(world), flow(), epochs=1, **given)


def test_one_picture_is_too_few(world):
    with pytest.raises(DegenerateError, match="pairs must fill at least one batch"):
        fit_pictures(world[0][:1], world[2][:1], prepared(world), flow())


def test_no_epochs_leave_the_flow_as_it_is(world):
    assert list(fit_pictures(world[0], world[2], prepared(world), flow(), epochs=0)) == []


def test_dimensions_that_differ(world):
    with pytest.raises(ValueError, match="must have one dimension, but they have 8 and 4"):
        PictureGenerator(prepared(world), PictureFlow(4, size=8, channels=(8, 8)))
