import json
import re
import shutil
import sys
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch

from crossgap.data import Embeddings
from crossgap.errors import FormatError, MissingExtraError
from crossgap.train.optimisers import adamw, linear_schedule
from crossgap.train.pairs import PairedTensors
from crossgap.train.run import TrainingRun
from crossgap.transfer.captioner import Captioner
from crossgap.transfer.clipcap import ClipCap
from crossgap.transfer.decoding import Decoding
from crossgap.transfer.language_model import GPT2, language_model_from_files, read_language_model
from crossgap.transfer.low_rank import LowRank
from crossgap.transfer.preparation import Preparation
from crossgap.transfer.token_loss import token_loss

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")
pytest.importorskip("peft")

CAPTIONS = [
    "A dog runs.",
    "A cat sleeps on a red sofa.",
    "Two birds sing.",
    "A man rides a bicycle.",
    "A child eats an apple in the park.",
    "The sea is blue.",
    "A train leaves the station at night.",
    "Snow on a roof.",
]
D = 6
ROWS = torch.nn.functional.normalize(torch.randn(8, D, generator=torch.Generator().manual_seed(3)), dim=1)
END = "<|endoftext|>"
TOKENIZER_FILE = "tokenizer.json"
CHECKOUT = Path(__file__).resolve().parents[3]


def made_tokenizer(**options):
    bpe = tokenizers.Tokenizer(tokenizers.models.BPE())
    bpe.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = tokenizers.decoders.ByteLevel()
    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=320, special_tokens=[END], initial_alphabet=letters, show_progress=False
    )
    bpe.train_from_iterator(CAPTIONS, trainer)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=bpe, **{"eos_token": END, **options})


def gpt2(**options):
    small = {"vocab_size": 320, "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64}
    ends = {"bos_token_id": 0, "eos_token_id": 0}
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(**{**small, **ends, **options}))


SMALL = {"vocab_size": 320, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
PLACES = {"max_position_embeddings": 64, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}


def llama():
    more = {"intermediate_size": 48, "num_key_value_heads": 1}
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**SMALL, **PLACES, **more))


def opt():
    more = {"ffn_dim": 48, "word_embed_proj_dim": 16}
    return transformers.OPTForCausalLM(transformers.OPTConfig(**SMALL, **PLACES, **more))


def bloom():
    options = {"vocab_size": 320, "hidden_size": 32, "n_layer": 2, "n_head": 2, "eos_token_id": 0}
    return transformers.BloomForCausalLM(transformers.BloomConfig(**options))


