import dataclasses

import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.geometry.rows import unit_rows
from crossgap.measure.cosine_quantiles import cosine_quantiles
from crossgap.measure.matched_cosine import matched_cosine
from crossgap.measure.unmatched_cosine import unmatched_cosine
from crossgap.measure.within_cosine import within_cosine


def check(result, values):
    assert result.count == result.sampled == len(values)
    assert result.mean == pytest.approx(values.mean(), abs=1e-12)
    assert result.std == pytest.approx(values.std(), abs=1e-12)
    assert result.quantiles == pytest.approx(np.quantile(values, result.levels), abs=1e-12)
    assert result.histogram == pytest.approx(np.histogram(values, result.edges)[0])
    assert sum(result.histogram) == result.sampled


def test_exact_values_of_all_kinds(rng):
    x, y = rng.normal(size=(1100, 3)), rng.normal(size=(30, 3))
    u, v = unit_rows(x), unit_rows(y)
    check(cosine_quantiles(x), (u @ u.T)[np.triu_indices(1100, 1)])
    check(cosine_quantiles(x, y), (u @ v.T).ravel())
    items, others = rng.integers(9, size=1100), rng.integers(9, size=30)
    same = items[:, None] == others[None]
    check(cosine_quantiles(x, y, x_items=items, y_items=others), (u @ v.T)[~same])
    check(cosine_quantiles(x, y, matched=True, x_items=items, y_items=others), (u @ v.T)[same])


def test_means_agree_with_the_closed_forms(coco):
    x, y = coco["image"], coco["text"]
    assert cosine_quantiles(x).mean == pytest.approx(float(within_cosine(x)))
    assert cosine_quantiles(x, y).mean == pytest.approx(float(unmatched_cosine(x, y)))
    assert cosine_quantiles(x, y, matched=True).mean == pytest.approx(float(matched_cosine(x, y)))
    assert cosine_quantiles(torch.tensor(x), torch.tensor(y)).quantiles == pytest.approx(
        cosine_quantiles(x, y).quantiles, abs=1e-9
    )


@pytest.mark.parametrize("kind", ["within", "matched", "unmatched"])
def test_samples_are_seeded_close_and_say_their_size(coco, kind):
    arguments = {"within": {}, "matched": {"y": coco["text"], "matched": True}, "unmatched": {"y": coco["text"]}}[kind]
    exact = cosine_quantiles(coco["image"], **arguments)
    size = 400 if kind == "matched" else 20_000
    first, again, other = (
        cosine_quantiles(coco["image"], pairs_sampled=size, seed=seed, **arguments) for seed in (0, 0, 1)
    )
    assert first == again != other
    assert first.sampled == size < first.count == exact.count
    assert first.mean == pytest.approx(exact.mean, abs=0.01)
    assert first.quantiles == pytest.approx(exact.quantiles, abs=0.03)


def test_a_sample_holds_no_pair_that_is_not_of_its_kind():
    x = np.eye(3)
    assert cosine_quantiles(x, x, pairs_sampled=5).quantiles[-1] == 0
    assert cosine_quantiles(x, pairs_sampled=2).quantiles[-1] == 0
    assert cosine_quantiles(x, x[:2], pairs_sampled=5).sampled == 5


def test_record_is_frozen_and_levels_matter(rng):
    result = cosine_quantiles(rng.normal(size=(9, 3)), quantiles=[0.0, 1.0])
    assert result.levels == (0.0, 1.0)
    assert len(result.quantiles) == 2
    assert len(result.edges) == len(result.histogram) + 1 == 101
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.mean = 0.0


def test_messages(rng):
    x = rng.normal(size=(4, 3))
    with pytest.raises(ValueError, match="quantiles must lie between 0 and 1"):
        cosine_quantiles(x, quantiles=[50])
    with pytest.raises(ValueError, match="pairs_sampled must be at least 1, but it is 0"):
        cosine_quantiles(x, pairs_sampled=0)
    with pytest.raises(ValueError, match="y is missing"):
        cosine_quantiles(x, matched=True)
    with pytest.raises(ValueError, match="y is missing"):
        cosine_quantiles(x, x_items=[1, 2, 3, 4])
    with pytest.raises(DegenerateError, match="every row of x matches every row of y"):
        cosine_quantiles(x[:1], x[:1])
    with pytest.raises(DegenerateError, match="no row of x"):
        cosine_quantiles(x, x[:3], matched=True)
    with pytest.raises(ValueError, match="share one space"):
        cosine_quantiles(x, x[:, :2])
    x[2] = 0
    with pytest.raises(ValueError, match="row 2 is all zeros"):
        cosine_quantiles(x)
    cosine_quantiles(x, check=False)
