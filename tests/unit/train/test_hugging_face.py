import json
import math
import shutil
import sys

import numpy as np
import pytest
import torch

from crossgap.errors import FormatError, MissingExtraError
from crossgap.losses.clip import clip_loss
from crossgap.losses.temperature import LogitScale
from crossgap.train.hugging_face import hugging_face_dual_encoder
from crossgap.train.optimisers import adamw
from crossgap.train.pairs import PairedTensors
from crossgap.train.run import TrainingRun

transformers = pytest.importorskip("transformers")

SMALL = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
VISION = {**SMALL, "image_size": 16, "patch_size": 8}
IDS = {"vocab_size": 50, "max_position_embeddings": 16, "bos_token_id": 48, "eos_token_id": 49, "pad_token_id": 1}
TEXT = {**SMALL, **IDS}


def clip(**options):
    config = transformers.CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=6, **options)
    return transformers.CLIPModel(config)


def siglip():
    return transformers.SiglipModel(transformers.SiglipConfig(text_config=TEXT, vision_config=VISION))


def altclip():
    text = {**TEXT, "project_dim": 12, "type_vocab_size": 1}
    return transformers.AltCLIPModel(
        transformers.AltCLIPConfig(text_config=text, vision_config=VISION, projection_dim=6)
    )


def chinese_clip():
    return transformers.ChineseCLIPModel(
        transformers.ChineseCLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=6)
    )


def two_models():
    config = transformers.VisionTextDualEncoderConfig.from_vision_text_configs(
        transformers.ViTConfig(**VISION), transformers.BertConfig(**TEXT), projection_dim=6
    )
    return transformers.VisionTextDualEncoderModel(config)


def clap():
    text = {**TEXT, "projection_dim": 6, "type_vocab_size": 1}
    audio = {
        "spec_size": 32, "num_mel_bins": 8, "patch_size": 4, "patch_stride": [4, 4], "patch_embeds_hidden_size": 8,
        "depths": [1, 1], "num_attention_heads": [1, 1], "hidden_size": 16, "window_size": 2, "projection_dim": 6,
        "num_classes": 2,
    }  # fmt: skip
    return transformers.ClapModel(transformers.ClapConfig(text_config=text, audio_config=audio, projection_dim=6))


MODELS = [clip, siglip, altclip, chinese_clip, two_models, clap]


def fixed(model):
    """Weights that depend on their shapes alone, so that no test needs the global generator."""
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for name, values in model.named_parameters():
            if not name.startswith("logit"):
                values.copy_(torch.as_tensor(rng.normal(scale=0.3, size=tuple(values.shape))))
    return model.eval()


def inputs(make, n=3):
    rng = np.random.default_rng(1)
    shape = (n, 1, 32, 8) if make is clap else (n, 3, 16, 16)
    first = torch.as_tensor(rng.normal(size=shape), dtype=torch.float32)
    ids = torch.as_tensor(rng.integers(2, 48, size=(n, 7)))
    ids[:, 4] = 49
    ids[1, 5:] = 1
    return first, ids


@pytest.fixture(scope="module", params=MODELS, ids=lambda make: make.__name__)
def saved(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param.__name__)
    fixed(request.param()).save_pretrained(folder)
    return request.param, folder


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    fixed(clip()).save_pretrained(folder)
    return folder


