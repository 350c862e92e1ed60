"""All kinds of details together: what the format promises, on groups of every kind."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossgap import Embeddings, Group
from crossgap.report import GapReport, collect
from crossgap.report.details import collect_details
from crossgap.report.details.sampled_rows import sampled_rows
from crossgap.report.selection import Settings

KINDS = (
    "score_cuts",
    "ranking_examples",
    "maps",
    "gap_location",
    "spectra",
    "topology",
    "closers",
    "health",
    "explanation",
)
SETTINGS = Settings(replicates=20, level=0.95, seed=0, precision=0.9, most_rows=10_000)


@pytest.fixture(scope="module")
def pairs() -> Embeddings:
    """Fifty pairs behind a gap, with captions."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal((50, 12))
    shift = 2 * np.eye(12)[0]
    return Embeddings(
        {
            "image": Group(vectors=z + shift),
            "text": Group(
                vectors=z + 0.4 * rng.standard_normal((50, 12)) - shift, text=[f"caption {i}" for i in range(50)]
            ),
        }
    )


@pytest.fixture(scope="module")
def report(pairs) -> GapReport:
    return collect(pairs, replicates=20, details=True)


def _plain(value) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _plain(one) for key, one in value.items())
    if isinstance(value, list):
        return all(map(_plain, value))
    return value is None or type(value) in (str, int, float, bool)


def test_every_kind_is_there_in_the_order_of_the_format(report):
    assert tuple(report.details) == KINDS
    text = Path(__file__).parents[3].joinpath("docs/report_format.md").read_text(encoding="utf-8")
    assert tuple(re.findall(r"^\| `(\w+)` \|", text.partition("## `details`")[2], re.MULTILINE)) == KINDS


def test_details_are_plain_data_that_a_file_gives_back(report):
    assert _plain(json.loads(json.dumps(report.details)))
    assert GapReport.from_json(report.to_json()).details == report.details


def test_the_same_input_gives_the_same_bytes(pairs, report):
    assert collect(pairs, replicates=20, details=True).to_json() == report.to_json()


def test_numbers_alone_have_no_details(pairs):
    assert collect(pairs, metrics=["centroid_distance"], replicates=0).details == {}


def test_the_command_is_kept_where_it_is_given(pairs):
    told = collect(pairs, metrics=["centroid_distance"], replicates=0, command="crossgap measure a.npz")
    assert told.settings["command"] == "crossgap measure a.npz"
    assert "command" not in collect(pairs, metrics=["centroid_distance"], replicates=0).settings


def test_without_pairs_the_reasons_stand_there(pairs):
    apart = pairs.without_pairs()
    found = collect(apart, replicates=20, details=True).details
    assert found["closers"] == [{"groups": ["image", "text"], "reason": found["closers"][0]["reason"]}]
    assert found["closers"][0]["reason"].startswith("needs pairs: image and text share no item id")
    assert [set(entry) for entry in found["score_cuts"]] == [{"groups", "reason"}] * 2
    assert found["maps"][0]["pairs"][0]["lines"] == []
    assert all(entry["closer"] is None for entry in found["ranking_examples"])
    rows = [row for entry in found["ranking_examples"] for one in entry["examples"] for row in one["before"]]
    assert {row["right"] for row in rows} == {None}
    assert "whose right answers are not known" in found["ranking_examples"][0]["how"]


def test_one_group(pairs):
    found = collect(pairs.select(["image"]), replicates=20, details=True).details
    for kind in ("closers", "gap_location", "explanation"):
        (entry,) = found[kind]
        assert set(entry) == {"groups", "reason"}
        assert "there is one, image" in entry["reason"]
    assert found["score_cuts"] == []
    assert found["maps"][0]["groups"] == ["image"]
    assert list(found["topology"][0]["deaths"]) == ["image"]
    assert len(found["spectra"]) == 1


