"""Training a decoder on rows and texts of one group: what is kept, what is told, and that a stopped run goes on."""

import math
from collections import Counter

import numpy as np
import pytest
import torch

from crossgap.data import Embeddings
from crossgap.errors import DegenerateError, FormatError
from crossgap.transfer import (
    CaptionerRun,
    CaptionTokens,
    FitSettings,
    Preparation,
    TransformerDecoder,
    fit_captioner,
)

D, N = 8, 60
QUICK = FitSettings(batch_size=16, epochs=4, learning_rate=0.01)


def world(seed: int = 0, n: int = N) -> tuple[np.ndarray, list[str]]:
    """Rows whose first two numbers decide what is told."""
    rows = np.random.default_rng(seed).normal(size=(n, D)).astype(np.float32)
    texts = [f"a {'red' if row[0] > 0 else 'blue'} {'dog' if row[1] > 0 else 'cat'}" for row in rows]
    return rows, texts


def prepared(rows: np.ndarray, **options) -> Preparation:
    options = {"arm": "C3", "target_cosine": 0.9, **options}
    shifted = rows + 2 * np.eye(D, dtype=np.float32)[2]
    return Preparation.fit(Embeddings.from_arrays(text=rows, image=shifted), **options)


def decoder_of(texts: list[str], **options) -> TransformerDecoder:
    options = {"dimension": D, "width": 16, "layers": 1, "heads": 2, "most_tokens": 8, "dropout": 0.1, **options}
    return TransformerDecoder(CaptionTokens.from_texts(texts, size=280), **options)


def started(**options) -> CaptionerRun:
    rows, texts = world()
    given = {"settings": QUICK, "held_out": 0.2, **options}
    return CaptionerRun(decoder_of(texts), prepared(rows), rows, texts, **given)


def weights(captioner) -> dict[str, torch.Tensor]:
    return captioner.decoder.state_dict()


# what it does


def test_it_learns_and_tells_what_it_learned():
    rows, texts = world()
    settings = FitSettings(batch_size=16, epochs=80, learning_rate=0.02)
    captioner = fit_captioner(decoder_of(texts, dropout=0.0), prepared(rows), rows, texts, settings=settings)
    found = [caption.text for caption in captioner.caption(rows, group="text")]
    assert sum(a == b for a, b in zip(found, texts, strict=True)) > 0.8 * N
    facts = captioner.facts
    assert facts["row_gain"] > 0.2
    assert facts["validation_loss"] < facts["chance_loss"]
    assert (facts["group"], facts["texts"], facts["held_out"]) == ("text", 57, 3)


def test_a_decoder_that_cannot_use_its_rows_is_told():
    rows, texts = world()
    mixed = [texts[place] for place in np.random.default_rng(1).permutation(N)]
    captioner = fit_captioner(decoder_of(mixed), prepared(rows), rows, mixed, settings=QUICK, held_out=0.4)
    assert abs(captioner.facts["row_gain"]) < 0.02


def test_the_weights_of_the_epoch_with_the_lowest_loss_are_kept():
    run = started(settings=FitSettings(batch_size=16, epochs=60, learning_rate=0.05))
    list(run)
    assert len(run.losses) == 60
    best = int(np.argmin(run.losses))
    assert run.best_epoch == best < 59
    captioner = run.captioner()
    assert captioner.facts["validation_loss"] == run.losses[best]
    assert run.validation_loss() == pytest.approx(run.losses[best], abs=1e-6)  # the decoder holds them now


def test_without_validation_the_last_weights_are_kept():
    run = started(held_out=0.0)
    list(run)
    last = {name: values.clone() for name, values in run.decoder.state_dict().items()}
    captioner = run.captioner()
    assert captioner.facts["validation_loss"] is None
    assert captioner.facts["held_out"] == 0
    assert all(torch.equal(values, last[name]) for name, values in weights(captioner).items())


