"""How large the noise between rows of one item is."""

import numpy as np
import pytest

from crossgap.close.noise_draws import expected_cosine
from crossgap.close.noise_estimate import estimate_noise
from crossgap.errors import DegenerateError
from crossgap.geometry.rows import unit_rows


def captions(rng, items=60, each=5, d=200, spread=0.03):
    centre = unit_rows(rng.normal(size=(items, d)))
    rows = np.repeat(centre, each, axis=0) + spread * rng.normal(size=(items * each, d))
    return rows, np.repeat(np.arange(items), each)


def test_a_plain_loop_agrees(rng):
    rows, items = captions(rng, items=12, each=3, d=5)
    rows, items = rows[:-1], items[:-1]
    unit = unit_rows(rows)
    squares, freedom = 0.0, 0
    residuals = []
    for item in set(items.tolist()):
        own = unit[items == item]
        freedom += len(own) - 1
        for row in own:
            residual = row - own.mean(axis=0)
            residuals.append(residual)
            squares += float(sum(v * v for v in residual))
    found = estimate_noise(rows, items)
    assert found.variance == pytest.approx(squares / freedom / 5)
    values = np.linalg.eigvalsh(np.array(residuals).T @ np.array(residuals))
    assert found.participation_ratio == pytest.approx(values.sum() ** 2 / (values**2).sum())
    assert found.top_over_mean == pytest.approx(values[-1] / values.mean())
    assert (found.items, found.rows, found.left_out, found.dimension) == (12, 35, 0, 5)


def test_it_finds_the_noise_that_was_put_in(rng):
    rows, items = captions(rng, spread=0.02)
    found = estimate_noise(rows, items)
    expected = 0.02**2 / (1 + 200 * 0.02**2)  # brought back to length 1
    assert found.variance == pytest.approx(expected, rel=0.05)
    assert found.low < found.variance < found.high
    assert found.low < expected < found.high
    assert found.expected_cosine == pytest.approx(expected_cosine(found.variance, 200))
    assert found.usual_over_measured == pytest.approx(0.016 / found.variance)
    assert found.source == "items"


def test_order_and_names_of_items_do_not_matter(rng):
    rows, items = captions(rng)
    order = rng.permutation(len(rows))
    a, b = estimate_noise(rows, items), estimate_noise(rows[order], np.array([f"id{i}" for i in items])[order])
    assert b.variance == pytest.approx(a.variance)
    assert b.participation_ratio == pytest.approx(a.participation_ratio)


def test_a_rotation_does_not_matter_and_the_seed_moves_the_bounds(rng):
    rows, items = captions(rng, d=20)
    turn = np.linalg.qr(rng.normal(size=(20, 20)))[0]
    a, b = estimate_noise(rows, items), estimate_noise(rows @ turn, items)
    assert (a.variance, a.participation_ratio) == pytest.approx((b.variance, b.participation_ratio))
    assert estimate_noise(rows, items, seed=1).low != a.low


def test_single_rows_say_nothing_and_are_counted(rng):
    rows, items = captions(rng)
    more = np.concatenate([rows, rng.normal(size=(7, 200))])
    found = estimate_noise(more, np.r_[items, 100:107])
    assert found.left_out == 7
    assert found.variance == pytest.approx(estimate_noise(rows, items).variance)


def test_few_items_have_no_interval(rng):
    rows, items = captions(rng, items=9)
    found = estimate_noise(rows, items)
    assert found.low is None
    assert found.high is None
    assert "(" not in found.sentence().split(" a coordinate")[0]


def test_pairs_of_real_clip(coco):
    found = estimate_noise(coco["image"], partners=coco["text"])
    assert np.sqrt(found.variance) == pytest.approx(0.035, abs=1e-3)
    assert found.participation_ratio == pytest.approx(78, abs=0.5)
    assert found.top_over_mean == pytest.approx(28, abs=0.5)
    assert found.low < found.variance < found.high
    assert found.usual_over_measured > 10
    assert (found.source, found.items, found.rows) == ("pairs", 500, 1000)
    assert "12 times as much" in found.sentence()


def test_pairs_of_one_item_are_resampled_together(rng):
    shared = np.repeat(rng.normal(size=(40, 30)), 5, axis=0)
    x, y = shared + 0.2 * np.repeat(rng.normal(size=(40, 30)), 5, axis=0), shared
    alone, together = estimate_noise(x, partners=y), estimate_noise(x, np.repeat(np.arange(40), 5), partners=y)
    assert alone.variance == together.variance
    assert together.high - together.low > 1.5 * (alone.high - alone.low)


def test_few_pairs_have_no_interval(rng):
    x = rng.normal(size=(6, 8))
    assert estimate_noise(x, partners=x + 0.1 * rng.normal(size=(6, 8))).low is None


def test_five_captions_of_real_photos(shared_data):
    with np.load(shared_data / "flickr8k" / "frozen_towers.npz") as arrays:
        text = arrays["text_usem3"]
    all_of_them = estimate_noise(text.reshape(-1, 512), np.repeat(np.arange(900), 5))
    a_few = estimate_noise(text[:12].reshape(-1, 512), np.repeat(np.arange(12), 5))
    assert all_of_them.variance == pytest.approx(8.6e-4, rel=0.02)
    assert a_few.low < all_of_them.variance < a_few.high
    assert all_of_them.participation_ratio == pytest.approx(81, abs=1)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.eye(4),), ValueError, "neither items nor partners were given; pass items="),
        ((np.eye(4), [1, 1]), ValueError, "items must hold one id for each of the 4 rows, but its shape is"),
        ((np.eye(4), [1, 2, 3, 4]), DegenerateError, "no item has two rows"),
        ((np.eye(2)[[0, 0, 1, 1]], [1, 1, 2, 2]), DegenerateError, "all rows of each item are alike"),
        ((np.zeros((4, 2)), [1, 1, 2, 2]), ValueError, "rows must have rows of a length above zero, but row 0"),
    ],
)
def test_what_has_no_noise(arguments, error, message):
    with pytest.raises(error, match=message):
        estimate_noise(*arguments)
