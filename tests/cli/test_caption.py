"""``crossgap caption``: from embedded texts to captions of other rows, on the command line."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import crossgap
from crossgap import Embeddings
from crossgap.data import Group

D, ITEMS, EACH = 12, 60, 2
TINY = ("--set", "width=16", "--set", "layers=1", "--set", "heads=2", "--set", "vocabulary=290")
TINY += ("--set", "most_tokens=10", "--set", "learning_rate=0.01", "--set", "batch_size=16")
QUICK = (*TINY, "--epochs", "2", "--target-cosine", "0.8")


def embeddings(seed: int = 0) -> Embeddings:
    """Pictures, sounds and two texts of each item; what is told hangs on two numbers."""
    draws = np.random.default_rng(seed)
    meaning = draws.normal(size=(ITEMS, D))
    ids = np.array([f"item{number:03}" for number in range(ITEMS)])
    offsets = np.eye(D) * 3
    texts, words = [], []
    for place in range(ITEMS * EACH):
        row = meaning[place // EACH]
        texts.append(row + 0.1 * draws.normal(size=D) + offsets[2])
        colour, animal = "red" if row[0] > 0 else "blue", "dog" if row[1] > 0 else "cat"
        words.append(f"a {colour} {animal}" if place % EACH else f"one {animal}, {colour}")
    return Embeddings(
        {
            "image": Group(
                vectors=(meaning + offsets[3]).astype(np.float32), items=ids, uri=[f"photos/{name}.png" for name in ids]
            ),
            "audio": Group(vectors=(meaning + offsets[4]).astype(np.float32), items=ids),
            "text": Group(vectors=np.stack(texts).astype(np.float32), items=np.repeat(ids, EACH), text=words),
        }
    )


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Files of three groups, of parts of them, and a captioner."""
    folder = tmp_path_factory.mktemp("captions")
    whole = embeddings()
    crossgap.write(whole, folder / "all.parquet")
    crossgap.write(whole.select(["image", "text"]), folder / "both.parquet")
    crossgap.write(whole.select(["audio"]), folder / "audio.parquet")
    np.save(folder / "text.npy", whole["text"].vectors)
    np.save(folder / "image.npy", whole["image"].vectors)
    (folder / "texts.txt").write_text("\n".join(whole["text"].text) + "\n", encoding="utf-8")
    (folder / "texts.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in whole["text"].text))
    command = [sys.executable, "-m", "crossgap", "caption", "fit", "both.parquet", *TINY]
    command += ["--epochs", "60", "--target-cosine", "0.9", "-o", "captioner"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    (folder / "fit.out").write_text(done.stdout)
    return folder


# fit


def test_fit_says_what_it_learns_from_and_how_it_went(place):
    said = (place / "fit.out").read_text()
    for words in (
        "text: 120 captions to learn from\n",
        "means of image (60 rows), text (120 rows), 12 dimensions",
        "arm C3: means are taken away (collapse), noise in training (corrupt); noise gaussian of variance ",
        "(cosine 0.90 with the row)",
        "Noise of rows of one item: variance ",
        "480 steps of 16 captions in 60 epochs, 6 held out",
        "epoch 60/60: loss ",
        "held-out loss ",
        "a row is worth ",
        "Written: captioner (captioner.json, decoder.safetensors, preparation.safetensors, tokenizer.json)",
    ):
        assert words in said
    assert "alarm" not in said
    assert said.endswith("Next: crossgap caption predict captioner SOURCE -o captions.jsonl\n")
    assert sorted(contents(place / "captioner")) == [
        "captioner.json",
        "decoder.safetensors",
        "fit/records.jsonl",
        "preparation.safetensors",
        "tokenizer.json",
    ]


def test_texts_may_lie_beside_the_rows(here, place, tmp_path):
    written = []
    for name in ("texts.txt", "texts.jsonl"):
        out = tmp_path / name
        done = here("caption", "fit", "text=text.npy", "image=image.npy", "--text", name, *QUICK, "-o", out, cwd=place)
        done.check_success()
        written.append({key: value for key, value in contents(out).items() if key != "captioner.json"})
    assert written[0] == written[1]


def test_one_seed_one_captioner(here, place, tmp_path):
    for name in ("a", "b"):
        here("caption", "fit", "both.parquet", *QUICK, "-o", tmp_path / name, cwd=place).check_success()
    here("caption", "fit", "both.parquet", *QUICK, "--seed", "1", "-o", tmp_path / "c", cwd=place).check_success()
    first, same, other = (contents(tmp_path / name) for name in "abc")
    assert first == same
    assert first["decoder.safetensors"] != other["decoder.safetensors"]


def test_json_of_a_fit(here, place, tmp_path):
    done = here("caption", "fit", "both.parquet", *QUICK, "--arm", "C2_2", "-o", tmp_path / "c", "--json", cwd=place)
    found = json.loads(done.check_success())
    assert (found["schema"], found["arm"], found["decoder"]) == (1, "C2_2", "TransformerDecoder")
    assert found["facts"]["noise"]["expected_cosine"] == pytest.approx(0.8)
    assert found["facts"]["measured_noise"] > 0
    assert found["ignores_rows"] is (found["facts"]["row_gain"] < 0.02)
    assert found["alarms"] == []


def test_a_decoder_that_ignores_its_rows_raises_an_alarm(here, place, tmp_path):
    quick = ("--epochs", "1", "--target-cosine", "0.01")
    done = here("caption", "fit", "both.parquet", *TINY, *quick, "-o", tmp_path / "c", cwd=place)
    assert "alarm: the decoder ignores its rows" in done.check_success()


def test_empty_and_long_captions_are_counted(here, place, tmp_path):
    whole = embeddings()["text"]
    texts = list(whole.text)
    texts[3], texts[4], texts[5], texts[6] = "", " \t", None, "word " * 10_000
    crossgap.write(Embeddings({"text": replace(whole, text=texts)}), tmp_path / "odd.parquet")
    out = here("caption", "fit", tmp_path / "odd.parquet", *QUICK, "-o", tmp_path / "c").check_success()
    assert "text: 117 captions to learn from; 3 empty ones left out; 1 are longer than 10 tokens and cut" in out


def test_a_language_model_on_the_disk(here, place, tmp_path):
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    words = {word: number for number, word in enumerate(["#", ".", ",", "a", "one", "red", "blue", "dog", "cat"])}
    letters = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="#"))
    letters.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=letters, eos_token="#", unk_token="#")
    shape = {"vocab_size": len(words), "n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 32, "eos_token_id": 0}
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**shape))
    model.save_pretrained(tmp_path / "gpt2")
    tokenizer.save_pretrained(tmp_path / "gpt2")
    run = ("caption", "fit", "both.parquet", "--decoder", "clipcap", "--language-model")
    quick = ("--epochs", "2", "--target-cosine", "0.8", "--set", "prefix_length=2", "--set", "most_tokens=8")
    here(*run, "nowhere", *quick, "-o", tmp_path / "c", cwd=place).check_refusal("'nowhere' is none")
    said = here(*run, tmp_path / "gpt2", *quick, "-o", tmp_path / "c", cwd=place).check_success()
    assert "clipcap decoder of " in said
    plain = ("--epochs", "1", "--target-cosine", "0.8", "--set", "prefix_length=2", "-o", tmp_path / "plain")
    here(*run, tmp_path / "gpt2", *plain, cwd=place).check_success()
    record = json.loads((tmp_path / "plain" / "captioner.json").read_text())
    settings = record["facts"]["settings"]
    assert (settings["learning_rate"], settings["batch_size"], settings["warmup_steps"]) == (2e-5, 40, 5000)
    assert (settings["schedule"], record["settings"]["most_tokens"]) == ("linear", 5)  # one animal , colour and an end
    c3 = ("betas=[0.9,0.999]", "decay_all=true", "gradient_clip=null", "precision=bf16", "schedule=constant")
    changes = [part for change in c3 for part in ("--set", change)]
    here(*run, tmp_path / "gpt2", *plain[:-1], tmp_path / "c3", *changes, cwd=place).check_success()
    settings = json.loads((tmp_path / "c3" / "captioner.json").read_text())["facts"]["settings"]
    assert (settings["betas"], settings["decay_all"], settings["gradient_clip"]) == ([0.9, 0.999], True, None)
    assert (settings["precision"], settings["schedule"]) == ("bf16", "constant")
    out = tmp_path / "captions.jsonl"
    here("caption", "predict", tmp_path / "c", "both.parquet", "-o", out, cwd=place).check_success()
    assert len(lines_of(out)) == ITEMS
    if find_spec("peft") is not None:
        lora = ("--lora", "--set", "rank=2", "-o", tmp_path / "lora")
        here(*run, tmp_path / "gpt2", *quick, *lora, cwd=place).check_success()
        assert json.loads((tmp_path / "lora" / "captioner.json").read_text())["settings"]["tune"] == "whole"  # merged
        again = ("caption", "predict", tmp_path / "lora", "both.parquet", "-o", tmp_path / "lora.jsonl")
        here(*again, cwd=place).check_success()


