"""Closing after the fact: the mechanics on generated pairs, and what mean removal reaches on MG500."""

import json

import numpy as np
import pytest

from crossgap import Embeddings, write
from crossgap.errors import DegenerateError
from crossgap.reproduce import post_hoc
from crossgap.reproduce.post_hoc import MEAN_REMOVAL, NONE

CLOSERS = [
    *(
        "mean-removal",
        "translation",
        "score-standardisation",
        "centred-score-standardisation",
        "standardisation",
        "whitening",
        "joint-whitening",
        "coral",
        "realign",
    ),
    *("gaussian-transport", "procrustes", "ridge-map", "cca", "subspace-removal", "memory-projection"),
    "bipartite-spectral",
]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(60, 8))
    offset = 2 * np.eye(8)[0]
    x, y = (shared + 0.3 * rng.normal(size=shared.shape) + sign * offset for sign in (1, -1))
    path = tmp_path_factory.mktemp("pairs") / "pairs.npz"
    write(Embeddings.from_arrays(image=x, text=y), path)
    return path


@pytest.fixture(scope="module")
def table(pairs):
    return post_hoc.run(pairs=pairs, splits=2)


def test_every_closer_has_a_row_or_a_reason(table):
    rows = [row.condition["closer"] for row in table.rows]
    left_out = [note.split(": ")[1] for note in table.notes if note.startswith("left out: ")]
    assert rows[0] == NONE
    assert sorted(rows[1:] + left_out) == sorted(CLOSERS)
    assert list(table.settings["closers"]) == CLOSERS
    assert table.settings["closers"]["joint-whitening"]["joint"] is True
    assert all(len(values) == 2 for row in table.rows for values in row.measured.values())


def test_what_mean_removal_does_to_generated_pairs(table):
    before, after = table.row(closer=NONE), table.row(closer=MEAN_REMOVAL)
    assert before.middle("centroid_distance") > 1
    assert after.middle("centroid_distance") < 0.4
    for side in "xy":
        assert after.middle(f"ndcg_at_10/{side}") > before.middle(f"ndcg_at_10/{side}")
        assert before.middle(f"neighbour_overlap/{side}") == 1.0
    for way in ("x_to_y", "y_to_x"):
        assert after.held("acceptance", f"modality_share_at_10/{way}")
    assert table.bands("acceptance") == (4, 4)
    assert table.orderings[0].held


def test_the_corpus_share_is_that_of_a_half(table):
    for reference in ("x_to_y", "y_to_x"):
        found = table.row(closer=MEAN_REMOVAL).references["acceptance"][f"modality_share_at_10/{reference}"]
        assert found.value == pytest.approx(30 / 59)
        assert (found.low, found.high) == pytest.approx((30 / 59 - 0.05, 30 / 59 + 0.05))


def test_progress_json_and_seed(pairs, table, tmp_path):
    seen = []
    one = post_hoc.run(
        pairs=pairs, splits=1, seed=5, output=tmp_path / "p.json", progress=lambda *told: seen.append(told)
    )
    assert [told[0] for told in seen] == list(range(1, len(CLOSERS) + 1))
    assert seen[0][1:] == (len(CLOSERS), "mean-removal")
    document = json.loads((tmp_path / "p.json").read_text())
    assert document["experiment"] == "post_hoc"
    first = one.row(closer=MEAN_REMOVAL).measured["recall_at_1/x_to_y"]
    assert first != table.row(closer=MEAN_REMOVAL).measured["recall_at_1/x_to_y"][:1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"splits": 0}, "splits must be at least 1"),
        ({"scale": "big"}, "scale must be 'small' or 'full'"),
        ({"scale": "full"}, "the full scale needs pairs of a real model"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        post_hoc.run(**options)


def test_too_few_items(rng, tmp_path):
    write(Embeddings.from_arrays(image=rng.normal(size=(12, 4)), text=rng.normal(size=(12, 4))), tmp_path / "few.npz")
    with pytest.raises(DegenerateError, match="at least 10 items"):
        post_hoc.run(pairs=tmp_path / "few.npz")


@pytest.mark.slow
def test_mg500(shared_data):
    """NDCG@10 rises; the share stays away from the corpus', since it is no offset that keeps the lists apart then."""
    table = post_hoc.run(pairs=shared_data / "pairs" / "coco500_clip-vit-b16.npz", splits=1)
    assert all(claim.held for claim in table.orderings), table.text()
    assert table.bands("acceptance") == (2, 4)
    assert table.row(closer=MEAN_REMOVAL).middle("modality_share_at_10/x_to_y") == pytest.approx(0.10, abs=0.02)
    assert table.row(closer="bipartite-spectral").middle("modality_share_at_10/x_to_y") == pytest.approx(0.48, abs=0.05)
