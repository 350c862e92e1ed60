"""Configurations of runs on pictures and captions: encoders from scratch, and models of Hugging Face."""

import json
import sys

import numpy as np
import pytest
import torch

from crossgap.errors import FormatError, MissingExtraError
from crossgap.train.config import config_from
from crossgap.train.from_config import configured_run
from crossgap.train.hugging_face_text import hugging_face_inputs

pytest.importorskip("PIL")

WORDS = ["red", "green", "blue", "bright", "dark", "thing", "one", "two"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of 14 pictures of 20 by 16 points, each with one to three captions, and one file that is no picture."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    with (folder / "captions.jsonl").open("w", encoding="utf-8") as file:
        for number in range(14):
            Image.fromarray(rng.integers(0, 255, (20, 16, 3), dtype=np.uint8)).save(folder / f"{number}.png")
            captions = [" ".join(rng.choice(WORDS, 4, replace=False)) for _ in range(1 + number % 3)]
            file.write(json.dumps({"image": f"{number}.png", "captions": captions}) + "\n")
        file.write(json.dumps({"image": "captions.jsonl", "captions": ["no picture"]}) + "\n")
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """The folder of a tiny CLIP of random weights, with a tokeniser of single words."""
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    folder = tmp_path_factory.mktemp("clip")
    size = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {"vocab_size": 20, "max_position_embeddings": 8, "bos_token_id": 18, "eos_token_id": 19, "pad_token_id": 19}
    config = transformers.CLIPConfig(
        text_config={**size, **text}, vision_config={**size, "image_size": 16, "patch_size": 8}, projection_dim=6
    )
    with torch.random.fork_rng(devices=[]):
        transformers.CLIPModel(config).save_pretrained(folder)
    ids = {"<unknown>": 0, **{word: number for number, word in enumerate(WORDS, start=1)}, "<end>": 19}
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel(ids, unk_token="<unknown>"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    words.post_processor = tokenizers.processors.TemplateProcessing(single="$A <end>", special_tokens=[("<end>", 19)])
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<end>", eos_token="<end>")
    fast.save_pretrained(folder)
    return folder


def made(pictures, **tables):
    """A run of two epochs over 10 pictures; 4 are held out."""
    base = {
        "data": {"images": str(pictures), "captions": str(pictures / "captions.jsonl"), "held_out": 4},
        "run": {"epochs": 2, "batch_size": 5, "device": "cpu"},
    }
    return configured_run(
        config_from({name: {**base.get(name, {}), **tables.get(name, {})} for name in {**base, **tables}})
    )


CONVOLUTIONAL = {"tower": "convolutional", "dimension": 4, "size": 16, "width": 8, "stages": 2, "text_width": 8}
TRANSFORMER = {
    **{"tower": "transformer", "dimension": 4, "size": 16, "patch": 8, "width": 8, "layers": 1, "heads": 2},
    "text_width": 8,
}


@pytest.mark.parametrize("model", [CONVOLUTIONAL, TRANSFORMER], ids=["convolutional", "transformer"])
def test_encoders_from_scratch(pictures, model):
    run = made(pictures, model=model)
    assert (len(run.pairs), len(run.held_out.pairs), run.dimension) == (10, 4, 4)
    assert run.pairs.several
    assert run.pairs.x.dtype == torch.uint8
    assert run.pairs.y.dtype == torch.int64
    assert set(run.words.words) <= set(WORDS)
    (note,) = run.notes
    assert note.startswith("not used: picture 'captions.jsonl': ")
    assert len(list(run.run)) == 4
    assert "recall_at_1/x_to_y" in run.held_out.curve(run.model)
    embeddings = run.held_out.embeddings(run.model)
    assert len(embeddings["image"]) == 4
    assert len(embeddings["text"]) == len(run.held_out.pairs.y)


@pytest.mark.parametrize(
    ("model", "change"),
    [
        *((CONVOLUTIONAL, change) for change in ({"size": 12}, {"width": 16}, {"stages": 1}, {"text_width": 12})),
        *((CONVOLUTIONAL, change) for change in ({"text_layers": 1}, {"text_heads": 2}, {"text_length": 2})),
        *((TRANSFORMER, change) for change in ({"patch": 4}, {"layers": 2}, {"heads": 4}, {"width": 12})),
    ],
)
def test_every_value_matters(pictures, model, change):
    assert list(made(pictures, model=model).run) != list(made(pictures, model={**model, **change}).run)


def test_words_are_of_the_training_captions_and_cut_captions_are_told(pictures):
    run = made(pictures, model={**CONVOLUTIONAL, "text_length": 3})
    assert run.words.length == run.pairs.y.shape[1] == 3
    assert any("captions are cut to 3 words (model.text_length)" in note for note in run.notes)


def test_keys_of_the_caption_file(pictures, tmp_path):
    lines = (pictures / "captions.jsonl").read_text(encoding="utf-8").replace('"image"', '"file"')
    other = tmp_path / "other.jsonl"
    other.write_text(lines.replace('"captions"', '"said"'), encoding="utf-8")
    data = {"captions": str(other), "image_key": "file", "caption_key": "said"}
    assert list(made(pictures, model=CONVOLUTIONAL, data=data).run) == list(made(pictures, model=CONVOLUTIONAL).run)


# models of Hugging Face


def test_a_model_as_it_is(pictures, clip):
    run = made(pictures, model={"tower": "hugging-face", "path": str(clip)})
    assert run.dimension == 6
    assert run.words is None
    assert tuple(run.pairs.x.shape[1:]) == (3, 16, 16)
    assert tuple(run.pairs.y.shape[1:]) == (8,)
    assert int(run.pairs.y[0, -1]) == 19, "padded"
    assert float(run.model.logit_scale().detach()) == pytest.approx(np.exp(2.6592), rel=1e-4), "the model's own"
    assert len(list(run.run)) == 4


def test_new_projections_alone(pictures, clip):
    model = {"tower": "hugging-face", "path": str(clip), "dimension": 3, "trainable": "projections"}
    run = made(pictures, model=model, temperature={"initial": 0.05, "learnable": False})
    assert run.dimension == 3
    assert run.parameter_count == 2 * 16 * 3
    assert float(run.model.logit_scale().detach()) == pytest.approx(20.0)
    assert list(run.run) == list(made(pictures, model=model, temperature={"initial": 0.05, "learnable": False}).run)


def test_a_schedule_begins_at_the_models_own_temperature(pictures, clip):
    model = {"tower": "hugging-face", "path": str(clip)}
    scales = [step.logit_scale for step in made(pictures, model=model, temperature={"schedule": "linear"}).run]
    assert scales[0] == pytest.approx(np.exp(2.6592), rel=1e-4)
    assert scales == sorted(scales)


def test_a_bias_for_siglip(pictures, clip):
    run = made(pictures, model={"tower": "hugging-face", "path": str(clip)}, loss={"siglip_loss": 1.0})
    assert float(run.model.logit_bias.detach()) == -10.0
    assert len(list(run.run)) == 4


def test_folders_that_are_no_such_model(clip, tmp_path):
    with pytest.raises(FileNotFoundError, match="models are not downloaded"):
        hugging_face_inputs(str(tmp_path / "nowhere"))
    with pytest.raises(FormatError, match="holds no configuration of a model of pictures and texts"):
        hugging_face_inputs(str(tmp_path))
    (tmp_path / "config.json").write_bytes((clip / "config.json").read_bytes())
    with pytest.raises(FormatError, match=r"holds no tokeniser; put its files"):
        hugging_face_inputs(str(tmp_path))
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(FormatError, match=r"the tokeniser in .* cannot be read"):
        hugging_face_inputs(str(tmp_path))


def test_without_transformers(clip, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"transformers is not installed; install it with crossgap"):
        hugging_face_inputs(str(clip))
