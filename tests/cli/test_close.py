"""``crossgap close``: what it chooses, prints and writes; what it leaves alone; what it refuses."""

import json
import shlex

import numpy as np
import pytest

from crossgap import Embeddings, read, write
from crossgap.cli.close import METHODS
from crossgap.close.closer_file import read_closer, read_closer_record
from crossgap.close.pretrained import from_pretrained

FAST = ("--bootstrap", "20")


@pytest.fixture(scope="module")
def far_apart(tmp_path_factory):
    """80 pairs that match, in two clouds that lie far apart; and the same without a gap, unpaired, tiny, labelled."""
    folder = tmp_path_factory.mktemp("close")
    rng = np.random.default_rng(0)
    shared, offset = rng.standard_normal((80, 12)), 2 * np.eye(12)[0]
    x, y = (shared + 0.3 * rng.standard_normal((80, 12)) for _ in range(2))
    arrays = {
        "pairs.npz": {"image": x + offset, "text": y - offset},
        "together.npz": {"image": x, "text": y},
        "unpaired.npz": {"image": x[:50] + offset, "text": y - offset},
        "tiny.npz": {"image": x[:12], "text": y[:12]},
        "alone.npz": {"image": x},
        "three.npz": {"image": x + offset, "text": y - offset, "audio": x + offset[::-1]},
    }
    for name, groups in arrays.items():
        write(Embeddings.from_arrays({key: rows.astype(np.float32) for key, rows in groups.items()}), folder / name)
    return folder


def test_auto_prints_what_and_why_and_writes_the_closer(process, far_apart, tmp_path):
    out = process("close", "pairs.npz", "-o", tmp_path / "c.safetensors", *FAST, cwd=far_apart).check_success()
    chosen = out.splitlines()[0].removeprefix("Chosen: ")
    assert chosen in METHODS
    for part in (
        f"{chosen} has mixed-ndcg",
        "Search",
        "Order kept",
        f"Task by task, with {chosen}:",
        "Mixed search, image searching everything: close it",
        "The closer itself is fitted on all of 80 rows of image, 80 rows of text.",
        "def move(rows, group):",
        "Written: ",
    ):
        assert part in out
    assert max(len(line) for line in out.splitlines() if str(tmp_path) not in line) <= 100
    assert f"Next: crossgap apply {tmp_path / 'c.safetensors'} pairs.npz -o closed.npz" in out
    record = read_closer_record(tmp_path / "c.safetensors")
    assert record["fit_rows"] == {"image": 80, "text": 80}
    facts = record["facts"]
    assert facts["sources"] == ["pairs.npz"]
    assert (facts["method"], facts["score"], facts["seed"]) == (chosen, "mixed-ndcg", 0)
    assert facts["judged"]["bootstrap"] == 20
    assert {row["quantity"] for row in facts["table"]} >= {"centroid_distance", "ndcg_at_k", "neighbour_overlap"}
    assert any("Mixed search" in sentence for sentence in facts["verdicts"])
    assert str(far_apart) not in json.dumps(facts)


def test_the_recipe_does_what_the_closer_does(here, far_apart, tmp_path):
    out = here("close", "pairs.npz", "--method", "mean-removal", "-o", tmp_path / "c.safetensors", *FAST, cwd=far_apart)
    code = out.check_success().split("in NumPy:\n\n")[1].split("\nWritten")[0]
    names: dict = {}
    exec("\n".join(line[4:] for line in code.splitlines()), names)  # noqa: S102
    rows = np.load(far_apart / "pairs.npz")["text"].astype(np.float64)
    closer = read_closer(tmp_path / "c.safetensors")
    assert names["move"](rows, "text") == pytest.approx(closer.move(rows, "text"), abs=1e-12)


def test_the_same_seed_gives_the_same_bytes(process, far_apart, tmp_path):
    runs = []
    for number, hashed in enumerate(("1", "2")):
        path = tmp_path / str(number) / "c.safetensors"
        path.parent.mkdir()
        told = process("close", "pairs.npz", "-o", path, "--json", *FAST, cwd=far_apart, PYTHONHASHSEED=hashed)
        runs.append((told.check_success().replace(str(path), "PATH"), path.read_bytes()))
    assert runs[0] == runs[1]
    document = json.loads(runs[0][0])
    assert document["schema"] == 1
    assert document["written"] == "PATH"
    assert (document["method"], document["inputs"]) == ("auto", ["pairs.npz"])
    assert document["rows_used"] == {"image": 80, "text": 80}
    assert {row["name"] for row in document["comparison"]["candidates"]} == set(METHODS)
    assert "seconds" not in runs[0][0]


