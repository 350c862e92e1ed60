"""A captioner as one object and one folder: the same captions afterwards, the same bytes, and clear words on damage."""

import json
import shutil

import numpy as np
import pytest
import torch

from crossgap.close import Translation
from crossgap.data import Embeddings
from crossgap.errors import DegenerateError, FormatError
from crossgap.transfer import (
    Captioner,
    CaptionTokens,
    Decoding,
    Preparation,
    TransformerDecoder,
)
from crossgap.transfer.captioner_file import read_captioner_record

D, N = 8, 40


def rows_and_texts() -> tuple[np.ndarray, np.ndarray, list[str]]:
    rows = np.random.default_rng(0).normal(size=(N, D)).astype(np.float32)
    texts = [f"a {'red' if row[0] > 0 else 'blue'} {'dog' if row[1] > 0 else 'cat'}" for row in rows]
    return rows + 2 * np.eye(D, dtype=np.float32)[2], rows - 2 * np.eye(D, dtype=np.float32)[2], texts


def made(**options) -> Captioner:
    texts_of_rows, images, texts = rows_and_texts()
    options = {"arm": "C3", "target_cosine": 0.8, **options}
    preparation = Preparation.fit(Embeddings.from_arrays(text=texts_of_rows, image=images), **options)
    tokens = CaptionTokens.from_texts(texts, size=280)
    decoder = TransformerDecoder(tokens, dimension=D, width=16, layers=1, heads=2, most_tokens=8)
    return Captioner(preparation, decoder, {"group": "text", "seed": 0, "sources": ["a.parquet"]})


def nearest() -> Captioner:
    from crossgap.transfer.nearest_caption import NearestCaption

    texts_of_rows, images, texts = rows_and_texts()
    preparation = Preparation.fit(Embeddings.from_arrays(text=texts_of_rows, image=images), arm="C2_1")
    return Captioner(preparation, NearestCaption(preparation.rows(texts_of_rows, "text"), texts))


@pytest.fixture
def folder(tmp_path):
    return made().save(tmp_path / "captioner")


# one API for one row, many rows, and things that are embedded on the way


def test_one_row_is_a_batch_of_one():
    captioner, (_, images, _) = made(), rows_and_texts()
    whole = captioner.caption(images, group="image")
    assert len(whole) == N
    assert captioner.caption(images[3], group="image")[0].text == whole[3].text
    assert captioner.caption(images[:0], group="image") == []
    assert (captioner.groups, captioner.dimension) == (("text", "image"), D)


@pytest.mark.parametrize("method", ["greedy", "beam", "nucleus"])
def test_captions_do_not_depend_on_the_batch(method):
    """Of a decoder that was not trained, so that all tokens are nearly alike."""
    captioner, (_, images, _) = made(), rows_and_texts()
    decoding = Decoding(method=method, beams=3, seed=5)
    whole = [found.text for found in captioner.caption(images, group="image", decoding=decoding)]
    parts = captioner.caption(images, group="image", decoding=decoding, batch_size=7)
    assert [found.text for found in parts] == whole
    rest = captioner.caption(images[25:], group="image", decoding=decoding, first=25)
    assert [found.text for found in rest] == whole[25:]


def test_a_function_embeds_whatever_there_is():
    captioner, (_, images, _) = made(), rows_and_texts()
    asked = []

    def encode(names):
        asked.append(list(names))
        return torch.tensor(np.stack([images[int(name.removeprefix("sound"))] for name in names]))

    names = [f"sound{number}" for number in range(10)]
    found = captioner.caption(names, group="image", encode=encode, batch_size=4)
    assert [len(part) for part in asked] == [4, 4, 2]
    assert found == captioner.caption(images[:10], group="image", batch_size=4)
    with pytest.raises(ValueError, match=r"one row for each of 10 items, but what it gave has shape \(3, 8\)"):
        captioner.caption(names, group="image", encode=lambda part: images[:3])
    with pytest.raises(ValueError, match=r"shape \(n, 8\)"):
        captioner.caption(names, group="image", encode=lambda part: np.ones((len(part), 5)))


def test_lists_of_rows_and_none_at_all():
    captioner, (_, images, _) = made(), rows_and_texts()
    assert captioner.caption(images[:2].tolist(), group="image") == captioner.caption(images[:2], group="image")
    assert captioner.caption([], group="image") == []
    assert captioner.mean_likeness(images[:0], "image") is None