def test_a_language_model_is_kept_by_the_clock(monkeypatch):
    from crossgap.cli import caption_fit
    from crossgap.cli.caption_settings import FitRequest, fit_settings

    words = dict.fromkeys(FitRequest.__dataclass_fields__)
    words |= {"sources": ["x"], "arm": "C3", "changes": [], "seed": 0, "language_model": "gpt2"}
    every = {}
    for decoder, changes in (("clipcap", []), ("clipcap", ["checkpoint_every=7"]), ("transformer", [])):
        asked = {"decoder": decoder, "changes": changes, "language_model": "gpt2" if decoder == "clipcap" else None}
        every[decoder, len(changes)] = fit_settings(FitRequest(**{**words, **asked}))[2]["checkpoint_every"]
    assert every == {("clipcap", 0): None, ("clipcap", 1): 7, ("transformer", 0): 200}
    work = caption_fit.CaptionFit.__new__(caption_fit.CaptionFit)
    work._saved_at, work.checkpoint_every = 1000.0, None
    for now, due in ((1299.0, False), (1300.0, True)):
        monkeypatch.setattr(caption_fit, "monotonic", lambda now=now: now)
        assert work._is_due(200) is due
    work.checkpoint_every = 7
    assert [work._is_due(step) for step in (6, 7)] == [False, True]


