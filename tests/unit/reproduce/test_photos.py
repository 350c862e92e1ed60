import json

import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError, FormatError
from crossgap.reproduce import same_modality, sphere
from crossgap.reproduce.photos import first_captions, photo_files, random_clip, read_photos
from crossgap.reproduce.same_modality_photos import photo_table
from crossgap.reproduce.sphere_photos import photo_stages

pytest.importorskip("transformers")
image = pytest.importorskip("PIL.Image")

COLOURS = ("red", "green", "blue", "white")
VISION = {
    "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "image_size": 16, "patch_size": 8,
}  # fmt: skip
TEXT = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


@pytest.fixture
def photos(tmp_path):
    """A dozen pictures of noise, each with two captions, in COCO's format."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "photos"
    folder.mkdir()
    images, notes = [], []
    for number in range(12):
        pixels = rng.integers(0, 256, size=(20, 30, 3), dtype=np.uint8)
        image.fromarray(pixels).save(folder / f"{number:03}.png")
        images.append({"id": 7 * number, "file_name": f"{number:03}.png"})
        notes.append({"image_id": 7 * number, "caption": f"A {COLOURS[number % 4]} thing, number {number}."})
    notes += [{"image_id": one["id"], "caption": "another"} for one in images]
    (tmp_path / "captions.json").write_text(json.dumps({"images": images, "annotations": notes}))
    return folder


def test_photos_are_chosen_by_the_seed_in_the_order_of_their_names(photos):
    (photos / "notes.txt").write_text("no photo")
    everything = photo_files(photos, count=99)
    assert [file.name for file in everything] == [f"{number:03}.png" for number in range(12)]
    some = [photo_files(photos, count=5, seed=seed) for seed in (0, 0, 1)]
    assert some[0] == some[1] != some[2]
    assert some[0] == sorted(some[0])
    assert len(set(some[0])) == 5


def test_a_photo_is_its_middle_at_the_asked_size(tmp_path):
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:, 2:14] = [200, 100, 50]  # more than the middle square
    image.fromarray(pixels).save(tmp_path / "a.png")
    found = read_photos([tmp_path / "a.png"], size=4)
    assert found.dtype == torch.uint8
    assert found.shape == (1, 3, 4, 4)
    np.testing.assert_array_equal(found[0, :, 1, 1].numpy(), [200, 100, 50])


def test_the_first_caption_of_a_photo_counts(photos):
    found = first_captions(photos.parent / "captions.json")
    assert len(found) == 12
    assert found["005.png"] == "A green thing, number 5."


def test_weights_are_a_function_of_the_seed_and_leave_torch_alone():
    state = torch.get_rng_state()
    first, again, other = (random_clip(vision=VISION, text=TEXT, dimension=5, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(first.visual_projection.weight, again.visual_projection.weight)
    assert not torch.equal(first.visual_projection.weight, other.visual_projection.weight)
    assert first.visual_projection.weight.shape == (5, 16)


def test_the_same_modality_experiment_runs_on_photos(photos, tmp_path):
    options = {"dimension": 16, "batch_size": 6, "epochs": 3, "warmup_steps": 2, "vision": VISION}
    seen = []
    table = same_modality.run(
        scale="full", images=photos, seed=0, output=tmp_path / "t.json", progress=lambda *c: seen.append(c), **options
    )
    assert [row.condition["temperature"] for row in table.rows] == [0.07, 0.01]
    assert [call[:2] for call in seen] == [(1, 2), (2, 2)]
    row = table.rows[0]
    assert row.middle("centroid_distance/start") < 0.05
    assert row.middle("linear_separability/start") < 0.6
    assert row.references["paper"]["linear_separability"].value == 1.0
    assert table.settings["photos"] == 12
    assert (tmp_path / "t.json").is_file()
    apart = photo_table(photos, seed=0, gap_at_init=None, temperatures=(0.07,), **options)
    assert apart.rows[0].middle("centroid_distance/start") > row.middle("centroid_distance/start")
    assert apart.rows[0].middle("redraws") == 0


def test_photo_encoders_that_start_apart_are_drawn_again(photos, monkeypatch):
    from crossgap.reproduce import same_modality_photos

    options = {
        "dimension": 16,
        "batch_size": 6,
        "epochs": 3,
        "warmup_steps": 2,
        "vision": VISION,
        "temperatures": (0.1,),
    }
    answers = iter([False, True])
    monkeypatch.setattr(same_modality_photos, "starts_together", lambda *_: next(answers))
    assert photo_table(photos, seed=0, **options).rows[0].middle("redraws") == 1
    monkeypatch.setattr(same_modality_photos, "starts_together", lambda *_: False)
    with pytest.raises(DegenerateError, match=r"two image encoders must start inseparable .* but 10 draws"):
        photo_table(photos, seed=0, **options)


def test_the_sphere_runs_on_photos_and_captions(photos, tmp_path):
    captions = photos.parent / "captions.json"
    options = {"batch_size": 6, "epochs": 4, "warmup_steps": 2, "vision": VISION, "text": TEXT}
    table = sphere.run(
        scale="full", images=photos, captions=captions, stages=(0, 2, 4), output=tmp_path / "s.json", **options
    )
    assert [row.condition for row in table.rows] == [{"epoch": 0}, {"epoch": 2}, {"epoch": 4}]
    assert sorted(path.name for path in tmp_path.glob("s.*")) == ["s.json", "s.png", "s.svg", "s.txt"]
    assert table.settings["photos"] == 12
    fewer = photo_stages(images=photos, captions=captions, photos=10, seed=1, stages=(0,), **options)
    assert fewer.settings["photos"] == 10
    assert fewer.rows[0].measured != table.rows[0].measured


def test_captions_are_told_apart_by_all_their_words(photos):
    """The end token is where CLIP reads a caption off: captions that differ in their last word differ."""
    from crossgap.reproduce.sphere_photos import _read

    written = first_captions(photos.parent / "captions.json")
    files = photo_files(photos, count=99)
    pixels, tokens, end = _read(files, written, 99, 0, VISION)
    assert len(pixels) == len(tokens) == 12
    assert ((tokens == end).sum(dim=1) == 1).all()
    text = {**TEXT, "vocab_size": end + 1, "eos_token_id": end, "pad_token_id": 0, "bos_token_id": 0}
    clip = random_clip(vision=VISION, text=text, dimension=3, seed=0)
    rows = clip.get_text_features(tokens).pooler_output.detach()
    assert float(torch.cdist(rows, rows).fill_diagonal_(1).min()) > 1e-4


def test_what_is_refused(photos, tmp_path):
    captions = photos.parent / "captions.json"
    with pytest.raises(FileNotFoundError, match=r"there is no folder .* of photos"):
        photo_files(tmp_path / "none", count=1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DegenerateError, match=r"must hold at least 10 photos .* but it holds 0"):
        photo_files(tmp_path / "empty", count=1)
    (photos / "bad.jpg").write_bytes(b"no picture")
    with pytest.raises(FormatError, match=r"bad.jpg' is no picture that can be read"):
        read_photos([photos / "bad.jpg"], size=4)
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        first_captions(tmp_path / "none.json")
    for content in ("{", "[]", '{"images": [], "annotations": [{"image_id": 1, "caption": "a"}]}'):
        (tmp_path / "bad.json").write_text(content)
        with pytest.raises(FormatError, match=r"bad\.json' is not (JSON|COCO's annotation of captions) \("):
            first_captions(tmp_path / "bad.json")
    with pytest.raises(ValueError, match="images and captions must both be given at full scale"):
        sphere.run(scale="full", images=photos)
    (tmp_path / "few.json").write_text('{"images": [], "annotations": []}')
    with pytest.raises(DegenerateError, match="at least 10 photos must have a caption, but 0 have"):
        photo_stages(images=photos, captions=tmp_path / "few.json", stages=(0,))
    with pytest.raises(ValueError, match="stages must be epochs from 0 to 4"):
        photo_stages(images=photos, captions=captions, stages=(5,), epochs=4)
