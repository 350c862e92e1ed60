"""What each quantity ignores, as one table. Every change that a row does not name must be noticed."""

import inspect

import numpy as np
import pytest

from crossgap import measure

# the changes
ROTATE = "one rotation of the whole space"
REORDER = "the same new order of the rows of both groups"
MISPAIR = "a new order of the rows of y alone"
SWAP = "x and y change places"
RESCALE = "each row multiplied by a number of its own"
SHIFT = "one vector added to all rows as they are given"
DUPLICATE = "every row of both groups twice, with its item"

ANY_ORDER = {REORDER, MISPAIR}
TWO_SAMPLES = {ROTATE, REORDER, MISPAIR, SWAP, RESCALE}  # of two groups, whoever pairs with whom
MATCHED = {ROTATE, REORDER, SWAP, RESCALE}  # of pairs
SEARCH = {ROTATE, REORDER, RESCALE}  # of queries and a gallery
ONE = {ROTATE, REORDER, MISPAIR, RESCALE}  # of x alone

#   quantity                                  the changes it ignores
ROWS = {
    measure.centroid_distance: TWO_SAMPLES | {DUPLICATE},
    measure.signed_centroid_distance: {REORDER, MISPAIR, RESCALE, DUPLICATE},  # it has a direction of its own
    measure.centroid_cosine: TWO_SAMPLES | {DUPLICATE},
    measure.centroid_distance_floor: TWO_SAMPLES | {DUPLICATE},
    measure.joint_uniformity: TWO_SAMPLES,
    measure.joint_spectrum_area: TWO_SAMPLES | {DUPLICATE},
    measure.mmd: TWO_SAMPLES,
    measure.median_squared_distance: TWO_SAMPLES,
    measure.energy_distance: TWO_SAMPLES,
    measure.frechet_distance: TWO_SAMPLES,
    measure.frechet_mean_part: TWO_SAMPLES | {DUPLICATE},
    measure.frechet_covariance_part: TWO_SAMPLES,
    measure.sliced_wasserstein: {REORDER, MISPAIR, SWAP, RESCALE, DUPLICATE},  # its directions are fixed by the seed
    measure.max_sliced_wasserstein: TWO_SAMPLES | {DUPLICATE},
    measure.wasserstein: TWO_SAMPLES | {DUPLICATE},
    measure.sinkhorn_distance: TWO_SAMPLES | {DUPLICATE},
    measure.gap_coordinate_share: {REORDER, MISPAIR, SWAP, RESCALE, DUPLICATE},  # it names coordinates
    measure.gap_span_energy: {ROTATE, REORDER, MISPAIR, RESCALE, DUPLICATE},  # in the span of x
    measure.gap_orthogonality: {ROTATE, REORDER, MISPAIR, RESCALE, DUPLICATE},
    measure.gap_energy_ratio: MATCHED | {DUPLICATE},
    measure.gap_direction: MATCHED | {DUPLICATE},
    measure.gap_constancy: MATCHED,
    measure.alignment: MATCHED | {DUPLICATE},
    measure.alignment_noise: MATCHED | {DUPLICATE},
    measure.pair_distance: MATCHED | {DUPLICATE},
    measure.relative_alignment: {ROTATE, REORDER, RESCALE},
    measure.matched_cosine: MATCHED | {DUPLICATE},
    measure.clip_score: MATCHED | {DUPLICATE},
    measure.matching_cost_ratio: MATCHED | {DUPLICATE},
    measure.optimal_partner_share: MATCHED,
    measure.unmatched_cosine: MATCHED | {DUPLICATE},
    measure.cross_uniformity: MATCHED | {DUPLICATE},
    measure.relative_modality_gap: MATCHED,
    measure.neighbourhood_test: MATCHED,
    measure.neighbourhood_preservation: SEARCH,
    measure.stable_region: SEARCH,
    measure.recall_at_k: SEARCH,
    measure.median_rank: SEARCH,
    measure.mean_reciprocal_rank: SEARCH,
    measure.mean_average_precision: SEARCH,
    measure.r_precision: SEARCH | {DUPLICATE},
    measure.hubness: SEARCH | {MISPAIR},
    measure.within_cosine: ONE,
    measure.uniformity: ONE,
    measure.resultant_length: ONE | {DUPLICATE},
    measure.von_mises_concentration: ONE | {DUPLICATE},
    measure.thin_shell: {ROTATE, REORDER, MISPAIR, SHIFT, DUPLICATE},  # of the rows as they are given
    measure.effective_dimension: ONE | {DUPLICATE},
    measure.participation_ratio: ONE | {DUPLICATE},
    measure.entropy_rank: ONE | {DUPLICATE},
    measure.stable_rank: ONE | {DUPLICATE},
    measure.spectrum_area: ONE | {DUPLICATE},
    measure.explained_variance_area: ONE | {DUPLICATE},
    measure.two_nn_dimension: ONE | {DUPLICATE},  # copies are taken out
    measure.levina_bickel_dimension: ONE | {DUPLICATE},
    measure.correlation_dimension: ONE | {DUPLICATE},
    measure.local_pca_dimension: ONE | {DUPLICATE},
}
ONE_GROUP = {
    measure.within_cosine,
    measure.uniformity,
    measure.resultant_length,
    measure.von_mises_concentration,
    measure.thin_shell,
    measure.effective_dimension,
    measure.participation_ratio,
    measure.entropy_rank,
    measure.stable_rank,
    measure.spectrum_area,
    measure.explained_variance_area,
    measure.two_nn_dimension,
    measure.levina_bickel_dimension,
    measure.correlation_dimension,
    measure.local_pca_dimension,
}
# splits of linear_separability follow the order of the rows; the ranks below count, so some changes cannot show in them
NOT_IN_THE_TABLE = {
    "linear_separability": "its splits follow the order of the rows; see test_linear_separability.py",
    "numerical_rank": "full rank before and after any of these changes; see test_numerical_rank.py",
    "singular_values_above_one": "a count that small changes rarely move; see test_numerical_rank.py",
    "modality_share_at_k": "takes a corpus; see test_mixed_search.py",
    "modality_share_excess": "takes a corpus; see test_mixed_search.py",
    "ndcg_at_k": "takes a corpus; see test_mixed_search.py",
    "ref_clip_score": "takes three groups; see test_ref_clip_score.py",
    "hubness_gini": "as hubness, from the same counts",
    "hubness_max": "as hubness, from the same counts",
    "antihub_share": "as hubness, from the same counts",
    "top_hub_share": "as hubness, from the same counts",
    "gap_orthogonality_reference": "a reference value",
    "gap_span_energy_reference": "a reference value",
}
OPTIONS = {
    measure.recall_at_k: {"k": 3},
    measure.effective_dimension: {"quantile": 0.9},
    measure.hubness: {"k": 5},
    measure.gap_span_energy: {"components": 2},
    measure.local_pca_dimension: {"k": 9},
    measure.neighbourhood_preservation: {"k": 5},
    measure.signed_centroid_distance: {"direction": np.array([1.0, 0.5, -0.3, 0.2, 0.1])},
}
# a rotation changes how an iteration or an assignment rounds
LOOSE = {measure.max_sliced_wasserstein: 1e-4, measure.sinkhorn_distance: 1e-4}


