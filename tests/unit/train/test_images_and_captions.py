import io
import json
import math
import time
import zipfile

import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError, FormatError
from crossgap.losses.clip import clip_loss
from crossgap.losses.temperature import LogitScale
from crossgap.train.dual_encoder import DualEncoder
from crossgap.train.gap_curves import held_out_curve
from crossgap.train.image_tower import convolutional_tower, vision_transformer_tower
from crossgap.train.images_and_captions import CaptionedPictures, read_images_and_captions
from crossgap.train.optimisers import adamw, cosine_schedule
from crossgap.train.run import TrainingRun
from crossgap.train.text_tower import text_tower
from crossgap.train.tokeniser import WordTokeniser

Image = pytest.importorskip("PIL.Image")


def png(colour, size=(6, 4)):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, format="PNG")
    return file.getvalue()


FILES = {"a.png": png("red"), "sub/b.png": png("blue"), "c.png": png("lime")}
CAPTIONS = [("a.png", "a red thing"), ("sub/b.png", "blue"), ("a.png", "red"), ("c.png", "green")]


def as_folder(place, files):
    for name, data in files.items():
        (place / "pictures" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "pictures" / name).write_bytes(data)
    return place / "pictures"


def as_zip(place, files, above=""):
    with zipfile.ZipFile(place / "pictures.zip", "w") as archive:
        for name, data in files.items():
            archive.writestr(above + name, data)
    return place / "pictures.zip"


def table(place, captions=CAPTIONS):
    (place / "captions.tsv").write_text("".join(f"{name}\t{caption}\n" for name, caption in captions))
    return place / "captions.tsv"


def numbers(captions):
    return torch.tensor([[int(caption)] for caption in captions])


def numbered(*counts):
    """Pictures whose captions are numbers: 10 * picture + place."""
    return CaptionedPictures(
        pixels=torch.arange(len(counts), dtype=torch.uint8).reshape(-1, 1, 1, 1).expand(-1, 3, 2, 2),
        names=tuple(map(str, range(len(counts)))),
        captions=tuple(tuple(str(10 * row + place) for place in range(count)) for row, count in enumerate(counts)),
        skipped=(),
    )


# reading


@pytest.mark.parametrize("store", [as_folder, as_zip, lambda place, files: as_zip(place, files, "val/2017/")])
def test_pictures_come_in_the_order_of_the_captions(tmp_path, store):
    pictures = read_images_and_captions(store(tmp_path, FILES), table(tmp_path), size=4)
    assert pictures.names == ("a.png", "sub/b.png", "c.png")
    assert pictures.captions == (("a red thing", "red"), ("blue",), ("green",))
    assert pictures.skipped == ()
    assert pictures.pixels.dtype == torch.uint8
    assert pictures.pixels.shape == (3, 3, 4, 4)
    assert pictures.pixels[:, :, 2, 2].tolist() == [[255, 0, 0], [0, 0, 255], [0, 255, 0]]


@pytest.mark.parametrize("workers", [1, 8])
def test_threads_change_nothing(tmp_path, workers):
    rng = np.random.default_rng(0)
    files = {f"{number}.png": png(tuple(rng.integers(256, size=3))) for number in range(40)}
    captions = table(tmp_path, [(name, name) for name in files])
    pictures = read_images_and_captions(as_zip(tmp_path, files), captions, size=2, workers=workers)
    expected = [Image.open(io.BytesIO(data)).getpixel((0, 0)) for data in files.values()]
    assert pictures.pixels[:, :, 0, 0].tolist() == [list(colour) for colour in expected]


def test_options_matter(tmp_path):
    files = {"a.png": png("red"), "b.png": png("blue")}
    clear = io.BytesIO()
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(clear, format="PNG")
    files["c.png"] = clear.getvalue()
    folder = as_folder(tmp_path, files)
    (tmp_path / "x.jsonl").write_text("".join(json.dumps({"f": name, "t": name}) + "\n" for name in files))
    keys = {"image_key": "f", "caption_key": "t"}
    pictures = read_images_and_captions(folder, tmp_path / "x.jsonl", size=3, background=(9, 8, 7), **keys)
    assert pictures.pixels[2, :, 0, 0].tolist() == [9, 8, 7]
    assert len(read_images_and_captions(folder, tmp_path / "x.jsonl", size=3, most=2, **keys)) == 2