def test_none_writes_nothing_and_says_what_would_have_to_be_true(here, far_apart, tmp_path):
    path = tmp_path / "c.safetensors"
    out = here("close", "together.npz", "--score", "recall", "-o", path, *FAST, cwd=far_apart).check_success()
    assert out.startswith("Chosen: none\n")
    assert "would have to lie above 0" in " ".join(out.split())
    assert "Nothing was written: no closer is clearly better than these vectors as they are." in out
    assert not path.exists()
    document = json.loads(
        here("close", "together.npz", "--score", "recall", "--json", *FAST, cwd=far_apart).check_success()
    )
    assert (document["chosen"], document["written"]) == ("none", None)


@pytest.mark.parametrize("more", [(), ("--groups", "image,text", "--unpaired")])
def test_the_next_step_can_be_copied(here, far_apart, tmp_path, more):
    """From close without a file over close and evaluate to apply; also where a path has spaces."""
    source = tmp_path / "my pairs.npz"
    source.write_bytes((far_apart / "three.npz").read_bytes())
    given = ("--method", "mean-removal", *more, *FAST)
    out = here("close", "my pairs.npz", *given, cwd=tmp_path).check_success()
    again = shlex.split(out.splitlines()[-1].removeprefix("Next: crossgap "))
    assert again[-2:] == ["-o", "closer.safetensors"]
    out = here(*again, *FAST, cwd=tmp_path).check_success()
    apply = shlex.split(out.splitlines()[-1].removeprefix("Next: crossgap "))
    assert ("--keep-others" in apply) == bool(more)
    here(*apply, cwd=tmp_path).check_success()
    assert set(read(tmp_path / "closed.npz")) == {"image", "text", "audio"}
    shares = ("evaluate", "mixed", "my pairs.npz", "--closer", "closer.safetensors", "--groups", "image,text", *FAST)
    out = here(*shares, cwd=tmp_path).check_success()
    (tmp_path / "closed.npz").unlink()
    here(*shlex.split(out.splitlines()[-1].removeprefix("Next: crossgap ")), cwd=tmp_path).check_success()
    assert (tmp_path / "closed.npz").is_file()


def test_without_an_output_nothing_is_written(here, far_apart):
    out = here("close", "pairs.npz", "--method", "translation", *FAST, cwd=far_apart).check_success()
    assert "Next: crossgap close pairs.npz --method translation -o closer.safetensors" in out
    given = ("--method", "translation", "--target", "text", "--set", "renormalise=false", "--groups", "image,text")
    out = here("close", "pairs.npz", *given, *FAST, cwd=far_apart).check_success()
    assert out.splitlines()[-1] == (
        "Next: crossgap close pairs.npz --groups image,text --method translation --target text --set=renormalise=false "
        "-o closer.safetensors"
    )
    out = here("close", "pairs.npz", "--method", "none", *FAST, cwd=far_apart).check_success()
    assert "Nothing was written: none moves nothing." in out


def test_a_folder_to_share(here, far_apart, tmp_path):
    folder = tmp_path / "shared"
    out = here(
        "close", "pairs.npz", "--method", "mean-removal", "-o", f"{folder}/", *FAST, cwd=far_apart
    ).check_success()
    assert f"Written: {folder / 'model.safetensors'}" in out
    assert "centroid" in (folder / "README.md").read_text()
    assert from_pretrained(folder).groups_ == ("image", "text")
    again = here("close", "pairs.npz", "--method", "mean-removal", "-o", f"{folder}/", *FAST, cwd=far_apart)
    again.check_refusal("exists, and none is ever replaced")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_by_its_name(here, far_apart, tmp_path, method):
    small = ("--set", "dimensions=4") if method in ("cca", "bipartite-spectral") else ()
    done = here(
        "close",
        "pairs.npz",
        "--method",
        method,
        *small,
        "-o",
        tmp_path / "c.safetensors",
        "--bootstrap",
        "0",
        cwd=far_apart,
    )
    assert done.check_success().startswith(f"Method: {method}\n")
    assert read_closer(tmp_path / "c.safetensors").groups_ == ("image", "text")