def test_hostile_and_foreign_captions_are_learned(here, tmp_path):
    whole = embeddings()["text"]
    texts = list(whole.text)
    texts[0], texts[1] = "<script>alert(1)</script>\x00\x1b[31m", "собака 犬 كلب 🐕\u2028"
    crossgap.write(Embeddings({"text": replace(whole, text=texts)}), tmp_path / "odd.parquet")
    run = ("caption", "fit", tmp_path / "odd.parquet", "--decoder", "nearest", "-o", tmp_path / "c")
    here(*run).check_success()
    out = tmp_path / "captions.jsonl"
    shown = here("caption", "predict", tmp_path / "c", tmp_path / "odd.parquet", "-o", out).check_success()
    assert "\x1b" not in shown
    assert "\u2028" not in shown
    found = lines_of(out)
    assert [record["caption"] for record in found[:2]] == texts[:2]
    assert len(out.read_text(encoding="utf-8").splitlines()) == len(found)


# predict


def test_captions_of_pictures_and_sounds(here, place, tmp_path):
    out = tmp_path / "captions.jsonl"
    done = here("caption", "predict", "captioner", "both.parquet", "-o", out, cwd=place)
    said = done.check_success()
    assert "captioner of text (TransformerDecoder, arm C3, 12 dimensions)\nimage: 60 rows, mean learned" in said
    found = lines_of(out)
    assert [record["row"] for record in found] == list(range(ITEMS))
    assert found[7].keys() == {"id", "group", "row", "caption", "score", "tokens", "uri", "references"}
    assert (found[7]["id"], found[7]["group"], found[7]["uri"]) == ("item007", "image", "photos/item007.png")
    assert sum(record["caption"] in record["references"] for record in found) > 0.6 * ITEMS
    facts = json.loads((tmp_path / "captions.run.json").read_text())
    assert facts["groups"] == {"image": ITEMS}
    assert facts["decoding"]["method"] == "greedy"
    assert facts["digest"] == json.loads((place / "captioner" / "captioner.json").read_text())["digest"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["captions.jsonl", "captions.run.json"]


def test_references_and_scores(here, place, tmp_path):
    out, texts = tmp_path / "captions.jsonl", tmp_path / "texts.jsonl"
    done = here("caption", "predict", "captioner", "both.parquet", "-o", out, "--references", texts, cwd=place)
    last = done.check_success().splitlines()[-1]
    assert last == f"Next: crossgap evaluate captions {out} {texts}"
    scored = here("evaluate", "captions", out, texts, "--scores", "bleu,rouge_l", "--bootstrap", "0", "--json")
    values = {entry["name"]: entry["value"] for entry in json.loads(scored.check_success())["measurements"]}
    assert values["rouge_l"] > 0.6
    alone = (
        "caption",
        "predict",
        "captioner",
        "image=image.npy",
        "-o",
        tmp_path / "b.jsonl",
        "--references",
        "r.jsonl",
    )
    done = here(*alone, cwd=place)
    assert done.code == 2
    assert "there are no texts of these items in the source" in done.err
    assert not (tmp_path / "b.jsonl").exists()


@pytest.mark.parametrize("method", [("beam", "--beams", "3"), ("nucleus", "--top-p", "0.95", "--seed", "4")])
def test_other_ways_of_decoding_do_not_depend_on_the_batch(here, place, tmp_path, method):
    run = ("caption", "predict", "captioner", "both.parquet", "--method", *method)
    here(*run, "-o", tmp_path / "a.jsonl", cwd=place).check_success()
    here(*run, "-o", tmp_path / "b.jsonl", "--batch", "7", cwd=place).check_success()
    texts = [[record["caption"] for record in lines_of(tmp_path / name)] for name in ("a.jsonl", "b.jsonl")]
    assert texts[0] == texts[1]


def test_json_of_a_prediction(here, place, tmp_path):
    done = here("caption", "predict", "captioner", "both.parquet", "-o", tmp_path / "c.jsonl", "--json", cwd=place)
    found = json.loads(done.check_success())
    assert (found["kind"], found["captions"], found["notes"]) == ("captions", ITEMS, [])
    assert found["files"] == [str(tmp_path / "c.jsonl"), str(tmp_path / "c.run.json")]


def test_a_group_without_a_mean(here, place, tmp_path):
    run = ("caption", "predict", "captioner", "audio.parquet", "-o", tmp_path / "c.jsonl")
    here(*run, cwd=place).check_refusal("no mean of 'audio'", "text, image alone", "--means-from SOURCE", "--own-means")
    own = here(*run, "--own-means", cwd=place).check_success()
    assert "audio: 60 rows, mean of these rows (--own-means)" in own
    assert "the mean of audio is that of 60 rows, which is little" in own
    from_own = (tmp_path / "c.jsonl").read_bytes()
    other = here(*run, "--means-from", "all.parquet", cwd=place).check_success()
    assert "mean of 60 rows of all.parquet" in other
    assert (tmp_path / "c.jsonl").read_bytes() == from_own
    both = ("--own-means", "--means-from", "all.parquet")
    here(*run, *both, cwd=place).check_refusal("--own-means and --means-from", "leave one out")
    here(*run, "--means-from", "both.parquet", cwd=place).check_refusal("no group 'audio' to read")


def test_rows_of_another_space_are_noticed(here, place, tmp_path):
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(D, D)))[0]
    np.save(tmp_path / "image.npy", (np.load(place / "image.npy") @ turn).astype(np.float32))
    run = ("caption", "predict", place / "captioner", f"image={tmp_path / 'image.npy'}", "-o", tmp_path / "c.jsonl")
    said = here(*run).check_success()
    assert "Note: the rows of image seem to be of another space: the cosine of their mean" in said
    np.save(tmp_path / "image.npy", np.ones((4, 5), np.float32))
    here(*run).check_refusal("image has 5 dimensions, but the captioner in", "takes 12")
    rows = np.load(place / "image.npy")
    rows[9] = 0
    np.save(tmp_path / "image.npy", rows)
    here(*run).check_refusal("row 9 of image is all zeros or not finite")
    rows[9] = np.nan
    np.save(tmp_path / "image.npy", rows)
    here(*run).check_refusal("image", "NaN")