@pytest.mark.parametrize("store", [as_folder, as_zip])
def test_what_cannot_be_used_is_named(tmp_path, store):
    files = {**FILES, "broken.png": FILES["a.png"][:50], "text.png": b"text", "silent.png": FILES["a.png"]}
    named = [*CAPTIONS, ("broken.png", "x"), ("text.png", "x"), ("gone.png", "x"), ("silent.png", " ")]
    with pytest.warns(UserWarning, match=r"4 of 7 pictures are skipped, 'broken\.png': .*the attribute skipped names"):
        pictures = read_images_and_captions(store(tmp_path, files), table(tmp_path, named), size=4)
    assert pictures.names == ("a.png", "sub/b.png", "c.png")
    assert len(pictures.pixels) == 3
    reasons = dict(line.split(": ", 1) for line in pictures.skipped)
    assert set(reasons) == {"'broken.png'", "'text.png'", "'gone.png'", "'silent.png'"}
    assert "not a readable picture" in reasons["'broken.png'"]
    assert reasons["'silent.png'"] == "it has no caption"
    gone = "it is not in the zip" if store is as_zip else "it cannot be read (no such file or directory)"
    assert reasons["'gone.png'"] == gone


@pytest.mark.parametrize(
    "name", ["../secret.png", "/etc/secret.png", "sub/../../secret.png", "..\\secret.png", "C:\\x.png", "a\0.png", "."]
)
@pytest.mark.parametrize("store", [as_folder, as_zip])
def test_names_that_lead_out_are_not_followed(tmp_path, store, name):
    (tmp_path / "secret.png").write_bytes(png("white"))
    place = store(tmp_path, {**FILES, **({"secret.png": png("white")} if store is as_zip else {})})
    with pytest.warns(UserWarning, match="1 of 4 pictures are skipped"):
        pictures = read_images_and_captions(place, table(tmp_path, [*CAPTIONS, (name, "x")]), size=4)
    assert pictures.names == ("a.png", "sub/b.png", "c.png")
    expected = "its name is empty, absolute or leads out of the folder"
    assert pictures.skipped == (f"{name!r}: {expected}",)


def test_links_and_folders_are_not_followed(tmp_path):
    (tmp_path / "secret.png").write_bytes(png("white"))
    folder = as_folder(tmp_path, FILES)
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "inner.png").symlink_to(folder / "a.png")
    named = [*CAPTIONS, ("link.png", "x"), ("inner.png", "x"), ("sub", "x")]
    with pytest.warns(UserWarning, match="2 of 6"):
        pictures = read_images_and_captions(folder, table(tmp_path, named), size=4)
    assert pictures.names[-1] == "inner.png"
    assert pictures.skipped == ("'link.png': it is a link that leads out of the folder", "'sub': it is no plain file")


def test_the_folder_itself_may_be_a_link(tmp_path):
    as_folder(tmp_path, FILES)
    (tmp_path / "link").symlink_to(tmp_path / "pictures")
    assert len(read_images_and_captions(tmp_path / "link", table(tmp_path), size=4)) == 3


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_short_name_that_two_members_have(tmp_path):
    place = as_zip(tmp_path, {"x/a.png": png("red"), "y/a.png": png("blue"), "y/c.png": png("lime")})
    with pytest.warns(UserWarning, match="several members of the zip end so; name its folder too"):
        pictures = read_images_and_captions(place, table(tmp_path, [("a.png", "q"), ("c.png", "q")]), size=4)
    assert pictures.names == ("c.png",)
    assert len(read_images_and_captions(place, table(tmp_path, [("x/a.png", "q")]), size=4)) == 1


def test_files_too_large_are_skipped(tmp_path, monkeypatch):
    monkeypatch.setattr("crossgap.train.images_and_captions._MOST_BYTES", 200)
    files = {"a.png": FILES["a.png"], "b.png": FILES["a.png"] + bytes(500)}
    named = table(tmp_path, [("a.png", "x"), ("b.png", "x")])
    for place in (as_folder(tmp_path, files), as_zip(tmp_path, files)):
        with pytest.warns(UserWarning, match=r"'b\.png': its file has \d+ bytes, more than 200"):
            assert len(read_images_and_captions(place, named, size=4)) == 1


