"""Answers over several worlds, on spaces whose answer is known, and the option that asks trained ones."""

import itertools
import json

import numpy as np
import pytest

from crossgap.reproduce import local_dimension
from crossgap.reproduce.local_spaces import space_answers
from crossgap.reproduce.local_worlds import local_world
from crossgap.reproduce.trained_spaces import LIKE, UNLIKE, TrainedSpace

QUICK = {"subsets": 24, "permutations": 200}


def spaces():
    """Two losses: one whose recall follows the dimension, and one that finds every partner of one kind of pairs."""
    for world in range(2):
        for number, pairs in enumerate((LIKE, UNLIKE)):
            made = local_world(pairs=720, clusters=12, seed=2 * world + number)
            yield TrainedSpace(loss="driven", pairs=pairs, world=world, x=made.x, y=made.y)
            random = np.random.default_rng(world)
            x = random.normal(size=(500, 24))
            y = x if pairs == LIKE else x + random.normal(size=x.shape)
            yield TrainedSpace(loss="cloud", pairs=pairs, world=world, x=x, y=y)


@pytest.fixture(scope="module")
def found():
    told = []
    return space_answers(spaces(), source="a paper", step=told.append, **QUICK), told


def of(rows, **condition):
    (row,) = [row for row in rows if condition.items() <= row.condition.items()]
    return row


def test_each_loss_kind_of_pairs_side_and_dimension_has_a_row(found):
    answers, told = found
    assert [(row.condition["on"], row.condition["queries"], row.condition["dimension"]) for row in answers.rows] == [
        (f"{loss}, {pairs}", side, quantity)
        for pairs in (LIKE, UNLIKE)
        for loss in ("driven", "cloud")
        for side in "xy"
        for quantity in ("spectrum_area", "participation_ratio")
    ]
    assert told[:2] == ["driven, like training, world 1", "cloud, like training, world 1"]
    assert len(told) == 8
    main = of(answers.rows, on=f"driven, {LIKE}", queries="x", dimension="spectrum_area")
    assert main.measured["worlds"] == (2.0,)
    assert main.middle("spearman") > 0.7
    assert main.middle("spearman_found") == main.middle("partial_found") == 1.0
    assert main.middle("dimension_spread") > 3 * main.middle("subset_spread")
    assert 0 < main.middle("recall_at_1") < 1


def test_claims_hold_where_dimension_drives_and_not_where_nothing_does(found):
    answers, _ = found
    held = {claim.sentence.partition(" (")[0]: claim for claim in answers.orderings}
    assert held["driven: recall@1 is higher in clusters of higher local dimension"].held
    assert held["driven: it still is with size and mean cosine held fixed"].held
    subsets = held["driven: the correlation over clusters is above that over random subsets"]
    assert subsets.held == ("not <" not in subsets.numbers)
    cloud = [claim for name, claim in held.items() if name.startswith("cloud")]
    assert len(cloud) == 3
    assert not any(claim.held for claim in cloud)
    assert not any(LIKE + ", " in claim.numbers.replace(UNLIKE, "") for claim in cloud)  # has no answer
    assert {claim.source for claim in answers.orderings} == {"a paper"}


def test_the_bound_of_a_claim_is_that_of_its_docstring(found):
    answers, _ = found
    row = of(answers.rows, on=f"driven, {LIKE}", queries="x", dimension="spectrum_area")
    c, s = row.middle("clusters"), row.middle("subsets")
    bounds = (
        1.96 / np.sqrt((c - 1) * 2),
        1.96 / np.sqrt((c - 3) * 2),
        row.middle("random_subsets") + 1.96 * np.sqrt(1 / ((c - 1) * 2) + 1 / ((s - 1) * 2)),
    )
    for claim, bound in zip(answers.orderings[:3], bounds, strict=True):
        assert claim.numbers.startswith(f"like training, x: {bound:.3f} < ")