def test_rows_that_cannot_be_captioned_are_refused():
    captioner, (_, images, _) = made(), rows_and_texts()
    with pytest.raises(ValueError, match="image must hold numbers, but its type is <U1"):
        captioner.caption([["a"] * D], group="image")
    with pytest.raises(ValueError, match="there is no mean for 'audio'"):
        captioner.caption(images, group="audio")
    captioner.preparation.add_group(images, "audio")
    assert captioner.caption(images[:1], group="audio") == captioner.caption(images[:1], group="image")
    with pytest.raises(ValueError, match=r"shape \(n, 8\).*\(40, 5\)"):
        captioner.caption(images[:, :5], group="image")
    with pytest.raises(ValueError, match=r"shape \(n, 8\)"):
        captioner.caption(images[0, :5], group="image")
    broken = images.copy()
    broken[1, 1] = np.inf
    with pytest.raises(ValueError, match="finite"):
        captioner.caption(broken, group="image")
    with pytest.raises(ValueError, match="batch_size must be at least 1, but it is 0"):
        captioner.caption(images, group="image", batch_size=0)
    with pytest.raises(DegenerateError, match="at least 2 rows"):
        captioner.preparation.add_group(images[:1], "video")


# rows of another space


def test_rows_of_another_space_are_noticed():
    captioner, (_, images, _) = made(), rows_and_texts()
    own = captioner.mean_likeness(images, "image")
    assert own.cosine == pytest.approx(1, abs=1e-6)
    assert not own.is_foreign
    turned = images @ np.linalg.qr(np.random.default_rng(1).normal(size=(D, D)))[0]
    assert captioner.mean_likeness(turned, "image").is_foreign
    swapped = captioner.mean_likeness(-images, "image")
    assert swapped.is_foreign
    assert swapped.cosine == pytest.approx(-1, abs=1e-6)
    assert captioner.mean_likeness(images, "audio") is None


def test_what_is_expected_of_the_mean_of_few_rows():
    """The formula against means of random draws of rows."""
    captioner, (_, images, _) = made(), rows_and_texts()
    unit = images / np.linalg.norm(images, axis=1, keepdims=True)
    mean = unit.mean(axis=0)
    for n in (2, 10):
        draws = np.random.default_rng(0).integers(N, size=(4000, n))
        means = unit[draws].mean(axis=1)
        cosines = means @ mean / np.linalg.norm(means, axis=1) / np.linalg.norm(mean)
        likeness = captioner.mean_likeness(images[:n], "image")
        assert likeness.expected == pytest.approx(float(cosines.mean()), abs=0.03)
        assert likeness.rows == n


def test_without_a_collapse_means_are_given_or_unknown():
    captioner, (_, images, _) = made(arm="C2_2"), rows_and_texts()
    assert captioner.mean_likeness(images, "image") is None
    given = Captioner(captioner.preparation, captioner.decoder, means={"image": -images.mean(axis=0)})
    assert given.mean_likeness(images, "image").is_foreign
    centred = images - images.mean(axis=0)
    about_zero = Captioner(captioner.preparation, captioner.decoder, means={"image": centred.mean(axis=0)})
    assert not about_zero.mean_likeness(images, "image").is_foreign  # a mean near 0 tells nothing


# the folder


@pytest.mark.parametrize("make", [made, nearest, lambda: made(arm="C1"), lambda: made(noise_subspace="gap-orthogonal")])
def test_a_captioner_comes_back_as_it_was(tmp_path, make):
    captioner, (_, images, _) = make(), rows_and_texts()
    captioner.save(tmp_path / "a")
    read = Captioner.load(tmp_path / "a")
    assert read.caption(images, group="image") == captioner.caption(images, group="image")
    assert read.facts == captioner.facts
    assert (read.preparation.arm, read.preparation.learn_on) == (captioner.preparation.arm, "text")
    assert set(read.means) == set(captioner.means)
    read.save(tmp_path / "b")
    names = sorted(file.name for file in (tmp_path / "a").iterdir())
    assert names == sorted(file.name for file in (tmp_path / "b").iterdir())
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_a_closer_before_it_is_kept(tmp_path):
    texts_of_rows, images, _ = rows_and_texts()
    embeddings = Embeddings.from_arrays(image=images, text=texts_of_rows)
    closer = Translation(target="text").fit_embeddings(embeddings)
    preparation = Preparation.fit(embeddings, arm="C2_2", variance=0.001, closer=closer)
    captioner = Captioner(preparation, made().decoder)
    captioner.save(tmp_path / "a")
    assert (tmp_path / "a" / "closer.safetensors").exists()
    read = Captioner.load(tmp_path / "a")
    assert read.caption(images, group="image") == captioner.caption(images, group="image")


def test_an_older_captioner_is_replaced_and_other_files_stay(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "notes.txt").write_text("mine")
    made().save(tmp_path / "a")
    other = made(arm="C1").save(tmp_path / "a")
    assert Captioner.load(other).preparation.arm == "C1"
    assert (other / "notes.txt").read_text() == "mine"


