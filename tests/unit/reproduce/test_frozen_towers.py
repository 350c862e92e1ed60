"""Losses on frozen towers: reading, splits, the search and the table, on made-up photos; and once on the real ones."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from crossgap.data.synthetic import two_cone_pairs
from crossgap.errors import FormatError
from crossgap.reproduce import fine_tuning, frozen_towers, loss_ablation
from crossgap.reproduce.frozen_towers import photo_worlds, read_towers, search_recipes, with_recipe


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    """300 made-up photos with three captions each, in the layout of the real file."""
    x, y = two_cone_pairs(300, seed=0, dimension=24)
    noise = np.random.default_rng(1).normal(scale=0.3, size=(300, 3, 24))
    path = tmp_path_factory.mktemp("towers") / "towers.npz"
    np.savez(path, image_effnetlite0=x.astype(np.float16), text_usem3=(y[:, None] + noise).astype(np.float16))
    return path


def test_reading(features):
    images, texts = read_towers(features)
    assert (images.shape, texts.shape) == ((300, 24), (300, 3, 24))
    assert images.dtype == texts.dtype == torch.float32


def test_splits_share_no_photo_and_depend_on_the_seed(features):
    images, _ = read_towers(features)
    first, second = photo_worlds(features, splits=2, seed=3)
    (again,) = photo_worlds(features, splits=1, seed=4)
    assert torch.equal(second.x, again.x)
    assert not torch.equal(first.x, second.x)
    for world in (first, second):
        assert world.x.shape == (100, 24)
        assert world.y_test.shape == (200, 3, 24)
        assert float(world.x.std()) == pytest.approx(1.0, abs=1e-5)
        rows = {tuple(row) for row in torch.cat([world.x, world.x_test]).numpy().round(3).tolist()}
        assert len(rows) == len(images)


def test_the_test_photos_have_no_part_in_the_search(features, tmp_path):
    images, texts = read_towers(features)
    test = np.random.default_rng(0).permutation(300)[:200]
    images[test], texts[test] = torch.randn((200, 24), generator=torch.Generator().manual_seed(0)), 1.0
    np.savez(tmp_path / "other.npz", image_effnetlite0=images.numpy(), text_usem3=texts.numpy())
    options = {"learning_rates": (1e-2,), "epochs": (2,), "held_out": 20, "d": 4, "splits": 1}
    told = []
    first = search_recipes(features, progress=lambda *what: told.append(what), **options)
    assert first == search_recipes(tmp_path / "other.npz", **options)
    assert [trial.loss for trial in first] == list(frozen_towers.LOSSES)
    assert told[0] == (1, 5, "CLIP, scale 100, learning rate 0.01, 2 epochs")
    wide = search_recipes(
        features, losses={"CLIP": frozen_towers.LOSSES["CLIP"]}, logit_scales=(10.0, 30.0), heads=2, **options
    )
    assert [trial.logit_scale for trial in wide] == [10.0, 30.0]
    assert wide[0].recall != wide[1].recall or wide[0].centroid_distance != wide[1].centroid_distance


@pytest.fixture
def short(monkeypatch):
    """Two epochs in place of forty, where the numbers do not matter."""
    monkeypatch.setattr(frozen_towers, "RECIPE", replace(frozen_towers.RECIPE, epochs=2))


def test_the_table(features, tmp_path, short):
    table = frozen_towers.run(
        features=features, dimensions=(8,), splits=1, heads=1, one_recipe=True, output=tmp_path / "table.json"
    )
    assert [row.condition for row in table.rows] == [{"d": 8, "loss": name} for name in frozen_towers.LOSSES]
    for row in table.rows:
        assert set(table.columns) <= set(row.measured)
        assert len(row.measured["centroid_distance"]) == 1
    settings = json.loads((tmp_path / "table.json").read_text())["settings"]
    assert settings["CLOOB"] == {"logit_scale": 30.0, "learning_rate": 0.003, "epochs": 2}
    assert settings["training_photos"] == 100
    assert "any of the photo's own counts" in table.text()
    with pytest.raises(ValueError, match=r"^scale must be 'small' or 'full', but it is 'huge'"):
        frozen_towers.run(features=features, scale="huge")
    with pytest.raises(ValueError, match=r"^features must name the file of the frozen towers"):
        frozen_towers.run()


def test_the_other_experiments_take_the_towers(features, short):
    options = {"features": features, "worlds": 1, "heads": 1}
    ablation = loss_ablation.run(**options)
    assert ablation.bands("toy range") == (0, 0)
    assert "1 splits" in ablation.title
    tuning = fine_tuning.run(dimensions=(32,), **options)
    assert tuning.row(loss="CUA").statistic == "mean"
    assert {label for row in tuning.rows for label in row.references} == {"Fahim 2024"}
    assert with_recipe(fine_tuning.LOSSES)["CUA"].recipe == frozen_towers.RECIPE


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"image_effnetlite0": np.ones((4, 3))}, "holds no array 'text_usem3'"),
        ({"image_effnetlite0": np.ones((4, 3)), "text_usem3": np.ones((5, 2, 3))}, "must hold photos"),
        ({"image_effnetlite0": np.array([{}]), "text_usem3": np.ones((5, 2, 3))}, "cannot be read as .npz"),
    ],
)
def test_files_that_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "towers.npz", **arrays)
    with pytest.raises(FormatError, match=message):
        read_towers(tmp_path / "towers.npz")


def test_what_is_no_file_of_towers(tmp_path):
    (tmp_path / "towers.npz").write_bytes(b"no zip")
    with pytest.raises(FormatError, match=r"cannot be read as .npz"):
        read_towers(tmp_path / "towers.npz")
    with pytest.raises(FileNotFoundError):
        read_towers(tmp_path / "nothing.npz")
    np.savez(tmp_path / "few.npz", image_effnetlite0=np.ones((201, 3)), text_usem3=np.ones((201, 2, 3)))
    with pytest.raises(ValueError, match=r"^there must be more than 201 photos, but there are 201"):
        list(photo_worlds(tmp_path / "few.npz", splits=1))


@pytest.mark.slow
def test_real_photos(shared_data):
    table = frozen_towers.run(
        features=shared_data / "flickr8k" / "frozen_towers.npz", dimensions=(128,), splits=2, heads=1
    )
    for loss in frozen_towers.LOSSES:
        assert table.row(loss=loss).middle("recall_at_10/x_to_y") > 0.35  # chance is 0.05
    gap = {loss: table.row(loss=loss).middle("centroid_distance") for loss in ("CLIP", "CUA", "InfoLOOB")}
    assert max(gap["CUA"], gap["InfoLOOB"]) < 0.6 * gap["CLIP"]
