"""Text to image: the worlds, the judge, the four arms in small, resuming, and every refusal."""

import io
import json
import re
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError, FormatError
from crossgap.reproduce import picture_transfer
from crossgap.reproduce.picture_worlds import frozen_rows, read_picture_world, shape_world, small_judge

diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed (extra pictures)")
pillow = pytest.importorskip("PIL.Image", reason="Pillow is not installed (extra pictures)")


@pytest.fixture
def tiny(monkeypatch):
    """Make the small scale tiny: 60 shapes of 8 pixels, six steps."""
    recipe = replace(
        picture_transfer._SMALL, size=8, channels=(8, 8), steps=6, search_steps=3, dimension=8, sampling_steps=2
    )
    monkeypatch.setattr(picture_transfer, "_SMALL", recipe)
    monkeypatch.setattr(picture_transfer, "shape_world", lambda **given: shape_world(items=60, **given))
    monkeypatch.setattr(
        picture_transfer, "small_judge", lambda world, *, seed: small_judge(world, seed=seed, epochs=1, width=8)
    )


@pytest.fixture
def files(tmp_path):
    """Features and pictures of 36 made-up items, the first one transparent."""
    rng = np.random.default_rng(0)
    names = np.array([f"{number}.png" for number in range(36)])
    place = tmp_path / "pictures"
    place.mkdir()
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for number, name in enumerate(names):
            pixels = rng.integers(0, 256, size=(16, 16, 4 if number == 0 else 3), dtype=np.uint8)
            if number == 0:
                pixels[..., 3] = 0
            file = io.BytesIO()
            pillow.fromarray(pixels).save(file, "PNG")
            (place / name).write_bytes(file.getvalue())
            archive.writestr(name, file.getvalue())
    arrays = {"image": rng.random((36, 10)), "text": rng.random((36, 7)), "picture": names, "name": names}
    np.savez(tmp_path / "features.npz", **arrays)
    return arrays


def test_shapes_are_distinct_and_a_function_of_the_seed():
    world, again, other = shape_world(seed=1), shape_world(seed=1), shape_world(seed=2)
    assert (world.pictures.shape, world.pictures.dtype) == ((900, 3, 16, 16), np.uint8)
    assert len(set(world.names)) == len({picture.tobytes() for picture in world.pictures}) == 900
    np.testing.assert_array_equal(world.pictures, again.pictures)
    assert torch.equal(world.image, again.image)
    assert torch.equal(world.text, again.text)
    assert world.names != other.names
    parts = np.concatenate([world.train, world.validation, world.test])
    assert (len(world.train), len(world.validation), len(world.test)) == (675, 75, 150)
    np.testing.assert_array_equal(np.sort(parts), np.arange(900))


def test_a_shape_is_what_its_name_says():
    world = shape_world(size=32, items=1296)
    picture = dict(zip(world.names, world.pictures.astype(int), strict=True))
    red, blue = (picture[f"large {colour} square, middle centre"] for colour in ("red", "blue"))
    assert red[:, 16, 16].tolist() == [214, 40, 40]
    assert blue[:, 16, 16].tolist() == [40, 80, 200]
    assert (red[:, 0] == 255).all()
    discs = [picture[f"{size} black disc, top left"][0] for size in ("small", "middle-sized", "large")]
    covered = [(255 - disc).mean() / 225 for disc in discs]
    np.testing.assert_allclose(covered, [np.pi * r**2 for r in (0.17, 0.24, 0.31)], rtol=0.02)
    top, bottom = (
        np.argwhere(picture[f"small black disc, {row} left"][0] < 128).mean(axis=0) for row in ("top", "bottom")
    )
    assert bottom[0] - top[0] == pytest.approx(0.32 * 32, abs=0.5)
    assert bottom[1] == pytest.approx(top[1], abs=0.1)
    assert picture["large black ring, middle centre"][0, 16, 16] == 255


def test_the_test_items_have_no_part_in_what_is_trained():
    world = shape_world(size=8, items=60)
    unseen = np.concatenate([world.test, world.validation])
    image, text, pictures = world.image.clone(), world.text.clone(), world.pictures.copy()
    image[unseen], text[unseen], pictures[unseen] = 1.0, 2.0, 9
    other = replace(world, image=image, text=text, pictures=pictures)
    for a, b in zip(*(frozen_rows(one, dimension=4, seed=0) for one in (world, other)), strict=True):
        np.testing.assert_array_equal(a[world.train], b[world.train])
    seen = [small_judge(one, seed=0, epochs=1, width=8)(world.pictures) for one in (world, other)]
    np.testing.assert_array_equal(*seen)


