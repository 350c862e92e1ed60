"""``crossgap evaluate``: each task on good files and bad ones, its JSON, its file and its next step."""

import json
from dataclasses import replace

import numpy as np
import pytest

from crossgap import Embeddings, Group, read, write
from crossgap.close import MeanRemoval
from crossgap.close.closer_file import write_closer

FAST = ("--bootstrap", "20")


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> str:
    """80 pairs in two clouds that lie apart."""
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((80, 16))
    rows = {
        name: shared + 0.4 * rng.standard_normal((80, 16)) + sign * np.eye(16)[0]
        for name, sign in (("image", 2), ("text", -2))
    }
    path = tmp_path_factory.mktemp("evaluate") / "pairs.npz"
    write(Embeddings.from_arrays({name: part.astype(np.float32) for name, part in rows.items()}), path)
    return str(path)


@pytest.fixture(scope="module")
def closer(source, tmp_path_factory) -> str:
    """Mean removal, fitted on these pairs."""
    path = tmp_path_factory.mktemp("closer") / "closer.safetensors"
    write_closer(MeanRemoval().fit_embeddings(read(source)), path, facts={"sources": [source]})
    return str(path)


def _json(done) -> dict:
    return json.loads(done.check_success())


def test_mixed_search_in_a_real_process(process, source):
    out = process("evaluate", "mixed", source, *FAST).check_success()
    assert out.startswith("- image queries: close it: NDCG@10 rises by +0.")
    assert "before                after" in out
    assert "mean removal learned from the other half of the items, both halves judged" in out.replace("\n", " ")
    assert out.splitlines()[-1] == f"Next: crossgap close {source} --method mean-removal -o closer.safetensors"


def test_json_is_the_same_each_time_and_goes_into_a_file(here, source, tmp_path):
    path = tmp_path / "mixed.json"
    first = here("evaluate", "mixed", source, "--json", *FAST).check_success()
    shown = here("evaluate", "mixed", source, "-o", path, *FAST).check_success()
    assert path.read_text() == first
    assert f"Written: {path}" in shown
    document = json.loads(first)
    assert document["task"] == "mixed"
    assert document["settings"]["in_sample"] is False
    assert document["settings"]["deal_seed"] == 42
    assert [verdict["decision"] for verdict in document["verdicts"]] == ["close it", "close it"]
    assert document["inputs"][0]["group"] == "image"
    other = here("evaluate", "mixed", source, "--json", "--seed", "1", *FAST).check_success()
    assert other != first


def test_a_closer_is_judged_and_knows_its_own_source(here, source, closer):
    found = _json(here("evaluate", "mixed", source, "--closer", closer, "--json", *FAST))
    assert found["settings"]["closer"]["method"] == "MeanRemoval"
    assert found["settings"]["fitted"] == f"MeanRemoval of {closer}, fitted before"
    assert found["settings"]["in_sample"] is True  # the closer's file names this source
    assert found["settings"]["notes"][0].startswith("the closer says that it was fitted on this source")
    out = here("evaluate", "mixed", source, "--closer", closer, *FAST).check_success()
    assert out.splitlines()[-1] == f"Next: crossgap apply {closer} {source} -o closed.npz"


def test_a_closer_of_other_rows_is_not_in_sample(here, source, closer, tmp_path):
    other = tmp_path / "other.npz"
    write(read(source), other)
    found = _json(here("evaluate", "mixed", other, "--closer", closer, "--json", *FAST))
    assert (found["settings"]["in_sample"], found["settings"]["notes"]) == (False, [])
    found = _json(here("evaluate", "mixed", other, "--closer", closer, "--in-sample", "--json", *FAST))
    assert found["settings"]["in_sample"] is True
    assert found["settings"]["fitted"].endswith("fitted on these rows (--in-sample)")