def gemma2():
    more = {"intermediate_size": 48, "num_key_value_heads": 1, "head_dim": 16, "sliding_window": 4}
    return transformers.Gemma2ForCausalLM(transformers.Gemma2Config(**SMALL, **PLACES, **more))


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    import socket

    def refuse(*_, **__):
        raise AssertionError("a test asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny GPT-2 as transformers writes it."""
    place = tmp_path_factory.mktemp("gpt2")
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        gpt2().save_pretrained(place)
    made_tokenizer().save_pretrained(place)
    return place


def decoder_of(folder, **options):
    return ClipCap.from_pretrained(folder, **{"dimension": D, "prefix_length": 3, "most_tokens": 30, **options})


def run_of(decoder, *, epochs, learning_rate=5e-3):
    tokens = decoder.tokens_of(CAPTIONS)
    run = TrainingRun(
        decoder,
        token_loss,
        PairedTensors(ROWS, tokens),
        optimiser=adamw(decoder, learning_rate=learning_rate, weight_decay=0.0),
        batch_size=8,
        epochs=epochs,
    )
    run.schedule = linear_schedule(min(5, epochs // 4), run.total_steps)
    return run


@pytest.fixture(scope="module")
def fitted(folder):
    """A decoder that knows eight captions by heart, its first and its last loss."""
    decoder = decoder_of(folder)
    steps = list(run_of(decoder, epochs=120, learning_rate=1e-2))
    return decoder.eval(), steps[0].loss, token_loss(*decoder(ROWS, decoder.tokens_of(CAPTIONS))).item()


@pytest.fixture(scope="module")
def taught(fitted, tmp_path_factory):
    """A tiny GPT-2 that knows the captions, though not when to write which."""
    place = tmp_path_factory.mktemp("taught")
    fitted[0].language_model.save_pretrained(place)
    fitted[0].tokens.tokenizer.save_pretrained(place)
    return place


def state(decoder):
    return {name: values.clone() for name, values in decoder.state_dict().items()}


def changed(before, decoder):
    return {name for name, values in decoder.state_dict().items() if not torch.equal(values, before[name])}


# training


def test_eight_captions_are_learned_and_written(fitted):
    decoder, first, last = fitted
    assert first > 5.0
    assert last < 0.05
    found = decoder.generate(ROWS)
    assert [caption.text for caption in found] == CAPTIONS
    counts = [len(tokens) + 1 for tokens in decoder.tokens.encode(CAPTIONS)]
    assert [caption.tokens for caption in found] == counts
    assert all(-0.2 < caption.score <= 0 for caption in found)


def test_other_ways_of_decoding_write_them_too(fitted):
    decoder, *_ = fitted
    for decoding in (Decoding(method="beam", beams=3), Decoding(method="nucleus", top_p=0.3)):
        assert [caption.text for caption in decoder.generate(ROWS, decoding)] == CAPTIONS


def test_lora_changes_only_its_adapters_and_the_mapper(folder):
    decoder = decoder_of(folder, tune="lora", low_rank=LowRank(rank=2))
    before = state(decoder)
    list(run_of(decoder, epochs=3))
    names = changed(before, decoder)
    assert all("lora_" in name or name.startswith("mapper.") for name in names)
    assert {name for name in before if "lora_" in name} <= names
    assert sum("lora_A" in name for name in names) == 2  # c_attn of two layers
    assert any(name.startswith("mapper.") for name in names)


def test_lora_takes_given_modules_and_learns(taught):
    low_rank = LowRank(rank=4, modules=("c_attn", "c_fc", "c_proj"))
    decoder = decoder_of(taught, tune="lora", low_rank=low_rank, seed=1)
    assert sum("lora_A" in name for name, _ in decoder.named_parameters()) == 2 * 4
    steps = list(run_of(decoder, epochs=25, learning_rate=2e-2))
    assert steps[-1].loss < steps[0].loss / 5


def test_lora_starts_where_the_model_was(folder):
    plain, lora = decoder_of(folder), decoder_of(folder, tune="lora")
    tokens = plain.tokens_of(CAPTIONS)
    plain.eval(), lora.eval()
    assert torch.equal(plain(ROWS, tokens)[0], lora(ROWS, tokens)[0])


def test_frozen_changes_only_the_mapper(folder):
    decoder = decoder_of(folder, tune="frozen")
    before = state(decoder)
    steps = list(run_of(decoder, epochs=30, learning_rate=2e-2))
    assert changed(before, decoder) == {f"mapper.{layer}.{kind}" for layer in (0, 2) for kind in ("weight", "bias")}
    assert steps[-1].loss < steps[0].loss
    assert decoder.train().mapper.training
    assert not decoder.language_model.training


def test_whole_changes_everything(folder):
    decoder = decoder_of(folder)
    before = state(decoder)
    list(run_of(decoder, epochs=2))
    assert changed(before, decoder) == set(before)


@pytest.mark.parametrize("tune", ["whole", "lora"])
def test_a_run_goes_on_where_it_was_saved(folder, tmp_path, tune):
    def fresh():
        return run_of(decoder_of(folder, tune=tune), epochs=6)

    whole = fresh()
    losses = [step.loss for step in whole]
    first, second = fresh(), fresh()
    for _, _ in zip(range(3), first, strict=False):
        pass
    first.save(tmp_path / "run.safetensors")
    second.restore(tmp_path / "run.safetensors")
    assert [step.loss for step in second] == losses[3:]
    ends = [state(run.model) for run in (whole, second)]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


# what a caption is told of


@pytest.mark.parametrize("model", [gpt2, llama, opt, bloom, gemma2])
def test_a_padded_batch_gives_the_loss_of_single_captions(model):
    torch.manual_seed(0)
    decoder = ClipCap(model(), made_tokenizer(), dimension=D, prefix_length=3, most_tokens=30).eval()
    with torch.inference_mode():
        logits, targets = decoder(ROWS, decoder.tokens_of(CAPTIONS))
        singles = [decoder(ROWS[i : i + 1], decoder.tokens_of([CAPTIONS[i]])) for i in range(8)]
    assert torch.equal(targets, torch.cat([found[1] for found in singles]))
    assert torch.allclose(logits, torch.cat([found[0] for found in singles]), rtol=0, atol=2e-5)
    assert (targets == 0).sum() == 8  # the end is learned


@pytest.mark.parametrize("model", [gpt2, llama, opt, bloom, gemma2])
@pytest.mark.parametrize("method", ["greedy", "beam"])
def test_the_kept_past_changes_nothing(model, method):
    torch.manual_seed(0)
    decoder = ClipCap(model(), made_tokenizer(), dimension=D, prefix_length=3, most_tokens=12).eval()
    with torch.no_grad():
        for values in decoder.mapper.parameters():
            values.mul_(20)  # so that rows differ
    found = decoder.generate(ROWS, Decoding(method=method, beams=4, most_tokens=12))
    written = []

    def next_logits(tokens, past, kept):
        given = decoder._prefix(ROWS)
        if tokens is not None:
            past = past if kept is None else [past[0][kept], past[1][kept]]
            past = [past[0], torch.cat([past[1], tokens[:, None]], dim=1)]
            given = torch.cat([past[0], decoder._words(past[1])], dim=1)
        else:
            past = [given, torch.zeros(len(ROWS), 0, dtype=torch.int64)]
        written.append(len(given))
        return decoder.language_model(inputs_embeds=given, use_cache=False).logits[:, -1], past

    from crossgap.transfer.decoding import decode

    with torch.inference_mode():
        wanted, scores = decode(next_logits, 8, end=0, decoding=Decoding(method=method, beams=4, most_tokens=12))
    texts = [decoder.tokens.decode(tokens, ended=len(tokens) < 12) for tokens in wanted]
    assert [caption.text for caption in found] == texts
    assert [caption.score for caption in found] == pytest.approx(scores, abs=1e-4)
    assert len(set(texts)) > 1
    assert max(written) == (8 if method == "greedy" else 32)


def test_a_caption_depends_on_the_row_and_the_words_before_it_alone(folder):
    decoder = decoder_of(folder).eval()
    tokens = decoder.tokens_of([CAPTIONS[4]])
    rows, embedded = ROWS[:1].clone().requires_grad_(), []
    decoder.language_model.get_input_embeddings().register_forward_hook(
        lambda module, given, out: embedded.append(out.requires_grad_()) or out
    )
    logits, _ = decoder(rows, tokens)
    for place in (0, 3):
        row_effect, word_effect = torch.autograd.grad(
            logits[place].square().sum(), (rows, embedded[0]), retain_graph=True
        )
        assert row_effect.abs().max() > 0
        assert bool(word_effect[0, :place].any(dim=1).all())
        assert not word_effect[0, place:].any()


def test_the_length_of_the_prefix_matters(folder):
    short, long = decoder_of(folder, prefix_length=1).eval(), decoder_of(folder, prefix_length=5).eval()
    tokens = short.tokens_of(CAPTIONS)
    assert short.mapper[2].out_features == 32
    assert [long.mapper[0].out_features, long.mapper[2].out_features] == [80, 160]
    assert not torch.allclose(short(ROWS, tokens)[0], long(ROWS, tokens)[0], atol=1e-3)
    assert decoder_of(folder, prefix_length=10).mapper[0].out_features == 160  # k h / 2


def test_the_seed_is_that_of_mapper_and_adapters(folder):
    first, again, other = (decoder_of(folder, tune="lora", seed=seed) for seed in (0, 0, 1))
    a, b, c = state(first), state(again), state(other)
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["mapper.0.weight"], c["mapper.0.weight"])
    name = next(name for name in a if "lora_A" in name)
    assert not torch.equal(a[name], c[name])


def test_building_draws_nothing_from_torch(folder):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    decoder = decoder_of(folder, tune="lora")
    ClipCap.from_settings(decoder.settings, decoder.files())
    assert torch.equal(torch.get_rng_state(), before)


# tokens


def test_tokens_end_and_are_cut(folder):
    texts = ["A dog runs.", "A child eats an apple in the park.", ""]
    most = len(decoder_of(folder).tokens.encode(texts)[0]) + 1
    decoder = decoder_of(folder, most_tokens=most)
    tokens = decoder.tokens_of(texts)
    assert tuple(tokens.shape) == (3, most)
    assert decoder.count_cut(texts) == 1
    assert (tokens[1] > 0).all()
    assert tokens[2].tolist() == [0, *[-100] * (most - 1)]
    short = tokens[0][tokens[0] >= 0].tolist()
    assert short[-1] == 0
    assert decoder.tokens.decode(short[:-1], ended=True) == "A dog runs."
    assert decoder.tokens_of([]).shape == (0, 1)


def test_any_text_has_tokens(folder):
    decoder = decoder_of(folder)
    texts = [END, "狗在跑", "half \ud83d a letter", "word " * 10_000, "\n"]
    tokens = decoder.tokens_of(texts)
    assert (tokens[0] == 0).sum() == 1  # its name is letters, and its end comes once
    assert decoder.count_cut(texts) >= 1
    assert decoder.tokens.decode(decoder.tokens.encode(["狗在跑"])[0], ended=True) == "狗在跑"
    assert bool(torch.isfinite(decoder(ROWS[:5], tokens)[0]).all())


def test_the_length_of_captions_is_the_rule_of_clipcap(folder):
    decoder = decoder_of(folder, most_tokens=50)
    counts = [len(tokens) for tokens in decoder.tokens.encode(CAPTIONS)]
    assert decoder.fit_length(CAPTIONS) == max(counts) + 1
    assert decoder.settings["most_tokens"] == max(counts) + 1
    assert decoder.count_cut(CAPTIONS) == 0
    many = ["A dog runs."] * 400 + [CAPTIONS[4]]
    lengths = [len(tokens) for tokens in decoder.tokens.encode(many)]
    wanted = int(np.mean(lengths) + 10 * np.std(lengths, ddof=1)) + 1
    assert wanted <= max(lengths)
    assert decoder.fit_length(many) == wanted
    assert decoder.count_cut(many) == 1
    assert decoder.fit_length(["A dog runs."]) == lengths[0] + 1


def test_a_full_stop_may_end_a_caption(folder, fitted):
    decoder = decoder_of(folder, stop="full stop")
    decoder.load_state_dict(fitted[0].state_dict())
    found = decoder.generate(ROWS)
    assert [caption.text for caption in found] == CAPTIONS
    counts = [len(tokens) for tokens in decoder.tokens.encode(CAPTIONS)]
    assert [caption.tokens for caption in found] == counts  # no end behind the full stop
    assert decoder.settings["stop"] == "full stop"


def test_most_tokens_of_either_side_cut(folder, fitted):
    decoder, *_ = fitted
    assert {caption.tokens for caption in decoder.generate(ROWS, Decoding(most_tokens=2))} == {2}
    copy = decoder_of(folder, most_tokens=3)
    copy.load_state_dict(decoder.state_dict())
    assert {caption.tokens for caption in copy.generate(ROWS)} == {3}


def test_writing_in_parts_is_writing_at_once(fitted, monkeypatch):
    decoder, *_ = fitted
    decoding = Decoding(method="nucleus", temperature=1.5, top_p=0.95, seed=4)
    whole = [caption.text for caption in decoder.generate(ROWS, decoding)]
    monkeypatch.setattr("crossgap.transfer.clipcap._AT_ONCE", 3)
    assert [caption.text for caption in decoder.generate(ROWS, decoding)] == whole
    assert [caption.text for caption in decoder.generate(ROWS[5:], decoding, numbers=[5, 6, 7])] == whole[5:]
    assert decoder.generate(ROWS[:0]) == []
    assert decoder.generate(ROWS.double().numpy())[0].text == CAPTIONS[0]
    assert decoder.train().generate(ROWS[:1])[0].text == CAPTIONS[0]
    assert decoder.training


# keeping


def rebuilt(decoder):
    settings = json.loads(json.dumps(decoder.settings))
    copy = ClipCap.from_settings(settings, decoder.files())
    copy.load_state_dict(decoder.state_dict())
    return copy


def test_what_was_kept_writes_the_same(fitted):
    decoder, *_ = fitted
    copy = rebuilt(decoder)
    wanted = decoder.generate(ROWS)
    assert [caption.text for caption in copy.generate(ROWS)] == [caption.text for caption in wanted]
    assert not changed(state(copy), decoder)
    assert deepcopy(decoder).generate(ROWS)[0].text == wanted[0].text
    assert copy.settings == decoder.settings
    assert copy.files() == decoder.files() == rebuilt(copy).files()
    assert all("/" not in name for name in decoder.files())


def test_lora_is_merged_into_a_plain_model(folder, taught):
    decoder = decoder_of(taught, tune="lora", low_rank=LowRank(rank=4, modules=("c_attn", "c_fc")))
    list(run_of(decoder, epochs=25, learning_rate=2e-2))
    before = state(decoder)
    plain = decoder.merged()
    assert all(torch.equal(before[name], values) for name, values in decoder.state_dict().items())
    assert sorted(plain.state_dict()) == sorted(decoder_of(folder).state_dict())
    assert plain.settings["tune"] == "whole"
    assert plain.settings["low_rank"] is None
    assert plain.merged() is plain
    tokens = decoder.tokens_of(CAPTIONS)
    decoder.eval(), plain.eval()
    with torch.inference_mode():
        assert torch.allclose(plain(ROWS, tokens)[0], decoder(ROWS, tokens)[0], rtol=0, atol=1e-4)
    assert [a.text for a in rebuilt(plain).generate(ROWS)] == [a.text for a in decoder.generate(ROWS)]
    assert all(values.requires_grad for values in plain.parameters())
    list(run_of(plain, epochs=1))
    copy = rebuilt(decoder)  # as it is, too
    assert not changed(state(copy), decoder)
    assert [a.text for a in copy.generate(ROWS)] == [a.text for a in decoder.generate(ROWS)]


def test_a_captioner_keeps_lora_as_a_part_of_the_matrices(folder, taught, tmp_path, monkeypatch):
    decoder = decoder_of(taught, tune="lora", low_rank=LowRank(rank=4, modules=("c_attn", "c_fc")))
    list(run_of(decoder, epochs=25, learning_rate=2e-2))
    rows = ROWS.numpy()
    preparation = Preparation.fit(Embeddings.from_arrays(text=rows), arm="C1")
    captioner = Captioner(preparation, decoder)
    wanted = [caption.text for caption in captioner.caption(rows, group="text")]
    captioner.save(tmp_path / "kept")
    assert (decoder.tune, captioner.decoder) == ("lora", decoder)  # the one at hand can be trained on
    monkeypatch.setitem(sys.modules, "peft", None)
    read = Captioner.load(tmp_path / "kept")
    assert (read.decoder.tune, read.decoder.low_rank) == ("whole", None)
    assert [caption.text for caption in read.caption(rows, group="text")] == wanted
    assert sorted(read.decoder.state_dict()) == sorted(decoder_of(folder).state_dict())


def test_a_weight_of_two_names_is_kept_once(fitted):
    decoder, *_ = fitted
    names = decoder.state_dict().keys()
    assert "language_model.transformer.wte.weight" in names
    assert "language_model.lm_head.weight" not in names
    copy = rebuilt(decoder).language_model
    assert copy.lm_head.weight is copy.transformer.wte.weight
    holder = torch.nn.ModuleDict({"decoder": rebuilt(decoder)})
    holder.load_state_dict(holder.state_dict())
    assert "decoder.language_model.lm_head.weight" not in holder.state_dict()


def test_half_precision_leaves_the_mapper_in_float32(folder):
    decoder = decoder_of(folder, tune="lora", dtype="bfloat16")
    assert {values.dtype for values in decoder.parameters() if values.requires_grad} == {torch.float32}
    assert decoder.language_model.get_input_embeddings().weight.dtype == torch.bfloat16
    steps = list(run_of(decoder, epochs=3))
    assert steps[-1].loss < steps[0].loss
    copy = rebuilt(decoder)
    assert copy.settings["dtype"] == "bfloat16"
    assert [a.text for a in copy.generate(ROWS)] == [a.text for a in decoder.generate(ROWS)]


def test_autocast(folder):
    decoder = decoder_of(folder)
    run = TrainingRun(
        decoder,
        token_loss,
        PairedTensors(ROWS, decoder.tokens_of(CAPTIONS)),
        optimiser=adamw(decoder, learning_rate=5e-3, weight_decay=0.0),
        batch_size=8,
        epochs=3,
        precision="bf16",
    )
    losses = [step.loss for step in run]
    assert losses[-1] < losses[0]


# refusals


def test_rows_and_tokens_must_fit(folder):
    decoder = decoder_of(folder)
    tokens = decoder.tokens_of(CAPTIONS)
    for call in (lambda: decoder(ROWS[:, :4], tokens), lambda: decoder.generate(ROWS[:, :4])):
        with pytest.raises(ValueError, match=r"rows must have shape \(n, 6\), but it is \(8, 4\)"):
            call()
    with pytest.raises(ValueError, match=r"rows must have shape \(n, 6\), but it is \(6,\)"):
        decoder.generate(ROWS[0])
    for wrong in (tokens[:3], tokens[0], torch.zeros(8, 31, dtype=torch.int64)):
        with pytest.raises(ValueError, match=r"tokens must have shape \(8, at most 30\), a caption for each row"):
            decoder(ROWS, wrong)
    with pytest.raises(ValueError, match="rows must hold finite numbers"):
        decoder.generate(torch.full((1, D), torch.nan))
    with pytest.raises(TypeError, match="texts must be a list of texts, but it is one string"):
        decoder.tokens_of("A dog.")
    with pytest.raises(TypeError, match="each text must be a string, but text 1 is a int"):
        decoder.tokens_of(["A dog.", 3])
    with pytest.raises(ValueError, match="texts must hold at least one text, but it is empty"):
        decoder.fit_length([])
    with pytest.raises(ValueError, match=r"must fit the 64 places of the language model, but they take 3 \+ 15001"):
        decoder.fit_length(["word " * 3000])


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"tune": "half"}, ValueError, "tune must be one of 'whole', 'lora', 'frozen', but it is 'half'"),
        ({"stop": "."}, ValueError, "stop must be one of 'end', 'full stop', but it is '.'"),
        ({"dimension": 0}, ValueError, "dimension must be a whole number of at least 1, but it is 0"),
        ({"prefix_length": 2.5}, ValueError, "prefix_length must be a whole number of at least 1, but it is 2.5"),
        ({"most_tokens": True}, ValueError, "most_tokens must be a whole number of at least 1, but it is True"),
        ({"most_tokens": 62}, ValueError, r"must fit the 64 places of the language model, but they take 3 \+ 62"),
        ({"low_rank": LowRank()}, TypeError, "low_rank must be left out unless tune is 'lora', but tune is 'whole'"),
        ({"dtype": "int8"}, ValueError, "dtype must be one of 'float32', 'bfloat16', 'float16', but it is 'int8'"),
        (
            {"tune": "lora", "low_rank": LowRank(modules=("q_proj",))},
            ValueError,
            r"modules of LowRank must name layers .* they are \('q_proj',\); choose of c_attn, c_fc, c_proj, lm_head",
        ),
    ],
)
def test_settings_are_checked(folder, options, kind, message):
    with pytest.raises(kind, match=message):
        decoder_of(folder, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 0}, "rank must be a whole number of at least 1, but it is 0"),
        ({"rank": 1.5}, "rank must be a whole number of at least 1, but it is 1.5"),
        ({"alpha": 0.0}, "alpha must be above 0, but it is 0.0"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), but it is 1.0"),
        ({"modules": ()}, r"modules must be a tuple of one name or more, but it is \(\)"),
        ({"modules": "c_attn"}, "modules must be a tuple of one name or more, but it is 'c_attn'"),
    ],
)
def test_low_rank_is_checked(options, message):
    with pytest.raises(ValueError, match=message):
        LowRank(**options)


