"""Captioning from text alone: the table of a tiny set, that a killed run goes on, the full scale on tiny models."""

import json

import numpy as np
import pytest

from crossgap.data import Embeddings, write
from crossgap.data.embeddings import Group
from crossgap.errors import DegenerateError
from crossgap.reproduce import caption_noise, caption_transfer
from crossgap.reproduce.caption_orderings import comparison
from crossgap.reproduce.caption_study import CaptionStudy
from crossgap.reproduce.caption_transfer import METHODS
from crossgap.reproduce.caption_transfer_full import given_world


@pytest.fixture(autouse=True)
def _without_java(monkeypatch):
    for module in ("caption_transfer", "caption_transfer_full", "low_data"):
        monkeypatch.setattr(f"crossgap.reproduce.{module}.has_meteor", lambda: False, raising=False)


def test_the_table(write_features, tmp_path):
    told = []
    table = caption_transfer.run(
        data="emoji",
        features=write_features(several=2),
        splits=2,
        dimension=8,
        output=tmp_path / "table.json",
        progress=lambda *what: told.append(what),
    )
    assert [(row.condition["decoder"], row.condition["arm"]) for row in table.rows] == list(METHODS)
    for row in table.rows:
        assert {"cider_d", "bleu_4", "rouge_l", "distinct"} <= set(row.measured)
        assert len(row.measured["cider_d"]) == 2
    assert told[-1][:2] == (2 * len(METHODS), 2 * len(METHODS))
    written = json.loads((tmp_path / "table.json").read_text())
    assert written["settings"]["target_cosines"] == {"C2_2": 0.9, "C3": 0.8}
    assert written["settings"]["spaces"]["image"]["caption_variance"][0] > 0
    assert sum("C3" in claim.sentence for claim in table.orderings) == 6
    assert "METEOR" in table.notes[-1]
    assert "gap" in table.text(width=200)


def test_what_was_found_is_taken_again(write_features, tmp_path, monkeypatch):
    options = {"data": "emoji", "features": write_features(), "splits": 1, "dimension": 8}
    first = caption_transfer.run(output=tmp_path / "a.json", **options)
    told = []
    for path in (tmp_path / "a.runs").glob("*.json"):
        if json.loads(path.read_text())["run"]["arm"] == "C3":
            path.unlink()  # as if it had been killed there: the checkpoint is left, and says that all steps are done
    monkeypatch.setattr("crossgap.reproduce.caption_study.paired_captioner", None)  # it must not be asked for
    again = caption_transfer.run(output=tmp_path / "a.json", progress=lambda *what: told.append(what), **options)
    assert again.to_json() == first.to_json()
    assert not any("step" in text for _, _, text in told)
    with pytest.raises(TypeError):  # other settings: all is run anew
        caption_transfer.run(output=tmp_path / "a.json", **options | {"dimension": 6})


def test_three_groups(write_features):
    table = caption_transfer.run(data="tuxpaint", features=write_features("tuxpaint", sounds=50), splits=1, dimension=8)
    assert {row.condition["group"] for row in table.rows} == {"image", "audio"}
    assert len(table.rows) == 2 * len(METHODS)
    assert sum(note.startswith("audio and text") for note in table.notes) == 1


def test_the_decoder_of_an_arm_sees_nothing_of_the_test_items(write_features, tmp_path):
    folder = write_features()
    study = CaptionStudy("emoji", folder, dimension=8)
    world = study.world(0)
    tested = {str(item) for item in world.test["image"].items}
    assert len(tested) == 12
    for name in world.train:
        assert not tested & {str(item) for item in world.train[name].items}
    validating = study.world(0, validating=True)
    judged = {str(item) for item in validating.test["image"].items}
    assert len(judged) == 10
    for number in range(4):
        assert not judged & {str(item) for item in study.world(number).test["image"].items}
    assert not tested & {str(item) for item in validating.train["image"].items}