def test_a_captioner_of_a_run_under_way_leaves_the_run_alone():
    run, other = started(), started()
    steps = iter(run)
    for _ in range(5):
        next(steps)
    before = run.captioner()
    losses = [step.loss for step in steps]
    assert losses == [step.loss for step in other][5:]
    assert not all(torch.equal(values, weights(run.captioner())[name]) for name, values in weights(before).items())


def test_validation_has_noise_which_is_the_same_each_time():
    rows, texts = world()
    decoder = decoder_of(texts)
    losses = []
    for cosine in (0.9, 0.3):
        preparation = prepared(rows, target_cosine=cosine)
        run = CaptionerRun(decoder, preparation, rows, texts, settings=QUICK, held_out=0.3)
        assert run.validation_loss() == run.validation_loss()
        losses.append(run.validation_loss())
    assert losses[0] != losses[1]


def test_whole_items_are_held_out():
    rows, texts = world()
    items = np.repeat(np.arange(12), 5)
    run = CaptionerRun(
        decoder_of(texts), prepared(rows), rows, texts, settings=QUICK, held_out=0.25, items=items.astype(str)
    )
    assert len(run.pairs) == 45
    kept = {tuple(row) for row in run.pairs.rows}
    by_item = [{tuple(row) in kept for row in rows[items == item]} for item in range(12)]
    assert all(len(found) == 1 for found in by_item)


def test_chance_is_the_entropy_of_the_tokens():
    run = started(held_out=0.0)
    counts = Counter(token for row in run.pairs.tokens.tolist() for token in row if token >= 0)
    total = sum(counts.values())
    assert run.chance_loss == pytest.approx(-sum(c / total * math.log(c / total) for c in counts.values()))