def test_a_folder_gives_what_transformers_gives(saved):
    make, folder = saved
    state = torch.get_rng_state()
    model = hugging_face_dual_encoder(folder).eval()
    assert torch.equal(state, torch.get_rng_state())
    first, ids = inputs(make)
    reference = transformers.AutoModel.from_pretrained(folder, local_files_only=True).eval()
    with torch.no_grad():
        key = "input_features" if make is clap else "pixel_values"
        whole = reference(input_ids=ids, **{key: first})
        x, y = model.encode_x(first), model.encode_y(ids)
    kind = "audio_embeds" if make is clap else "image_embeds"
    for rows, expected in ((x, getattr(whole, kind)), (y, whole.text_embeds)):
        torch.testing.assert_close(rows, torch.nn.functional.normalize(expected, dim=-1), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(rows.norm(dim=-1), torch.ones(3))
    log = reference.logit_scale_a if make is clap else reference.logit_scale
    assert float(model.logit_scale().detach()) == pytest.approx(float(log.detach().exp().clamp(min=1.0)), rel=1e-6)
    assert (model.logit_bias is None) == (make is not siglip)


def test_new_projections_at_every_dimension(saved):
    make, folder = saved
    first, ids = inputs(make)
    for d in (3, 6, 40):
        model = hugging_face_dual_encoder(folder, projection_dimension=d, seed=1).eval()
        with torch.no_grad():
            x, y = model.encode_x(first), model.encode_y(ids)
        assert x.shape == y.shape == (3, d)
    again = hugging_face_dual_encoder(folder, projection_dimension=d, seed=1).eval()
    other = hugging_face_dual_encoder(folder, projection_dimension=d, seed=2).eval()
    with torch.no_grad():
        assert torch.equal(again.encode_x(first), x)
        assert not torch.allclose(other.encode_x(first), x, atol=1e-2)
        assert not torch.allclose(other.encode_y(ids), y, atol=1e-2)


def test_only_the_projections_train(saved):
    make, folder = saved
    model = hugging_face_dual_encoder(folder, projection_dimension=5, trainable="projections")
    trained = {name: values for name, values in model.named_parameters() if values.requires_grad and values.ndim}
    assert len(trained) == 2
    assert all("projection" in name for name in trained)
    assert {values.shape[0] for values in trained.values()} == {5}
    model.train()
    frozen = [part for tower in (model.x_tower, model.y_tower) for part in tower.modules() if part.training]
    assert len(frozen) == 4  # two towers and two projections; dropout and batch statistics of the rest stand still
    first, ids = inputs(make)
    x, y, scale, *_ = model(first, ids)
    clip_loss(x, y, scale).backward()
    assert all(values.grad is not None and values.grad.abs().sum() > 0 for values in trained.values())
    model.eval()
    assert not any(part.training for part in model.modules())


def test_every_weight_trains_by_default(saved):
    make, folder = saved
    model = hugging_face_dual_encoder(folder).train()
    first, ids = inputs(make)
    x, y, scale, *_ = model(first, ids)
    clip_loss(x, y, scale).backward()
    names = [name for name, values in model.named_parameters() if values.requires_grad]
    touched = [name for name, values in model.named_parameters() if values.grad is not None]
    assert len(touched) > 0.7 * len(names)
    assert {name.split(".")[0] for name in touched} >= {"x_tower", "y_tower", "logit_scale"}


def test_a_new_projection_is_uniform_within_one_over_root_width(clip_folder):
    model = hugging_face_dual_encoder(clip_folder, projection_dimension=500)
    for tower, name in ((model.x_tower, "visual_projection"), (model.y_tower, "text_projection")):
        layer = getattr(tower.model, name)
        assert layer.bias is None
        assert layer.weight.shape == (500, 16)
        assert 0.99 / math.sqrt(16) < float(layer.weight.detach().abs().max()) <= 1 / math.sqrt(16)
        assert float(layer.weight.detach().std()) == pytest.approx(1 / math.sqrt(3 * 16), rel=0.02)
    weights = [model.x_tower.model.visual_projection.weight, model.y_tower.model.text_projection.weight]
    assert not torch.equal(*weights)


def test_each_side_holds_its_own_parts_only(clip_folder):
    model = hugging_face_dual_encoder(clip_folder)
    names = list(model.state_dict())
    assert len(names) == len(set(names))
    assert not [name for name in names if name.startswith("x_tower") and ".text_" in name]
    assert not [name for name in names if name.startswith("y_tower") and ".vis" in name]
    total = sum(values.numel() for values in fixed(clip()).parameters())
    assert sum(values.numel() for values in model.parameters()) == total


def test_a_loaded_model_is_trained_in_place_and_keeps_its_projection():
    original = fixed(clip())
    before = original.visual_projection.weight
    model = hugging_face_dual_encoder(original, projection_dimension=3)
    assert original.visual_projection.weight is before
    assert model.x_tower.model.vision_model is original.vision_model
    with torch.no_grad():
        model.x_tower.model.vision_model.post_layernorm.weight.fill_(7.0)
    assert float(original.vision_model.post_layernorm.weight.detach()[0]) == 7.0


def test_the_whole_trains_in_a_run(clip_folder):
    first, ids = inputs(clip, n=16)
    ids[:, 0] = torch.arange(2, 18)  # every text its own
    model = hugging_face_dual_encoder(clip_folder, projection_dimension=8, logit_scale=LogitScale(20.0, False))
    run = TrainingRun(
        model,
        clip_loss,
        PairedTensors(first, ids),
        optimiser=adamw(model, learning_rate=3e-3, weight_decay=0.0),
        batch_size=16,
        epochs=25,
    )
    losses = [step.loss for step in run]
    assert losses[-1] < 0.5 * losses[0]
    assert float(model.logit_scale().detach()) == pytest.approx(20.0)


def test_bytes_are_scaled_as_the_processor_does(tmp_path, clip_folder):
    pixels = torch.as_tensor(np.random.default_rng(0).integers(0, 256, size=(2, 3, 16, 16)), dtype=torch.uint8)
    mean = torch.tensor((0.48145466, 0.4578275, 0.40821073)).reshape(1, 3, 1, 1)
    std = torch.tensor((0.26862954, 0.26130258, 0.27577711)).reshape(1, 3, 1, 1)
    model = hugging_face_dual_encoder(clip_folder).eval()
    with torch.no_grad():
        torch.testing.assert_close(model.encode_x(pixels), model.encode_x((pixels / 255 - mean) / std))
        own = model.encode_x(pixels)
    shutil.copytree(clip_folder, tmp_path / "model")
    (tmp_path / "model" / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]})
    )
    other = hugging_face_dual_encoder(tmp_path / "model").eval()
    with torch.no_grad():
        torch.testing.assert_close(other.encode_x(pixels), model.encode_x(pixels / 127.5 - 1))
        assert not torch.allclose(other.encode_x(pixels), own, atol=1e-3)


