"""``crossgap doctor``: findings on the terminal and as JSON."""

import json

import numpy as np
import pytest

import crossgap


@pytest.fixture
def folder(tmp_path, vectors, monkeypatch):
    """Good pairs, and pairs with faults; the environment is left out, since it differs by machine."""
    monkeypatch.setattr("crossgap.doctor.examine_environment", lambda: ())
    x, y = vectors
    np.savez(tmp_path / "pairs.npz", image=x, text=y)
    bad = y.copy()
    bad[3] = 0
    bad[5, 1] = np.nan
    np.savez(tmp_path / "bad.npz", image=x, text=bad, other=np.ones((60, 5)))
    return tmp_path


def test_faults_that_measure_refuses_are_listed(folder, here):
    out = here("doctor", "bad.npz", cwd=folder).check_success()
    assert "error: zero-rows (text)" in out
    assert "row 3" in out
    assert "row 5" in out
    assert out.splitlines()[0].count("error") == 1, "the first line is the verdict"
    assert out.splitlines()[-1] == "Next: mend the errors, then look again: crossgap doctor bad.npz"


def test_json(folder, here):
    document = json.loads(here("doctor", "bad.npz", "--json", cwd=folder).check_success())
    assert list(document) == ["schema", "crossgap", "inputs", "notes", "findings"]
    assert (document["schema"], document["crossgap"]) == (1, crossgap.__version__)
    assert [facts["group"] for facts in document["inputs"]] == ["image", "text", "other"]
    keys = ["name", "severity", "groups", "evidence", "mend", "numbers"]
    assert all(list(finding) == keys for finding in document["findings"])
    severities = [finding["severity"] for finding in document["findings"]]
    assert severities == sorted(severities, key=["error", "warning", "note"].index), "the gravest first"
    for finding in document["findings"]:
        assert finding["evidence"].endswith(".")
        assert finding["mend"].endswith(".")


def test_groups(folder, here):
    document = json.loads(here("doctor", "bad.npz", "--groups", "image", "--json", cwd=folder).check_success())
    assert [facts["group"] for facts in document["inputs"]] == ["image"]
    assert {group for finding in document["findings"] for group in finding["groups"]} <= {"image"}


def test_the_next_step_keeps_the_groups(folder, here):
    for group, expected in (
        ("text", "Next: mend the errors, then look again: crossgap doctor bad.npz --groups text"),
        ("image", "Next: crossgap measure bad.npz --groups image -o gap.json"),
    ):
        out = here("doctor", "bad.npz", "--groups", group, cwd=folder).check_success()
        assert out.splitlines()[-1] == expected


def test_shuffled_pairs(folder, here):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((600, 16))
    y = x + 0.2 * rng.standard_normal((600, 16))
    np.savez(folder / "shuffled.npz", image=x, text=y[rng.permutation(600)])
    document = json.loads(here("doctor", "shuffled.npz", "--json", cwd=folder).check_success())
    (found,) = [finding for finding in document["findings"] if finding["name"] == "shuffled-pairs"]
    assert found["groups"] == ["image", "text"]
    np.savez(folder / "right.npz", image=x, text=y)
    document = json.loads(here("doctor", "right.npz", "--json", cwd=folder).check_success())
    assert "shuffled-pairs" not in {finding["name"] for finding in document["findings"]}


def test_the_real_command_looks_at_the_packages_too(folder, process):
    done = process("doctor", "pairs.npz", cwd=folder)
    assert done.check_success().splitlines()[-1] == "Next: crossgap measure pairs.npz -o gap.json"


def test_what_is_not_used_is_said(folder, here, vectors):
    np.savez(folder / "more.npz", image=vectors[0], count=np.arange(3))
    assert "not used: 'more.npz': array 'count'" in here("doctor", "more.npz", cwd=folder).check_success()