@pytest.mark.parametrize(
    "change",
    [
        {"learning_rate": 0.02},
        {"weight_decay": 0.5},
        {"batch_size": 12},
        {"epochs": 3},
        {"warmup_steps": 1},
        {"label_smoothing": 0.2},
        {"gradient_clip": 0.01},
        {"precision": "bf16"},
        {"schedule": "constant"},
        {"schedule": "linear"},
        {"betas": (0.9, 0.999)},
        {"decay_all": True},
        {"seed": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_setting_matters(change):
    def last(settings: FitSettings) -> dict[str, torch.Tensor]:
        run = started(settings=settings)
        list(run)
        return run.decoder.state_dict()

    plain = last(QUICK)
    changed = last(FitSettings(**{"batch_size": 16, "epochs": 4, "learning_rate": 0.01, **change}))
    assert any(not torch.equal(values, changed[name]) for name, values in plain.items())


# a stopped run


@pytest.mark.parametrize("stop", [1, 6, 9])
def test_a_stopped_run_ends_as_one_that_was_not(tmp_path, stop):
    whole = started()
    list(whole)
    first = started()
    steps = iter(first)
    for _ in range(stop):
        next(steps)
    first.save(tmp_path / "run.safetensors", notes={"mine": 1})
    for _ in range(3):  # a killed run may have gone on past its checkpoint, and written better weights
        next(steps)
    del steps
    second = started()
    assert second.restore(tmp_path / "run.safetensors") == {"mine": 1}
    assert second.run.step == stop
    list(second)
    assert second.losses == whole.losses
    assert second.captioner().facts == whole.captioner().facts
    assert all(torch.equal(values, whole.decoder.state_dict()[name]) for name, values in weights(second).items())


def best_files(folder) -> list[str]:
    return sorted(file.name for file in folder.iterdir() if ".best" in file.name)


def test_a_kill_between_the_two_files_leaves_a_pair_that_belongs_together(tmp_path, monkeypatch):
    path = tmp_path / "run.safetensors"
    whole = started()
    list(whole)
    first = started()
    steps = iter(first)
    for _ in range(4):
        next(steps)
    first.save(path)
    loss, kept = first.losses[0], first.captioner()
    for _ in range(6):
        next(steps)

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(first.run, "save", killed)  # the best weights are written, the checkpoint is not
        with pytest.raises(KeyboardInterrupt):
            first.save(path)
    assert len(best_files(tmp_path)) == 2
    second = started()
    second.restore(path)
    assert second.losses == [loss]
    found = weights(second.captioner())
    assert all(torch.equal(values, found[name]) for name, values in weights(kept).items())
    second.save(path)  # stopped again before the next epoch: still those of the first one
    third = started()
    third.restore(path)
    found = weights(third.captioner())
    assert all(torch.equal(values, found[name]) for name, values in weights(kept).items())
    list(third)
    assert third.captioner().facts == whole.captioner().facts
    third.save(path)
    assert best_files(tmp_path) == [f"run.best-{third.run.steps_per_epoch * (third.best_epoch + 1)}.safetensors"]


@pytest.mark.parametrize("part", ["best", "checkpoint"])
@pytest.mark.parametrize("save", [1, 2, 3])
def test_a_kill_within_a_write_leaves_what_was_there(tmp_path, monkeypatch, part, save):
    """The rename that would give a file its name never comes, at one save after the other."""
    import os

    rows, texts = world()
    path = tmp_path / "run.safetensors"
    arguments = {"settings": QUICK, "checkpoint": path, "checkpoint_every": 5, "held_out": 0.2}
    plain = fit_captioner(decoder_of(texts), prepared(rows), rows, texts, settings=QUICK, held_out=0.2)
    real, seen = os.replace, []

    def replaced(source, target):
        if (".best-" in str(target)) == (part == "best"):
            seen.append(target)
            if len(seen) == save:
                raise KeyboardInterrupt
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replaced)
        if part == "checkpoint" or save == 1:
            with pytest.raises(KeyboardInterrupt):
                fit_captioner(decoder_of(texts), prepared(rows), rows, texts, **arguments)
    again = fit_captioner(decoder_of(texts), prepared(rows), rows, texts, **arguments)
    assert again.facts == plain.facts
    assert all(torch.equal(values, weights(plain)[name]) for name, values in weights(again).items())
    assert len(best_files(tmp_path)) == 1


def test_fit_captioner_goes_on_from_its_checkpoint(tmp_path):
    rows, texts = world()
    path = tmp_path / "run.safetensors"
    seen = []

    def stop(step: int, total: int, text: str) -> None:
        seen.append((step, total, text.partition(" ")[0]))
        if step == 7:
            raise KeyboardInterrupt

    arguments = {"settings": QUICK, "checkpoint": path, "checkpoint_every": 3}
    with pytest.raises(KeyboardInterrupt):
        fit_captioner(decoder_of(texts), prepared(rows), rows, texts, progress=stop, **arguments)
    assert seen[-1] == (7, 16, "loss")
    again = fit_captioner(decoder_of(texts), prepared(rows), rows, texts, **arguments)
    plain = fit_captioner(decoder_of(texts), prepared(rows), rows, texts, settings=QUICK)
    assert again.facts == plain.facts
    assert all(torch.equal(values, weights(plain)[name]) for name, values in weights(again).items())
    third = fit_captioner(decoder_of(texts), prepared(rows), rows, texts, **arguments)  # over already
    assert third.facts == plain.facts


@pytest.mark.parametrize(
    "change", [{"arm": "C2_2"}, {"target_cosine": 0.5}, {"seed": 5}, {"noise": "ball"}], ids=lambda change: str(change)
)
def test_a_run_does_not_go_on_with_another_preparation(tmp_path, change):
    first = started()
    next(iter(first))
    first.save(tmp_path / "run.safetensors")
    rows, texts = world()
    other = CaptionerRun(decoder_of(texts), prepared(rows, **change), rows, texts, settings=QUICK, held_out=0.2)
    with pytest.raises(ValueError, match="fingerprint of the pairs"):
        other.restore(tmp_path / "run.safetensors")


def test_a_run_does_not_go_on_with_another_decoder_or_damaged_files(tmp_path):
    path = tmp_path / "run.safetensors"
    first = started()
    list(first)
    first.save(path)
    rows, texts = world()
    other = CaptionerRun(decoder_of(texts, dropout=0.3), prepared(rows), rows, texts, settings=QUICK, held_out=0.2)
    with pytest.raises(ValueError, match="decoder of other settings"):
        other.restore(path)
    best = tmp_path / f"run.best-{first._best[0]}.safetensors"
    whole = best.read_bytes()
    best.write_bytes(whole[:100])
    with pytest.raises(FormatError, match=r"best-12\.safetensors"):
        started().restore(path)
    best.unlink()
    with pytest.raises(FileNotFoundError, match=r"best-12\.safetensors"):
        started().restore(path)
    from crossgap.train import save_model

    save_model(first.decoder, best)
    with pytest.raises(FormatError, match="does not belong to"):
        started().restore(path)
    first.run.save(path, notes={})
    with pytest.raises(FormatError, match="another kind of run"):
        started().restore(path)


# what is refused


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"learning_rate": 0.0}, "learning_rate must be a number above 0, but it is 0.0"),
        ({"learning_rate": math.nan}, "learning_rate must be a number above 0, but it is nan"),
        ({"learning_rate": "fast"}, "learning_rate must be a number above 0, but it is 'fast'"),
        ({"weight_decay": -1.0}, "weight_decay must be a number from 0 up to inf, but it is -1.0"),
        ({"label_smoothing": 1.0}, "label_smoothing must be a number from 0 up to 1, but it is 1.0"),
        ({"gradient_clip": 0.0}, "gradient_clip must be a number above 0, but it is 0.0"),
        ({"batch_size": 1}, "batch_size must be a whole number of at least 2, but it is 1"),
        ({"epochs": 0}, "epochs must be a whole number of at least 1, but it is 0"),
        ({"warmup_steps": True}, "warmup_steps must be a whole number of at least 0, but it is True"),
        ({"seed": 0.5}, "seed must be a whole number of at least 0, but it is 0.5"),
        ({"precision": "fp8"}, "precision must be 'float32', 'bf16' or 'fp16', but it is 'fp8'"),
        ({"schedule": "steps"}, "schedule must be 'cosine', 'linear' or 'constant', but it is 'steps'"),
        ({"betas": 0.9}, "betas must be two numbers, but they are 0.9"),
        ({"betas": (0.9, 1.0)}, r"betas must lie in \[0, 1\), but they are \(0.9, 1.0\)"),
        ({"decay_all": 1}, "decay_all must be True or False, but it is 1"),
        ({"device": "abacus"}, "device must be one of torch, such as 'cpu', but it is 'abacus'"),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else "",
)
def test_settings_out_of_range_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        FitSettings(**change)


