"""Local dimension and retrieval: the known answers of the worlds, a stored set, and the answer on MG500."""

import json

import numpy as np
import pytest

from crossgap import Embeddings, write
from crossgap.errors import DegenerateError
from crossgap.reproduce import local_dimension
from crossgap.reproduce.local_worlds import local_world
from crossgap.reproduce.stored_pairs import SAMPLE
from crossgap.topology import DIMENSIONS

QUICK = {"worlds": 2, "subsets": 8, "permutations": 200}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """A world where dimension drives, as a file."""
    world = local_world(pairs=720, clusters=12, seed=5)
    path = tmp_path_factory.mktemp("pairs") / "world.npz"
    write(Embeddings.from_arrays(image=world.x, text=world.y), path)
    return path


@pytest.fixture(scope="module")
def ran(pairs):
    seen = []
    output = pairs.parent / "table.json"
    return local_dimension.run(pairs=pairs, output=output, progress=lambda *a: seen.append(a), **QUICK), seen, output


def test_the_worlds_have_their_known_answers(ran):
    table, _, _ = ran
    for kind in ("true", "found"):
        for quantity in DIMENSIONS[:3]:
            row = table.row(on="dimension drives", of=kind, dimension=quantity)
            assert min(row.measured["recovered"]) > 0.9
            assert row.middle("spearman") > 0.7
            assert row.middle("partial") > 0.7
            assert max(row.measured["partial_p"]) < 0.05
        for quantity in DIMENSIONS:
            row = table.row(on="size drives", of=kind, dimension=quantity)
            assert abs(row.middle("partial")) < 3 / np.sqrt(2 * (row.middle("clusters") - 3))
            assert "recovered" not in row.measured
            if quantity != "spectrum_area":
                assert row.middle("spearman") < -0.5
    assert table.bands("acceptance") == (32, 32)
    assert [claim.held for claim in table.orderings[:2]] == [True, True]
    true, found = (table.row(on="size drives", of=kind, dimension="entropy_rank") for kind in ("true", "found"))
    assert true.middle("clusters") == 20.0
    assert found.middle("clusters") == pytest.approx(20, abs=2)


def test_a_stored_set_is_asked_in_every_way(ran):
    table, seen, output = ran
    assert seen[-1] == (7, 7, "world.npz, clusters of y")
    assert [told[0] for told in seen] == list(range(1, 8))
    stored = [row for row in table.rows if row.condition["on"] == "world.npz"]
    assert [(row.condition["of"], row.condition["queries"], row.condition["dimension"]) for row in stored] == [
        (over, side, quantity) for over in ("x and y", "x", "y") for side in "xy" for quantity in DIMENSIONS
    ]
    main = table.row(on="world.npz", of="x and y", queries="x", dimension="spectrum_area")
    assert main.middle("spearman") > 0.7
    assert main.middle("partial") > 0.7
    assert main.middle("spearman/low") < main.middle("spearman") < main.middle("spearman/high")
    assert "random_subsets" in main.measured
    claims = [claim for claim in table.orderings if claim.source == "Aziz 2024"]
    assert len(claims) == 6
    assert [claim.held for claim in claims[:3]] == [True, True, True]
    assert any(
        note.startswith("world.npz, queries of x, spectrum_area: supported: recall@1 is higher") for note in table.notes
    )
    assert any("all 24 ways to ask: " in note for note in table.notes)
    assert any(note.startswith("world.npz, clusters of x and y: HDBSCAN") for note in table.notes)
    assert json.loads(output.read_text())["experiment"] == "local_dimension"
    assert table.text()


@pytest.fixture
def no_worlds(monkeypatch):
    monkeypatch.setattr(local_dimension, "_world_rows", lambda *a: iter(()))
    monkeypatch.setattr(local_dimension, "_world_orderings", lambda *a: iter(()))


def test_it_says_what_could_not_be_asked(no_worlds, rng, tmp_path):
    """Forty pairs: a cluster of both groups together has fewer than twenty rows."""
    x = rng.normal(size=(40, 6))
    write(Embeddings.from_arrays(image=x, text=x + 0.1 * rng.normal(size=x.shape)), tmp_path / "few.npz")
    table = local_dimension.run(pairs=tmp_path / "few.npz", **QUICK)
    left_out = [note for note in table.notes if note.startswith("left out: ")]
    assert left_out[0].startswith(
        "left out: clusters of x and y, queries of x: a correlation needs at least 5 clusters"
    )
    assert not [row for row in table.rows if row.condition["on"] == "few.npz"]
    assert not [claim for claim in table.orderings if claim.source == "Aziz 2024"]
    table.text()
    write(Embeddings.from_arrays(image=x[:3], text=x[:3]), tmp_path / "three.npz")
    table = local_dimension.run(pairs=tmp_path / "three.npz", **QUICK)
    assert any("clusters need at least 8 rows" in note for note in table.notes)


def test_options_reach_what_they_are_for(no_worlds, monkeypatch, pairs):
    calls = []

    def find_clusters(*groups, **options):
        calls.append(options)
        raise DegenerateError("no clusters today")

    monkeypatch.setattr(local_dimension.topology, "find_clusters", find_clusters)
    table = local_dimension.run(pairs=pairs, reduction="umap", gallery="cluster", seed=4, **QUICK)
    assert calls == [{"reduction": "umap", "seed": 4}] * 3
    assert table.settings["gallery"] == "cluster"
    assert next(note for note in table.notes if "no clusters today" in note).startswith("left out: clusters of x and y")
    assert local_dimension.run(**QUICK).settings["data"] == SAMPLE


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"worlds": 0}, "worlds must be at least 1, but it is 0"),
        ({"worlds": 1}, "worlds must be at least 2, but it is 1"),
        ({"subsets": 4}, "subsets must be at least 5, but it is 4"),
        ({"permutations": 99}, "permutations must be at least 100, but it is 99"),
        ({"reduction": "pca"}, "reduction must be 'linear' or 'umap', but it is 'pca'"),
        ({"gallery": "some"}, "gallery must be 'all' or 'cluster', but it is 'some'"),
        ({"scale": "big"}, "scale must be 'small' or 'full'"),
        ({"scale": "full"}, "the full scale needs pairs of a real model"),
        ({"x": "image"}, "x and y must both name a group or neither"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        local_dimension.run(**options)


@pytest.mark.slow
def test_mg500(shared_data):
    """500 pairs: in no direction does local dimension speak for recall@1 once size and cosine are held fixed."""
    table = local_dimension.run(pairs=shared_data / "pairs" / "coco500_clip-vit-b16.npz")
    assert table.bands("acceptance") == (32, 32)
    assert all(claim.held for claim in table.orderings if claim.source == "acceptance")
    for side in "xy":
        (answer,) = [note for note in table.notes if f"queries of {side}, spectrum_area" in note]
        assert ": not supported" in answer
    assert any("all 24 ways to ask: " in note and " supported" in note for note in table.notes)
