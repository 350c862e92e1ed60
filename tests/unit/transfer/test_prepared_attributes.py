import numpy as np
import pytest
import torch

from crossgap.data import Embeddings
from crossgap.transfer import Preparation, PreparedAttributes


@pytest.fixture
def rows(rng):
    found = rng.standard_normal((20, 6)) + 1
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def preparation(rows, arm="C3", seed=0):
    return Preparation.fit(Embeddings.from_arrays(text=rows, image=-rows), arm=arm, seed=seed)


LABELS = (np.arange(40).reshape(20, 2) % 3 == 0).astype(int)


def test_a_batch_holds_prepared_rows_and_their_labels(rows):
    prepared = preparation(rows)
    pairs = PreparedAttributes(rows, LABELS, prepared)
    index = torch.tensor([3, 17, 4])
    given, labels = pairs.batch(index, epoch=2)
    np.testing.assert_array_equal(given, prepared.training_rows(rows[[3, 17, 4]], epoch=2, index=[3, 17, 4]))
    np.testing.assert_array_equal(labels, LABELS[[3, 17, 4]])
    assert len(pairs) == 20
    assert not torch.equal(given, pairs.batch(index, epoch=3)[0])


def test_rows_of_another_group_have_no_noise(rows):
    prepared = preparation(rows)
    pairs = PreparedAttributes(-rows, LABELS, prepared, group="image")
    given, _ = pairs.batch(torch.arange(20), epoch=0)
    np.testing.assert_array_equal(given, prepared.rows(-rows, "image"))


def test_the_fingerprint_knows_rows_labels_and_preparation(rows):
    plain = PreparedAttributes(rows, LABELS, preparation(rows)).fingerprint
    assert PreparedAttributes(rows, LABELS.tolist(), preparation(rows)).fingerprint == plain
    for other in (
        PreparedAttributes(rows[::-1], LABELS, preparation(rows)),
        PreparedAttributes(rows, 1 - LABELS, preparation(rows)),
        PreparedAttributes(rows, LABELS, preparation(rows, seed=1)),
        PreparedAttributes(rows, LABELS, preparation(rows, arm="C1")),
        PreparedAttributes(rows, LABELS, preparation(rows), group="text"),
    ):
        assert other.fingerprint != plain


def test_refusals(rows):
    for labels in (LABELS[:5], np.ones(20)):
        with pytest.raises(ValueError, match=r"labels must have shape \(20, A\)"):
            PreparedAttributes(rows, labels, preparation(rows))
    for value in (2.0, -1.0, np.nan):
        with pytest.raises(ValueError, match=r"labels must lie in \[0, 1\]"):
            PreparedAttributes(rows, np.full((20, 1), value), preparation(rows))