@pytest.mark.parametrize("name", ["csls", "inverted-softmax", "query-bank", "sinkhorn", "score-standardisation"])
def test_corrections_go_with_and_without_a_closer(here, source, closer, name):
    alone = _json(here("evaluate", "mixed", source, "--correction", name, "--json", *FAST))
    assert alone["settings"]["correction"] == name
    assert alone["settings"]["fitted"].startswith(f"the correction {name} learned from the other half of the items")
    both = _json(here("evaluate", "mixed", source, "--correction", name, "--closer", closer, "--json", *FAST))
    assert both["measurements"] != alone["measurements"]
    inside = _json(here("evaluate", "mixed", source, "--correction", name, "--in-sample", "--json", *FAST))
    assert "the rows that are judged (--in-sample)" in inside["settings"]["fitted"]
    last = here("evaluate", "mixed", source, "--correction", name, *FAST).check_success().splitlines()[-1]
    assert name.replace("-", "") in last.replace("_", "").replace("-", "").lower()


def test_options_of_mixed_search(here, source):
    plain = _json(here("evaluate", "mixed", source, "--as-is", "--queries", "text", "--json", *FAST))
    assert {m["options"]["version"] for m in plain["measurements"]} == {"as is"}
    assert [verdict["groups"] for verdict in plain["verdicts"]] == [["text"]]
    fused = _json(here("evaluate", "mixed", source, "--fused", "0.5", "-k", "7", "--json", *FAST))
    assert {tuple(m["groups"]) for m in fused["measurements"]} >= {("text", "fused"), ("image", "fused")}
    assert fused["settings"]["k"] == 7
    turned = _json(here("evaluate", "mixed", source, "--groups", "text,image", "--json", *FAST))
    assert [facts["group"] for facts in turned["inputs"]] == ["image", "text"]
    assert [verdict["groups"] for verdict in turned["verdicts"]] == [["text"], ["image"]]
    out = here("evaluate", "mixed", source, "--as-is", *FAST).check_success()
    assert out.splitlines()[-1] == f"Next: crossgap measure {source}"


def test_groups_of_queries_search_by_default(here, source, tmp_path):
    e = read(source)
    path = tmp_path / "roles.npz"
    write(Embeddings({**e, "text/query": replace(e["text"], vectors=e["text"].vectors + 0.1)}), path)
    found = _json(here("evaluate", "mixed", path, "--json", *FAST))
    assert [verdict["groups"] for verdict in found["verdicts"]] == [["text/query"]]
    sizes = next(m["options"]["corpus"] for m in found["measurements"] if m["name"] == "ndcg_at_k")
    assert sizes == {"image": 20, "text": 20}


