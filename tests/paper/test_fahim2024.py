"""The published numbers of Fahim, Murphy and Fyshe (arXiv 2405.18570) as data: they agree with one another.

Source: their tables 3, 4 and 7 to 10 (printed) and the result files of their repository (four digits). What is checked
here needs no model: a wrong digit in ``crossgap.reproduce.published`` would break one of the relations.
"""

import math
import statistics

import pytest

from crossgap.reproduce.published import (
    CUMULATIVE_VARIANCE,
    CURVE_POINTS,
    FINE_TUNING,
    PARTICIPATION_RATIO,
    PER_SEED,
    PRINTED,
    seed_deviation,
)

CONDITIONS = [(d, loss) for d in (32, 64, 128) for loss in ("CLIP", "CUA", "CUAXU")]


def _mean(condition, quantity):
    return FINE_TUNING[condition][quantity][0]


def test_every_condition_has_every_quantity():
    assert list(FINE_TUNING) == CONDITIONS
    assert set(PRINTED) == set(PER_SEED) == set(CONDITIONS)
    assert len({tuple(quantities) for quantities in FINE_TUNING.values()}) == 1


@pytest.mark.parametrize("condition", CONDITIONS)
def test_tables_7_to_9_are_the_stored_results_rounded(condition):
    for quantity, (printed, error) in PRINTED[condition].items():
        stored, stored_error = FINE_TUNING[condition][quantity]
        assert printed == pytest.approx(stored, abs=0.005 + 1e-9)
        if (condition, quantity) == ((128, "CUA"), "centroid_distance"):
            assert (error, stored_error) == (0.02, 0.0047)  # table 9 prints 0.02 where the stored error is a quarter
        else:
            assert error == pytest.approx(stored_error, abs=0.006)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_the_mean_and_error_over_seeds_are_those_of_the_seeds(condition):
    """The values by seed were measured again in half precision, and those of separability with another split."""
    gaps, (mean, error) = PER_SEED[condition]["centroid_distance"], FINE_TUNING[condition]["centroid_distance"]
    assert statistics.fmean(gaps) == pytest.approx(mean, abs=0.0005)
    spread = sorted((statistics.stdev(gaps), statistics.pstdev(gaps)))
    assert spread[0] - 0.006 <= seed_deviation(error) <= spread[1] + 0.006
    scores = PER_SEED[condition]["linear_separability"]
    assert statistics.fmean(scores) == pytest.approx(FINE_TUNING[condition]["linear_separability"][0], abs=0.014)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_alignment_is_two_less_twice_the_cosine_of_pairs(condition):
    cosine = statistics.fmean(PER_SEED[condition]["matched_cosine"])
    assert _mean(condition, "alignment") == pytest.approx(2 - 2 * cosine, abs=0.003)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_what_no_embeddings_can_break(condition):
    d, _ = condition
    assert _mean(condition, "centroid_distance") ** 2 <= _mean(condition, "alignment")
    sides = [_mean(condition, f"uniformity/{side}") for side in "xy"]
    assert _mean(condition, "uniformity") == pytest.approx(sum(sides) / 2, abs=0.001)
    for value in sides:
        assert -4 + 4 / d < value < 0  # the uniform law has about -4 + 8/d
    for direction in ("x_to_y", "y_to_x"):
        recalls = [_mean(condition, f"recall_at_{k}/{direction}") for k in (1, 5, 10)]
        assert recalls == sorted(recalls)


def test_separability_counts_the_rows_of_the_stored_test_part():
    """A fifth of 2 x 4,962 rows is 1,986 (rounded up to whole rows of each class): scores are multiples of 1/1986."""
    for quantities in PER_SEED.values():
        for score in quantities["linear_separability"]:
            assert abs(score * 1986 - round(score * 1986)) < 0.11


def test_orderings_that_hold_in_the_paper():
    for quantity in ("centroid_distance", "linear_separability"):
        clip = [_mean((d, "CLIP"), quantity) for d in (32, 64, 128)]
        assert clip == sorted(clip)
    for d in (64, 128):
        gap = {loss: _mean((d, loss), "centroid_distance") for loss in ("CLIP", "CUA", "CUAXU")}
        assert 2 * gap["CUA"] < gap["CLIP"] > 2 * gap["CUAXU"]
        assert gap["CUA"] < gap["CUAXU"]
    for d in (32, 64, 128):
        for quantity in ("uniformity", "cross_uniformity"):
            values = [_mean((d, loss), quantity) for loss in ("CLIP", "CUA", "CUAXU")]
            assert values == sorted(values, reverse=True)


def test_claims_of_the_text_that_its_numbers_do_not_bear_out():
    assert _mean((32, "CUAXU"), "centroid_distance") > _mean((32, "CLIP"), "centroid_distance")
    for d, better in ((32, False), (64, False), (128, True)):  # "the terms lower the alignment loss"
        for loss in ("CUA", "CUAXU"):
            assert (_mean((d, loss), "alignment") < _mean((d, "CLIP"), "alignment")) is better
    clip, cua = (FINE_TUNING[128, loss]["recall_at_1/x_to_y"] for loss in ("CLIP", "CUA"))
    assert clip[0] - cua[0] > 5 * math.hypot(clip[1], cua[1])  # "within one standard error"


@pytest.mark.parametrize("place", list(CUMULATIVE_VARIANCE))
def test_curves_rise_and_agree_with_their_participation_ratio(place):
    d, _, _ = place
    curve = CUMULATIVE_VARIANCE[place]
    assert len(curve) == sum(k < d for k in CURVE_POINTS)
    assert list(curve) == sorted(curve)
    slopes = [(b - a) / (k - j) for a, b, j, k in zip(curve, curve[1:], CURVE_POINTS, CURVE_POINTS[1:], strict=False)]
    assert slopes == sorted(slopes, reverse=True)  # components come in the order of their variance
    first, ratio = curve[0], PARTICIPATION_RATIO[place]
    rest = (1 - first) ** 2 / (d - 1)  # sum of squares if all others were equal, and at most the first times the rest
    assert 1 / (first**2 + first * (1 - first)) <= ratio <= 1 / (first**2 + rest)


def test_only_cuaxu_spreads_the_variance_throughout():
    for d, side in ((128, "x"), (128, "y"), (64, "x"), (32, "x")):
        clip, cua, cuaxu = (CUMULATIVE_VARIANCE[d, loss, side] for loss in ("CLIP", "CUA", "CUAXU"))
        assert all(c < min(a, b) for a, b, c in zip(clip, cua, cuaxu, strict=True))
        ratios = [PARTICIPATION_RATIO[d, loss, side] for loss in ("CLIP", "CUA", "CUAXU")]
        assert ratios == sorted(ratios)
    at_30 = CURVE_POINTS.index(30)
    for d in (128, 64):
        assert CUMULATIVE_VARIANCE[d, "CUA", "x"][at_30] > CUMULATIVE_VARIANCE[d, "CLIP", "x"][at_30]
