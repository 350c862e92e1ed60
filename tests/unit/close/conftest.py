"""What tests of closers share: figures on real pairs, in-sample and out-of-sample."""

import warnings

import numpy as np
import pytest

from crossgap import measure


@pytest.fixture
def judged(coco):
    """Return a function of a closer: gap, pair cosine, recall@1 both ways, in-sample and then out-of-sample.

    Out-of-sample it is fitted on the even rows and judged on the odd ones, and the other way round; the mean of both.
    """

    def judge(closer):
        x, y = coco["image"], coco["text"]
        halves = [_figures(closer, x[i::2], y[i::2], x[1 - i :: 2], y[1 - i :: 2]) for i in (0, 1)]
        return _figures(closer, x, y, x, y), np.mean(halves, axis=0)

    return judge


def _figures(closer, fit_x, fit_y, x, y):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*fewer pairs than dimensions")
        closer.fit(np.concatenate([fit_x, fit_y]), groups=["image"] * len(fit_x) + ["text"] * len(fit_y))
    x, y = closer.move(x, "image"), closer.move(y, "text")
    return np.array(
        [
            float(measure.centroid_distance(x, y)),
            float(measure.matched_cosine(x, y)),
            float(measure.recall_at_k(x, y)),
            float(measure.recall_at_k(y, x)),
        ]
    )