def test_a_damaged_member_of_a_zip(tmp_path):
    place = as_zip(tmp_path, FILES)
    data = bytearray(place.read_bytes())
    where = data.index(FILES["a.png"])
    data[where + 30] ^= 255
    place.write_bytes(data)
    with pytest.warns(UserWarning, match=r"1 of 3 pictures are skipped, 'a\.png': it cannot be read from the zip"):
        assert len(read_images_and_captions(place, table(tmp_path), size=4)) == 2


def test_refusals(tmp_path):
    captions, folder = table(tmp_path), as_folder(tmp_path, FILES)
    with pytest.raises(FileNotFoundError, match="there is nothing at"):
        read_images_and_captions(tmp_path / "none", captions, size=4)
    (tmp_path / "half.zip").write_bytes(as_zip(tmp_path, FILES).read_bytes()[:-30])
    with pytest.raises(FormatError, match="is neither a folder nor a whole zip"):
        read_images_and_captions(tmp_path / "half.zip", captions, size=4)
    with pytest.raises(DegenerateError, match=r"none of the 1 pictures .* can be used, 'z\.png': it cannot be read"):
        read_images_and_captions(folder, table(tmp_path, [("z.png", "x")]), size=4)
    with pytest.raises(DegenerateError, match="none of the 0 pictures"):
        read_images_and_captions(folder, table(tmp_path, []), size=4)
    for option in ("size", "workers", "most"):
        with pytest.raises(ValueError, match=f"{option} must be at least 1, but it is 0"):
            read_images_and_captions(folder, captions, **{"size": 4, option: 0})


# pairs


def test_a_caption_is_drawn_for_each_picture_and_epoch():
    pairs = numbered(1, 3, 5).pairs(numbers, seed=0)
    index = torch.tensor([2, 0, 1])
    seen = {0: set(), 1: set(), 2: set()}
    for epoch in range(60):
        pixels, tokens = pairs.batch(index, epoch)
        assert pixels[:, 0, 0, 0].tolist() == [2, 0, 1]
        for row, token in zip((2, 0, 1), tokens[:, 0].tolist(), strict=True):
            seen[row].add(token)
    assert seen == {0: {0}, 1: {10, 11, 12}, 2: {20, 21, 22, 23, 24}}


def test_the_draw_is_a_function_of_seed_epoch_and_picture():
    pictures = numbered(*[5] * 50)
    pairs, again = pictures.pairs(numbers, seed=1), pictures.pairs(numbers, seed=1)
    whole = torch.arange(50)
    for epoch in (3, 0, 3):
        part = again.batch(torch.tensor([7, 3]), epoch)[1]
        assert torch.equal(pairs.batch(whole, epoch)[1][[7, 3]], part)
    assert not torch.equal(pairs.batch(whole, 0)[1], pairs.batch(whole, 1)[1])
    assert not torch.equal(pairs.batch(whole, 0)[1], pictures.pairs(numbers, seed=2).batch(whole, 0)[1])


def test_first_captions_serve_to_watch():
    pairs = numbered(2, 1, 3).pairs(numbers)
    assert pairs.first_tokens.tolist() == [[0], [10], [20]]
    assert len(pairs) == len(pairs.pixels) == 3


def test_a_split_shares_no_picture():
    pictures = numbered(*range(1, 11))
    train, test = pictures.split(3, seed=4)
    assert (len(train), len(test)) == (7, 3)
    assert sorted(train.names + test.names, key=int) == list(pictures.names)
    assert [len(captions) for captions in test.captions] == [int(name) + 1 for name in test.names]
    assert test.pixels[:, 0, 0, 0].tolist() == [int(name) for name in test.names]
    assert pictures.split(3, seed=4)[1].names == test.names
    assert pictures.split(3, seed=5)[1].names != test.names
    for held_out in (0, 10):
        with pytest.raises(ValueError, match="held_out must be from 1 to 9"):
            pictures.split(held_out)