def test_three_groups(pairs):
    third = replace(pairs["text"], vectors=np.asarray(pairs["text"].vectors)[:, ::-1].copy())
    found = collect(Embeddings({**pairs, "audio": third}), replicates=20, details=True).details
    two = [["image", "text"], ["image", "audio"], ["text", "audio"]]
    assert [entry["groups"] for entry in found["maps"]] == [*two, ["image", "text", "audio"]]
    assert [entry["groups"] for entry in found["topology"]] == two
    assert [entry["groups"] for entry in found["gap_location"]] == two
    assert len(found["score_cuts"]) == 6
    told = [(entry["name"], *entry["groups"]) for entry in found["explanation"]]
    assert len(told) == len(set(told))
    assert {
        groups for _, *groups in [(name, *map(str, rest)) for name, *rest in told] for groups in [tuple(groups)]
    } >= {tuple(names) for names in two}


@pytest.mark.parametrize(("n", "d"), [(2, 3), (3, 1), (12, 1), (12, 2), (25, 40)])
def test_small_groups_are_described_as_far_as_it_goes(n, d):
    rng = np.random.default_rng(0)
    e = Embeddings.from_arrays(image=rng.standard_normal((n, d)) + 1, text=rng.standard_normal((n, d)) - 1)
    found = collect(e, replicates=20, details=True)
    assert _plain(json.loads(found.to_json()))


def test_samples_are_whole_items_and_say_so(pairs):
    five = Embeddings(
        {
            "image": Group(vectors=np.asarray(pairs["image"].vectors), items=np.arange(50)),
            "text": Group(
                vectors=np.repeat(np.asarray(pairs["text"].vectors), 5, axis=0), items=np.repeat(np.arange(50), 5)
            ),
        }
    )
    sample = sampled_rows(five, 40, seed=3)
    assert sample.sampled_from == {"image": 50, "text": 250}
    assert sample.sizes["text"] == 40
    np.testing.assert_array_equal(np.unique(sample.rows["text"] // 5), sample.rows["image"])
    np.testing.assert_array_equal(sample.vectors("text"), np.asarray(five["text"].vectors)[sample.rows["text"]])
    same = five.sample_items(40, seed=3)
    np.testing.assert_array_equal(sample.vectors("text"), np.asarray(same["text"].vectors))
    assert sampled_rows(five, 250).sampled_from is None


def test_single_rows_where_no_whole_item_fits():
    labels = np.repeat(["cat", "dog"], 30)
    e = Embeddings({"image": Group(vectors=np.random.default_rng(0).normal(size=(60, 4)), items=labels)})
    sample = sampled_rows(e, 20)
    assert sample.single_rows
    assert sample.sizes == {"image": 20}
    with pytest.raises(ValueError, match="no whole item of image fits"):
        sampled_rows(e, 20, whole_items=True)


class _Reader:
    """Rows of a file larger than memory: whole slices of it are refused."""

    shape, dtype = (30_000, 8), np.dtype("float32")

    def __init__(self, seed: int):
        self._rows = np.random.default_rng(seed).normal(size=self.shape).astype(np.float32) + 1 - 2 * (seed % 2)

    def __getitem__(self, key):
        found = self._rows[key]
        assert len(found) < 25_000, "more than a sub-sample was loaded"
        return found


def test_sources_larger_than_memory_are_read_in_part():
    e = Embeddings({"image": Group(vectors=_Reader(0)), "text": Group(vectors=_Reader(1))})
    found = collect_details(e, SETTINGS)
    assert found["spectra"][0]["n"] == 5_000
    assert found["spectra"][0]["sampled_from"] == 30_000
    assert found["closers"][0]["sampled_from"] == {"image": 30_000, "text": 30_000}
    assert found["health"][-1]["name"] == "first-rows-only"
    assert found["ranking_examples"][0]["corpus"] == {"image": 10_000, "text": 10_000}
    assert found["maps"][0]["sampled_from"] == {"image": 30_000, "text": 30_000}


def test_progress_names_the_steps(pairs):
    seen = []

    def progress(steps, label):
        for step in steps:
            seen.append(label(step))
            yield step

    collect_details(pairs, SETTINGS, progress=progress)
    assert seen[:3] == ["health", "closers", "ranking examples"]