def test_the_judge_knows_items_that_it_never_saw():
    """Unseen pictures lie nearer to those whose names share the place."""
    world = shape_world(seed=0)
    rows = small_judge(world, seed=0, epochs=8)(world.pictures[world.test])
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    places = np.array([world.names[item].split(", ")[1] for item in world.test])
    same = (places[:, None] == places[None]) & ~np.eye(len(places), dtype=bool)
    cosine = rows @ rows.T
    assert cosine[same].mean() > cosine[~same].mean() + 0.3


@pytest.mark.parametrize("place", ["pictures", "pictures.zip"])
def test_files_are_read(files, tmp_path, place):
    world = read_picture_world(tmp_path / "features.npz", tmp_path / place, size=8, seed=3)
    assert world.pictures.shape == (36, 3, 8, 8)
    assert (world.pictures[0] == 255).all()  # transparent, so white
    np.testing.assert_allclose(world.image, files["image"], rtol=1e-6)
    assert world.names == tuple(files["name"])
    assert (len(world.train), len(world.validation), len(world.test)) == (27, 3, 6)


def test_files_that_cannot_be_read(files, tmp_path):
    features, pictures = tmp_path / "features.npz", tmp_path / "pictures"
    with pytest.raises(FileNotFoundError, match=r"there is no '.*none.npz'"):
        read_picture_world(tmp_path / "none.npz", pictures, size=8)
    with pytest.raises(FileNotFoundError, match=r"there is no '.*nowhere'"):
        read_picture_world(features, tmp_path / "nowhere", size=8)
    (pictures / "5.png").write_bytes(b"no picture")
    with pytest.raises(FormatError, match=re.escape("5.png: the file is not a readable picture")):
        read_picture_world(features, pictures, size=8)
    (pictures / "5.png").unlink()
    with pytest.raises(FileNotFoundError, match=re.escape("holds no '5.png'")):
        read_picture_world(features, pictures, size=8)
    (tmp_path / "text.txt").write_text("words")
    with pytest.raises(FormatError, match=r"is neither a folder nor a \.zip"):
        read_picture_world(features, tmp_path / "text.txt", size=8)
    with pytest.raises(FormatError, match=r"cannot be read as \.npz"):
        read_picture_world(tmp_path / "text.txt", pictures, size=8)
    for arrays, error, fragment in (
        ({key: rows for key, rows in files.items() if key != "text"}, FormatError, "it has no 'text'"),
        ({**files, "text": files["text"][:-1]}, FormatError, "a word of each array for each item, but image is"),
        ({**files, "image": files["name"]}, FormatError, "a row of numbers"),
        ({key: rows[:10] for key, rows in files.items()}, DegenerateError, "at least 24 items, but there are 10"),
    ):
        np.savez(tmp_path / "other.npz", **arrays)
        with pytest.raises(error, match=re.escape(fragment)):
            read_picture_world(tmp_path / "other.npz", pictures, size=8)


def test_too_many_shapes():
    with pytest.raises(ValueError, match="items must be from 24 to 1296, but it is 2000"):
        shape_world(items=2000)


def test_the_table_in_small(tiny, tmp_path):
    told = []
    table = picture_transfer.run(output=tmp_path / "t.json", seeds=2, progress=lambda *what: told.append(what))
    assert [row.condition["arm"] for row in table.rows] == ["C1", "C2_1", "C2_2", "C3", "chance", "dual encoder"]
    assert len(table.row(arm="C3").measured["recall_at_10"]) == 2
    chance = table.row(arm="chance")
    assert (chance.middle("recall_at_1"), chance.middle("recall_at_10"), chance.middle("median_rank")) == (0.1, 1, 5.5)
    assert chance.middle("geometric_rank") == pytest.approx(np.exp(np.log(np.arange(1, 11)).mean()))
    assert table.settings["chosen_target_cosines"] == {"C2_2": 0.95, "C3": 0.95}
    assert len(table.orderings) == 5
    assert told[-1][:2] == (48, 48)
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    sheet = np.asarray(pillow.open(tmp_path / "t.png"))
    assert sheet.std() > 10
    assert json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))["experiment"] == "picture_transfer"