def test_every_setting_of_low_rank_matters(folder):
    tokens = decoder_of(folder).tokens_of(CAPTIONS)

    def last(**options):
        decoder = decoder_of(folder, tune="lora", low_rank=LowRank(**{"rank": 2, **options}))
        list(run_of(decoder, epochs=3))
        return decoder.eval()(ROWS, tokens)[0]

    usual = last()
    for options in ({"rank": 3}, {"alpha": 4.0}, {"dropout": 0.5}, {"modules": ("c_fc",)}):
        assert not torch.equal(last(**options), usual), options


def test_a_model_must_suit():
    torch.manual_seed(0)
    bert = transformers.BertConfig(**SMALL, max_position_embeddings=64, intermediate_size=48)
    with pytest.raises(ValueError, match="must be causal, but in this BertLMHeadModel a token depends on later ones"):
        ClipCap(transformers.BertLMHeadModel(bert), made_tokenizer(), dimension=D)
    with pytest.raises(ValueError, match="must take inputs_embeds and past_key_values, but a Linear takes no inputs_"):
        ClipCap(torch.nn.Linear(2, 2), made_tokenizer(), dimension=D)
    with pytest.raises(ValueError, match="the tokenizer has no end token, so captions could not end"):
        ClipCap(gpt2(), made_tokenizer(eos_token=None), dimension=D)
    with pytest.raises(ValueError, match=r"must know every token, but the tokenizer has 3\d\d and the model 100"):
        ClipCap(gpt2(vocab_size=100), made_tokenizer(), dimension=D)
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"#": 0, "word.": 1}, unk_token="#"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    whole = transformers.PreTrainedTokenizerFast(tokenizer_object=words, eos_token="#")
    with pytest.raises(ValueError, match=r"no token of its own for '.', so stop must be 'end'"):
        ClipCap(gpt2(), whole, dimension=D, stop="full stop")
    granite = transformers.GraniteConfig(**SMALL, **PLACES, intermediate_size=48)
    with pytest.raises(
        ValueError, match="name layers of this GraniteForCausalLM, but they are None; choose of down_proj"
    ):
        ClipCap(transformers.GraniteForCausalLM(granite), made_tokenizer(), dimension=D, tune="lora")