def test_a_sample_is_told(here, tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "large.npz"
    write(Embeddings.from_arrays(image=rng.normal(size=(150, 4)), text=rng.normal(size=(150, 4))), path)
    found = _json(here("evaluate", "mixed", path, "--rows", "100", "--json", *FAST))
    assert found["settings"]["notes"] == [
        "a sample of whole items is used (--rows): 100 of 150 image, 100 of 150 text rows."
    ]


def test_retrieval(here, source, closer):
    out = here("evaluate", "retrieval", source, *FAST).check_success()
    assert "- image to text: " in out
    assert out.splitlines()[-1] == f"Next: crossgap evaluate mixed {source}"
    found = _json(here("evaluate", "retrieval", source, "--closer", closer, "--unit", "row", "--json", *FAST))
    assert {m["name"] for m in found["measurements"]} == {"recall_at_k", "mean_reciprocal_rank", "median_rank"}
    assert found["settings"]["unit"] == "row"
    plain = _json(here("evaluate", "retrieval", source, "--as-is", "--json", *FAST))
    assert plain["settings"]["fitted"] == "rows as they are"


def test_zero_shot(here, tmp_path):
    rng = np.random.default_rng(0)
    centre = rng.normal(size=(8, 6))
    owner = np.repeat(np.arange(8), 6)
    image = Group(vectors=centre[owner] + 0.5 * rng.normal(size=(48, 6)), items=owner, label=[f"c{c}" for c in owner])
    text = Group(vectors=centre + 0.5 * rng.normal(size=(8, 6)), items=np.arange(8), label=[f"c{c}" for c in range(8)])
    path = tmp_path / "classes.npz"
    write(Embeddings({"image": image, "text": text}), path)
    out = here("evaluate", "zero-shot", path, *FAST).check_success()
    assert out.startswith("- image into 8 classes of text: ")
    named = _json(here("evaluate", "zero-shot", path, "--queries", "image", "--prompts", "text", "--json", *FAST))
    assert {m["name"] for m in named["measurements"]} == {"zero_shot_accuracy", "zero_shot_mean_class_accuracy"}
    assert named["settings"]["unit"] == "row"
    here("evaluate", "zero-shot", path, "--queries", "text", "--prompts", "text").check_refusal("must name two groups")
    here("evaluate", "zero-shot", path, "--groups", "text").check_refusal(
        "zero-shot needs a group to classify beside text"
    )


def test_index(here, source):
    pytest.importorskip("faiss")
    found = _json(here("evaluate", "index", source, "--index", "hnsw", "--set", "efSearch=64", "--json", *FAST))
    assert found["settings"]["parameters"]["all"] == {"rows": 80, "M": 16, "efConstruction": 100, "efSearch": 64}
    assert len(found["verdicts"]) == 6
    out = here("evaluate", "index", source, *FAST).check_success()
    assert "- text searching one index of all groups: " in out
    here("evaluate", "index", source, "--set", "nprobe").check_refusal("--set must be a name and a whole number")
    here("evaluate", "index", source, "--set", "M=4").check_refusal("ivf-pq has no parameter 'M'")
    here("evaluate", "index", source, "--index", "tree").check_refusal("the index must be one of ivf-pq, hnsw, flat-pq")


@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        (["--as-is", "--in-sample"], "--as-is closes nothing, so it does not go with --in-sample"),
        (["--correction", "softmax"], "the correction must be one of csls"),
        (["--correction", "csls", "--as-is"], "--as-is closes nothing, so it does not go with --correction"),
        (["--fused", "2"], "the weight of the text in a fused document must lie between 0 and 1"),
        (["--queries", "audio"], "there is no group 'audio'"),
        (["--groups", "image"], "a mixed search needs at least two groups, but there is only image"),
        (["-k", "500"], "k must lie between 1 and the 79 rows that a query of image can find"),
        (["--unit", "pair"], "unit must be 'item' or 'row'"),
        (["--bootstrap", "1"], "replicates must be 0 or at least 2"),
        (["--closer", "nowhere.safetensors"], "nowhere.safetensors"),
        (["-o", "nowhere/mixed.json"], "does not exist; make it first"),
    ],
)
def test_refusals(here, source, tmp_path, words, fragment):
    here("evaluate", "mixed", source, *words, cwd=tmp_path).check_refusal(fragment)
    assert list(tmp_path.iterdir()) == []


def test_a_closer_of_other_groups_is_refused(here, files, closer):
    here(
        "evaluate", "mixed", f"audio={files / 'img.npy'}", f"text={files / 'txt.npy'}", "--closer", closer
    ).check_refusal("there is no group 'audio' in the closer")


def test_help(process):
    done = process("evaluate", "--help").check_success()
    for name in ("mixed", "retrieval", "zero-shot", "index"):
        assert f"  {name} " in done
    assert "--correction" in process("evaluate", "mixed", "--help").check_success()


def test_the_next_step_after_few_rows_is_one_that_works(here, tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "five.npz"
    write(Embeddings.from_arrays(image=rng.normal(size=(5, 4)), text=rng.normal(size=(5, 4))), path)
    out = here("evaluate", "retrieval", path, *FAST).check_success()
    assert out.splitlines()[-1] == f"Next: crossgap measure {path}"
    assert "no intervals, which need at least 10 items" in out.replace("\n", " ")
    here("measure", path, *FAST).check_success()


def test_one_group_cannot_search_another(here, source):
    said = "retrieval needs two groups, one that searches and one that is searched, but there is only image;"
    here("evaluate", "retrieval", source, "--groups", "image").check_refusal(said)


def test_a_correction_that_helps_leads_to_a_closer(here, source):
    out = here("evaluate", "mixed", source, "--correction", "score-standardisation", *FAST).check_success()
    step = out.splitlines()[-1]
    assert step == f"Next: crossgap close {source} --method score-standardisation -o closer.safetensors"