def test_rows_and_texts_that_do_not_fit_are_refused():
    rows, texts = world()
    preparation, decoder = prepared(rows), decoder_of(texts)

    def run(rows=rows, texts=texts, decoder=decoder, **options):
        return CaptionerRun(decoder, preparation, rows, texts, settings=QUICK, **options)

    with pytest.raises(ValueError, match="one text a row, but there are 60 rows and 59 texts"):
        run(texts=texts[1:])
    with pytest.raises(ValueError, match="one text a row, but there are 60 rows and one string"):
        run(texts="a dog")
    with pytest.raises(ValueError, match=r"2 of 60 are empty \(the first is of row 3\)"):
        run(texts=[*texts[:3], " \n", "", *texts[5:]])
    with pytest.raises(ValueError, match="items must hold one id for each of the 60 rows"):
        run(items=np.arange(3))
    with pytest.raises(ValueError, match="items must be ids of one type"):
        run(items=[None, 1] * 30)
    for share in (1, math.nan, "all", True):
        with pytest.raises(ValueError, match=f"held_out must be a share from 0 up to 1, but it is {share!r}"):
            run(held_out=share)
    for words in (np.array([["a"] * D] * N), rows.astype(object)):
        with pytest.raises(ValueError, match="text must hold numbers, but its type is"):
            run(rows=words)
    with pytest.raises(ValueError, match="device must be one that is here, but 'cuda:77' is not"):
        CaptionerRun(decoder, preparation, rows, texts, settings=FitSettings(device="cuda:77"))
    broken = rows.copy()
    broken[5, 1] = np.nan
    with pytest.raises(ValueError, match="finite"):
        run(rows=broken)
    with pytest.raises(ValueError, match=r"decoder must take rows of 8 dimensions.*takes 6"):
        run(decoder=decoder_of(texts, dimension=6))
    with pytest.raises(ValueError, match=r"shape \(n, 8\)"):
        run(rows=rows[:, :6])
    with pytest.raises(TypeError, match="decoder must be one that is trained, but it is a str"):
        run(decoder="gpt")
    with pytest.raises(DegenerateError, match="at least two captions to train on, but 1 of 1 is left"):
        run(rows=rows[:1], texts=texts[:1])


