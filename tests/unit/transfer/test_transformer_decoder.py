import json

import numpy as np
import pytest
import torch

from crossgap.errors import FormatError
from crossgap.train import PairedTensors, TrainingRun, adamw
from crossgap.transfer import CaptionTokens, Decoding, TransformerDecoder, token_loss

COLOURS, ANIMALS = ("red", "white", "black"), ("dog", "cat", "horse", "bird")
TEXTS = [f"a {colour} {animal} runs" for colour in COLOURS for animal in ANIMALS]


@pytest.fixture(scope="module")
def tokens():
    return CaptionTokens.from_texts(TEXTS, size=330)


def made(tokens, **options):
    sizes = {"dimension": 12, "width": 32, "layers": 2, "heads": 4, "dropout": 0.0, "most_tokens": 10, **options}
    return TransformerDecoder(tokens, **sizes)


@pytest.fixture(scope="module")
def trained(tokens):
    """A decoder that has learned which row stands for which caption."""
    decoder = made(tokens)
    pairs = PairedTensors(torch.eye(12), decoder.tokens_of(TEXTS))
    optimiser = adamw(decoder, learning_rate=1e-2, weight_decay=0.0)
    run = TrainingRun(decoder, token_loss, pairs, optimiser=optimiser, batch_size=12, epochs=60)
    losses = [step.loss for step in run]
    assert losses[-1] < 0.05 < 4 < losses[0]
    return decoder


def test_it_learns_to_say_what_its_row_means(trained):
    captions = trained.generate(torch.eye(12))
    assert [caption.text for caption in captions] == TEXTS
    assert all(-0.1 < caption.score <= 0 for caption in captions)
    assert all(
        caption.tokens == len(trained.tokens.encode([caption.text])[0]) + 1 for caption in captions
    )  # with its end


@pytest.mark.parametrize("method", ["greedy", "beam", "nucleus"])
def test_batch_and_single_use_are_the_same(trained, method):
    rows = torch.nn.functional.normalize(torch.randn(30, 12, generator=torch.Generator().manual_seed(0)), dim=1)
    decoding = Decoding(method=method, beams=3, temperature=1.5)
    together = trained.generate(rows, decoding)
    for number, caption in enumerate(together):
        (alone,) = trained.generate(rows[number : number + 1], decoding, numbers=[number])
        assert (alone.text, alone.tokens) == (caption.text, caption.tokens)
        assert alone.score == pytest.approx(caption.score, abs=1e-5)
    assert len({caption.text for caption in together}) > 5


@pytest.mark.parametrize("method", ["greedy", "beam", "nucleus"])
def test_more_rows_than_are_written_at_a_time(trained, method, monkeypatch):
    rows = torch.nn.functional.normalize(torch.randn(23, 12, generator=torch.Generator().manual_seed(1)), dim=1)
    decoding = Decoding(method=method, beams=2, temperature=1.5)
    together = trained.generate(rows, decoding)
    monkeypatch.setattr("crossgap.transfer.transformer_decoder._AT_ONCE", 5)
    for few, many in zip(trained.generate(rows, decoding), together, strict=True):
        assert few.text == many.text
        assert few.score == pytest.approx(many.score, abs=1e-5)


def test_a_score_is_the_mean_log_probability(trained):
    row = torch.nn.functional.normalize(torch.ones(1, 12), dim=1)
    for decoding in (Decoding(), Decoding(method="beam"), Decoding(method="nucleus", temperature=2.0)):
        (caption,) = trained.generate(row, decoding)
        with torch.no_grad():
            logits, targets = trained(row, trained.tokens_of([caption.text]))
        if trained.tokens_of([caption.text])[0].tolist()[-1] == 0:
            assert caption.score == pytest.approx(-float(token_loss(logits, targets)), abs=1e-4)


def test_a_beam_finds_no_less_probable_captions(trained):
    rows = torch.nn.functional.normalize(torch.randn(40, 12, generator=torch.Generator().manual_seed(2)), dim=1)
    greedy, beam = (
        np.array([c.score * c.tokens for c in trained.generate(rows, decoding)])
        for decoding in (Decoding(), Decoding(method="beam", beams=8, length_penalty=0.0))
    )
    assert (beam >= greedy - 1e-4).all()


def test_captions_end_where_the_decoder_or_the_decoding_does(trained):
    rows = torch.eye(12)
    assert [caption.tokens for caption in trained.generate(rows, Decoding(most_tokens=2))] == [2] * 12
    assert max(caption.tokens for caption in trained.generate(rows, Decoding(most_tokens=500))) <= 10