def test_parameters_and_the_target_reach_the_closer(here, far_apart, tmp_path):
    path = tmp_path / "c.safetensors"
    options = ("--method", "translation", "--target", "text", "--set", "strength=0.5", "--set", "renormalise=false")
    here("close", "pairs.npz", *options, "-o", path, *FAST, cwd=far_apart).check_success()
    assert read_closer(path).get_params() == {
        "strength": 0.5,
        "length": None,
        "target": "text",
        "renormalise": False,
    }
    here(
        "close",
        "pairs.npz",
        "--method",
        "whitening",
        "--set",
        "shrinkage=ledoit-wolf",
        "-o",
        path,
        *FAST,
        cwd=far_apart,
    )
    assert read_closer(path).get_params()["shrinkage"] == "ledoit-wolf"
    here("close", "pairs.npz", "--method", "memory-projection", "--target", "text", "-o", path, *FAST, cwd=far_apart)
    assert read_closer(path).get_params()["memory"] == "text"
    here("close", "pairs.npz", "--method", "translation", "--set", "target=None", "-o", path, *FAST, cwd=far_apart)
    assert read_closer(path).get_params()["target"] is None


def test_without_pairs_the_shares_decide(here, far_apart):
    out = here("close", "unpaired.npz", *FAST, cwd=far_apart).check_success()
    assert "mixed-fairness" in out
    assert "procrustes: not tried: " in out
    out = here("close", "pairs.npz", "--unpaired", "--method", "mean-removal", *FAST, cwd=far_apart).check_success()
    assert "taken to show different items (--unpaired)" in out
    assert "Retrieval across" not in out


def test_a_part_of_the_rows_is_said(here, far_apart):
    done = here("close", "pairs.npz", "--rows", "40", "--method", "mean-removal", *FAST, cwd=far_apart)
    out = " ".join(done.check_success().split())
    assert "Note: fitted and judged on 40 of 80 rows of image (--rows)." in out
    assert "fitted on all of 40 rows of image, 40 rows of text" in out


def test_options_matter(here, far_apart):
    def document(*options):
        done = here("close", "pairs.npz", "--method", "mean-removal", *FAST, "--json", *options, cwd=far_apart)
        return json.loads(done.check_success())["comparison"]

    usual = document()
    for options in (
        ("--folds", "4"),
        ("--seed", "5"),
        ("--groups", "text,image"),
        ("--bootstrap", "30"),
        ("--in-sample",),
    ):
        assert document(*options) != usual
    assert json.loads(here("close", "three.npz", "--groups", "image,audio", "--method", "none", *FAST, "--json",
                           cwd=far_apart).check_success())["rows_used"] == {"image": 80, "audio": 80}  # fmt: skip


def test_tolerance_and_score_reach_the_choice(here, far_apart):
    told = ("--score", "alignment", "--tolerance", "0.9", "--json")
    document = json.loads(here("close", "pairs.npz", *told, *FAST, cwd=far_apart).check_success())
    assert (document["score"]["name"], document["tolerance"]) == ("alignment", 0.9)


def test_too_few_items_choose_nothing_but_a_method_can_still_be_fitted(here, far_apart, tmp_path):
    path = tmp_path / "c.safetensors"
    out = here("close", "tiny.npz", "-o", path, *FAST, cwd=far_apart).check_success()
    assert "not enough data" in out
    assert not path.exists()
    here("close", "tiny.npz", "--method", "mean-removal", "-o", path, *FAST, cwd=far_apart).check_success()
    assert read_closer_record(path)["facts"]["table"] == []


