"""Results of single runs are found again, and by nothing but the same settings."""

import pytest

from crossgap.reproduce.kept_runs import KeptRuns


def test_what_was_put_is_found(tmp_path):
    kept = KeptRuns(tmp_path / "table.json", {"epochs": 2})
    kept.put({"arm": "C3", "seed": 0}, {"CIDEr-D": 0.1})
    again = KeptRuns(tmp_path / "table.json", {"epochs": 2})
    assert again.get({"seed": 0, "arm": "C3"}) == {"CIDEr-D": 0.1}
    assert again.get({"arm": "C3", "seed": 1}) is None
    assert KeptRuns(tmp_path / "table.json", {"epochs": 3}).get({"arm": "C3", "seed": 0}) is None
    assert KeptRuns(tmp_path / "other.json", {"epochs": 2}).get({"arm": "C3", "seed": 0}) is None


def test_a_damaged_file_counts_as_none(tmp_path):
    kept = KeptRuns(tmp_path / "table.json", {})
    kept.put({"seed": 0}, 1.0)
    kept.path({"seed": 0}, ".json").write_text('{"run": {')
    assert kept.get({"seed": 0}) is None


def test_without_an_output_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept = KeptRuns(None, {})
    kept.put({"seed": 0}, 1.0)
    assert kept.get({"seed": 0}) is None
    assert kept.path({"seed": 0}, ".safetensors") is None
    assert not list(tmp_path.iterdir())


def test_no_number_that_is_not_finite(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        KeptRuns(tmp_path / "table.json", {}).put({}, float("nan"))
