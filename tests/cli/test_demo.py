"""``crossgap demo``: the packaged sample, end to end, offline."""

import json

import pytest

import crossgap
from crossgap.report import GapReport

OFFLINE = """
import socket, sys

def refuse(*args, **kwargs):
    raise RuntimeError("the network was used")

for name in ("connect", "connect_ex", "bind", "sendto"):
    setattr(socket.socket, name, refuse)
socket.getaddrinfo = socket.create_connection = refuse
from crossgap.cli import main
sys.argv[0] = "crossgap"
main()
"""


@pytest.fixture(scope="module")
def shown(process, tmp_path_factory):
    """What one run of the demo prints, and where it writes."""
    folder = tmp_path_factory.mktemp("demo")
    done = process("demo", "-o", "results/demo", "--bootstrap", "10", cwd=folder, command=("-c", OFFLINE))
    return done.check_success(), folder / "results" / "demo"


@pytest.fixture(scope="module")
def document(shown) -> dict:
    """The numbers that it writes."""
    return json.loads((shown[1] / "gap.json").read_text(encoding="utf-8"))


def test_it_writes_four_files(shown):
    names = ["closer.safetensors", "explain.json", "gap.html", "gap.json"]
    assert sorted(path.name for path in shown[1].iterdir()) == names


def test_its_page_is_drawn_from_its_numbers(shown, document):
    page = (shown[1] / "gap.html").read_text(encoding="utf-8")
    assert page.lower().startswith("<!doctype html")
    assert page == GapReport.from_json((shown[1] / "gap.json").read_text(encoding="utf-8")).to_html()
    assert document["settings"]["command"] == "crossgap demo --bootstrap 10"
    assert all(document["details"][kind] for kind in ("score_cuts", "ranking_examples", "maps", "closers"))


def test_its_closer_is_the_one_it_names(shown):
    out, folder = shown
    closer = crossgap.close.read_closer(folder / "closer.safetensors")
    assert closer.groups_ == ("image", "text")
    assert closer.fit_rows_ == {"image": 800, "text": 800}
    assert "\nWhere it comes from (crossgap explain):\n- image and text lie 0." in out
    assert "\nWhat closes it (crossgap close):\n- score-standardisation has mixed-ndcg 0." in out
    assert "Mixed search, text searching everything: close it: NDCG@10 0.000 -> 0.2" in out
    assert "Retrieval across, image to text: leave it" in out


def test_it_prints_verdicts_and_a_table(shown):
    out, _ = shown
    assert "image and text show a clear modality gap: centroid distance 0." in out
    assert "- Scores: " in out
    assert "- Retrieval across, recall@1: " in out
    assert "\nThe gap\n  centroid_distance " in out
    assert "image 800 x 256, text 800 x 256" in out
    written = "gap.json, results/demo/gap.html, results/demo/explain.json, results/demo/closer.safetensors"
    assert f"Written: results/demo/{written}" in out
    assert out.splitlines()[-1].startswith("Next: open results/demo/gap.html in a browser, then measure your own: ")


def _value(document: dict, name: str, **options) -> list[float]:
    return [
        m["value"]
        for m in document["measurements"]
        if m["name"] == name and all(m["options"].get(key) == value for key, value in options.items())
    ]


def test_the_sample_shows_a_gap_and_finds_partners(document):
    assert [(facts["group"], facts["n"]) for facts in document["inputs"]] == [("image", 800), ("text", 800)]
    assert all(facts["source"] == "packaged sample" for facts in document["inputs"])
    assert _value(document, "centroid_distance")[0] > 0.3
    assert _value(document, "linear_separability", C=1.0)[0] > 0.95
    recalls = _value(document, "recall_at_k", k=10)
    assert len(recalls) == 2
    assert min(recalls) > 10 * (10 / 800), "far above chance"


@pytest.fixture
def small_sample(monkeypatch):
    """Put twelve pairs in the place of the sample."""
    import numpy as np

    from crossgap import Embeddings

    monkeypatch.setattr("crossgap.data.sample", lambda: Embeddings.from_arrays(image=np.eye(12), text=-np.eye(12)))


@pytest.mark.usefixtures("small_sample")
def test_json_prints_the_document_and_nothing_else(here, tmp_path):
    out = here("demo", "-o", tmp_path / "demo", "--bootstrap", "0", "--seed", "3", "--json").check_success()
    assert json.loads(out)["settings"]["seed"] == 3
    assert (tmp_path / "demo" / "gap.json").read_text(encoding="utf-8") == out


@pytest.mark.usefixtures("small_sample")
def test_it_uses_a_folder_that_exists(here, tmp_path):
    (tmp_path / "gap.json").write_text("{}")
    out = here("demo", "-o", tmp_path, "--bootstrap", "0").check_success()
    assert "not enough data" in out
    assert not (tmp_path / "closer.safetensors").exists()
    assert json.loads((tmp_path / "gap.json").read_text(encoding="utf-8"))["inputs"][0]["n"] == 12