def data():
    rng = np.random.default_rng(2)
    spread = np.linspace(2.0, 0.5, 5)
    x = rng.normal(size=(40, 5)) * spread + [1.0, 0.5, 0, 0, 0]
    return x, x * 0.6 + rng.normal(size=x.shape) * spread[::-1] * 0.6 - [0, 1.0, 0, 0.7, 0]


def changed(change, x, y):
    rng = np.random.default_rng(3)
    if change == ROTATE:
        rotation = np.linalg.qr(rng.normal(size=(5, 5)))[0]
        return x @ rotation, y @ rotation
    if change == REORDER:
        order = rng.permutation(len(x))
        return x[order], y[order]
    if change == MISPAIR:
        return x, y[rng.permutation(len(y))]
    if change == SWAP:
        return y, x
    if change == RESCALE:
        return x * rng.uniform(0.1, 9, size=(len(x), 1)), y * rng.uniform(0.1, 9, size=(len(y), 1))
    if change == SHIFT:
        return x + [4.0, -3.0, 2.0, 5.0, -6.0], y + [4.0, -3.0, 2.0, 5.0, -6.0]
    return np.concatenate([x, x]), np.concatenate([y, y])


def value(quantity, x, y, twice=False):
    options = dict(OPTIONS.get(quantity, {}))
    if quantity in ONE_GROUP:
        return float(quantity(x, **options))
    if twice:
        items = np.tile(np.arange(len(x) // 2), 2)
        names = inspect.signature(quantity).parameters
        for first, second in (("x_items", "y_items"), ("query_items", "gallery_items")):
            if first in names:
                options |= {first: items, second: items}
    return float(quantity(x, y, **options))


CASES = [
    pytest.param(quantity, change, id=f"{quantity.__name__}-{change.split()[0]}-{change.split()[-1]}")
    for quantity in ROWS
    for change in (ROTATE, REORDER, MISPAIR, SWAP, RESCALE, SHIFT, DUPLICATE)
    if not (quantity in ONE_GROUP and change in (MISPAIR, SWAP))  # they touch y, which such a quantity never sees
]


@pytest.mark.parametrize(("quantity", "change"), CASES)
def test_ignores_what_the_table_says_and_notices_the_rest(quantity, change):
    x, y = data()
    before = value(quantity, x, y)
    after = value(quantity, *changed(change, x, y), twice=change == DUPLICATE)
    tolerance = LOOSE.get(quantity, 1e-7)
    if change in ROWS[quantity]:
        assert after == pytest.approx(before, rel=tolerance, abs=tolerance)
    else:
        assert abs(after - before) > 10 * tolerance


def test_every_scalar_quantity_is_in_the_table():
    """A quantity is a public function that takes ``weights``; new ones need a row."""
    quantities = {
        name
        for name in measure.__all__
        if inspect.isfunction(getattr(measure, name))
        and "weights" in inspect.signature(getattr(measure, name)).parameters
    }
    tabled = {quantity.__name__ for quantity in ROWS}
    arrays = {"gap_vector", "explained_variance", "spectrum_values", "k_occurrence"}
    assert quantities - tabled - arrays - set(NOT_IN_THE_TABLE) == set()