def test_an_older_closer_is_replaced_and_nothing_else(here, far_apart, tmp_path):
    path = tmp_path / "c.safetensors"
    for _ in range(2):
        here("close", "pairs.npz", "--method", "mean-removal", "-o", path, *FAST, cwd=far_apart).check_success()
    vectors = tmp_path / "vectors.safetensors"
    write(Embeddings.from_arrays(image=np.eye(4, dtype=np.float32)), vectors)
    kept = vectors.read_bytes()
    here("close", "pairs.npz", "-o", vectors, cwd=far_apart).check_refusal("exists and is no closer of an earlier run")
    assert vectors.read_bytes() == kept


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        (["pairs.npz", "--method", "corall"], ["there is no method 'corall'", "coral"]),
        (["pairs.npz", "--score", "mrr"], ["score must be one of mixed-ndcg", "'mrr'"]),
        (["pairs.npz", "--score", "zero-shot"], ["'zero-shot' needs labels"]),
        (["unpaired.npz", "--score", "recall"], ["'recall' needs pairs"]),
        (["pairs.npz", "--tolerance", "2"], ["tolerance must lie between 0 and 1"]),
        (
            ["pairs.npz", "--method", "coral", "--score", "recall"],
            ["--score and --tolerance must go with --method auto"],
        ),
        (["pairs.npz", "--method", "coral", "--tolerance", "0.1"], ["must go with --method auto"]),
        (["pairs.npz", "--target", "audio"], ["--target must be one of the groups image, text", "'audio'"]),
        (["pairs.npz", "--method", "whitening", "--target", "text"], ["--target", "whitening does not"]),
        (["pairs.npz", "--set", "strength=1"], ["--set must go with one method"]),
        (["pairs.npz", "--method", "coral", "--set", "strenght=1"], ["coral has no parameter 'strenght'"]),
        (["pairs.npz", "--method", "coral", "--set", "shrinkage"], ["--set must be key=value", "'shrinkage'"]),
        (
            ["pairs.npz", "--method", "translation", "--set", "strength=NaN"],
            ["strength of translation must be of type float", "'NaN'"],
        ),
        (["pairs.npz", "--bootstrap", "0"], ["choosing needs intervals"]),
        (["pairs.npz", "--folds", "81"], ["folds must lie between 2 and the 80 items"]),
        (["alone.npz"], ["at least two groups", "only image"]),
        (["missing.npz"], ["there is no file or folder"]),
        (["unpaired.npz", "--method", "procrustes"], ["procrustes cannot be fitted on this source", "no pairs"]),
        (["pairs.npz", "-o", "c.json"], ["the output must end in .safetensors", "crossgap export"]),
        (["pairs.npz", "-o", "."], ["or a new folder written with / at its end"]),
        (["pairs.npz", "-o", "nowhere/c.safetensors"], ["does not exist"]),
        (["pairs.npz", "-o", ""], ["the output must be a path"]),
        (["pairs.npz", "--groups", "image,video"], ["there is no group 'video'"]),
    ],
)
def test_refusals_are_one_sentence(here, far_apart, arguments, fragments):
    here("close", *arguments, cwd=far_apart).check_refusal(*fragments)
    assert not list(far_apart.glob("*.safetensors"))


def test_on_500_clip_pairs(here, shared_data, tmp_path):
    pairs = shared_data / "pairs" / "coco500_clip-vit-b16.npz"
    options = ("--groups", "image,text", "--method", "mean-removal", "--in-sample", "--bootstrap", "50")
    out = here("close", pairs, *options, "-o", tmp_path / "c.safetensors", cwd=tmp_path).check_success()
    assert (tmp_path / "c.safetensors").stat().st_size < 40_000
    assert "  in sample" in out
    told = " ".join(out.split())
    assert "Mixed search, image searching everything: close it: NDCG@10 0.000 -> 0.2" in told
    assert "still more than 0.05 off; the offset is gone (centroid distance 0.85 -> 0.11)" in told
    assert "Retrieval across, image to text: leave it" in told


def test_pairs_that_are_no_more_alike_than_strangers_are_pointed_out(here, tmp_path, rng):
    x = rng.standard_normal((60, 8)).astype(np.float32)
    write(Embeddings.from_arrays(image=x, text=x[rng.permutation(60)]), tmp_path / "shuffled.npz")
    out = here("close", tmp_path / "shuffled.npz", "--method", "mean-removal", *FAST).check_success()
    assert "Note: partners of image and text are no more alike" in out
    assert "are the rows of both in one order? crossgap doctor tells" in " ".join(out.split())
    write(Embeddings.from_arrays(image=x, text=x + 0.1), tmp_path / "ordered.npz")
    assert "no more alike" not in here("close", tmp_path / "ordered.npz", "--method", "mean-removal", *FAST).out


def test_the_table_to_merge_by_comes_before_the_table_of_candidates(here, far_apart, tmp_path):
    source, path = far_apart / "pairs.npz", tmp_path / "c.safetensors"
    out = here("close", source, "--method", "score-standardisation", "-o", path, *FAST).check_success()
    assert out.index("then merge the lists by z = (cosine - mean) / deviation") < out.index("\nSearch  ")
    closer = read_closer(path)
    mean, deviation = closer.scales("text")["image"]
    assert ["text", "image", f"{mean:.4f}", f"{deviation:.4f}"] in [line.split() for line in out.splitlines()]
    assert "for queries of text only" in " ".join(out.split())
