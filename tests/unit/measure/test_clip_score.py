"""CLIPScore: the formula, weights, torch, messages."""

import numpy as np
import pytest

from crossgap.errors import DegenerateError
from crossgap.measure import bootstrap_interval, clip_score, clip_score_per_pair


@pytest.fixture
def rows(rng):
    return rng.normal(size=(40, 6)) + 0.4, rng.normal(size=(40, 6)) + 0.4


def plain(x, y):
    cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(x, y, strict=True)]
    return np.array([2.5 * max(cosine, 0) for cosine in cosines])


def test_it_is_two_and_a_half_times_the_positive_cosine(rows):
    assert clip_score_per_pair(*rows) == pytest.approx(plain(*rows))
    assert (plain(*rows) == 0).any()  # so the cut is tested
    assert float(clip_score(*rows)) == pytest.approx(plain(*rows).mean())
    assert float(clip_score(rows[0], rows[0])) == pytest.approx(2.5)
    assert float(clip_score(rows[0], -rows[0])) == 0


def test_captions_of_one_picture_all_count(rows):
    x, y = rows
    items, of_captions = np.arange(8), np.repeat(np.arange(8), 5)
    found = clip_score_per_pair(x[:8], y, x_items=items, y_items=of_captions)
    assert found == pytest.approx(plain(x[:8][of_captions], y))


def test_weights_and_an_interval(rows):
    x, y = rows
    counts = np.arange(80).reshape(40, 2) % 3
    expected = [np.average(plain(x, y), weights=column) for column in counts.T]
    assert clip_score(x, y, weights=counts) == pytest.approx(expected)
    found = bootstrap_interval(clip_score, x, y)
    assert found.low < found.value < found.high
    with pytest.raises(ValueError, match=r"matched rows must carry equal weights"):
        clip_score(x, y, weights=(counts, counts[::-1]))


def test_torch_gives_the_same_with_a_gradient(rows):
    torch = pytest.importorskip("torch")
    x, y = (torch.tensor(part, requires_grad=True) for part in rows)
    value = clip_score(x, y)
    value.backward()
    assert value.item() == pytest.approx(float(clip_score(*rows)))
    assert float(x.grad.abs().sum()) > 0


def test_what_is_refused(rows):
    x, y = rows
    with pytest.raises(DegenerateError, match=r"no row of x \(40 rows\) matches a row of y \(39 rows\)"):
        clip_score(x, y[1:])
    with pytest.raises(ValueError, match=r"x"):
        clip_score(np.zeros((2, 3)), np.ones((2, 3)))
    assert float(clip_score(np.zeros((2, 3)), np.ones((2, 3)), check=False)) == 0