def test_other_architectures_take_lora():
    for model, count in ((llama, 4), (opt, 4), (bloom, 2)):
        decoder = ClipCap(model(), made_tokenizer(), dimension=D, prefix_length=2, tune="lora")
        assert sum("lora_A" in name for name, _ in decoder.named_parameters()) == count
        plain = decoder.merged()
        assert not any("lora" in name for name in plain.state_dict())


@pytest.fixture
def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "model")


def test_a_folder_must_be_there(tmp_path):
    for source in (tmp_path / "none", str(tmp_path / "none"), "./none"):
        with pytest.raises(FileNotFoundError, match=r"there is no folder '.*none'; give the folder"):
            read_language_model(source)


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("config.json", "holds no config.json; give the folder of one language model"),
        (TOKENIZER_FILE, "holds no tokenizer; put its files"),
        ("model.safetensors", "must hold .safetensors weights, but it holds no weights"),
    ],
)
def test_a_folder_must_be_whole(copied, lost, message):
    (copied / lost).unlink()
    with pytest.raises(FormatError, match=message):
        read_language_model(copied)


def test_pickled_weights_are_not_read(copied):
    (copied / "model.safetensors").rename(copied / "pytorch_model.bin")
    message = r"only pickled weights \(pytorch_model.bin\), which could run code; save the model again"
    with pytest.raises(FormatError, match=message):
        read_language_model(copied)