def test_what_cannot_be_kept_is_said_before_the_first_step(tmp_path):
    rows, texts = world()
    told = []

    def fit(**options):
        arguments = {"settings": QUICK, "progress": lambda *step: told.append(step), **options}
        return fit_captioner(decoder_of(texts), prepared(rows), rows, texts, **arguments)

    with pytest.raises(FileNotFoundError, match="there is no folder for the checkpoint"):
        fit(checkpoint=tmp_path / "no" / "run.safetensors")
    for every in (0, -1, 2.5, True):
        with pytest.raises(
            ValueError, match=f"checkpoint_every must be a whole number of at least 1, but it is {every}"
        ):
            fit(checkpoint=tmp_path / "run.safetensors", checkpoint_every=every)
    assert told == []


def test_half_precision_and_few_rows_are_learned():
    rows, texts = world(n=3)
    small = fit_captioner(
        decoder_of(texts), prepared(rows), rows.astype(np.float16), texts, settings=FitSettings(batch_size=2, epochs=2)
    )
    assert (small.facts["steps"], small.facts["held_out"], small.facts["texts"]) == (2, 0, 3)
    assert len(small.caption(rows.astype(np.float16), group="image")) == 3


def test_one_dimension():
    rows = np.array([[1.0], [-1.0], [2.0], [-3.0]], np.float32)
    texts = ["a dog", "a cat"] * 2
    preparation = Preparation.fit(Embeddings.from_arrays(text=rows, image=rows + 0.5), arm="C3", variance=0.001)
    settings = FitSettings(batch_size=4, epochs=150, learning_rate=0.02)
    captioner = fit_captioner(decoder_of(texts, dimension=1, dropout=0.0), preparation, rows, texts, settings=settings)
    assert [found.text for found in captioner.caption(rows, group="text")] == texts
    assert captioner.caption(rows[0], group="text")[0].text == "a dog"


def test_tokens_take_four_bytes():
    run = started()
    assert run.pairs.tokens.dtype == torch.int32
    assert run.pairs.batch(torch.arange(3), 0)[1].dtype == torch.int64


@pytest.mark.parametrize(
    "text", ["word " * 10_000, "собака бежит 犬が走る كلب", "<script>alert(1)</script>\x00\x07\u202e"]
)
def test_odd_captions_are_learned(text):
    rows, texts = world(n=12)
    texts = [text, *texts[1:]]
    captioner = fit_captioner(
        decoder_of(texts), prepared(rows), rows, texts, settings=FitSettings(batch_size=6, epochs=1), held_out=0.0
    )
    assert len(captioner.caption(rows, group="text")) == 12
