"""Fine-tuning on pairs: clean rows of the other group, the collapse kept, the old captioner left as it is."""

import numpy as np
import pytest
import torch

from crossgap.data import Embeddings
from crossgap.evaluate.captions.rouge_l import rouge_l
from crossgap.transfer import (
    Captioner,
    CaptionerRun,
    CaptionTokens,
    Decoding,
    FitSettings,
    Preparation,
    TransformerDecoder,
    fine_tune,
    fit_captioner,
)

D, N = 8, 60
QUICK = FitSettings(batch_size=16, epochs=3, learning_rate=0.01)


@pytest.fixture(scope="module")
def data():
    draws = np.random.default_rng(0)
    texts_of_rows = draws.normal(size=(N, D)).astype(np.float32)
    texts = [f"a {'red' if row[0] > 0 else 'blue'} {'dog' if row[1] > 0 else 'cat'}" for row in texts_of_rows]
    turned = texts_of_rows[:, ::-1].copy() + np.eye(D, dtype=np.float32)[3]  # a space in which text alone is no help
    return texts_of_rows, turned, texts


@pytest.fixture(scope="module")
def captioner(data) -> Captioner:
    texts_of_rows, images, texts = data
    preparation = Preparation.fit(Embeddings.from_arrays(text=texts_of_rows, image=images), target_cosine=0.8)
    tokens = CaptionTokens.from_texts(texts, size=280)
    decoder = TransformerDecoder(tokens, dimension=D, width=16, layers=1, heads=2, most_tokens=8, dropout=0.0)
    return fit_captioner(decoder, preparation, texts_of_rows, texts, settings=QUICK)


def right(captioner: Captioner, data) -> int:
    _, images, texts = data
    found = captioner.caption(images, group="image")
    return sum(a.text == b for a, b in zip(found, texts, strict=True))


def test_it_learns_the_pairs_and_leaves_the_old_one_alone(captioner, data):
    _, images, texts = data
    before = {name: values.clone() for name, values in captioner.decoder.state_dict().items()}
    settings = FitSettings(batch_size=16, epochs=60, learning_rate=0.02)
    tuned = fine_tune(captioner, images, texts, group="image", settings=settings)
    assert right(tuned, data) > right(captioner, data) + 20
    assert all(torch.equal(values, before[name]) for name, values in captioner.decoder.state_dict().items())
    facts = tuned.facts
    assert (facts["group"], facts["renormalise"], facts["kept_by"]) == ("image", True, "last")
    assert facts["before"] == captioner.facts
    assert set(tuned.means) == set(captioner.means)


@pytest.mark.parametrize("renormalise", [True, False])
def test_rows_are_collapsed_without_noise_and_of_length_one_only_where_asked(captioner, data, renormalise):
    _, images, texts = data
    tuned = fine_tune(captioner, images, texts, group="image", settings=QUICK, renormalise=renormalise)
    run = CaptionerRun(tuned.decoder, tuned.preparation, images, texts, settings=QUICK, group="image")
    index = torch.arange(5)
    rows, _ = run.pairs.batch(index, 0)
    assert torch.equal(rows, run.pairs.batch(index, 7)[0])
    kept = run.pairs.rows[:5]
    unit = images / np.linalg.norm(images, axis=1, keepdims=True)
    wanted = kept / np.linalg.norm(kept, axis=1, keepdims=True) - unit.mean(axis=0)
    if renormalise:
        wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    assert rows.numpy() == pytest.approx(wanted, abs=1e-5)
    assert tuned.preparation.corruption.renormalise is renormalise
    assert captioner.preparation.corruption.renormalise is True
    lengths = np.linalg.norm(tuned.preparation.rows(images, "image"), axis=1)
    assert (np.allclose(lengths, 1, atol=1e-5)) is renormalise


def test_the_epoch_with_the_best_rouge_l_is_kept(captioner, data):
    _, images, texts = data
    references = [[text] for text in texts[40:]]
    settings = FitSettings(batch_size=16, epochs=12, learning_rate=0.05)
    tuned = fine_tune(
        captioner, images[:40], texts[:40], group="image", settings=settings, validation=(images[40:], references)
    )
    assert tuned.facts["kept_by"] == "rouge_l"
    found = tuned.caption(images[40:], group="image", decoding=Decoding())
    reached = rouge_l([caption.text for caption in found], references)
    assert tuned.facts["validation_rouge_l"] == pytest.approx(reached)
    assert tuned.facts["validation_loss"] is None  # a score is no loss of a token
    last = fine_tune(captioner, images[:40], texts[:40], group="image", settings=settings)
    words = [caption.text for caption in last.caption(images[40:], group="image")]
    assert reached >= rouge_l(words, references)


def test_a_stopped_one_goes_on(captioner, data, tmp_path):
    _, images, texts = data

    def stop(step: int, total: int, text: str) -> None:
        if step == 5:
            raise KeyboardInterrupt

    options = {"group": "image", "settings": QUICK, "held_out": 0.2}
    path = tmp_path / "run.safetensors"
    with pytest.raises(KeyboardInterrupt):
        fine_tune(captioner, images, texts, checkpoint=path, checkpoint_every=2, progress=stop, **options)
    again = fine_tune(captioner, images, texts, checkpoint=path, checkpoint_every=2, **options)
    plain = fine_tune(captioner, images, texts, **options)
    assert again.facts == plain.facts
    assert plain.facts["kept_by"] == "token_loss"
    for name, values in plain.decoder.state_dict().items():
        assert torch.equal(values, again.decoder.state_dict()[name])


def test_what_does_not_fit_is_refused(captioner, data):
    _, images, texts = data
    with pytest.raises(ValueError, match="there is no mean for 'audio'"):
        fine_tune(captioner, images, texts, group="audio", settings=QUICK)
    with pytest.raises(ValueError, match="references for each of its 60 rows, but there are 3"):
        fine_tune(captioner, images, texts, group="image", settings=QUICK, validation=(images, [["a"]] * 3))
    with pytest.raises(ValueError, match="one text a row"):
        fine_tune(captioner, images, texts[:5], group="image", settings=QUICK)


def test_a_decoder_that_is_not_trained_is_refused(captioner, data):
    from crossgap.transfer.nearest_caption import NearestCaption

    texts_of_rows, images, texts = data
    lookup = NearestCaption(captioner.preparation.rows(texts_of_rows, "text"), texts)
    with pytest.raises(TypeError, match="decoder must be one that is trained, but it is a NearestCaption"):
        fine_tune(Captioner(captioner.preparation, lookup), images, texts, group="image", settings=QUICK)


def test_it_can_be_saved(captioner, data, tmp_path):
    _, images, texts = data
    tuned = fine_tune(captioner, images, texts, group="image", settings=QUICK, renormalise=False)
    read = Captioner.load(tuned.save(tmp_path / "tuned"))
    assert read.caption(images, group="image") == tuned.caption(images, group="image")
    assert read.preparation.corruption.renormalise is False
