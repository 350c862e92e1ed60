"""One threshold for all scores, beside a plain loop."""

import numpy as np
import pytest

from crossgap.close.score_comparability import match_auroc_per_pair
from crossgap.errors import DegenerateError


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _loop(x, y, x_items, y_items, scales=((0, 1),) * 3):
    x, y = _unit(x), _unit(y)
    strangers = []
    for (a, a_items, b, b_items), (mean, deviation) in zip(
        ((x, x_items, x, x_items), (y, y_items, y, y_items), (x, x_items, y, y_items)), scales, strict=True
    ):
        strangers += [
            (a[i] @ b[j] - mean) / deviation
            for i in range(len(a))
            for j in range(len(b))
            if a_items[i] != b_items[j] and (a is not b or i < j)
        ]
    mean, deviation = scales[2]
    return [
        np.mean([float(stranger < score) for stranger in strangers])
        for i in range(len(x))
        for j in range(len(y))
        if x_items[i] == y_items[j]
        for score in [(x[i] @ y[j] - mean) / deviation]
    ]


@pytest.mark.parametrize("scales", [((0.0, 1.0),) * 3, ((0.1, 0.5), (0.2, 2.0), (-0.3, 1.0))])
def test_as_a_plain_loop_does(rng, scales):
    x, y = rng.normal(size=(15, 4)), rng.normal(size=(20, 4))
    x_items, y_items = rng.integers(0, 12, size=15), rng.integers(0, 12, size=20)
    rows, shares = match_auroc_per_pair(x, y, x_items=x_items, y_items=y_items, scales=scales)
    assert shares == pytest.approx(_loop(x, y, x_items, y_items, scales), abs=1e-12)
    assert rows.tolist() == [i for i in range(15) for j in range(20) if x_items[i] == y_items[j]]


def test_more_rows_than_a_block_holds(rng):
    x = rng.normal(size=(1100, 3))
    shares = match_auroc_per_pair(x, x, x_items=np.arange(1100), y_items=np.arange(1100))[1]
    assert (shares == 1.0).all()  # a match is the row itself, at cosine 1


def test_clip_puts_strangers_above_matches_until_the_gap_is_closed(coco):
    items = np.arange(500)
    open_ = match_auroc_per_pair(coco["image"], coco["text"], x_items=items, y_items=items)[1].mean()
    centred = [coco[name] - coco[name].mean(axis=0) for name in ("image", "text")]
    closed = match_auroc_per_pair(*centred, x_items=items, y_items=items)[1].mean()
    assert open_ == pytest.approx(0.505, abs=0.01)
    assert closed > 0.95


def test_what_it_refuses():
    x = np.eye(3)
    with pytest.raises(DegenerateError, match="nothing matches"):
        match_auroc_per_pair(x, x, x_items=[1, 2, 3], y_items=[4, 5, 6])
    with pytest.raises(DegenerateError, match="all rows are of one item, so there are no strangers"):
        match_auroc_per_pair(x, x, x_items=[1, 1, 1], y_items=[1, 1, 1])
    with pytest.raises(ValueError, match="must share one space"):
        match_auroc_per_pair(x, x[:, :2], x_items=[1, 2, 3], y_items=[1, 2, 3])