@pytest.mark.parametrize("name", ["config.json", TOKENIZER_FILE, "model.safetensors"])
def test_damaged_files(copied, name):
    (copied / name).write_bytes((copied / name).read_bytes()[:40])
    with pytest.raises(
        FormatError, match=r"cannot be read as a causal language model \(.+\); give the folder of a GPT-2"
    ):
        read_language_model(copied)


def test_another_kind_of_model(copied):
    transformers.ViTConfig(hidden_size=8).save_pretrained(copied)
    with pytest.raises(FormatError, match="cannot be read as a causal language model"):
        read_language_model(copied)


def test_missing_weights(copied):
    from safetensors.torch import load_file, save_file

    weights = load_file(copied / "model.safetensors")
    del weights["transformer.h.0.mlp.c_fc.weight"]
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(FormatError, match=r"lacks 1 of the weights of a GPT2LMHeadModel, 'transformer.h.0.mlp.c_fc"):
        read_language_model(copied)


def asked(monkeypatch, folder, *, fails=None):
    """Answer for the hub with a folder, or fail; return what was asked for."""
    calls = []
    for name in ("AutoTokenizer", "AutoModelForCausalLM"):
        kind = getattr(transformers, name)
        real = kind.from_pretrained

        def answer(source, real=real, **options):
            calls.append((source, options))
            if fails is not None:
                raise fails
            return real(folder, **{**options, "local_files_only": True})

        monkeypatch.setattr(kind, "from_pretrained", answer)
    return calls