def test_padding_is_masked_where_it_is_named(tmp_path):
    fixed(chinese_clip()).save_pretrained(tmp_path)
    _, ids = inputs(chinese_clip)
    short = ids[1:2, :5]  # row 1 is padded from its sixth token on
    masked = hugging_face_dual_encoder(tmp_path, text_padding=1).eval()
    plain = hugging_face_dual_encoder(tmp_path).eval()
    with torch.no_grad():
        torch.testing.assert_close(masked.encode_y(ids)[1:2], plain.encode_y(short))
        assert not torch.allclose(plain.encode_y(ids)[1:2], plain.encode_y(short), atol=1e-4)
        mapping = {"input_ids": ids, "attention_mask": (ids != 1).long()}
        torch.testing.assert_close(plain.encode_y(mapping), masked.encode_y(ids))


def test_a_scale_above_100_stays(tmp_path):
    fixed(clip(logit_scale_init_value=math.log(117.0))).save_pretrained(tmp_path)
    scale = hugging_face_dual_encoder(tmp_path).logit_scale
    assert float(scale().detach()) == pytest.approx(117.0, rel=1e-5)
    scale.clamp_()
    assert float(scale().detach()) == pytest.approx(117.0, rel=1e-5)


# refusals


def test_no_folder_nothing_downloaded(tmp_path):
    for path in ("openai/clip-vit-base-patch32", tmp_path / "nothing"):
        with pytest.raises(FileNotFoundError, match="models are not downloaded; give the folder"):
            hugging_face_dual_encoder(path)


def test_folders_that_hold_no_model(tmp_path, clip_folder):
    with pytest.raises(FormatError, match=r"holds no config\.json"):
        hugging_face_dual_encoder(tmp_path)
    shutil.copy(clip_folder / "config.json", tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickled")
    with pytest.raises(FormatError, match=r"holds no \.safetensors weights, and pickled ones are not read"):
        hugging_face_dual_encoder(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"damaged" * 10)
    with pytest.raises(FormatError, match="cannot be read as a model"):
        hugging_face_dual_encoder(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "no such"}')
    with pytest.raises(FormatError, match="cannot be read as a model"):
        hugging_face_dual_encoder(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(FormatError, match="cannot be read as a model"):
        hugging_face_dual_encoder(tmp_path)


def test_code_in_a_folder_is_not_run(tmp_path, clip_folder):
    config = json.loads((clip_folder / "config.json").read_text())
    config |= {"model_type": "unheard", "auto_map": {"AutoConfig": "code.Config", "AutoModel": "code.Model"}}
    shutil.copy(clip_folder / "model.safetensors", tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "code.py").write_text(f"open({str(tmp_path / 'was run')!r}, 'w')\n")
    with pytest.raises(FormatError, match="cannot be read as a model"):
        hugging_face_dual_encoder(tmp_path)
    assert not (tmp_path / "was run").exists()


def test_missing_weights_are_no_random_weights(tmp_path, clip_folder):
    from safetensors.torch import load_file, save_file

    tensors = load_file(clip_folder / "model.safetensors")
    del tensors["text_projection.weight"]
    shutil.copy(clip_folder / "config.json", tmp_path)
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(FormatError, match=r"lacks 1 of the weights of a CLIPModel, 'text_projection\.weight' for one"):
        hugging_face_dual_encoder(tmp_path)


def test_weights_of_another_shape(tmp_path, clip_folder):
    config = json.loads((clip_folder / "config.json").read_text())
    config["projection_dim"] = 9
    (tmp_path / "config.json").write_text(json.dumps(config))
    shutil.copy(clip_folder / "model.safetensors", tmp_path)
    with pytest.raises(FormatError, match="cannot be read as a model"):
        hugging_face_dual_encoder(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not a JSON object with lists image_mean and image_std"),
        ("[]", "is not a JSON object with lists image_mean and image_std"),
        ('{"image_mean": [1], "image_std": [1, 2]}', "a mean of 1 and a standard deviation of 2 numbers"),
        ('{"image_mean": [1], "image_std": [0]}', "numbers above 0"),
    ],
)
def test_a_damaged_preprocessor(tmp_path, clip_folder, text, message):
    shutil.copytree(clip_folder, tmp_path / "model")
    (tmp_path / "model" / "preprocessor_config.json").write_text(text)
    with pytest.raises(FormatError, match=message):
        hugging_face_dual_encoder(tmp_path / "model")


def test_refusals(clip_folder, monkeypatch):
    with pytest.raises(ValueError, match="trainable must be 'all' or 'projections', but it is 'some'"):
        hugging_face_dual_encoder(clip_folder, trainable="some")
    with pytest.raises(
        TypeError, match="model must be a folder or a dual encoder of transformers, but a Linear has no"
    ):
        hugging_face_dual_encoder(torch.nn.Linear(2, 2))
    with pytest.raises(
        ValueError, match="a SiglipModel has no projection of its own on the side of get_image_features"
    ):
        hugging_face_dual_encoder(siglip(), trainable="projections")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match="transformers is not installed"):
        hugging_face_dual_encoder(clip_folder)