def test_the_page(here, place, tmp_path):
    pillow = pytest.importorskip("PIL.Image")
    folder = tmp_path / "photos"
    folder.mkdir()
    pillow.new("RGB", (40, 30), (200, 10, 10)).save(folder / "item003.png")
    out, page = tmp_path / "c.jsonl", tmp_path / "c.html"
    run = ("caption", "predict", "captioner", "both.parquet", "-o", out, "--html", page, "--images", folder)
    said = here(*run, cwd=place).check_success()
    assert f"Next: open {page}" in said
    text = page.read_text(encoding="utf-8")
    assert text.count("<img ") == 1
    assert text.count("<li data-score") == ITEMS
    assert 'alt="Picture item003, captioned: ' in text


# refusals


@pytest.mark.parametrize(
    ("words", "fragments"),
    [
        (("--learn-on", "audio"), ("the rows of 'audio' have no texts", "--text FILE")),
        (("--learn-on", "sound"), ("no group 'sound' to learn on", "--learn-on")),
        (("--arm", "C4"), ("arm must be one of", "'C4'")),
        (("--decoder", "gpt"), ("no decoder 'gpt'", "transformer")),
        (("--decoder", "clipcap"), ("--decoder clipcap needs --language-model",)),
        (("--lora",), ("go with --decoder clipcap",)),
        (("--variance", "0.01"), ("--target-cosine and --variance", "leave one out")),
        (("--set", "wide=3"), ("no setting 'wide'", "width")),
        (("--set", "width"), ("--set must be key=value",)),
        (("--set", "width=big"), ("width must be a whole number", "'big'")),
        (("--set", "width=15"), ("width",)),
        (("--set", "dropout=lots"), ("dropout must be a number",)),
        (("--set", "held_out=2"), ("held_out must be a share",)),
        (("--set", "checkpoint_every=0"), ("checkpoint_every must be at least 1",)),
        (("--set", "learning_rate=-1"), ("learning_rate must be a number above 0",)),
        (("--text", "nowhere.txt"), ("nowhere.txt",)),
        (("--text", "short.txt"), ("one text for each row of 'text'", "has 2 for 120 rows")),
        (("--text", "texts.csv"), (".txt", ".jsonl")),
        (("--text", "latin.txt"), ("not UTF-8",)),
        (("--text", "broken.jsonl"), ("line 2", "is not JSON")),
        (("--text", "odd.jsonl"), ("line 1", "needs a string")),
        (("--text", "empty.txt"), ("all 120 texts", "empty")),
        (("--groups", "image"), ("no group 'text' to learn on",)),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, tuple) else "",
)
def test_refusals_of_a_fit(here, place, tmp_path, words, fragments):
    (place / "short.txt").write_text("a\nb\n")
    (place / "texts.csv").write_text("a\nb\n")
    (place / "latin.txt").write_bytes(b"caf\xe9\n")
    (place / "broken.jsonl").write_text('{"text": "a"}\n{"text": \n')
    (place / "odd.jsonl").write_text('{"words": "a"}\n')
    (place / "empty.txt").write_text("\n" * 120)
    out = tmp_path / "c"
    here("caption", "fit", "all.parquet", *QUICK, *words, "-o", out, cwd=place).check_refusal(*fragments)
    assert not out.exists()


