"""E11 a and b: proposition 1 on pairs that obey it, on pairs that do not, and on the stored ones."""

import json

import numpy as np
import pytest

from crossgap import Embeddings, measure, write
from crossgap.reproduce import constant_gap

TRAINED, RANDOM = "image:text", "image_random_init:text_random_init"


@pytest.fixture(scope="module")
def mg500(shared_data):
    return constant_gap.run(pairs=shared_data / "pairs" / "coco500_clip-vit-b16.npz", groups=[TRAINED, RANDOM])


@pytest.fixture(scope="module")
def obedient(tmp_path_factory):
    """Pairs with a constant gap along the last axis, at right angles to what varies, and round Gaussian noise."""
    rng = np.random.default_rng(0)
    things = rng.standard_normal((600, 20))
    things /= np.linalg.norm(things, axis=1, keepdims=True)
    noise = 0.05 * rng.standard_normal((600, 21))
    x = np.concatenate([things, np.full((600, 1), 3.0)], axis=1)
    y = np.concatenate([things, np.full((600, 1), -3.0)], axis=1) + noise
    path = tmp_path_factory.mktemp("pairs") / "obedient.npz"
    write(Embeddings.from_arrays(image=x, text=y), path)
    return path


def test_effective_dimensions_of_random_weights_are_exact(mg500):
    """E11 b: 25 and 230, the two numbers of figure 3."""
    row = mg500.row(pairs=RANDOM, by="single pairs")
    assert (row.middle("effective_dimension/x"), row.middle("effective_dimension/y")) == (25, 230)
    assert mg500.bands("Zhang 2024") == (2, 2)
    trained = mg500.row(pairs=TRAINED, by="single pairs")
    assert (trained.middle("effective_dimension/x"), trained.middle("effective_dimension/y")) == (296, 277)


def test_the_stored_sample(mg500):
    """All printed values to half their last digit, save one: 0.1025 where 0.103 is printed."""
    wrong = [
        (row.condition["pairs"], quantity)
        for row in mg500.rows
        for quantity in row.references.get("stored sample", {})
        if row.held("stored sample", quantity) is False
    ]
    assert wrong == [(TRAINED, "gap_span_energy_10/x")]
    assert mg500.row(pairs=TRAINED, by="single pairs").middle("gap_span_energy_10/x") == pytest.approx(0.103, abs=1e-3)
    assert mg500.bands("stored sample") == (31, 32)


def test_the_direction_is_constant_for_groups_and_not_for_pairs(mg500):
    held = {claim.sentence.partition(" (")[0]: claim.held for claim in mg500.orderings}
    for name in (TRAINED, RANDOM):
        assert held[f"{name}, groups of 100: the gap has one direction"]
        assert not held[f"{name}, single pairs: the gap has one direction"]
        assert mg500.row(pairs=name, by="groups of 100").middle("consecutive_cosine") > 0.99
    assert mg500.row(pairs=TRAINED, by="single pairs").middle("consecutive_cosine") == pytest.approx(0.525, abs=0.005)


def test_the_noise_of_real_pairs_is_gaussian_and_not_round(mg500):
    held = {claim.sentence.partition(" (")[0]: claim.held for claim in mg500.orderings}
    assert held[f"{TRAINED}: the noise is Gaussian coordinate by coordinate"]
    assert not held[f"{TRAINED}: the noise is equal in all directions"]


def test_other_encoders_of_two_dimensions_in_one_file(shared_data):
    groups = ["convirt_random_init_a:convirt_random_init_text", "clasp_a:clasp_text"]
    table = constant_gap.run(pairs=shared_data / "pairs" / "other_encoders.npz", groups=groups)
    assert [tuple(row.condition.values()) for row in table.rows] == [
        (groups[0], 500, "groups of 100"),
        (groups[0], 500, "single pairs"),
        (groups[1], 99, "single pairs"),
    ]
    assert table.row(pairs=groups[0], by="single pairs").middle("centroid_distance") == pytest.approx(1.403, abs=5e-4)
    assert table.row(pairs=groups[1], by="single pairs").middle("centroid_distance") == pytest.approx(1.045, abs=5e-4)
    assert len(table.notes) == 1
    assert table.notes[0].startswith("clasp_a:clasp_text: the paper's protocol is left out")
    assert table.bands("stored sample") == (0, 0)


def test_pairs_that_obey_the_proposition(obedient):
    table = constant_gap.run(pairs=obedient)
    assert all(claim.held for claim in table.orderings), table.text()
    assert len(table.orderings) == 6


def test_every_number_is_that_of_measure(obedient):
    table = constant_gap.run(pairs=obedient, shuffles=3, seed=4)
    with np.load(obedient) as arrays:
        x, y = arrays["image"], arrays["text"]
    single = table.row(by="single pairs")
    groups = measure.gap_groups(x, y, group_size=1, n_shuffles=3, seed=4)
    assert single.middle("consecutive_cosine") == pytest.approx(groups.consecutive_cosine_mean)
    assert single.middle("gap_constancy") == pytest.approx(float(measure.gap_constancy(x, y)))
    assert single.middle("gap_energy_ratio") == pytest.approx(float(measure.gap_energy_ratio(x, y)))
    assert single.middle("gap_orthogonality/y") == pytest.approx(float(measure.gap_orthogonality(x, y, of="y")))
    assert single.middle("nu") == pytest.approx(measure.alignment_noise_profile(x, y).nu)
    assert single.middle("effective_dimension_90/x") == float(measure.effective_dimension(x, quantile=0.9))
    averaged = measure.gap_groups(x, y, n_shuffles=3, seed=4)
    assert table.row(by="groups of 100").middle("group_length") == pytest.approx(averaged.group_length_mean)
    columns = {quantity for section in constant_gap.SECTIONS.values() for quantity in section}
    assert columns == set(table.columns) == set(single.measured)


def test_the_packaged_sample(tmp_path):
    seen = []
    table = constant_gap.run(output=tmp_path / "t.json", progress=lambda *told: seen.append(told))
    assert [told[:2] for told in seen] == [(1, 1)]
    assert len(table.rows) == 2
    assert json.loads((tmp_path / "t.json").read_text())["experiment"] == "constant_gap"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": "big"}, "scale must be 'small' or 'full'"),
        ({"scale": "big", "groups": ["image:text"], "pairs": "a.npz"}, "scale must be 'small' or 'full'"),
        ({"scale": "full"}, "the full scale needs pairs of a real model"),
        ({"groups": ["image"]}, "groups must be a list of two different names with a colon .* one is 'image'"),
        ({"groups": ["image:image"]}, "groups must be a list of two different names"),
        ({"groups": ["image:sound"]}, "there is no group 'sound'"),
        ({"shuffles": 0}, "shuffles must be at least 1"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        constant_gap.run(**options)
