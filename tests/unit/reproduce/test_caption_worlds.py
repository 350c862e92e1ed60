"""Reading stored features, splitting by item, and the space of the heads."""

import json

import numpy as np
import pytest

from crossgap.data.embeddings import Embeddings, Group
from crossgap.errors import DegenerateError, FormatError
from crossgap.losses.clip import clip_loss
from crossgap.reproduce.caption_runs import captions_of, nearest_captioner, references_of, scores
from crossgap.reproduce.caption_worlds import Features, embedded, read_features, space_facts, split_items, world_of
from crossgap.reproduce.linear_heads import Loss, Recipe


def test_reading(write_features):
    found = read_features(write_features(several=2, sounds=20) / "emoji.npz")
    assert {name: rows.shape for name, rows in found.rows.items()} == {
        "image": (60, 12),
        "text": (120, 12),
        "audio": (20, 8),
    }
    assert all(rows.dtype == np.float32 for rows in found.rows.values())
    assert len(found.captions) == 120


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"text_caption": None}, "must hold text, text_item and text_caption"),
        ({"image_item": None}, "and a further group with its items"),
        ({"text_caption": np.array(["a"])}, "an entry of text_caption for each row of text, but there are 1 for 3"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, change, says):
    names = np.array(["a", "b", "c"])
    arrays = {"image": np.eye(3), "image_item": names, "text": np.eye(3), "text_item": names, "text_caption": names}
    np.savez(tmp_path / "x.npz", **{key: value for key, value in (arrays | change).items() if value is not None})
    with pytest.raises(FormatError, match=says):
        read_features(tmp_path / "x.npz")


def test_no_archive(tmp_path):
    (tmp_path / "x.npz").write_text("words")
    with pytest.raises(FormatError, match="cannot be read as"):
        read_features(tmp_path / "x.npz")


def test_splits_share_nothing(write_features):
    features = read_features(write_features() / "emoji.npz")
    parts = [split_items(features, seed=3, number=number, test=15, validation=10) for number in range(3)]
    tests = [test for test, _ in parts]
    assert len(frozenset.union(*tests)) == 45
    assert len({validation for _, validation in parts}) == 1
    assert not parts[0][1] & frozenset.union(*tests)
    assert split_items(features, seed=4, number=0, test=15, validation=10) != parts[0]
    with pytest.raises(ValueError, match="there must be items for 4 test splits of 15 and 10 to validate"):
        split_items(features, seed=3, number=3, test=15, validation=10)


def test_heads_learn_the_training_items(write_features):
    features = read_features(write_features(n=300, several=2, sounds=200) / "emoji.npz")
    test, _ = split_items(features, seed=0, number=0, test=60, validation=10)
    items = set(features.items["image"].tolist())
    loss = Loss(function=clip_loss, logit_scale=30.0, recipe=Recipe(epochs=40, batch_size=32))
    space = embedded(features, items - test, d=8, seed=0, loss=loss)
    world = world_of(space, test)
    assert len(world.test["image"]) == 60
    assert len(world.test["text"]) == 120
    assert 0 < len(world.test["audio"]) < 60
    for group in ("image", "audio"):
        facts = space_facts(world, group)
        assert facts["collapsed_cosine"] > 0.1
        assert 0 < facts["gap"] < 2
    again = embedded(features, items - test, d=8, seed=0, loss=loss)
    assert all(np.array_equal(np.asarray(space[name].vectors), np.asarray(again[name].vectors)) for name in space)


def test_an_item_without_a_caption(write_features):
    features = read_features(write_features() / "emoji.npz")
    features.items["text"][0] = "nothing"
    with pytest.raises(DegenerateError, match="each training item must have a caption, but 'item 0' of image"):
        embedded(features, set(features.items["image"].tolist()), d=4, seed=0)
    with pytest.raises(DegenerateError, match="image must have at least two training rows, but it has 1"):
        embedded(features, ["item 5"], d=4, seed=0)


def _world(texts, test, **more):
    items = np.array(["a", "b", "c", "d"])
    rows = np.eye(4)
    return world_of(
        Embeddings({"image": Group(vectors=rows, items=items), "text": Group(vectors=rows, items=items, text=texts)}),
        test,
        **more,
    )


def test_words_of_a_test_caption_are_not_learned():
    world = _world(["A dog runs!", "a dog runs .", "a cat", "a bird"], ["a"], without=["d"])
    assert world.train["text"].text == ["a cat"]
    assert world.same_captions == 1
    assert [str(item) for item in world.train["image"].items] == ["b", "c"]
    assert world.references_of("image") == [("A dog runs!",)]


@pytest.mark.parametrize(
    ("texts", "test", "error", "says"),
    [
        (None, ["a"], ValueError, "each row of the group 'text' must have its text"),
        (["x", "y", "z", None], ["a"], ValueError, "some have none"),
        (["x", "y", "z", "w"], ["q"], DegenerateError, "'q' has none"),
        (["x", "y", "z", "w"], ["a", "b", "c", "d"], DegenerateError, "nothing is left of image"),
    ],
)
def test_what_is_no_world(texts, test, error, says):
    with pytest.raises(error, match=says):
        _world(texts, test)


def test_one_group_is_no_world():
    with pytest.raises(ValueError, match="there must be a group 'text' and a further one"):
        world_of(Embeddings.from_arrays(image=np.eye(3)), ["a"])
    with pytest.raises(ValueError, match="each row of image must have an item"):
        world_of(
            Embeddings(
                {
                    "image": Group(vectors=np.eye(2)),
                    "text": Group(vectors=np.eye(2), items=np.array(["a", "b"]), text=["x", "y"]),
                }
            ),
            ["a"],
        )


def test_real_photos(shared_data):
    with np.load(shared_data / "flickr8k" / "frozen_towers.npz") as towers:
        image, text = towers["image_effnetlite0"].astype(np.float32), towers["text_usem3"].astype(np.float32)
    lines = (shared_data / "flickr8k" / "captions.jsonl").read_text(encoding="utf-8").splitlines()
    photos = [json.loads(line) for line in lines]
    names = np.array([photo["image"] for photo in photos])
    features = Features(
        rows={"image": image, "text": text.reshape(-1, text.shape[-1])},
        items={"image": names, "text": np.repeat(names, 5)},
        captions=[caption for photo in photos for caption in photo["captions"]],
    )
    test, _ = split_items(features, seed=0, number=0, test=200, validation=140)
    world = world_of(embedded(features, set(names.tolist()) - test, d=64, seed=0), test)
    assert (len(world.train["image"]), len(world.test["image"])) == (700, 200)
    assert len(world.train["text"]) == 3500 - world.same_captions
    facts = space_facts(world, "image")
    assert facts["gap"] > 0.2
    assert facts["recall_at_10"] > 0.4  # chance 0.05
    assert facts["pair_variance"] > 2 * facts["caption_variance"]
    scored = {}
    for arm in ("C1", "C2_1"):
        captioner = nearest_captioner(world, arm, target_cosine=None, seed=0)
        found = captions_of(captioner, world, most_tokens=24)
        scored[arm] = scores(found["image"], references_of(world, "image"), java=False)[0]["cider_d"]
    assert 0 < scored["C1"] < scored["C2_1"]
