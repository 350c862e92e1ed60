"""The full protocol, end to end on a tiny random CLIP and a dozen pictures."""

import json

import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError, FormatError
from crossgap.losses.clip import clip_loss
from crossgap.losses.cua import cua_loss
from crossgap.reproduce import fine_tuning, loss_ablation
from crossgap.reproduce.full_scale import FirstCaptionPairs, check_paths, fine_tuned_rows
from crossgap.reproduce.linear_heads import Loss

transformers = pytest.importorskip("transformers")
image = pytest.importorskip("PIL.Image")

LOSSES = {"CLIP": Loss(function=clip_loss, logit_scale=100.0), "CUA": Loss(function=cua_loss, logit_scale=100.0)}
WORDS = ["red", "blue", "green", "dark", "pale", "grey"]


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """A model with its tokeniser, and 12 pictures for each part, in COCO's layout; the last caption is the first."""
    folder = tmp_path_factory.mktemp("full")
    letters = [chr(code) for code in range(97, 123)]
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    tokeniser = transformers.CLIPTokenizer(vocab={token: number for number, token in enumerate(tokens)}, merges=[])
    tokeniser.save_pretrained(folder / "model")
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {"vocab_size": len(tokens), "max_position_embeddings": 16, "bos_token_id": 0, "eos_token_id": 1}
    config = transformers.CLIPConfig(
        text_config={**small, **text, "pad_token_id": 1}, vision_config={**small, "image_size": 16, "patch_size": 8}
    )
    model = transformers.CLIPModel(config)
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for values in model.parameters():
            values.copy_(torch.as_tensor(rng.normal(scale=0.3, size=tuple(values.shape))))
    model.save_pretrained(folder / "model")
    given = {"model": folder / "model"}
    for part in ("", "test_"):
        (folder / f"{part}images").mkdir()
        annotations = []
        for number in range(12):
            pixels = rng.integers(256, size=(20, 24, 3), dtype=np.uint8)
            image.fromarray(pixels).save(folder / f"{part}images" / f"{number}.png")
            first = f"a {WORDS[number % 6]} {'dog' if number % 2 else 'cat'}{'s' * (number // 6)}"
            annotations.append({"image_id": number, "caption": "a red cat" if number == 11 else first})
            annotations.append({"image_id": number, "caption": "another"})
        images = [{"id": number, "file_name": f"{number}.png"} for number in range(12)]
        (folder / f"{part}captions.json").write_text(json.dumps({"images": images, "annotations": annotations}))
        given |= {f"{part}images": folder / f"{part}images", f"{part}captions": folder / f"{part}captions.json"}
    return given


def _rows(paths, **changes):
    options = {"dimensions": (6,), "seeds": (42,), "epochs": 1, "batch_size": 4, "size": 16, "learning_rate": 1e-3}
    return list(fine_tuned_rows(LOSSES, **{**options, **paths, "device": "cpu", **changes}))


def test_rows_of_every_condition(paths):
    told = []
    rows = _rows(paths, seeds=(42, 24), progress=lambda *what: told.append(what))
    assert [(row.d, row.loss) for row in rows] == [(6, "CLIP"), (6, "CLIP"), (6, "CUA"), (6, "CUA")]
    assert told[-1] == (4, 4, "CUA, d = 6, seed 24")
    for row in rows:
        assert row.x.shape == row.y.shape == (11, 6)  # the caption that occurs twice counts once
        assert torch.allclose(row.x.norm(dim=1), torch.ones(11))
    assert not torch.allclose(rows[0].x, rows[1].x)
    assert not torch.allclose(rows[0].x, rows[2].x)


def test_the_same_seed_gives_the_same_rows(paths):
    first, again = (_rows(paths)[0] for _ in range(2))
    assert torch.equal(first.x, again.x)
    slower = _rows(paths, learning_rate=1e-6)[0]
    assert not torch.allclose(first.x, slower.x, atol=1e-4)


def test_a_finished_training_is_not_done_again(paths, tmp_path):
    first = _rows(paths, checkpoints=tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["clip-6-42.safetensors", "cua-6-42.safetensors"]
    times = [file.stat().st_mtime_ns for file in sorted(tmp_path.iterdir())]
    again = _rows(paths, checkpoints=tmp_path)
    assert times == [file.stat().st_mtime_ns for file in sorted(tmp_path.iterdir())]
    for one, other in zip(first, again, strict=True):
        assert torch.equal(one.y, other.y)


def test_the_experiments_run_at_full_scale(paths, tmp_path):
    options = {**paths, "seeds": (42, 24), "epochs": 1, "batch_size": 6, "size": 16, "device": "cpu"}
    table = fine_tuning.run(scale="full", dimensions=(32,), output=tmp_path / "table.json", **options)
    assert [row.condition["loss"] for row in table.rows] == ["CLIP", "CUA", "CUAXU"]
    held, judged = table.bands("Fahim 2024")
    assert judged == 3 * 5  # gap, separability, uniformity, cross-uniformity and alignment have a standard error
    assert held < judged  # two random towers are not CLIP
    assert "0.104±0.013" in table.text(width=300)
    assert json.loads((tmp_path / "table.json").read_text())["settings"]["scale"] == "full"
    other = loss_ablation.run(scale="full", **{**options, "seeds": (42,)})
    assert [row.condition["loss"] for row in other.rows] == list(loss_ablation.LOSSES)


def test_a_batch_holds_no_caption_twice():
    pairs = FirstCaptionPairs(torch.arange(4.0), ["a", "b", "a", "c"], torch.arange(4))
    assert pairs.batch(torch.tensor([3, 2, 1, 0]), 0)[1].tolist() == [3, 2, 1]
    assert len(pairs) == 4
    with pytest.raises(DegenerateError, match=r"^a batch must hold two different captions"):
        pairs.batch(torch.tensor([0, 2]), 0)


def test_what_is_missing_or_too_much():
    for name in ("model", "images", "captions", "test_images", "test_captions"):
        given = dict.fromkeys(("model", "images", "captions", "test_images", "test_captions"), "somewhere")
        check_paths("full", given)
        with pytest.raises(ValueError, match=rf"^scale 'full' needs local paths, but there is no {name} "):
            check_paths("full", {**given, name: None})
    with pytest.raises(ValueError, match=r"^images must be left out at scale 'small'"):
        fine_tuning.run(scale="small", images="somewhere")
    with pytest.raises(ValueError, match=r"^scale must be 'small' or 'full', but it is 'medium'"):
        loss_ablation.run(scale="medium")


def test_a_folder_without_tokeniser_is_refused(paths, tmp_path):
    (tmp_path / "config.json").write_text((paths["model"] / "config.json").read_text())
    with pytest.raises(FormatError, match=r"holds no tokeniser; put its files"):
        _rows(paths, model=tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(FormatError, match=r"the tokeniser in .* cannot be read \("):
        _rows(paths, model=tmp_path)
    with pytest.raises(FileNotFoundError, match=r"^there is no folder"):
        _rows(paths, model=tmp_path / "nothing")
