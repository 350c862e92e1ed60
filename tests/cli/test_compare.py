"""``crossgap compare``: from files to the table, the page, the JSON and the gate."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

QUICK = ("--bootstrap", "20", "--metrics", "centroid_distance,recall_at_k,participation_ratio")


@pytest.fixture
def models(tmp_path, vectors, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x, y = vectors
    shift = np.full(x.shape[1], 0.3)
    np.savez(tmp_path / "wide.npz", image=x + shift, text=y - shift)
    np.savez(tmp_path / "narrow.npz", image=x, text=y)
    return tmp_path


def test_a_table_and_the_next_step(process, models):
    out = process("compare", "wide.npz", "narrow.npz", *QUICK, cwd=models).check_success()
    assert out.startswith("narrow against wide: gap narrower, retrieval ")
    assert "gap (centroid distance), image, text" in out
    again = "crossgap compare wide.npz narrow.npz --metrics centroid_distance,recall_at_k,participation_ratio"
    assert out.endswith(f"Next: {again} --bootstrap 20 -o compare.html\n")


def test_a_page_and_its_json(process, models):
    process("compare", "wide.npz", "narrow.npz", *QUICK, "-o", "c.html", cwd=models).check_success()
    assert "Models compared: wide, narrow" in (models / "c.html").read_text(encoding="utf-8")
    done = process("compare", "wide.npz", "narrow.npz", *QUICK, "--json", "-o", "c.json", cwd=models).check_success()
    assert done == (models / "c.json").read_text(encoding="utf-8")
    document = json.loads(done)
    assert list(document["models"]) == ["wide", "narrow"]
    assert document["settings"]["command"].startswith("crossgap compare wide.npz narrow.npz --metrics ")


@pytest.mark.parametrize(("gate", "code"), [("change(centroid_distance) < 0", 0), ("centroid_distance > 1.9", 1)])
def test_a_gate_gives_the_exit_code(here, models, gate, code):
    done = here("compare", "wide.npz", "narrow.npz", *QUICK, "--gate", gate)
    assert done.code == code
    assert f"Gate {'failed' if code else 'passed'}, narrow: " in done.out


def test_a_failed_gate_still_writes_what_was_found(here, models):
    gate = ("--gate", "centroid_distance > 1.9")
    done = here("compare", "wide.npz", "narrow.npz", *QUICK, *gate, "--json", "-o", "c.json")
    assert done.code == 1
    document = json.loads(done.out)
    assert document == json.loads((models / "c.json").read_text(encoding="utf-8"))
    (gate,) = document["gates"]
    assert (gate["model"], gate["passed"], gate["expression"]) == ("narrow", False, "centroid_distance > 1.9")
    assert done.err.startswith("Gate failed, narrow: centroid_distance = ")


def test_a_gate_that_names_several_numbers_loses_no_work(here, models):
    done = here("compare", "wide.npz", "narrow.npz", *QUICK, "--gate", "recall_at_k < 1", "-o", "c.json")
    done.check_refusal('write one of recall_at_k("image", "text", k=1)', "; what was measured is in c.json.")
    assert json.loads((models / "c.json").read_text(encoding="utf-8"))["gates"] == []


def test_the_command_of_the_record_runs_again(here, models):
    odd = "it's, <b>.npz"
    (models / odd).write_bytes((models / "narrow.npz").read_bytes())
    gate = 'change(centroid_distance("image", "text")) < 0'
    first = here("compare", "wide.npz", odd, *QUICK, "--gate", gate, "--json").check_success()
    words = shlex.split(json.loads(first)["settings"]["command"])
    assert words[:2] == ["crossgap", "compare"]
    assert here(*words[1:], "--json").check_success() == first
    assert list(json.loads(first)["models"]) == ["wide", "it's, <b>"]


def test_what_is_left_out_is_said(here, models, vectors):
    x, y = vectors
    np.savez(models / "three.npz", image=x, text=y, audio=y)
    out = " ".join(here("compare", "wide.npz", "three.npz", *QUICK).check_success().split())
    assert "three: group audio is not compared, since not all models have it." in out
    assert "no item ids, so row i was taken to be the same item in each model" in out
    apart = here("compare", "wide.npz", "three.npz", *QUICK, "--different-items").check_success()
    assert "How alike the spaces are: needs the same items" in " ".join(apart.split())


def test_an_interrupt_leaves_nothing(models):
    rng = np.random.default_rng(0)
    np.savez(models / "large.npz", image=rng.standard_normal((3000, 128)), text=rng.standard_normal((3000, 128)))
    before = sorted(path.name for path in models.iterdir())
    process = subprocess.Popen(
        [sys.executable, "-m", "crossgap", "compare", "large.npz", "large.npz", "--names", "a,b", "-o", "c.html"],
        cwd=models,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        watched = psutil.Process(process.pid)
        while process.poll() is None and watched.cpu_times().user < 2.0:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, out, err) == (130, "", "interrupted; nothing was written.\n")
    assert sorted(path.name for path in models.iterdir()) == before


def test_models_of_several_files_and_names(here, models, vectors):
    for name, rows in zip(("a", "b"), vectors, strict=True):
        np.save(models / f"{name}.npy", rows)
    out = here(
        "compare", "image=a.npy,text=b.npy", "narrow.npz", *QUICK, "--names", "first, second", "--json"
    ).check_success()
    found = json.loads(out)
    assert list(found["models"]) == ["first", "second"]
    assert {one["value"] for one in found["differences"]["second"]} == {0.0}


def test_files_of_one_name_in_two_folders(here, models):
    for folder in ("one", "two"):
        (models / folder).mkdir()
        (models / folder / "pairs.npz").write_bytes(
            (models / f"{'wide' if folder == 'one' else 'narrow'}.npz").read_bytes()
        )
    out = here("compare", "one/pairs.npz", "two/pairs.npz", *QUICK, "--json").check_success()
    assert list(json.loads(out)["models"]) == ["one/pairs", "two/pairs"]


@pytest.mark.parametrize(
    ("given", "fragments"),
    [
        (("wide.npz",), ("at least two models", "give another SOURCE")),
        (("wide.npz", "none.npz"), ("none.npz",)),
        (("wide.npz",) * 21, ("at most 20 models",)),
        (("wide.npz", "wide.npz"), ("two models would both be called", "--names")),
        (("wide.npz", "narrow.npz", "--names", "one"), ("--names must name each of the 2 models",)),
        (("wide.npz", "narrow.npz", "--gate", "centroid_distance"), ("compares nothing",)),
        (("wide.npz", "narrow.npz", "--gate", "no_such < 1"), ("'no_such' is no quantity that is compared",)),
        (("wide.npz", "narrow.npz", "--gate", "two_nn_dimension > 1"), ("will not be measured", "--metrics")),
        (("wide.npz", "narrow.npz", "--gate", "__import__('os').system('ls') < 1"), ("is no number of a gate",)),
        (("wide.npz", "narrow.npz", "--metrics", "precision_recall"), ("is a curve",)),
        (("wide.npz", "narrow.npz", "--groups", "image,sound"), ("there is no group 'sound'",)),
        (("wide.npz", "narrow.npz", "-o", "c.txt"), ("must end in .html",)),
        (("wide.npz", "narrow.npz", "-o", "wide.npz"), ("must end in .html",)),
        (("wide.npz", "narrow.npz", "-o", "no/c.html"), ("does not exist",)),
    ],
)
def test_bad_input(here, models, given, fragments):
    metrics = QUICK if "--gate" in given else ()
    here("compare", *given, *metrics).check_refusal(*fragments)
    assert not (models / "c.html").exists()