def test_one_caption_is_too_few(here, tmp_path):
    np.save(tmp_path / "text.npy", np.eye(1, 4, dtype=np.float32))
    (tmp_path / "t.txt").write_text("a dog\n")
    run = ("caption", "fit", "text=text.npy", "--text", "t.txt", "-o", "c")
    here(*run, cwd=tmp_path).check_refusal("at least 2 rows")
    here(*run, "--arm", "C1", cwd=tmp_path).check_refusal("at least 2 rows")


def test_an_output_that_is_taken_is_left_alone(here, place, tmp_path):
    fit = ("caption", "fit", place / "both.parquet", *QUICK, "-o")
    here(*fit, place / "captioner").check_refusal("holds a captioner already")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("x")
    here(*fit, tmp_path / "mine").check_refusal("holds 'notes.txt' and no captioner")
    here(*fit, tmp_path / "mine" / "notes.txt").check_refusal("must be a folder")
    here(*fit, tmp_path / "no" / "c").check_refusal("does not exist", "mkdir -p")
    here(*fit, tmp_path / "new", "--resume").check_refusal("no fit to go on with", "leave out --resume")
    done = here(*fit, place / "captioner", "--resume")
    assert "is finished already" in done.check_success()
    predict = ("caption", "predict", place / "captioner", place / "both.parquet", "-o")
    here(*predict, tmp_path / "mine" / "notes.txt").check_refusal("must end in .jsonl")
    (tmp_path / "other.jsonl").write_text('{"text": "mine"}\n')
    here(*predict, tmp_path / "other.jsonl").check_refusal("holds nothing of an earlier run")
    here(*predict, tmp_path / "new.jsonl", "--resume").check_refusal("no run to go on with")
    here(*predict, tmp_path / "new.jsonl", "--images", tmp_path).check_refusal("--images goes with --html")
    here(*predict, tmp_path / "new.jsonl", "--method", "best").check_refusal("method must be one of")
    here(*predict, tmp_path / "new.jsonl", "--groups", "sound").check_refusal("no group 'sound'")
    page = ("--html", tmp_path / "p.html", "--images", tmp_path / "nothing")
    here(*predict, tmp_path / "new.jsonl", *page).check_refusal("--images must be a folder")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["mine", "other.jsonl"]