def test_it_goes_on_after_a_kill_with_the_same_result(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(picture_transfer, "_SAVED_EVERY", 2)
    monkeypatch.setattr(
        picture_transfer, "_SMALL", replace(picture_transfer._SMALL, batch_size=8)
    )  # 6 steps are 1 epoch
    whole = picture_transfer.run(output=tmp_path / "whole.json")

    def kill_in_third(self, key):
        if self.done > 12:
            raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(picture_transfer._Experiment, "_tell", kill_in_third)
        with pytest.raises(KeyboardInterrupt):
            picture_transfer.run(output=tmp_path / "cut.json")
    assert not (tmp_path / "cut.json").exists()
    assert len(list((tmp_path / "cut.runs").glob("*.json"))) == 3
    resumed = picture_transfer.run(output=tmp_path / "cut.json")
    assert resumed.to_json() == whole.to_json()
    for ending in (".json", ".png"):
        assert (tmp_path / f"cut{ending}").read_bytes() == (tmp_path / f"whole{ending}").read_bytes()
    assert not list((tmp_path / "cut.runs").glob("*.safetensors"))


def test_a_training_that_was_killed_goes_on_from_its_checkpoint(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(picture_transfer, "_SAVED_EVERY", 2)
    recipe = replace(picture_transfer._SMALL, batch_size=8)
    monkeypatch.setattr(picture_transfer, "_SMALL", recipe)
    whole = picture_transfer.run(output=tmp_path / "whole.json")
    fit, began = picture_transfer.fit_pictures, []

    def cut(*given, **options):
        steps = fit(*given, **options)
        save = steps.save

        def save_and_stop(path):
            save(path)
            raise KeyboardInterrupt

        steps.save = save_and_stop
        return steps

    with monkeypatch.context() as context:
        context.setattr(picture_transfer, "fit_pictures", cut)
        with pytest.raises(KeyboardInterrupt):
            picture_transfer.run(output=tmp_path / "cut.json")
    assert len(list((tmp_path / "cut.runs").glob("*.safetensors"))) == 1

    def watched(*given, **options):
        steps = fit(*given, **options)
        restore = steps.restore
        steps.restore = lambda path: (restore(path), began.append(steps.step))
        return steps

    monkeypatch.setattr(picture_transfer, "fit_pictures", watched)
    assert picture_transfer.run(output=tmp_path / "cut.json").to_json() == whole.to_json()
    assert began == [2]


def test_the_noise_is_chosen_on_the_validation_part(tiny, monkeypatch):
    seen = []
    measured = picture_transfer._Experiment._measured

    def known(self, generator, seed, part, *, from_picture):
        found = measured(self, generator, seed, part, from_picture=from_picture)
        corruption = generator.preparation.corruption
        seen.append((generator.preparation.arm, corruption.target_cosine, len(part)))
        best = {"C2_2": 0.9, "C3": 0.5}.get(generator.preparation.arm)
        return {**found, "geometric_rank": 1.0 if corruption.target_cosine == best else 2.0}

    monkeypatch.setattr(picture_transfer._Experiment, "_measured", known)
    table = picture_transfer.run(target_cosines=[0.5, 0.9])
    assert table.settings["chosen_target_cosines"] == {"C2_2": 0.9, "C3": 0.5}
    tried, used = seen[:4], seen[4:]
    assert [(arm, target) for arm, target, _ in tried] == [("C2_2", 0.5), ("C2_2", 0.9), ("C3", 0.5), ("C3", 0.9)]
    assert {n for _, _, n in tried} == {5}
    assert [(arm, target) for arm, target, _ in used] == [("C1", None), ("C2_1", None), ("C2_2", 0.9), ("C3", 0.5)]
    assert {n for _, _, n in used} == {10}


def test_a_further_judge_has_columns_of_its_own(tiny, files, tmp_path):
    def mean_colour(pictures):
        return pictures.mean(axis=(2, 3)) + 1.0

    table = picture_transfer.run(
        features=tmp_path / "features.npz", pictures=tmp_path / "pictures.zip", judge=mean_colour
    )
    assert {"recall_at_10", "recall_at_10/mean_colour", "frechet_distance/mean_colour"} <= set(table.columns)
    assert "R@10 (mean colour)" in table.markdown()
    assert len(table.orderings) == 10


def test_equal_calls_give_equal_tables_and_the_seed_matters(tiny):
    first = picture_transfer.run().to_json()
    assert picture_transfer.run().to_json() == first
    assert picture_transfer.run(seed=1).to_json() != first


@pytest.mark.parametrize(
    ("given", "fragment"),
    [
        ({"scale": "big"}, "scale must be 'small' or 'full'"),
        ({"scale": "full"}, "the full scale needs both features and pictures, but features is missing"),
        ({"features": "a.npz"}, "picture files need both features and pictures, but pictures is missing"),
        ({"pictures": "a.zip"}, "but features is missing"),
        ({"seeds": 0}, "seeds must be at least 1"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"target_cosines": []}, "target_cosines must"),
        ({"target_cosines": [1.5]}, "target_cosine"),
        ({"guidance": -1.0}, "guidance must be finite"),
        ({"size": 9}, "size must be a multiple of 4"),
    ],
)
def test_what_it_refuses(tiny, given, fragment):
    with pytest.raises(ValueError, match=re.escape(fragment)):
        picture_transfer.run(**given)


@pytest.mark.slow
def test_the_shapes_at_the_small_scale():
    """A picture made from a text finds its item, and the collapse helps; nothing is asked of the noise here."""
    table = picture_transfer.run()
    recall = {row.condition["arm"]: row.middle("recall_at_10") for row in table.rows}
    assert recall["C3"] > 5 * recall["chance"]
    assert recall["C3"] > recall["C2_2"]
    assert recall["C2_1"] > recall["C1"]