def test_nothing_outside_is_changed(trained):
    state, mode = torch.get_rng_state(), trained.train().training
    trained.generate(np.eye(12), Decoding(method="nucleus"))
    made(trained.tokens, seed=3)
    assert torch.equal(state, torch.get_rng_state())
    assert trained.training == mode
    trained.eval().generate(torch.eye(12))
    assert not trained.training


def test_arrays_will_do_and_no_row_is_no_caption(trained):
    array = np.eye(12)
    array.setflags(write=False)
    assert trained.generate(array) == trained.generate(torch.eye(12))
    assert trained.generate(torch.zeros(0, 12)) == []


def test_it_is_built_again_from_settings_files_and_weights(trained):
    settings = json.loads(json.dumps(trained.settings))
    again = TransformerDecoder.from_settings(settings, trained.files())
    again.load_state_dict(trained.state_dict())
    assert again.settings == trained.settings
    assert again.generate(torch.eye(12)) == trained.generate(torch.eye(12))


def test_a_seed_fixes_the_weights(tokens):
    first, same, other = (made(tokens, seed=seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["network.words.weight"], other["network.words.weight"])


@pytest.mark.parametrize("options", [{"width": 16}, {"layers": 1}, {"most_tokens": 11}, {"dimension": 13}])
def test_each_size_matters(tokens, options):
    count = [sum(values.numel() for values in made(tokens, **given).parameters()) for given in ({}, options)]
    assert count[0] != count[1]


def test_heads_and_dropout_matter(tokens):
    given = torch.eye(12), made(tokens).tokens_of(TEXTS)
    assert not torch.allclose(made(tokens)(*given)[0], made(tokens, heads=1)(*given)[0], atol=1e-5)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        dropped = made(tokens, dropout=0.5).train()(*given)[0]
    assert not torch.allclose(made(tokens)(*given)[0], dropped, atol=1e-5)


def test_autocast_trains_too(tokens):
    decoder = made(tokens)
    pairs = PairedTensors(torch.eye(12), decoder.tokens_of(TEXTS))
    optimiser = adamw(decoder, learning_rate=1e-2, weight_decay=0.0)
    run = TrainingRun(decoder, token_loss, pairs, optimiser=optimiser, batch_size=12, epochs=20, precision="bf16")
    losses = [step.loss for step in run]
    assert losses[-1] < losses[0] / 3


def test_long_texts_are_counted(trained):
    assert trained.count_cut([*TEXTS, " ".join(["dog"] * 10_000)]) == 1


def test_refusals(tokens, trained):
    for name in ("dimension", "width", "layers", "heads", "most_tokens"):
        with pytest.raises(ValueError, match=f"{name} must be a whole number of at least 1"):
            made(tokens, **{name: 0})
    with pytest.raises(ValueError, match="heads must divide width, but they are 3 and 32"):
        made(tokens, heads=3)
    for dropout in (-0.1, 1.0, float("nan")):
        with pytest.raises(ValueError, match=r"dropout must lie in \[0, 1\)"):
            made(tokens, dropout=dropout)
    for call in (trained.generate, lambda rows: trained(rows, trained.tokens_of(["a"]))):
        with pytest.raises(ValueError, match=r"rows must have shape \(n, 12\).*but it is \(1, 7\)"):
            call(torch.zeros(1, 7))
        with pytest.raises(ValueError, match=r"rows must have shape \(n, 12\).*but it is \(12,\)"):
            call(torch.zeros(12))
    with pytest.raises(ValueError, match="rows must hold finite numbers"):
        trained.generate(torch.full((1, 12), float("nan")))
    for given in (torch.zeros(3, 4).long(), torch.zeros(2).long(), torch.zeros(2, 11).long()):
        with pytest.raises(ValueError, match=r"tokens must have shape \(2, at most 10\)"):
            trained(torch.zeros(2, 12), given)


def test_weights_that_are_no_numbers(tokens):
    decoder = made(tokens)
    decoder.network.norm.weight.data.fill_(float("nan"))
    for method in ("greedy", "beam", "nucleus"):
        with pytest.raises(ValueError, match="the decoder must give finite logits"):
            decoder.generate(torch.eye(12), Decoding(method=method))


def test_a_foreign_folder(trained):
    files = trained.files()
    with pytest.raises(FormatError, match=r"the decoder needs tokenizer.json, but it is not there"):
        TransformerDecoder.from_settings(trained.settings, {})
    with pytest.raises(FormatError, match=r"the vocabulary is no tokenizer.json"):
        TransformerDecoder.from_settings(trained.settings, {"tokenizer.json": b"\xff\x00"})
    for settings in ({}, {**trained.settings, "depth": 3}, {**trained.settings, "heads": 5}):
        with pytest.raises(FormatError, match="the settings are not those of a transformer"):
            TransformerDecoder.from_settings(settings, files)
