"""``crossgap measure`` on good files: what it prints, what it writes, and that every format says the same."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from crossgap import Embeddings, Group, __version__, measure, topology, write

FAST = ("--bootstrap", "20")
SOURCES = {
    ".npy": ["image=img.npy", "text=txt.npy"],
    ".npz": ["pairs.npz"],
    ".safetensors": ["pairs.safetensors"],
    "Parquet": ["pairs.parquet"],
    "folder": ["arrays"],
    "clip-retrieval": ["clip"],
    "pattern of shards": ["shards/*.npz"],
    "two from one file": ["image=pairs.npz", "text=pairs.npz"],
}


@pytest.fixture(scope="module")
def whole(process, files) -> str:
    """The JSON of one whole run."""
    return process("measure", *SOURCES[".npz"], *FAST, "--json", cwd=files, PYTHONHASHSEED="1").check_success()


@pytest.fixture(scope="module")
def report(whole) -> dict:
    """The same, parsed."""
    return json.loads(whole)


def _find(document: dict, name: str, *groups: str, **options) -> dict:
    (found,) = [
        m
        for m in document["measurements"]
        if m["name"] == name
        and (not groups or m["groups"] == list(groups))
        and all(m["options"].get(key) == value for key, value in options.items())
    ]
    return found


def _values(document: dict) -> list:
    return [(m["name"], m["groups"], m["options"], m["value"], m["interval"]) for m in document["measurements"]]


# what is written


def test_the_schema_of_the_contract(whole, report):
    assert list(report) == ["schema", "crossgap", "inputs", "settings", "measurements", "details"]
    assert report["schema"] == 1
    assert report["crossgap"] == __version__
    assert [facts["group"] for facts in report["inputs"]] == ["image", "text"]
    assert report["inputs"][0] == {
        "group": "image",
        "source": "pairs.npz",
        "format": "npz",
        "n": 60,
        "d": 16,
        "dtype": "float32",
        "items": False,
    }
    assert report["settings"] == {
        "seed": 0,
        "bootstrap": 20,
        "level": 0.95,
        "precision": 0.9,
        "rows": 10_000,
        "metrics": None,
        "notes": [],
        "command": "crossgap measure pairs.npz --bootstrap 20",
    }
    assert not re.search(r"NaN|Infinity", whole)
    assert whole.endswith("}\n")
    assert not whole.endswith("\n\n")


def test_every_measurement_has_the_keys_of_the_contract(report):
    names = set()
    for found in report["measurements"]:
        assert list(found) == ["name", "groups", "value", "interval", "options", "reason"]
        assert hasattr(measure, found["name"]) or hasattr(topology, found["name"]), "names are the names of functions"
        assert 1 <= len(found["groups"]) <= 2
        assert (found["value"] is None) == (found["reason"] is not None)
        assert {"n", "d"} <= set(found["options"]) or "corpus" in found["options"], "every number carries its sizes"
        if found["interval"] is not None:
            low, high = found["interval"]
            assert low <= high
            assert found["value"] is not None
        names.add(found["name"])
    expected = {
        "centroid_distance",
        "alignment",
        "cross_uniformity",
        "linear_separability",
        "relative_modality_gap",
        "matched_cosine",
        "unmatched_cosine",
        "recall_at_k",
        "gap_energy_ratio",
        "mmd",
        "sliced_wasserstein",
        "uniformity",
        "within_cosine",
        "effective_dimension",
        "participation_ratio",
        "entropy_rank",
        "spectrum_area",
        "resultant_length",
        "hubness",
        "stable_region",
        "modality_share_at_k",
        "ndcg_at_k",
        "match_probability",
        "threshold_at_precision",
    }
    assert expected <= names


@pytest.mark.parametrize("name", ["recall_at_k", "median_rank", "hubness", "threshold_at_precision"])
def test_directed_quantities_come_both_ways(report, name):
    groups = {tuple(m["groups"]) for m in report["measurements"] if m["name"] == name}
    assert groups == {("image", "text"), ("text", "image")}


def test_directed_groups_are_queries_and_gallery(files, here, vectors):
    x, y = (rows.astype(np.float64) for rows in vectors)
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    y = y / np.linalg.norm(y, axis=1, keepdims=True)
    scores = x @ y.T
    expected = {
        ("image", "text"): float(np.mean(scores.argmax(axis=1) == np.arange(60))),
        ("text", "image"): float(np.mean(scores.argmax(axis=0) == np.arange(60))),
    }
    done = here("measure", "pairs.npz", "--metrics", "recall_at_k", "--bootstrap", "0", "--json", cwd=files)
    document = json.loads(done.check_success())
    for groups, value in expected.items():
        assert _find(document, "recall_at_k", *groups, k=1)["value"] == pytest.approx(value, abs=1e-9)
    assert len(set(expected.values())) == 2, "the data must tell the directions apart"


def test_values_by_hand(report, vectors):
    x, y = (rows.astype(np.float64) / np.linalg.norm(rows.astype(np.float64), axis=1)[:, None] for rows in vectors)
    distance = np.linalg.norm(x.mean(axis=0) - y.mean(axis=0))
    assert _find(report, "centroid_distance")["value"] == pytest.approx(distance, rel=1e-5)
    assert _find(report, "matched_cosine")["value"] == pytest.approx((x * y).sum(axis=1).mean(), rel=1e-5)
    off = (x @ y.T)[~np.eye(60, dtype=bool)]
    assert _find(report, "unmatched_cosine")["value"] == pytest.approx(off.mean(), rel=1e-5)
    assert _find(report, "alignment")["value"] == pytest.approx(((x - y) ** 2).sum(axis=1).mean(), rel=1e-5)


# the same input, the same answer


@pytest.mark.parametrize("form", SOURCES)
def test_every_format_gives_the_same_numbers(form, files, here, report):
    done = here("measure", *SOURCES[form], *FAST, "--json", cwd=files)
    assert _values(json.loads(done.check_success())) == _values(report)


def test_the_same_bytes_in_another_process_and_in_the_file(files, process, whole, tmp_path):
    output = tmp_path / "gap.json"
    done = process("measure", *SOURCES[".npz"], *FAST, "--json", "-o", output, cwd=files, PYTHONHASHSEED="77")
    assert done.check_success() == whole
    assert output.read_text(encoding="utf-8") == whole


def test_another_seed_moves_intervals_and_not_plain_values(files, here, report):
    other = json.loads(here("measure", "pairs.npz", *FAST, "--seed", "5", "--json", cwd=files).check_success())
    assert other["settings"]["seed"] == 5
    moved = 0
    for name in ("centroid_distance", "relative_modality_gap", "alignment", "recall_at_k", "uniformity"):
        before = [m for m in report["measurements"] if m["name"] == name]
        after = [m for m in other["measurements"] if m["name"] == name]
        assert [m["value"] for m in before] == [m["value"] for m in after]
        moved += [m["interval"] for m in before] != [m["interval"] for m in after]
    assert moved == 5
    assert _find(report, "sliced_wasserstein")["value"] != _find(other, "sliced_wasserstein")["value"]


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_precisions_of_the_numbers_agree(dtype, files, here, vectors, report, tmp_path):
    np.savez(tmp_path / "pairs.npz", image=vectors[0].astype(dtype), text=vectors[1].astype(dtype))
    done = here("measure", "pairs.npz", *FAST, "--json", cwd=tmp_path)
    document = json.loads(done.check_success())
    assert document["inputs"][0]["dtype"] == np.dtype(dtype).name
    tolerance = 5e-3 if dtype == np.float16 else 2e-5
    for name in ("centroid_distance", "relative_modality_gap", "mmd", "alignment", "uniformity", "cross_uniformity"):
        for found in [m for m in report["measurements"] if m["name"] == name]:
            other = _find(document, name, *found["groups"])
            assert other["value"] == pytest.approx(found["value"], rel=tolerance), name
            assert other["interval"] == pytest.approx(found["interval"], rel=10 * tolerance), name
    distances = [_find(d, "centroid_distance")["value"] for d in (report, document)]
    assert distances[0] == pytest.approx(distances[1], rel=tolerance)


# options


def test_metrics_chooses(files, here):
    arguments = ["--metrics", "uniformity, recall_at_k", "--bootstrap", "0", "--json"]
    document = json.loads(here("measure", "pairs.npz", *arguments, cwd=files).check_success())
    assert {m["name"] for m in document["measurements"]} == {"uniformity", "recall_at_k"}
    assert document["settings"]["metrics"] == ["uniformity", "recall_at_k"]


def test_metrics_reaches_what_is_left_out_by_default(files, here, report):
    assert not [m for m in report["measurements"] if m["name"] == "frechet_distance"]
    arguments = ["--metrics", "frechet_distance", "--bootstrap", "0"]
    out = here("measure", "pairs.npz", *arguments, cwd=files).check_success()
    assert re.search(r"frechet_distance +image, text +\d", out)


def test_bootstrap_zero_gives_no_interval(files, here, report):
    document = json.loads(here("measure", "pairs.npz", "--bootstrap", "0", "--json", cwd=files).check_success())
    assert all(m["interval"] is None for m in document["measurements"])
    assert [m["value"] for m in document["measurements"] if m["name"] == "alignment"] == [
        m["value"] for m in report["measurements"] if m["name"] == "alignment"
    ]
    assert "no intervals" in here("measure", "pairs.npz", "--bootstrap", "0", cwd=files).check_success()


def test_precision_moves_the_threshold(files, here):
    cuts = []
    for precision in ("0.5", "0.8"):
        arguments = ["--metrics", "threshold_at_precision", "--precision", precision, "--bootstrap", "0", "--json"]
        document = json.loads(here("measure", "pairs.npz", *arguments, cwd=files).check_success())
        assert document["settings"]["precision"] == float(precision)
        cuts.append(_find(document, "threshold_at_precision", "image", "text", result="threshold")["value"])
    assert cuts[0] < cuts[1]


def test_rows_takes_a_subsample_and_says_so(here, tmp_path):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((250, 8))
    np.savez(tmp_path / "pairs.npz", image=rows + 0.5, text=rows - 0.5)
    arguments = ["measure", "pairs.npz", "--rows", "100", "--bootstrap", "0"]
    document = json.loads(here(*arguments, "--json", cwd=tmp_path).check_success())
    assert _find(document, "mmd")["options"]["sampled_from"] == [250, 250]
    assert _find(document, "mmd")["options"]["n"] == 100
    assert "sampled_from" not in _find(document, "centroid_distance")["options"]
    out = here(*arguments, cwd=tmp_path).check_success()
    assert "on at most 100 rows of a group (--rows):" in out


# groups of many kinds


@pytest.fixture(scope="module")
def triple(tmp_path_factory, vectors) -> Path:
    """Images, and texts in two roles; documents share no item with the queries but one."""
    x, y = vectors
    rng = np.random.default_rng(3)
    embeddings = Embeddings(
        {
            "image": Group(vectors=x, items=np.arange(60)),
            "text/query": Group(vectors=y[:30], items=np.arange(30)),
            "text/document": Group(vectors=rng.standard_normal((25, 16)).astype(np.float32)),
        }
    )
    folder = tmp_path_factory.mktemp("triple")
    write(embeddings, folder / "roles.npz")
    return folder


def test_three_groups_and_roles(triple, here):
    document = json.loads(here("measure", "roles.npz", *FAST, "--json", cwd=triple).check_success())
    assert [facts["group"] for facts in document["inputs"]] == ["image", "text/query", "text/document"]
    pairs = [m["groups"] for m in document["measurements"] if m["name"] == "centroid_distance"]
    assert pairs == [["image", "text/query"], ["image", "text/document"], ["text/query", "text/document"]]
    assert _find(document, "matched_cosine", "image", "text/query")["value"] is not None
    unpaired = _find(document, "matched_cosine", "image", "text/document")
    assert unpaired["value"] is None
    assert unpaired["reason"] == "needs pairs: image has item ids and text/document has none"
    shares = {m["groups"][1] for m in document["measurements"] if m["name"] == "modality_share_at_k"}
    assert shares == {"image", "text/query", "text/document"}
    assert _find(document, "modality_share_at_k", "image", "text/query")["options"]["corpus_share"] == pytest.approx(
        30 / 114, rel=1e-6
    ), "a query does not find itself"


def test_three_groups_on_the_terminal(triple, here):
    out = here("measure", "roles.npz", "--bootstrap", "0", cwd=triple).check_success()
    for two in ("image and text/query", "image and text/document", "text/query and text/document"):
        assert len(re.findall(rf"^{two} (show|have)", out, re.MULTILINE)) == 1
    assert re.search(r"Shown in full: image and text/query\. The file holds all 3 pairs of groups", out)


def test_groups_chooses_and_orders(triple, here):
    arguments = ["--groups", "text/query, image", "--metrics", "centroid_distance", "--bootstrap", "0", "--json"]
    document = json.loads(here("measure", "roles.npz", *arguments, cwd=triple).check_success())
    assert [m["groups"] for m in document["measurements"]] == [["text/query", "image"]]
    assert {facts["group"] for facts in document["inputs"]} == {"text/query", "image"}


def test_unpaired_groups_are_normal(here, tmp_path, vectors):
    np.savez(tmp_path / "apart.npz", image=vectors[0], text=vectors[1][:40])
    document = json.loads(here("measure", "apart.npz", *FAST, "--json", cwd=tmp_path).check_success())
    reason = "needs pairs: image (60 rows) and text (40 rows) have no item ids and differ in size"
    for name in ("alignment", "matched_cosine", "gap_energy_ratio", "relative_modality_gap", "stable_region"):
        found = _find(document, name, "image", "text")
        assert (found["value"], found["interval"], found["reason"]) == (None, None, reason)
    for name in ("centroid_distance", "linear_separability", "mmd", "unmatched_cosine", "cross_uniformity"):
        values = [m for m in document["measurements"] if m["name"] == name]
        assert all(m["value"] is not None and m["interval"] is not None for m in values)
    out = here("measure", "apart.npz", "--bootstrap", "0", cwd=tmp_path).check_success()
    assert "What a match scores cannot be said without pairs." in out
    assert "skipped: " in out


@pytest.mark.parametrize("ids", [False, True])
def test_unpaired_says_that_nothing_pairs(ids, here, tmp_path, vectors):
    items = np.repeat(np.arange(30), 2) if ids else None  # two rows an item, in each group
    write(Embeddings.from_arrays(image=vectors[0], text=vectors[1], items=items), tmp_path / "pairs.npz")
    paired, unpaired = (
        json.loads(here("measure", "pairs.npz", *FAST, *more, "--json", cwd=tmp_path).check_success())
        for more in ([], ["--unpaired"])
    )
    reason = "needs pairs: image and text share no item id"
    for name in ("alignment", "matched_cosine", "gap_energy_ratio", "relative_modality_gap", "stable_region"):
        assert _find(paired, name, "image", "text")["value"] is not None
        found = _find(unpaired, name, "image", "text")
        assert (found["value"], found["interval"], found["reason"]) == (None, None, reason)
    for name in ("centroid_distance", "mmd", "modality_share_at_k"):
        found = [m for m in unpaired["measurements"] if m["name"] == name]
        assert found
        assert all(m["value"] is not None and m["interval"] is not None for m in found)
        assert [m["value"] for m in found] == [m["value"] for m in paired["measurements"] if m["name"] == name]
    ranks = [m["value"] is not None for m in unpaired["measurements"] if m["name"] == "ndcg_at_k"]
    assert ranks == [ids, ids], "rows of one group that show one item still do"
    assert unpaired["settings"]["notes"] == [
        *paired["settings"]["notes"],
        "rows of different groups were taken to show different items (--unpaired).",
    ]


def test_unpaired_counts_every_pair_across_as_no_match(here, tmp_path, vectors):
    np.savez(tmp_path / "pairs.npz", image=vectors[0], text=vectors[1])
    x, y = (rows.astype(np.float64) for rows in vectors)
    scores = (x / np.linalg.norm(x, axis=1)[:, None]) @ (y / np.linalg.norm(y, axis=1)[:, None]).T
    arguments = ["--unpaired", "--metrics", "unmatched_cosine", "--bootstrap", "0"]
    document = json.loads(here("measure", "pairs.npz", *arguments, "--json", cwd=tmp_path).check_success())
    assert _find(document, "unmatched_cosine")["value"] == pytest.approx(scores.mean(), rel=1e-5)


def test_one_group(here, files):
    out = here("measure", "image=img.npy", *FAST, cwd=files).check_success()
    assert out.startswith("One group, image: its shape can be measured; a gap needs a second group.\n")
    assert re.search(r"uniformity +image +-\d", out)
    assert "centroid_distance" not in out
    assert len(out.splitlines()) < 40


def test_five_captions_an_image(here, tmp_path):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((30, 12))
    y = np.repeat(x, 5, axis=0) + 0.5 * rng.standard_normal((150, 12))
    embeddings = Embeddings(
        {
            "image": Group(vectors=x, items=np.arange(30)),
            "text": Group(vectors=y, items=np.repeat(np.arange(30), 5)),
        }
    )
    write(embeddings, tmp_path / "captions.parquet")
    document = json.loads(here("measure", "captions.parquet", *FAST, "--json", cwd=tmp_path).check_success())
    assert [facts["n"] for facts in document["inputs"]] == [30, 150]
    assert all(facts["items"] for facts in document["inputs"])
    ux, uy = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, y))
    matched = float((np.repeat(ux, 5, axis=0) * uy).sum(axis=1).mean())
    assert _find(document, "matched_cosine")["value"] == pytest.approx(matched, rel=1e-6)
    scores, owner = ux @ uy.T, np.repeat(np.arange(30), 5)
    found = float(np.mean(owner[scores.argmax(axis=1)] == np.arange(30)))
    assert _find(document, "recall_at_k", "image", "text", k=1)["value"] == pytest.approx(found, abs=1e-9)
    back = float(np.mean(scores.argmax(axis=0) == owner))
    assert _find(document, "recall_at_k", "text", "image", k=1)["value"] == pytest.approx(back, abs=1e-9)


@pytest.mark.parametrize(("n", "d"), [(2, 3), (4, 12), (9, 2), (12, 1)])
def test_small_data_is_measured_as_far_as_it_goes(n, d, here, tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "few.npz", image=rng.standard_normal((n, d)) + 1, text=rng.standard_normal((n, d)) - 1)
    document = json.loads(here("measure", "few.npz", *FAST, "--json", cwd=tmp_path).check_success())
    assert _find(document, "centroid_distance")["value"] is not None
    assert [m for m in document["measurements"] if m["reason"] is not None]


# what is printed


def test_the_terminal(files, here, tmp_path):
    output = tmp_path / "gap.json"
    out = here("measure", "pairs.npz", *FAST, "-o", output, cwd=files).check_success()
    assert out.startswith("image and text show a clear modality gap: centroid distance ")
    for section in ("The gap", "Scores", "Mixed index", "Retrieval", "Shape of each group"):
        assert f"\n{section}\n" in out
    assert "image 60 x 16, text 60 x 16; rows brought to length 1; 95% intervals from 20 bootstrap" in out
    assert f"Written: {output}" in out
    assert out.splitlines()[-1] == f"Next: crossgap report {output} -o {output.with_suffix('.html')}"


def test_the_last_line_is_a_command_that_works(files, here, tmp_path, vectors):
    folder = tmp_path / "my folder"
    folder.mkdir()
    np.save(folder / "img.npy", vectors[0])
    out = here("measure", "image=my folder/img.npy", "--bootstrap", "0", cwd=tmp_path).check_success()
    assert out.splitlines()[-1] == "Next: crossgap measure 'image=my folder/img.npy' -o gap.json --html gap.html"


def test_the_last_line_keeps_what_was_chosen(files, here):
    arguments = ["pairs.npz", "--groups", "text, image", "--unpaired"]
    out = here("measure", *arguments, "--bootstrap", "0", cwd=files).check_success()
    assert (
        out.splitlines()[-1]
        == "Next: crossgap measure pairs.npz --groups 'text, image' --unpaired -o gap.json --html gap.html"
    )


def test_what_is_not_used_is_said(here, tmp_path, vectors):
    np.savez(tmp_path / "more.npz", image=vectors[0], text=vectors[1], count=np.arange(3))
    arguments = ["measure", "more.npz", "--metrics", "centroid_distance", "--bootstrap", "0"]
    assert "not used: 'more.npz': array 'count'" in here(*arguments, cwd=tmp_path).check_success()
    document = json.loads(here(*arguments, "--json", cwd=tmp_path).check_success())
    assert len(document["settings"]["notes"]) == 1


def test_names_beyond_ascii(here, tmp_path, vectors):
    np.savez(tmp_path / "päärchen 🐈.npz", image=vectors[0], text=vectors[1])
    arguments = ["measure", "päärchen 🐈.npz", "--metrics", "centroid_distance", "--bootstrap", "0"]
    assert "päärchen 🐈.npz" in here(*arguments, cwd=tmp_path).check_success()
    assert json.loads(here(*arguments, "--json", cwd=tmp_path).out)["inputs"][0]["source"] == "päärchen 🐈.npz"


def test_a_narrow_encoding_does_not_stop_it(process, tmp_path, vectors):
    np.savez(tmp_path / "päärchen.npz", image=vectors[0], text=vectors[1])
    arguments = ["measure", "päärchen.npz", "--metrics", "centroid_distance", "--bootstrap", "0"]
    done = process(*arguments, cwd=tmp_path, PYTHONIOENCODING="ascii", PYTHONUTF8="1")
    assert "centroid distance" in done.check_success()


# the page, the table, and what stands in the files beside numbers


def test_the_page_is_drawn_from_the_file_alone(files, here, tmp_path):
    gap, page, other = (tmp_path / name for name in ("gap.json", "gap.html", "other.html"))
    out = here("measure", "pairs.npz", *FAST, "-o", gap, "--html", page, cwd=files).check_success()
    assert f"Written: {gap}, {page}\n" in out
    assert out.splitlines()[-1] == f"Next: open {page} in a browser"
    here("report", gap, "-o", other, cwd=files).check_success()
    assert page.read_bytes() == other.read_bytes()


def test_no_details_leaves_numbers_alone(files, here, report):
    out = here("measure", "pairs.npz", *FAST, "--no-details", "--json", cwd=files).check_success()
    document = json.loads(out)
    assert "details" not in document
    assert document["settings"]["command"] == "crossgap measure pairs.npz --bootstrap 20 --no-details"
    assert _values(document) == _values(report)


def test_metrics_implies_no_details(files, here, tmp_path):
    gap, page = tmp_path / "gap.json", tmp_path / "gap.html"
    here("measure", "pairs.npz", "--metrics", "alignment", "-o", gap, "--html", page, cwd=files).check_success()
    assert "details" not in json.loads(gap.read_text(encoding="utf-8"))
    assert page.is_file()


def test_without_a_file_nothing_is_collected_for_one(files, here, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("details were collected")

    monkeypatch.setattr("crossgap.report.details.collect_details", refuse)
    here("measure", "pairs.npz", "--bootstrap", "0", cwd=files).check_success()


@pytest.mark.parametrize("more", [[], ["--json", "--no-details"], ["--json", "--metrics", "alignment"]])
def test_everything_needs_a_file_that_holds_it(more, files, here):
    done = here("measure", "pairs.npz", "--everything", *more, cwd=files)
    assert done.code == 2
    assert "--everything must go with a file that holds details" in done.err


def test_everything_reaches_the_details(files, here, monkeypatch):
    seen = {}

    def kept(embeddings, settings, **given):
        seen.update(given)
        return {}

    monkeypatch.setattr("crossgap.report.details.collect_details", kept)
    document = json.loads(here("measure", "pairs.npz", *FAST, "--everything", "--json", cwd=files).check_success())
    assert seen["everything"] is True
    assert "loops" in seen["measured"]["topology"][0]
    assert document["settings"]["command"].endswith(" --everything")


def test_the_command_can_be_given_again(files, here, tmp_path):
    arguments = ["pairs.npz", "--groups", "text, image", "--unpaired", "--seed", "3", "--rows", "500", *FAST]
    first = here("measure", *arguments, "--precision", "0.8", "--json", cwd=files).check_success()
    command = json.loads(first)["settings"]["command"]
    assert command == (
        "crossgap measure pairs.npz --groups 'text, image' --unpaired --bootstrap 20 --seed 3 --precision 0.8 "
        "--rows 500"
    )
    assert here(*shlex.split(command)[1:], "--json", cwd=files).check_success() == first


def test_the_table(files, here, tmp_path):
    table = tmp_path / "gap.tex"
    for _ in range(2):  # an older table is replaced
        out = here("measure", "pairs.npz", "--bootstrap", "0", "--latex", table, cwd=files).check_success()
    assert table.read_text(encoding="utf-8").startswith("\\begin{table}")
    assert f"Written: {table}\n" in out
    assert out.splitlines()[-1] == "Next: crossgap measure pairs.npz --html gap.html"


@pytest.mark.parametrize(
    ("option", "name", "content", "message"),
    [
        ("--html", "gap.json", None, "the page must end in .html"),
        ("--html", "gap.html", "my notes", "exists and is no page of an earlier run"),
        ("--html", "no/gap.html", None, "does not exist; make it first"),
        ("--latex", "gap.txt", None, "the table must end in .tex"),
        ("--latex", "gap.tex", "my thesis", "exists and is no table of an earlier run"),
        ("-o", "gap.html", None, "-o writes JSON"),
        ("-o", "gap.tex", None, "give --latex"),
    ],
)
def test_outputs_are_checked_before_the_work(option, name, content, message, files, here, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("work was done")

    monkeypatch.setattr("crossgap.data.read_groups", refuse)
    if content is not None:
        (tmp_path / name).write_text(content)
    done = here("measure", "pairs.npz", option, tmp_path / name, cwd=files)
    assert done.code == 2
    assert message in done.err