def test_the_profile_of_the_noise(write_features):
    table = caption_noise.profile(
        data="emoji", features=write_features(), dimension=8, targets={"C2_2": (0.9, 0.5), "C3": (0.8,)}
    )
    assert [row.condition["target_cosine"] for row in table.rows] == [0.9, 0.5, 0.8]
    assert table.rows[0].middle("variance") < table.rows[1].middle("variance")
    found = caption_noise.chosen(table)
    best = max(table.rows[:2], key=lambda row: row.middle("cider_d"))
    assert found == {"C2_2": best.condition["target_cosine"], "C3": 0.8}


def test_a_comparison_pairs_the_rows():
    few, many = [np.array([0.0, 10.0])], [np.array([1.0, 12.0])]
    assert comparison("x", "y", few, many).numbers == "5.000 < 6.500, difference 1.500±0.500 over 2 rows"
    assert not comparison("x", "y", many, few).held
    assert not comparison("x", "y", few, few).held


def _embeddings(n: int = 40, splits: list[str | None] | None = None) -> Embeddings:
    rows = np.random.default_rng(0).normal(size=(n, 6)).astype(np.float32)
    items = np.array([f"i{number}" for number in range(n)])
    texts = [f"a {'red' if row[0] > 0 else 'blue'} dog {number} ." for number, row in enumerate(rows)]
    image = Group(vectors=rows + 1, items=items, split=splits)
    return Embeddings({"image": image, "text": Group(vectors=rows - 1, items=items, text=texts)})


@pytest.fixture
def language_model(tmp_path):
    """A folder with a GPT-2 of random weights that knows a few words."""
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["#", ".", "a", "red", "blue", "dog", *map(str, range(40))]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="."))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    folder = tmp_path / "gpt2"
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="#").save_pretrained(folder)
    config = transformers.GPT2Config(
        vocab_size=len(words), n_embd=8, n_layer=1, n_head=1, n_positions=128, bos_token_id=0, eos_token_id=0
    )
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


def test_the_full_scale(language_model, tmp_path):
    write(_embeddings(), tmp_path / "given.parquet")
    table = caption_transfer.run(
        scale="full",
        embeddings=tmp_path / "given.parquet",
        language_model=language_model,
        test_items=8,
        seeds=[0, 1],
        passes=1,
        batch_size=8,
        output=tmp_path / "full.json",
    )
    assert [row.condition["arm"] for row in table.rows] == ["C1", "C2_1", "C2_2", "C3", "pairs"]
    assert table.row(arm="C3").held("Zhang 2024", "cider_d") is False
    assert len(list((tmp_path / "full.runs").glob("*.json"))) == 10


def test_rows_that_say_their_split():
    splits = ["test"] * 4 + ["val"] * 3 + ["train"] * 33
    world = given_world(_embeddings(splits=splits), "image", test_items=1, seed=0)
    assert [str(item) for item in world.test["image"].items] == ["i0", "i1", "i2", "i3"]
    assert len(world.train["image"]) == len(world.train["text"]) == 33


@pytest.mark.parametrize(
    ("embeddings", "options", "error", "says"),
    [
        (_embeddings(), {"group": "audio"}, ValueError, "group must be one beside 'text'"),
        (_embeddings(), {"test_items": 39}, ValueError, "test_items must leave items to train on, but it is 39 of 40"),
        (_embeddings(splits=["train"] * 40), {}, DegenerateError, "none is 'test'"),
    ],
)
def test_what_cannot_be_split(embeddings, options, error, says):
    with pytest.raises(error, match=says):
        given_world(embeddings, **({"group": "image", "test_items": 4, "seed": 0} | options))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"scale": "big"}, "scale must be 'small' or 'full'"),
        ({"data": "coco"}, "data must be one of flickr8k, emoji, tuxpaint"),
        ({}, "features must name the folder that holds flickr8k.npz"),
        ({"scale": "full"}, "scale 'full' needs embeddings"),
        ({"scale": "full", "embeddings": "x.npz"}, "scale 'full' needs language_model"),
        ({"embeddings": "x.npz"}, "embeddings must be left out at scale 'small', since only scale 'full'"),
        ({"scale": "full", "features": "x"}, "features must be left out at scale 'full'"),
        ({"splits": 0}, "splits must be at least 1"),
    ],
)
def test_refusals(options, says):
    with pytest.raises(ValueError, match=says):
        caption_transfer.run(**options)