def test_the_network_needs_a_name(monkeypatch, folder):
    calls = asked(monkeypatch, folder)
    read_language_model()
    read_language_model(folder)
    read_language_model("distilgpt2", revision="abc")
    assert [source for source, _ in calls] == [GPT2, GPT2, str(folder), str(folder), "distilgpt2", "distilgpt2"]
    assert [options["local_files_only"] for _, options in calls] == [True] * 4 + [False] * 2
    assert not any(options["trust_remote_code"] for _, options in calls)
    assert all(options["use_safetensors"] for _, options in calls[1::2])
    assert ["revision" in options for _, options in calls] == [False] * 4 + [True] * 2


def test_a_name_that_fails(monkeypatch, folder):
    asked(monkeypatch, folder, fails=OSError("no such thing\nmore"))
    with pytest.raises(FileNotFoundError, match=r"GPT-2 is not in the cache of this machine.*\(no such thing\)"):
        read_language_model()
    with pytest.raises(FileNotFoundError, match=r"'distilgpt2' is no folder here, and cannot be had from the hub"):
        read_language_model("distilgpt2")
    asked(monkeypatch, folder, fails=ValueError("another kind"))
    with pytest.raises(FormatError, match=r"'google/vit' cannot be read as a causal language model \(another kind\)"):
        read_language_model("google/vit")


