"""Labels by class vectors, beside a plain loop."""

import numpy as np
import pytest

from crossgap.close.label_accuracy import label_hits_per_query
from crossgap.errors import DegenerateError


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def _loop(x, y, x_labels, y_labels, x_items, y_items):
    """The rows that have a class vector, and whether each is right."""
    rows, right = [], []
    for i in range(len(x)):
        scores = {}
        for label in sorted({label for label in y_labels if label is not None}):
            members = [j for j in range(len(y)) if y_labels[j] == label and y_items[j] != x_items[i]]
            if members:
                scores[label] = _unit(x[i]) @ _unit(_unit(y[members]).mean(axis=0))
        if x_labels[i] in scores:
            rows.append(i)
            right.append(max(scores, key=scores.__getitem__) == x_labels[i])
    return rows, right


def test_as_a_plain_loop_does(rng):
    x, y = rng.normal(size=(40, 5)), rng.normal(size=(60, 5))
    x_labels, y_labels = (rng.choice(["a", "b", "c", None], size=n).tolist() for n in (40, 60))
    x_items, y_items = np.arange(40), rng.integers(0, 50, size=60)  # some items in both, some with several rows
    rows, right = label_hits_per_query(
        x, y, query_labels=x_labels, gallery_labels=y_labels, query_items=x_items, gallery_items=y_items
    )
    assert (rows.tolist(), right.tolist()) == _loop(x, y, x_labels, y_labels, x_items, y_items)


def test_a_querys_own_caption_does_not_give_its_label_away(rng):
    x = rng.normal(size=(100, 20))
    labels = rng.choice(["a", "b"], size=100).tolist()  # nothing to do with the rows
    told = {"query_labels": labels, "gallery_labels": labels}
    leaked = label_hits_per_query(x, x, **told)[1].mean()
    honest = label_hits_per_query(x, x, **told, query_items=np.arange(100), gallery_items=np.arange(100))[1].mean()
    assert leaked > honest + 0.1
    assert honest < 0.65


def test_what_it_refuses(rng):
    x = rng.normal(size=(4, 3))
    labels = ["a", "b", "a", "b"]
    with pytest.raises(ValueError, match="query_labels must be one for each of the 4 rows, but there are 3"):
        label_hits_per_query(x, x, query_labels=labels[:3], gallery_labels=labels)
    with pytest.raises(ValueError, match="gallery_labels must be one for each of the 4 rows"):
        label_hits_per_query(x, x, query_labels=labels, gallery_labels=labels[:3])
    with pytest.raises(DegenerateError, match="at least two labels that both groups hold, but the gallery has 1"):
        label_hits_per_query(x, x, query_labels=labels, gallery_labels=["a"] * 4)
    names, items = ["w", "x", "y", "z"], np.arange(4)
    with pytest.raises(DegenerateError, match="labels here name items, not classes"):
        label_hits_per_query(x, x, query_labels=names, gallery_labels=names, query_items=items, gallery_items=items)
    with pytest.raises(ValueError, match="must share one space"):
        label_hits_per_query(x, x[:, :2], query_labels=labels, gallery_labels=labels)