def test_an_encoder_that_loses_captions_is_refused():
    with pytest.raises(ValueError, match="encode must give one row for each of 3 captions, but it gave 1"):
        numbered(1, 2).pairs(lambda captions: torch.zeros(1, 2))


# end to end on real pictures


def trained(pictures, *, size, held_out, epochs, d, width, make=convolutional_tower, learning_rate=2e-3):
    train, test = pictures.split(held_out, seed=0)
    tokeniser = WordTokeniser.from_captions(caption for several in train.captions for caption in several)
    generator = torch.Generator().manual_seed(0)
    if make is convolutional_tower:
        image = convolutional_tower(d, width=width, generator=generator)
    else:
        image = vision_transformer_tower(size, d, generator=generator)
    text = text_tower(len(tokeniser), tokeniser.length, d, generator=generator)
    model = DualEncoder(image, text, LogitScale())
    steps = epochs * math.ceil(len(train) / 64)
    run = TrainingRun(
        model,
        clip_loss,
        train.pairs(tokeniser.encode),
        optimiser=adamw(model, learning_rate=learning_rate, weight_decay=0.1),
        schedule=cosine_schedule(3 * steps // 10, steps),
        batch_size=64,
        epochs=epochs,
    )
    unseen = test.pairs(tokeniser.encode)
    watch = held_out_curve(unseen.pixels, unseen.first_tokens)
    before = watch(model)
    for _ in run:
        pass
    return before, watch(model)


def recall(curve):
    return (curve["recall_at_10/x_to_y"] + curve["recall_at_10/y_to_x"]) / 2


def emoji(shared_data, size, most=None):
    folder = shared_data / "emoji"
    return read_images_and_captions(
        folder / "images.zip", folder / "emoji.jsonl", size=size, caption_key="label", most=most
    )


def test_a_few_seconds_on_five_hundred_emoji_find_the_names_of_unseen_ones(shared_data):
    pictures = emoji(shared_data, 24, most=500)
    assert pictures.skipped == ()
    before, after = trained(pictures, size=24, held_out=100, epochs=6, d=64, width=16)
    assert recall(before) < 0.2  # chance is 0.1
    assert recall(after) > 0.3


@pytest.mark.slow
@pytest.mark.parametrize("make", [convolutional_tower, vision_transformer_tower])
def test_half_a_minute_on_all_emoji(shared_data, make):
    pictures = emoji(shared_data, 32)
    assert len(pictures) == 1909
    rate = 2e-3 if make is convolutional_tower else 1e-3
    before, after = trained(pictures, size=32, held_out=300, epochs=10, d=64, width=16, make=make, learning_rate=rate)
    assert recall(before) < 0.08  # chance is 0.033
    assert recall(after) > 0.2


def test_photos_with_five_captions_each(shared_data):
    folder = shared_data / "flickr8k"
    pictures = read_images_and_captions(folder / "images.zip", folder / "captions.jsonl", size=32, most=40)
    assert {len(captions) for captions in pictures.captions} == {5}
    assert pictures.pixels.shape == (40, 3, 32, 32)
    assert float(pictures.pixels.float().std(dim=(1, 2, 3)).min()) > 5  # each shows something
    tokeniser = WordTokeniser.from_captions(caption for several in pictures.captions for caption in several)
    pairs = pictures.pairs(tokeniser.encode)
    drawn = torch.stack([pairs.batch(torch.arange(40), epoch)[1] for epoch in range(40)])
    assert {len(torch.unique(drawn[:, row], dim=0)) for row in range(40)} == {5}


def test_an_interrupt_does_not_wait_for_all_pictures(tmp_path, monkeypatch):
    done = []

    def interrupted(data, **options):
        done.append(data)
        time.sleep(0.005)
        raise KeyboardInterrupt

    monkeypatch.setattr("crossgap.train.images_and_captions.decoded_pixels", interrupted)
    files = {f"{number}.png": b"" for number in range(1000)}
    place, captions = as_zip(tmp_path, files), table(tmp_path, [(name, "x") for name in files])
    with pytest.raises(KeyboardInterrupt):
        read_images_and_captions(place, captions, size=4)
    assert len(done) < 900