def test_kept_settings_and_files_are_checked(fitted):
    decoder, *_ = fitted
    settings, files = decoder.settings, decoder.files()
    for lost, message in (("config.json", "holds no config.json"), (TOKENIZER_FILE, "holds no tokenizer")):
        with pytest.raises(FormatError, match=message):
            ClipCap.from_settings(settings, {name: part for name, part in files.items() if name != lost})
    with pytest.raises(FormatError, match="files of the language model cannot be read"):
        ClipCap.from_settings(settings, {**files, "config.json": b"{"})
    with pytest.raises(FormatError, match=r"must have a plain name, but one is called '\.\./x'"):
        language_model_from_files({**files, "../x": b""})
    for wrong in ({"wings": 2}, {"dimension": -1}, {"dtype": "int3"}, {"low_rank": {"rank": 0}, "tune": "lora"}):
        with pytest.raises(FormatError, match="settings are not those of a ClipCap"):
            ClipCap.from_settings({**settings, **wrong}, files)


def test_missing_packages(monkeypatch, folder):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "transformers", None)
        with pytest.raises(MissingExtraError, match=r"transformers is not installed.*crossgap\[caption\]"):
            read_language_model(folder)
    monkeypatch.setitem(sys.modules, "peft", None)
    decoder_of(folder)  # needs none
    with pytest.raises(MissingExtraError, match=r"LoRA needs peft.*crossgap\[caption\]"):
        decoder_of(folder, tune="lora")


