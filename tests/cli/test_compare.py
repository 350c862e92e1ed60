"""``crossgap compare``: from files to the table, the page, the JSON and the gate."""

import json

import numpy as np
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
    assert "narrow against wide. " in out
    assert "gap (centroid distance), image, text" in out
    assert out.endswith("Next: crossgap compare wide.npz narrow.npz -o compare.html\n")


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
    assert json.loads(done.out) == json.loads((models / "c.json").read_text(encoding="utf-8"))
    assert done.err.startswith("Gate failed, narrow: centroid_distance = ")


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
        (("wide.npz", "narrow.npz", "--gate", "no_such < 1"), ("'no_such' was not measured",)),
        (("wide.npz", "narrow.npz", "--groups", "image,sound"), ("there is no group 'sound'",)),
        (("wide.npz", "narrow.npz", "-o", "c.txt"), ("must end in .html",)),
        (("wide.npz", "narrow.npz", "-o", "wide.npz"), ("must end in .html",)),
        (("wide.npz", "narrow.npz", "-o", "no/c.html"), ("does not exist",)),
    ],
)
def test_bad_input(here, models, given, fragments):
    metrics = () if "--gate" not in given else QUICK
    here("compare", *given, *metrics).check_refusal(*fragments)
    assert not (models / "c.html").exists()