def test_what_cannot_be_saved_is_refused(tmp_path):
    captioner = made()
    foreign = torch.nn.Linear(2, 2)
    foreign.dimension = D
    with pytest.raises(TypeError, match=r"decoder must be one of crossgap\.transfer to be saved, but it is a Linear"):
        Captioner(captioner.preparation, foreign).save(tmp_path / "a")
    with pytest.raises(TypeError, match="facts and settings must be JSON"):
        Captioner(captioner.preparation, captioner.decoder, {"x": float("nan")}).save(tmp_path / "a")
    assert not (tmp_path / "a").exists()
    with pytest.raises(FileNotFoundError):
        captioner.save(tmp_path / "no" / "folder")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError, match=r"a captioner is a folder, but .* is a file"):
        captioner.save(tmp_path / "file")


def test_a_decoder_of_another_dimension_is_refused():
    captioner, (texts_of_rows, images, _) = made(), rows_and_texts()
    few = Embeddings.from_arrays(text=texts_of_rows[:, :5], image=images[:, :5])
    with pytest.raises(ValueError, match=r"decoder must take rows of 5 dimensions.*takes 8"):
        Captioner(Preparation.fit(few, arm="C3"), captioner.decoder)


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist or is no folder; give the folder of a captioner"):
        Captioner.load(tmp_path / "nothing")
    with pytest.raises(FormatError, match=r"holds no captioner, since captioner\.json is missing"):
        Captioner.load(tmp_path)
    (tmp_path / "captioner.json").write_text('{"kind": "closer"}')
    with pytest.raises(FormatError, match="is not the record of a captioner"):
        Captioner.load(tmp_path)
    (tmp_path / "captioner.json").write_text("[1")
    with pytest.raises(FormatError, match="cut short or no JSON"):
        Captioner.load(tmp_path)
    (tmp_path / "captioner.json").write_text("[" * 100_000)
    with pytest.raises(FormatError, match="cut short or no JSON"):
        Captioner.load(tmp_path)


def test_every_damage_is_noticed(folder, tmp_path):
    for name in ("decoder.safetensors", "tokenizer.json", "preparation.safetensors"):
        for change in ("cut", "flip", "remove"):
            copy = tmp_path / f"{name}-{change}"
            shutil.copytree(folder, copy)
            content = (copy / name).read_bytes()
            if change == "remove":
                (copy / name).unlink()
            else:
                half = len(content) // 2
                flipped = content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]
                (copy / name).write_bytes(content[:half] if change == "cut" else flipped)
            with pytest.raises(FormatError, match=name.replace(".", r"\.")):
                Captioner.load(copy)


def _changed(folder, **change) -> None:
    """Change the record and seal it anew, as a foreign program could."""
    from crossgap.transfer.captioner_file import _digest

    record = json.loads((folder / "captioner.json").read_text())
    record.pop("digest")
    record |= change
    (folder / "captioner.json").write_text(json.dumps({**record, "digest": _digest(record)}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": 2}, "written by a newer crossgap"),
        ({"schema": "1"}, "written by a newer crossgap"),
        ({"arm": 3}, "no usable 'arm'"),
        ({"arm": "C9"}, "does not know"),
        ({"decoder": "Eval"}, "does not know"),
        ({"learn_on": "sound"}, "does not know"),
        ({"means": {"text": [1.0]}}, "does not know"),
        ({"means": {"text": ["a"] * D}}, "does not know"),
        ({"means": {"text": [10**400] * D}}, "does not know"),
        ({"files": {"../../etc/passwd": "0"}}, "does not know"),
        ({"settings": {"dimension": D, "width": -3}}, "width"),
        ({"settings": {"dimension": D, "sides": 3}}, "sides"),
        ({"settings": {}}, "dimension"),
        ({"files": {}}, "does not know"),
        ({"decoder": "NearestCaption"}, "decoder"),
    ],
    ids=str,
)
def test_a_record_that_does_not_fit_is_refused(folder, change, words):
    _changed(folder, **change)
    with pytest.raises(FormatError, match=words) as error:
        Captioner.load(folder)
    assert "\n" not in str(error.value)


def test_weights_that_the_record_does_not_name_are_missed(folder):
    record = json.loads((folder / "captioner.json").read_text())
    _changed(folder, files={name: seal for name, seal in record["files"].items() if name != "decoder.safetensors"})
    (folder / "decoder.safetensors").unlink()
    with pytest.raises(FormatError, match=r"decoder\.safetensors"):
        Captioner.load(folder)


def test_a_changed_record_is_noticed(folder):
    path = folder / "captioner.json"
    path.write_text(path.read_text().replace('"C3"', '"C1"'))
    with pytest.raises(FormatError, match="does not match its digest"):
        Captioner.load(folder)


def test_the_record_says_what_it_is(folder):
    record = read_captioner_record(folder)
    assert record["decoder"] == "TransformerDecoder"
    assert record["groups"] == ["text", "image"]
    assert sorted(record["files"]) == ["decoder.safetensors", "preparation.safetensors", "tokenizer.json"]
    assert len(record["digest"]) == 64