# the pages


def run_page(page, *changes):
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    code = "\n\n".join(blocks)
    for old, new in changes:
        assert old in code, old
        code = code.replace(old, new)
    names = {"__name__": page.stem}
    exec(compile(code, page.name, "exec"), names)  # noqa: S102  it is ours
    return names


def test_the_python_of_the_guide_runs(folder, fitted, tmp_path, monkeypatch, capsys):
    from safetensors.torch import save_file

    monkeypatch.chdir(tmp_path)
    shutil.copytree(folder, "gpt2")
    np.save("text.npy", ROWS.numpy())
    np.save("image.npy", -ROWS.numpy())
    Path("captions.txt").write_text("\n".join(CAPTIONS) + "\n", encoding="utf-8")
    names = {"mapper.": "clip_project.model.", "language_model.": "gpt."}  # as ClipCap's code names them
    known = decoder_of(folder, prefix_length=10, tune="whole")
    kept = {
        name.replace(old, new): values
        for name, values in known.state_dict().items()
        for old, new in names.items()
        if old in name
    }
    kept |= {"gpt.lm_head.weight": torch.zeros(1), "gpt.transformer.h.0.attn.bias": torch.zeros(1)}
    save_file(kept, "clipcap.safetensors")
    changes = (("dimension=512", f"dimension={D}"), ("most_tokens=67", "most_tokens=30"))
    found = run_page(CHECKOUT / "docs" / "clipcap.md", *changes)
    assert capsys.readouterr().out.startswith("['")
    assert not changed(known.state_dict(), found["published"])
    assert found["again"].tune == "lora"


def test_the_full_recipe_runs(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(folder, "gpt2")
    items = np.arange(100) // 5
    rows = np.random.default_rng(0).normal(size=(100, D)).astype(np.float32)
    np.savez("coco_train.npz", text=rows, text_item=items, image=-rows[::5], image_item=np.arange(20))
    Path("coco_train.txt").write_text("\n".join(CAPTIONS[i % 8] for i in range(100)) + "\n", encoding="utf-8")
    page = CHECKOUT / "experiments" / "captioning" / "coco_clipcap.md"
    run_page(page, ('"cuda", "fp16"', '"cpu", "bf16"'), ("5000 / 118_287", "0.2"))
    assert Path("coco_C3_1234.safetensors").is_file()
    captioner = Captioner.load("coco_C3")
    assert captioner.facts["steps"] == 20
    assert len(captioner.caption(rows[:3], group="image")) == 3
