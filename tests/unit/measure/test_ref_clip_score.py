"""RefCLIPScore: the formula, what it ignores, weights, messages."""

import numpy as np
import pytest

from crossgap.errors import DegenerateError
from crossgap.measure import ref_clip_score, ref_clip_score_per_item


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def rows(rng):
    """Twelve pictures and captions, and 30 references; the first caption fits nothing."""
    images, candidates = rng.normal(size=(12, 6)) + 0.5, rng.normal(size=(12, 6)) + 0.5
    references, items = rng.normal(size=(30, 6)) + 0.3, rng.permutation(np.arange(30) % 12)
    references[items == 1] = -candidates[1]
    images[0] = -candidates[0]
    return images, candidates, references, items


def plain(images, candidates, references, items):
    values = []
    for i, (image, candidate) in enumerate(zip(unit(images), unit(candidates), strict=True)):
        fit = 2.5 * max(image @ candidate, 0)
        best = max(*(reference @ candidate for reference in unit(references)[items == i]), 0)
        values.append(2 * fit * best / (fit + best) if fit + best else 0)
    return values


def score(images, candidates, references, items, **options):
    return ref_clip_score_per_item(
        images, candidates, references, items=np.arange(12), reference_items=items, **options
    )


def test_it_is_the_harmonic_mean(rows):
    found = score(*rows)
    assert found == pytest.approx(plain(*rows))
    assert found[0] == found[1] == 0
    assert found.max() > 0.5
    total = ref_clip_score(*rows[:3], items=np.arange(12), reference_items=rows[3])
    assert total == pytest.approx(found.mean())


def test_without_ids_each_candidate_has_one_reference(rows):
    images, candidates, references, _ = rows
    found = ref_clip_score_per_item(images, candidates, references[:12])
    assert found == pytest.approx(plain(images, candidates, references[:12], np.arange(12)))


def test_it_ignores_rotation_order_and_lengths_and_notices_the_rest(rows, rng):
    images, candidates, references, items = rows
    value = score(*rows).mean()
    rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    assert score(*(part @ rotation for part in rows[:3]), items).mean() == pytest.approx(value)
    order = rng.permutation(30)
    assert score(images, candidates, references[order], items[order]).mean() == pytest.approx(value)
    lengths = rng.uniform(0.1, 9, size=(30, 1))
    assert score(images * lengths[:12], candidates * lengths[:12], references * lengths, items).mean() == pytest.approx(
        value
    )
    assert score(images[::-1], candidates, references, items).mean() != pytest.approx(value)
    assert score(images, candidates, references[order], items).mean() != pytest.approx(value)
    assert score(images + 0.2, candidates + 0.2, references + 0.2, items).mean() != pytest.approx(value)


def test_weights(rows):
    counts = np.arange(24).reshape(12, 2) % 4
    found = ref_clip_score(*rows[:3], items=np.arange(12), reference_items=rows[3], weights=counts)
    assert found == pytest.approx([np.average(plain(*rows), weights=column) for column in counts.T])


def test_torch_gives_the_same(rows):
    torch = pytest.importorskip("torch")
    given = [torch.tensor(part) for part in rows[:3]]
    assert score(*given, rows[3]) == pytest.approx(plain(*rows))


def test_what_is_refused(rows):
    images, candidates, references, items = rows
    with pytest.raises(ValueError, match=r"images and candidates must pair row by row, but there are 11 and 12 rows"):
        score(images[1:], candidates, references, items)
    with pytest.raises(ValueError, match=r"without ids each candidate has one reference, but there are 12 candidates"):
        ref_clip_score(images, candidates, references)
    with pytest.raises(ValueError, match=r"item ids must be given for candidates and references or for neither"):
        ref_clip_score(images, candidates, references, items=np.arange(12))
    with pytest.raises(ValueError, match=r"reference_items must hold one id a row, 30 in all"):
        score(images, candidates, references, items[1:])
    with pytest.raises(DegenerateError, match=r"each candidate must have a reference, but item 3 has none"):
        score(images, candidates, references[items != 3], items[items != 3])
    with pytest.raises(ValueError, match=r"references"):
        score(images, candidates, references[:, :5], items)
    with pytest.raises(ValueError, match=r"row 0"):
        score(images, candidates, np.zeros_like(references), items)
    assert score(images, candidates, np.zeros_like(references), items, check=False).tolist() == [0] * 12