def test_answers_in_words(found):
    notes = found[0].notes
    assert notes[0].startswith("driven, spectrum_area: supported over worlds: mean Spearman like training, x: 0.")
    assert "8 of 8 worlds and sides support it" in notes[0]
    assert notes[1].startswith("cloud, spectrum_area: not supported over worlds: mean Spearman unlike training, x: ")
    assert notes[2].startswith("cloud, like training, queries of x: no answer in 2 of 2 worlds; in the first of them, ")
    assert "recall@1 is 1.000 in all " in notes[2]
    assert notes[4].startswith("all losses, spectrum_area: 4 of 6 cases (loss, kind of pairs, side) are supported")
    assert "the latent vectors are Gaussian" in notes[6]
    assert notes[7].startswith("clusters of x and y: k-means in ")


def test_no_answer_at_all():
    x = np.random.default_rng(0).normal(size=(200, 8))
    answers = space_answers([TrainedSpace(loss="same", pairs=LIKE, world=0, x=x, y=x)], source="a paper", **QUICK)
    assert answers.orderings == ()
    assert [row.measured["worlds"] for row in answers.rows] == [(0.0,)] * 4
    assert answers.notes[0] == "same, spectrum_area: cannot be asked, since no world has an answer."
    assert answers.notes[-2].endswith("not about photos and texts.")


def test_few_subsets_leave_no_baseline():
    (space, *_) = spaces()
    answers = space_answers([space], source="a paper", subsets=2, permutations=100)
    assert "random_subsets" not in answers.rows[0].measured
    assert len(answers.orderings) == 2


def test_options_reach_what_they_are_for(found):
    plain = found[0].rows[0].measured
    (space, *_) = spaces()
    for options in ({"gallery": "cluster"}, {"seed": 1}, {"subsets": 9}, {"permutations": 110}):
        other = space_answers([space], source="a paper", **{**QUICK, **options}).rows[0].measured
        assert {name for name, values in other.items() if name != "worlds" and values[0] != plain[name][0]}
    with pytest.raises(ValueError, match="reduction must be"):
        space_answers([space], source="a paper", reduction="pca", **QUICK)


def test_run_asks_trained_spaces(monkeypatch, tmp_path):
    """The command's option, on spaces that need no training."""
    given, told = {}, []

    def made(**options):
        given.update(options)
        return itertools.islice(spaces(), 1)

    monkeypatch.setattr(local_dimension, "trained_spaces", made)
    monkeypatch.setattr(local_dimension, "_world_rows", lambda *a: iter(()))
    monkeypatch.setattr(local_dimension, "_world_orderings", lambda *a: iter(()))
    output = tmp_path / "table.json"
    table = local_dimension.run(trained=2, seed=7, output=output, progress=lambda *a: told.append(a), **QUICK)
    assert given == {"worlds": 2, "seed": 7}
    assert told[0][1] == 2 * 8 + 8 * 2
    assert table.title.endswith("four losses on 2 worlds, 1000 pairs")
    assert table.settings["trained"] == 2
    assert "groups" not in table.settings
    assert {"worlds", "spearman_found", "recall_at_1", "dimension_spread"} < set(table.columns)
    assert len(table.orderings) == 3
    assert json.loads(output.read_text())["experiment"] == "local_dimension"
    assert table.text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trained": -1}, "trained must be at least 0, but it is -1"),
        ({"trained": 1, "pairs": "a.npz"}, "trained takes the place of stored pairs"),
        ({"trained": 1, "x": "image", "y": "text"}, "trained takes the place of stored pairs"),
        ({"trained": 1, "scale": "full"}, "trained takes the place of stored pairs at the small scale"),
        ({"trained": 1, "scale": "big"}, "scale must be 'small' or 'full'"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        local_dimension.run(**options)


@pytest.mark.slow
def test_two_trained_worlds():
    """No loss shows the claim in full: nothing in such a cloud makes the dimension differ."""
    table = local_dimension.run(trained=2, worlds=2)
    claims = [claim for claim in table.orderings if claim.source == "Aziz 2024"]
    assert len(claims) == 12
    assert not any(claim.held for claim in claims)
    assert table.row(on="CLIP, like training", queries="x", dimension="spectrum_area").measured["worlds"] == (2.0,)
