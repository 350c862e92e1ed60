"""E2: the spaces of the four losses, on pairs like those of training and on others; and two given files."""

import numpy as np
import pytest

from crossgap.errors import DegenerateError
from crossgap.reproduce import space_geometry


@pytest.fixture(scope="module")
def table():
    return space_geometry.run(worlds=1)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two spaces of the same items: far apart, and mixed."""
    folder = tmp_path_factory.mktemp("spaces")
    rng = np.random.default_rng(0)
    things = rng.standard_normal((80, 12))
    shift = np.eye(12)[0] * 6
    noise = [0.3 * rng.standard_normal((80, 12)) for _ in range(2)]
    np.savez(folder / "apart.npz", image=things + noise[0] + shift, text=things + noise[1] - shift)
    np.savez(folder / "mixed.npz", image=things + noise[0], text=things + noise[1])
    np.savez(folder / "one.npz", image=things)
    return folder


def test_four_losses_on_two_sets(table):
    assert [tuple(row.condition.values()) for row in table.rows] == [
        (loss, pairs)
        for loss in ("CLIP", "InfoLOOB", "InfoNCE + Hopfield", "CLOOB")
        for pairs in ("like training", "unlike training")
    ]
    assert all(set(table.columns) <= set(row.measured) for row in table.rows)


def test_the_claims_that_one_world_shows(table):
    held = {ordering.sentence: ordering.held for ordering in table.orderings}
    assert held["CLOOB is less separable than CLIP"]
    assert held["CLOOB has the smaller centroid distance"]
    assert held["CLOOB has the higher effective dimension"]
    assert held["CLOOB's spanning tree joins the modalities more often"]
    assert len(held) == 8


def test_pairs_unlike_training_are_harder(table):
    for loss in ("CLIP", "CLOOB"):
        near, far = (table.row(loss=loss, pairs=pairs) for pairs in ("like training", "unlike training"))
        assert far.middle("recall_at_1/x_to_y") < near.middle("recall_at_1/x_to_y")


def test_two_given_files(files):
    table = space_geometry.run(clip=files / "apart.npz", cloob=files / "mixed.npz")
    apart, mixed = table.rows
    assert apart.middle("linear_separability") == 1
    assert apart.middle("cross_edge_share") == pytest.approx(1 / 159)  # the one edge that joins two clusters
    assert mixed.middle("cross_edge_share") > 0.3
    assert apart.middle("cluster_purity") == 1
    assert all(ordering.held for ordering in table.orderings if "dimension" not in ordering.sentence)


def test_groups_may_be_named(files):
    swapped = space_geometry.run(clip=files / "apart.npz", cloob=files / "mixed.npz", x="text", y="image")
    plain = space_geometry.run(clip=files / "apart.npz", cloob=files / "mixed.npz")
    assert swapped.rows[0].middle("participation_ratio/x") == plain.rows[0].middle("participation_ratio/y")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"scale": "large"}, ValueError, "'small' or 'full'"),
        ({"clip": "a.npz"}, ValueError, "clip and cloob must both be files"),
        ({"scale": "full"}, ValueError, "clip and cloob must both be files"),
        ({"worlds": 0}, ValueError, "worlds must be at least 1"),
        ({"clip": "one.npz", "cloob": "mixed.npz"}, DegenerateError, "must hold two groups"),
    ],
)
def test_bad_input(files, options, error, message):
    options = {name: files / value if str(value).endswith("npz") else value for name, value in options.items()}
    with pytest.raises(error, match=message):
        space_geometry.run(**options)
