import numpy as np
import pytest

from crossgap.errors import DegenerateError
from crossgap.measure.stable_region import stable_region, stable_region_per_anchor, stable_region_width


@pytest.mark.parametrize(
    ("temperature", "widths"),
    [(0.01, (0.087, 0.094, 0.108, 0.150)), (0.07, (0.612, 0.661, 0.759, 1.050)), (0.1, (0.874, 0.944, 1.084, 1.500))],
)
def test_golden_widths(temperature, widths):
    found = [stable_region_width(n, temperature) for n in (64, 128, 512, 32768)]
    assert found == pytest.approx(widths, abs=6e-4)
    assert stable_region_width(64, temperature, necessary=True) == pytest.approx(4.60 * temperature, abs=1e-3)


def test_width_above_two_is_unattainable():
    assert all(stable_region_width(n, 0.5) > 2 for n in (64, 128, 512, 32768))
    assert stable_region_width(64, 0.01, 0.1) < stable_region_width(64, 0.01)


def _loop(x, y, temperature, delta):
    x, y = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, y))
    scores = x @ y.T
    rows = []
    for i in range(len(x)):
        negatives = np.delete(scores[i], i)
        loss = np.log1p(np.exp((negatives - scores[i, i]) / temperature).sum())
        hard = np.exp((negatives - negatives.max()) / temperature).sum()
        rows.append((scores[i, i] - negatives.max(), hard, temperature * np.log(hard / np.expm1(delta)), loss <= delta))
    return tuple(np.array(column) for column in zip(*rows, strict=True))


@pytest.mark.parametrize(
    ("n", "d", "temperature", "delta"), [(1500, 4, 0.01, 0.01), (1100, 8, 0.3, 2.0), (2, 3, 0.05, 0.1)]
)
def test_matches_a_plain_loop(rng, n, d, temperature, delta):
    x = rng.normal(size=(n, d))
    y = x + 0.01 * rng.normal(size=(n, d))
    margin, hard, threshold, inside = _loop(x, y, temperature, delta)
    found = stable_region_per_anchor(x, y, temperature=temperature, delta=delta)
    np.testing.assert_allclose(found.margin, margin, atol=1e-12)
    np.testing.assert_allclose(found.hard_negatives, hard, rtol=1e-9)
    np.testing.assert_allclose(found.threshold, threshold, atol=1e-9)
    np.testing.assert_array_equal(found.inside, inside)
    assert stable_region(x, y, temperature=temperature, delta=delta) == inside.mean()


def test_low_temperature_does_not_overflow(coco):
    found = stable_region_per_anchor(coco["image"], coco["text"], temperature=1e-6)
    assert np.isfinite(found.hard_negatives).all()
    assert found.inside.mean() == pytest.approx(0.552, abs=0.003)  # in the limit the region is the correct top 1


def test_options_change_the_value(coco):
    x, y = coco["image"], coco["text"]
    plain = stable_region(x, y)
    assert 0 < plain < stable_region(x, y, delta=0.1)
    assert stable_region(x, y, temperature=0.02) < plain
    assert stable_region(y, x) != plain


def test_numpy_torch_and_float32_agree(coco):
    torch = pytest.importorskip("torch")
    x, y = coco["image"], coco["text"]
    expected = stable_region(x, y, delta=0.05)
    found = stable_region(torch.tensor(x), torch.tensor(y), delta=0.05)
    assert found.dtype == torch.float64
    assert float(found) == pytest.approx(float(expected), abs=1e-6)
    assert stable_region(x.astype(np.float32), y.astype(np.float32), delta=0.05) == pytest.approx(expected, abs=0.003)
    assert stable_region_per_anchor(torch.tensor(x), torch.tensor(y)).margin.dtype == torch.float64


def test_weights_repeat_anchors(rng, coco):
    weights = rng.integers(0, 3, (500, 4))
    inside = stable_region_per_anchor(coco["image"], coco["text"], delta=0.1).inside
    expected = [np.repeat(inside, column).mean() for column in weights.T]
    np.testing.assert_allclose(stable_region(coco["image"], coco["text"], delta=0.1, weights=weights), expected)


def test_messages(rng):
    x = rng.normal(size=(5, 3))
    with pytest.raises(ValueError, match="temperature must be a finite number above 0"):
        stable_region(x, x, temperature=0.0)
    with pytest.raises(ValueError, match="delta must be a finite number above 0"):
        stable_region_width(64, 0.01, -1.0)
    with pytest.raises(ValueError, match="n must be at least 2"):
        stable_region_width(1, 0.01)
    with pytest.raises(ValueError, match="pair row by row"):
        stable_region(x, x[:4])
    with pytest.raises(DegenerateError, match="at least 2 rows"):
        stable_region(x[:1], x[:1])


def test_captions_of_one_image_are_no_negatives(rng):
    images, items = rng.normal(size=(20, 64)), np.repeat(np.arange(20), 5)
    x, y = images[items], images[items] + 1e-3 * rng.normal(size=(100, 64))
    assert stable_region(x, y, items=items) == 1.0
    assert stable_region(x, y, items=items.astype(str)) == 1.0
    assert stable_region(x, y) < 0.5
    with pytest.raises(DegenerateError, match="all pairs are of one item"):
        stable_region(x, y, items=np.zeros(100))


@pytest.mark.parametrize("temperature", [0.01, 5.0])
def test_items_over_several_blocks_match_a_plain_loop(rng, temperature):
    x, items = rng.normal(size=(1100, 4)), np.sort(rng.integers(3, size=1100))
    y = x + 0.01 * rng.normal(size=x.shape)
    found = stable_region_per_anchor(x, y, temperature=temperature, items=items)
    a, b = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, y))
    scores = a @ b.T
    for i in (0, 400, 1099):
        negatives = scores[i, items != items[i]]
        assert found.margin[i] == pytest.approx(scores[i, i] - negatives.max(), abs=1e-12)
        hard = np.exp((negatives - negatives.max()) / temperature).sum()
        assert found.hard_negatives[i] == pytest.approx(hard, rel=1e-9)