def test_a_folder_that_is_no_captioner(here, place, tmp_path):
    run = ("both.parquet", "-o", tmp_path / "c.jsonl")
    here("caption", "predict", tmp_path, *run, cwd=place).check_refusal("holds no captioner")
    here("caption", "predict", "nowhere", *run, cwd=place).check_refusal("'nowhere' does not exist")


# stopped and gone on with

CHILD = """
import json
import os
import sys
import torch
import torch._dynamo
import crossgap.transfer
from crossgap.cli import main

torch.set_num_threads(1)
for line in sys.stdin:  # a process for each command, which spares the imports
    folder, words = json.loads(line)
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        sys.argv = ["crossgap", *words]
        print(os.getpid(), flush=True)
        try:
            main()
        except SystemExit as left:
            sys.stdout.flush()
            os._exit(left.code or 0)
        os._exit(0)
    print("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class _Commands:
    """Commands, each in a process of its own, all children of one that has loaded torch."""

    def __init__(self) -> None:
        self.parent = subprocess.Popen(
            [sys.executable, "-c", CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            text=True,
        )

    def run(self, folder: Path, *words, stop_at: str = "", grown: tuple[Path, int] | None = None, by=signal.SIGKILL):
        """Run a command and return its exit code; stop it at a line of its, or at so many of a file."""
        self.parent.stdin.write(json.dumps([str(folder), [str(word) for word in words]]) + "\n")
        self.parent.stdin.flush()
        pid = int(self.parent.stdout.readline())
        if grown is not None:
            path, wanted = grown
            end = time.monotonic() + 60
            while time.monotonic() < end and not (path.exists() and path.read_bytes().count(b"\n") >= wanted):
                time.sleep(0.001)
            os.kill(pid, by)
        for line in self.parent.stdout:
            if stop_at and line.startswith(stop_at):
                os.kill(pid, by)
                stop_at = ""
            if line.startswith("ended"):
                return int(line.split()[1])
        raise AssertionError("the process that starts the commands has ended")


@pytest.fixture(scope="module")
def commands() -> Iterator[_Commands]:
    started = _Commands()
    try:
        yield started
    finally:
        started.parent.kill()
        started.parent.communicate()


FIT = ("caption", "fit", "both.parquet", *TINY, "--epochs", "20", "--target-cosine", "0.8")


@pytest.fixture(scope="module")
def undisturbed(commands, place, tmp_path_factory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("undisturbed") / "c"
    assert commands.run(place, *FIT, "-o", out) == 0
    return contents(out)


@pytest.mark.parametrize(("stops", "by"), [([2, 9], signal.SIGKILL), ([1], signal.SIGKILL), ([4, 11], signal.SIGINT)])
def test_a_fit_that_is_stopped_ends_as_one_that_was_not(commands, place, undisturbed, tmp_path, stops, by):
    out, resume = tmp_path / "c", ()
    for epoch in stops:
        wanted = -signal.SIGKILL if by == signal.SIGKILL else 130
        often = ("--set", "checkpoint_every=5")
        assert commands.run(place, *FIT, *often, "-o", out, *resume, stop_at=f"epoch {epoch}/", by=by) == wanted
        assert not (out / "captioner.json").exists()
        resume = ("--resume",)
    assert commands.run(place, *FIT, "-o", out, *resume) == 0
    assert contents(out) == undisturbed


def test_a_fit_does_not_go_on_as_another(commands, here, place, tmp_path):
    out = tmp_path / "c"
    often = ("--set", "checkpoint_every=5")
    assert commands.run(place, *FIT, *often, "-o", out, stop_at="epoch 3/") == -signal.SIGKILL
    here(*FIT, "-o", out, cwd=place).check_refusal("holds a fit that was stopped", "--resume")
    resume = ("-o", out, "--resume")
    here(*FIT, "--arm", "C1", *resume, cwd=place).check_refusal("begun with arm = 'C3', but now it is 'C1'")
    here(*FIT, "--seed", "2", *resume, cwd=place).check_refusal("begun with seed = 0, but now it is 2")
    other = ("caption", "fit", "all.parquet", *FIT[3:])
    here(*other, *resume, cwd=place).check_refusal("fingerprint of the pairs")


PREDICT = ("caption", "predict", "captioner", "both.parquet", "--method", "nucleus", "--batch", "2", "-o")


@pytest.mark.parametrize("kills", [(2,), (7, 20)])
def test_captions_that_are_stopped_end_as_those_that_were_not(commands, place, tmp_path, kills):
    assert commands.run(place, *PREDICT, tmp_path / "whole.jsonl") == 0
    out, resume = tmp_path / "c.jsonl", ()
    part = tmp_path / "c.jsonl.part"
    for lines in kills:
        assert commands.run(place, *PREDICT, out, *resume, grown=(part, lines)) == -signal.SIGKILL
        assert not out.exists()
        resume = ("--resume",)
    part.write_bytes(part.read_bytes() + b'{"id": "cut sho')  # killed in the middle of a line
    assert commands.run(place, *PREDICT, out, "--resume") == 0
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert (tmp_path / "c.run.json").read_bytes() == (tmp_path / "whole.run.json").read_bytes()
    assert not part.exists()


def test_several_groups_that_are_stopped_go_on_at_whole_batches(commands, place, tmp_path):
    run = ("caption", "predict", "captioner", "all.parquet", "--groups", "audio,image", "--own-means", "--batch", "7")
    assert commands.run(place, *run, "-o", tmp_path / "whole.jsonl") == 0
    whole = (tmp_path / "whole.jsonl").read_bytes()
    assert [record["group"] for record in lines_of(tmp_path / "whole.jsonl")] == ["audio"] * ITEMS + ["image"] * ITEMS
    facts = json.loads((tmp_path / "whole.run.json").read_text())
    for lines in (0, 6, 7, 59, 60, 63, 70, 119, 120):
        part = tmp_path / "c.jsonl.part"
        part.write_bytes(
            json.dumps(facts, ensure_ascii=False).encode() + b"\n" + b"".join(whole.splitlines(True)[:lines])
        )
        assert commands.run(place, *run, "-o", tmp_path / "c.jsonl", "--resume") == 0
        assert (tmp_path / "c.jsonl").read_bytes() == whole
        (tmp_path / "c.jsonl").unlink()


def test_captions_that_are_interrupted_say_how_to_go_on(commands, place, tmp_path):
    out = tmp_path / "c.jsonl"
    part = tmp_path / "c.jsonl.part"
    assert commands.run(place, *PREDICT, out, grown=(part, 5), by=signal.SIGINT) == 130
    assert part.exists()
    assert commands.run(place, *PREDICT, out, "--resume") == 0
    assert len(lines_of(out)) == ITEMS


def test_captions_do_not_go_on_as_others(commands, here, place, tmp_path):
    out = tmp_path / "c.jsonl"
    part = tmp_path / "c.jsonl.part"
    assert commands.run(place, *PREDICT, out, grown=(part, 5)) == -signal.SIGKILL
    here(*PREDICT, out, cwd=place).check_refusal("holds part of the captions", "--resume")
    here(*PREDICT, out, "--resume", "--seed", "3", cwd=place).check_refusal("begun with decoding = ")
    here(*PREDICT, out, "--resume", cwd=place).check_success()
    again = here(*PREDICT, out, "--resume", cwd=place).check_success()
    assert "is finished already" in again
