"""``crossgap train``: from a configuration and files of vectors to a checkpoint, records and a report."""

import dataclasses
import json
import os
import re
import signal
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from crossgap.cli.run_folder import Records
from crossgap.train import config
from crossgap.train.tensor_file import read_tensors

FILES = ["checkpoint.safetensors", "config.toml", "gap.json", "records.jsonl"]
CONFIG = """
[data]
source = "pairs.npz"
held_out = 20

[model]
dimension = 4

[loss]
clip_loss = 1.0
uniformity_loss = { weight = 0.5, t = 1.5 }

[optimiser]
learning_rate = 0.01

[run]
epochs = 5
batch_size = 16
checkpoint_every = 5
evaluate_every = 6
"""  # 60 items, 20 of them held out: 3 steps an epoch, 15 in all


def features(n: int = 60, captions: int = 2) -> dict[str, np.ndarray]:
    """Images of 12 numbers and several captions of 10 numbers for each."""
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((n, 6)).astype(np.float32)
    image = shared @ rng.standard_normal((6, 12)) + 0.3 * rng.standard_normal((n, 12))
    items = np.repeat(np.arange(n), captions)
    text = shared[items] @ rng.standard_normal((6, 10)) + 0.3 * rng.standard_normal((n * captions, 10))
    return {
        "image": image.astype(np.float32),
        "text": text.astype(np.float32),
        "image@items": np.arange(n),
        "text@items": items,
    }


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with a configuration and what it names."""
    np.savez(tmp_path / "pairs.npz", **features())
    (tmp_path / "run.toml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


@pytest.fixture(scope="module")
def finished(process, tmp_path_factory):
    """What one whole run prints and leaves."""
    folder = tmp_path_factory.mktemp("finished")
    np.savez(folder / "pairs.npz", **features())
    (folder / "run.toml").write_text(CONFIG, encoding="utf-8")
    return process("train", "run.toml", "--bootstrap", "20", cwd=folder).check_success(), folder / "run"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def records(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "records.jsonl").read_text(encoding="utf-8").splitlines()]


def test_it_prints_seed_sizes_progress_and_a_next_step(finished):
    out, _ = finished
    lines = out.splitlines()
    assert lines[0] == "image and text: 40 items to train on, one row of each group an epoch, 20 held out"
    assert lines[1] == "two linear towers into 4 dimensions, 89 parameters, seed 0"
    assert lines[2] == "15 steps of 16 items in 5 epochs on 1 clip_loss + 0.5 uniformity_loss"
    progress = [line for line in lines if line.startswith("step ")]
    assert [line.partition(":")[0] for line in progress] == ["step 0/15", "step 6/15", "step 12/15", "step 15/15"]
    assert "loss" not in progress[0]
    assert all(word in progress[-1] for word in ("loss ", "gap ", "separability ", "R@1 "))
    assert "held-out items             step 0     step 15" in lines
    assert any(line.startswith("centroid_distance ") for line in lines)
    assert "Written: run/checkpoint.safetensors, run/records.jsonl, run/config.toml, run/gap.json" in lines
    assert lines[-1].startswith("Next: crossgap explain ")


def test_the_files(finished):
    _, run = finished
    assert [path.name for path in sorted(run.iterdir())] == FILES
    found = records(run)
    steps = [record for record in found if record["event"] == "step"]
    assert [record["step"] for record in steps] == list(range(15))
    assert set(steps[0]) == {
        *("event", "step", "epoch", "loss", "terms", "logit_scale", "learning_rate", "gradient_norm"),
    }
    assert steps[0]["loss"] == pytest.approx(sum(steps[0]["terms"].values()))
    assert steps[-1]["loss"] < steps[0]["loss"] / 2
    curves = [record for record in found if record["event"] == "evaluation"]
    assert [record["step"] for record in curves] == [0, 6, 12, 15]
    assert {"centroid_distance", "recall_at_1/x_to_y"} <= set(curves[0]["values"])
    assert [record["step"] for record in found] == sorted(record["step"] for record in found)


def test_the_report_is_of_all_rows_of_the_held_out_items(finished):
    _, run = finished
    report = json.loads((run / "gap.json").read_text(encoding="utf-8"))
    assert [(facts["group"], facts["n"], facts["d"]) for facts in report["inputs"]] == [
        ("image", 20, 4),
        ("text", 40, 4),
    ]
    assert report["inputs"][0]["source"] == "held-out items of pairs.npz"
    assert report["settings"]["bootstrap"] == 20
    names = {measurement["name"] for measurement in report["measurements"]}
    assert {"centroid_distance", "linear_separability", "recall_at_k"} <= names


def test_the_configuration_as_used_begins_the_same_run(finished, here, tmp_path):
    _, run = finished
    np.savez(tmp_path / "pairs.npz", **features())
    written = tomllib.loads((run / "config.toml").read_text(encoding="utf-8"))
    assert written["loss"] == {"clip_loss": 1.0, "uniformity_loss": {"weight": 0.5, "t": 1.5}}
    assert written["temperature"]["initial"] == 0.07
    here("train", run / "config.toml", "-o", "again", "--bootstrap", "20", cwd=tmp_path).check_success()
    assert contents(tmp_path / "again") == contents(run)


# stopped and resumed


def stop_at(monkeypatch, step: int, stop) -> None:
    """Call ``stop`` when the record of a step is written, once."""
    write = Records.write

    def writing(self, record):
        write(self, record)
        if record["event"] == "step" and record["step"] == step:
            monkeypatch.setattr(Records, "write", write)
            stop()

    monkeypatch.setattr(Records, "write", writing)


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def die() -> None:
    raise KeyboardInterrupt  # as a second Ctrl-C: nothing is saved any more


@pytest.mark.parametrize(
    ("step", "stop", "saved"),
    [(0, interrupt, 1), (7, interrupt, 8), (14, interrupt, 15), (0, die, 0), (7, die, 5), (11, die, 10)],
)
def test_a_stopped_run_goes_on_to_the_same_bytes(finished, folder, here, monkeypatch, step, stop, saved):
    stop_at(monkeypatch, step, stop)
    done = here("train", "run.toml", "--bootstrap", "20", cwd=folder)
    assert done.code == 130
    assert done.err == (
        f"interrupted; run/checkpoint.safetensors holds step {saved}, and this goes on: "
        f"crossgap train run.toml --resume\n"
    )
    assert "gap.json" not in contents(folder / "run")
    out = here("train", "run.toml", "--resume", "--bootstrap", "20", cwd=folder).check_success()
    assert f"goes on at step {saved} of 15" in out or saved == 0
    assert contents(folder / "run") == contents(finished[1])


def test_a_line_cut_short_is_removed(finished, folder, here, monkeypatch):
    stop_at(monkeypatch, 7, die)
    here("train", "run.toml", cwd=folder)
    with (folder / "run" / "records.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"event": "step", "st')
    here("train", "run.toml", "--resume", "--bootstrap", "20", cwd=folder).check_success()
    assert contents(folder / "run") == contents(finished[1])


def test_a_run_killed_before_its_first_checkpoint_begins_again(finished, folder, here):
    (folder / "run").mkdir()
    (folder / "run" / "config.toml").write_text(CONFIG, encoding="utf-8")
    here("train", "run.toml", "--resume", "--bootstrap", "20", cwd=folder).check_success()
    assert contents(folder / "run") == contents(finished[1])


def test_a_finished_run_is_measured_again(finished, folder, here):
    here("train", "run.toml", "--bootstrap", "20", cwd=folder).check_success()
    (folder / "run" / "gap.json").unlink()
    out = here("train", "run.toml", "--resume", "--bootstrap", "20", cwd=folder).check_success()
    assert "goes on at step 15 of 15" in out
    assert contents(folder / "run") == contents(finished[1])


def test_a_finished_run_can_be_prolonged(folder, here):
    here("train", "run.toml", "-o", "whole", "--set", "run.epochs=7", "--bootstrap", "0", cwd=folder).check_success()
    here("train", "run.toml", "--bootstrap", "0", cwd=folder).check_success()
    longer = ["train", "run.toml", "--resume", "--set", "run.epochs=7", "--bootstrap", "0"]
    here(*longer, cwd=folder).check_success()
    assert contents(folder / "run") == contents(folder / "whole")


@pytest.mark.skipif(os.name == "nt", reason="signals work differently there")
def test_the_handler_of_interrupts_is_put_back(folder, here, monkeypatch):
    before = signal.getsignal(signal.SIGINT)
    stop_at(monkeypatch, 3, interrupt)
    assert here("train", "run.toml", cwd=folder).code == 130
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_during_the_report(folder, here, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("crossgap.train.configured_data.HeldOut.embeddings", interrupted)
    done = here("train", "run.toml", cwd=folder)
    assert done.code == 130
    assert "run/checkpoint.safetensors holds step 15" in done.err


@pytest.mark.parametrize(
    ("change", "fragments"),
    [
        ("loss.uniformity_loss={weight=0.5, t=2.0}", ["begun with loss.uniformity_loss", "'t': 1.5", "'t': 2.0"]),
        ("temperature.lowest=0.02", ["begun with temperature.lowest = 0.01", "now it is 0.02"]),
        ("run.seed=1", ["the run in 'run' was begun with run.seed = 0, but now it is 1"]),
        ("model.hidden=3", ["model.hidden belongs to model.tower"]),
        ("optimiser.gradient_clip=1.0", ["begun with optimiser.gradient_clip = None, but now it is 1.0"]),
    ],
)
def test_another_configuration_is_no_resumption(folder, here, monkeypatch, change, fragments):
    stop_at(monkeypatch, 7, die)
    here("train", "run.toml", cwd=folder)
    before = contents(folder / "run")
    here("train", "run.toml", "--resume", "--set", change, cwd=folder).check_refusal(*fragments)
    assert contents(folder / "run") == before


def test_other_data_are_no_resumption(folder, here, monkeypatch):
    stop_at(monkeypatch, 7, die)
    here("train", "run.toml", cwd=folder)
    arrays = features()
    np.savez(folder / "pairs.npz", **{**arrays, "image": arrays["image"] + 1})
    here("train", "run.toml", "--resume", cwd=folder).check_refusal("fingerprint of the pairs")


def test_what_a_killed_run_left_half_written_is_removed(folder, here, monkeypatch):
    stop_at(monkeypatch, 7, die)
    here("train", "run.toml", cwd=folder)
    left = [".crossgap-0123456789ab.safetensors", ".crossgap-ba9876543210.toml"]
    others = [".crossgap-notes.txt", "notes.txt"]
    for name in [*left, *others]:
        (folder / "run" / name).write_text("", encoding="utf-8")
    here("train", "run.toml", "--resume", "--set", "run.seed=1", cwd=folder).check_refusal("begun with run.seed")
    assert set(left) < set(contents(folder / "run")), "a refused resumption changes nothing"
    here("train", "run.toml", "--resume", "--bootstrap", "0", cwd=folder).check_success()
    assert sorted(contents(folder / "run")) == sorted([*FILES, *others])


def test_a_damaged_checkpoint_and_damaged_records(folder, here, monkeypatch):
    stop_at(monkeypatch, 7, die)
    here("train", "run.toml", cwd=folder)
    checkpoint = folder / "run" / "checkpoint.safetensors"
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[:-100])
    here("train", "run.toml", "--resume", cwd=folder).check_refusal("cut short")
    checkpoint.write_bytes(whole)
    (folder / "run" / "records.jsonl").write_bytes(b"\xff\xfe[]\n")
    done = here("train", "run.toml", "--resume", cwd=folder)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "holds a line that is no record of a run" in done.err
    assert checkpoint.read_bytes() == whole


# where it is written


def test_a_run_is_never_overwritten(folder, here):
    (folder / "run").mkdir()
    (folder / "run" / "gap.json").write_text("{}", encoding="utf-8")
    here("train", "run.toml", cwd=folder).check_refusal("holds gap.json of a run already", "--resume", "-o run-2")
    assert contents(folder / "run") == {"gap.json": b"{}"}


def test_there_is_nothing_to_resume(folder, here):
    here("train", "run.toml", "--resume", cwd=folder).check_refusal("'run' holds no run to go on with")
    assert not (folder / "run").exists()


def test_the_output_is_a_file(folder, here):
    here("train", "run.toml", "-o", "pairs.npz", cwd=folder).check_refusal("must be a folder", "'pairs.npz' is a file")


@pytest.mark.parametrize("output", ["pairs.npz/run", "pairs.npz/runs/1"])
def test_the_output_lies_below_a_file(folder, here, output):
    here("train", "run.toml", "-o", output, cwd=folder).check_refusal("must lie in a folder, but 'pairs.npz' is a file")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_records_on_a_full_disk(tmp_path):
    path = tmp_path / "records.jsonl"
    records = Records(path, step=0)
    records._file.close()
    records._file = open("/dev/full", "a", encoding="utf-8")  # noqa: SIM115
    records.write({"event": "step", "step": 0})
    with pytest.raises(OSError, match="No space left on device") as caught:
        records.flush()
    assert caught.value.filename == str(path)
    with pytest.raises(ZeroDivisionError), records:
        raise ZeroDivisionError  # is not replaced by the error of closing the file


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_not_writable(folder, here):
    (folder / "locked").mkdir()
    (folder / "locked").chmod(0o500)
    here("train", "run.toml", "-o", "locked/run", cwd=folder).check_refusal("'locked/run' is not writable")


def test_a_failed_write_keeps_the_last_checkpoint(folder, here, monkeypatch):
    from crossgap.train.run import TrainingRun

    save = TrainingRun.save

    def full(self, path, **words):
        if self.step > 5:
            raise OSError(28, "No space left on device", str(path))
        save(self, path, **words)

    monkeypatch.setattr(TrainingRun, "save", full)
    done = here("train", "run.toml", cwd=folder)
    assert done.code == 2
    assert done.err == (
        "crossgap: 'run/checkpoint.safetensors' cannot be used (no space left on device); free some space or choose "
        "another place.\n"
    )
    assert read_tensors(folder / "run" / "checkpoint.safetensors")[1]["step"] == 5


# other output


def test_json_prints_one_document(folder, here):
    words = ["--set", "run.evaluate_every=0", "--seed", "3", "--bootstrap", "0", "--json"]
    document = json.loads(here("train", "run.toml", *words, cwd=folder).check_success())
    assert document["schema"] == 1
    assert document["config"]["run"]["seed"] == 3
    assert document["config"]["run"]["evaluate_every"] == 0
    assert document["groups"] == ["image", "text"]
    assert document["items"] == {"training": 40, "held_out": 20}
    assert (document["parameters"], document["steps"], document["alarms"]) == (89, 15, [])
    assert document["end"]["recall_at_1/x_to_y"] >= document["start"]["recall_at_1/x_to_y"]
    assert [Path(file).name for file in document["files"]] == [FILES[0], FILES[3], FILES[1], FILES[2]]
    assert [record["step"] for record in records(folder / "run") if record["event"] == "evaluation"] == [0, 15]


def test_nothing_held_out(folder, here):
    out = here("train", "run.toml", "--set", "data.held_out=0", cwd=folder).check_success()
    assert "Nothing was held out (data.held_out = 0), so the gap was not measured." in out
    assert sorted(contents(folder / "run")) == [FILES[0], FILES[1], FILES[3]]
    assert {record["event"] for record in records(folder / "run")} == {"step"}


def test_an_alarm_is_printed_and_kept(folder, here, monkeypatch):
    words = ["--set", "optimiser.learning_rate=1e-12", "--set", "run.epochs=101", "--bootstrap", "0"]
    words += ["--set", "run.evaluate_every=0"]
    done = here("train", "run.toml", *words, cwd=folder)
    assert done.code == 0
    assert done.err.startswith("alarm: step 299: clip_loss is ")
    assert "lower the learning rate" in done.err
    found = [record for record in records(folder / "run") if record["event"] == "alarm"]
    assert [(record["step"], record["quantity"]) for record in found] == [(299, "clip_loss")]
    stop_at(monkeypatch, 290, die)  # the alarm remembers what it saw before
    here("train", "run.toml", *words, "-o", "stopped", cwd=folder)
    assert here("train", "run.toml", *words, "-o", "stopped", "--resume", cwd=folder).err == done.err
    assert contents(folder / "stopped") == contents(folder / "run")


def test_what_is_not_used_is_said(folder, here):
    arrays = features()
    arrays["text@items"] = arrays["text@items"] + 3
    np.savez(folder / "pairs.npz", other=np.zeros(3), **arrays)
    out = here("train", "run.toml", "--set", "run.epochs=1", "--bootstrap", "0", cwd=folder).check_success()
    assert "image and text: 37 items to train on" in out
    assert "not used: 3 rows of image, since their items have no row in the other group." in out
    assert "not used: 6 rows of text, since their items have no row in the other group." in out
    assert "array 'other'" in out
    notes = json.loads((folder / "run" / "gap.json").read_text(encoding="utf-8"))["settings"]["notes"]
    assert "not used: 3 rows of image, since their items have no row in the other group." in notes


def test_a_terminal_is_shown_a_bar(folder, here, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    done = here("train", "run.toml", "--bootstrap", "0", cwd=folder)
    assert done.code == 0
    assert "step 6/15" not in done.out


# the example


def test_the_example_trains_as_it_stands(here, folder):
    example = here("train", "--example").check_success()
    (folder / "config.toml").write_text(example, encoding="utf-8")
    out = here("train", "config.toml", "--set", "run.epochs=30", "--bootstrap", "0", cwd=folder).check_success()
    assert "30 steps of 48 items in 30 epochs on 1 clip_loss + 1 uniformity_loss + 1 alignment_loss" in out


def test_the_example_names_every_key_with_a_value_that_is_taken(here):
    """A key that is commented out is tried with each choice that it may belong to."""
    example = here("train", "--example").check_success()
    assert set(tomllib.loads(example)) == {f.name for f in dataclasses.fields(config.TrainingConfig)}
    parts = dict(re.findall(r"^\[(\w+)\](.*?)(?=^\[|\Z)", example, re.MULTILINE | re.DOTALL))
    for name, kind in config._TABLES.items():
        told = re.findall(r"^(# )?(\w+) = (.+?)(?: +#.*)?$", parts[name], re.MULTILINE)
        assert sorted(key for _, key, _ in told) == sorted(f.name for f in dataclasses.fields(kind)), name
        checks = {f.name: f.metadata["check"] for f in dataclasses.fields(kind)}
        for _, key, value in told:
            checks[key](tomllib.loads(f"value = {value}")["value"], key)


def test_help_leads_to_the_example(here):
    told = " ".join(here("train", "--help").check_success().split())
    assert "--example prints one" in told
    assert "--example Print a CONFIG to start from" in told
    assert here("train", "--example", "nowhere.toml").check_success().startswith("# crossgap train --example >")


# other places that the numbers go to


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_shows_the_numbers_of_the_records(finished, folder, here, monkeypatch):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    words = ["train", "run.toml", "--set", "run.tensorboard=logs", "--bootstrap", "20"]
    stop_at(monkeypatch, 7, die)
    here(*words, cwd=folder)
    here(*words, "--resume", cwd=folder).check_success()
    assert contents(folder / "run")["records.jsonl"] == contents(finished[1])["records.jsonl"]
    assert contents(folder / "run")["gap.json"] == contents(finished[1])["gap.json"]
    events = EventAccumulator(str(folder / "logs"))
    events.Reload()

    def shown(name: str) -> list[tuple[int, float]]:
        return [(one.step, pytest.approx(one.value, rel=1e-6)) for one in events.Scalars(name)]

    found = records(folder / "run")
    steps = [record for record in found if record["event"] == "step"]
    for name in ("loss", "learning_rate", "gradient_norm", "logit_scale"):
        assert [(record["step"], record[name]) for record in steps] == shown(f"training/{name}")
    assert [(record["step"], record["terms"]["clip_loss"]) for record in steps] == shown("training/terms/clip_loss")
    curves = [record for record in found if record["event"] == "evaluation"]
    for name in ("centroid_distance", "recall_at_1/x_to_y"):
        assert [(record["step"], record["values"][name]) for record in curves] == shown(f"held_out/{name}")


class _Trackio:
    """A stand-in for the package, with the signatures of its ``init``, ``log`` and ``finish``."""

    def __init__(self):
        self.seen, self.begun, self.finished = [], [], 0

    def init(self, project: str, name: str | None = None, *, resume: str = "never"):
        print("* a line that trackio prints")
        self.begun.append((project, name, resume))
        return self

    def log(self, metrics: dict, step: int | None = None) -> None:
        self.seen.append((step, metrics))

    def finish(self) -> None:
        self.finished += 1


def test_trackio_gets_the_numbers_of_the_records(folder, here, monkeypatch):
    package = _Trackio()
    monkeypatch.setitem(sys.modules, "trackio", package)
    monkeypatch.setattr("crossgap.cli.run_logs.find_spec", lambda name: object())
    words = ["train", "run.toml", "--set", "run.trackio=project", "--bootstrap", "0", "--json"]
    stop_at(monkeypatch, 7, die)
    assert here(*words, cwd=folder).code == 130
    done = here(*words, "--resume", cwd=folder)
    assert json.loads(done.out)["config"]["run"]["trackio"] == "project", "what it prints goes to standard error"
    assert package.begun == [("project", "run", "never"), ("project", "run", "allow")]
    assert package.finished == 2
    steps = [step for step, values in package.seen if "training/loss" in values]
    assert steps == [*range(7), *range(5, 15)]
    assert [step for step, values in package.seen if "held_out/centroid_distance" in values] == [0, 6, 6, 12, 15]


@pytest.mark.parametrize("package", ["tensorboard", "trackio"])
def test_a_package_that_is_missing(folder, here, monkeypatch, package):
    monkeypatch.setattr("crossgap.cli.run_logs.find_spec", lambda name: None)
    here("train", "run.toml", "--set", f"run.{package}=x", cwd=folder).check_refusal(
        f"run.{package} needs {package}, which is not installed; install it: pip install {package}, or leave"
    )
    assert not (folder / "run").exists()
