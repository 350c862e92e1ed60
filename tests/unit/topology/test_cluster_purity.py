"""Purity, its counts, the entropy of modalities and shared clusters: by hand, by a plain loop, and every message."""

import math
from collections import Counter

import numpy as np
import pytest

from crossgap.errors import DegenerateError
from crossgap.topology import (
    cluster_counts,
    cluster_purity,
    modality_entropy,
    pairs_in_one_cluster,
    pairs_in_one_cluster_by_chance,
)


@pytest.fixture
def labelled(rng):
    return rng.integers(-1, 6, size=200), rng.choice(["audio", "image", "text"], size=200, p=[0.2, 0.3, 0.5])


def by_cluster(labels, groups):
    parts = {}
    for label, group in zip(labels.tolist(), groups.tolist(), strict=True):
        if label >= 0:
            parts.setdefault(label, Counter())[group] += 1
    return parts


def test_against_plain_loops(labelled):
    labels, groups = labelled
    parts = by_cluster(labels, groups)
    total = sum(sum(part.values()) for part in parts.values())
    assert cluster_counts(labels, groups).tolist() == [
        [parts[c][name] for name in ("audio", "image", "text")] for c in sorted(parts)
    ]
    purity = sum(max(part.values()) for part in parts.values()) / total
    entropy = 0.0
    for part in parts.values():
        n = sum(part.values())
        entropy += n / total * -sum(v / n * math.log(v / n) for v in part.values()) / math.log(3)
    assert cluster_purity(labels, groups) == pytest.approx(purity)
    assert modality_entropy(labels, groups) == pytest.approx(entropy)


def test_the_ends_of_the_range():
    pure, mixed = np.repeat([0, 1], 4), np.tile([0, 1], 4)
    groups = np.repeat([0, 1], 4)
    assert (cluster_purity(pure, groups), modality_entropy(pure, groups)) == (1.0, 0.0)
    assert (cluster_purity(mixed, groups), modality_entropy(mixed, groups)) == (0.5, 1.0)
    assert math.copysign(1, modality_entropy(pure, groups)) == 1.0  # no -0.0
    third = np.zeros(9, dtype=int)
    assert modality_entropy(third, np.repeat([0, 1, 2], 3)) <= 1.0


def test_a_group_that_is_only_noise_counts_in_the_number_of_groups():
    labels, groups = [0, 0, -1, -1], ["a", "b", "c", "c"]
    assert cluster_counts(labels, groups).tolist() == [[1, 1, 0]]
    assert modality_entropy(labels, groups) == pytest.approx(math.log(2) / math.log(3))


def test_names_of_clusters_and_order_of_rows_do_not_matter(labelled, rng):
    labels, groups = labelled
    order = rng.permutation(200)
    renamed = np.where(labels < 0, labels, 10 - labels)
    for quantity in (cluster_purity, modality_entropy):
        value = quantity(labels, groups)
        assert quantity(labels[order], groups[order]) == pytest.approx(value)
        assert quantity(renamed, groups) == pytest.approx(value)
        assert quantity(labels, groups[order]) != pytest.approx(value)  # and it sees the groups


def test_shared_clusters_against_a_plain_loop(rng):
    x, y = rng.integers(-1, 4, size=60), rng.integers(-1, 4, size=60)
    together = [a == b and a >= 0 for a, b in zip(x, y, strict=True)]
    assert pairs_in_one_cluster(x, y) == pytest.approx(np.mean(together))
    shuffled = np.mean([a == b and a >= 0 for a in x for b in y])
    assert pairs_in_one_cluster_by_chance(x, y) == pytest.approx(shuffled)
    both = np.concatenate([x, y])
    mixed = np.mean([both[i] == both[j] and both[i] >= 0 for i in range(120) for j in range(120) if i != j])
    assert pairs_in_one_cluster_by_chance(x, y, mixed=True) == pytest.approx(mixed)


def test_chance_is_what_permutations_give(rng):
    x, y = rng.integers(-1, 4, size=50), rng.integers(0, 3, size=50)
    both = np.concatenate([x, y])
    shuffled, mixed = [], []
    for _ in range(4000):
        shuffled.append(pairs_in_one_cluster(x, rng.permutation(y)))
        mixed.append(pairs_in_one_cluster(*np.split(rng.permutation(both), 2)))
    assert pairs_in_one_cluster_by_chance(x, y) == pytest.approx(np.mean(shuffled), abs=0.004)
    assert pairs_in_one_cluster_by_chance(x, y, mixed=True) == pytest.approx(np.mean(mixed), abs=0.004)


def test_noise_is_never_together():
    assert pairs_in_one_cluster([-1, -1], [-1, 0]) == 0.0
    assert pairs_in_one_cluster_by_chance([-1, -1], [-1, -1]) == 0.0
    assert pairs_in_one_cluster_by_chance([-1, -1], [-1, -1], mixed=True) == 0.0


@pytest.mark.parametrize("quantity", [cluster_counts, cluster_purity, modality_entropy])
def test_messages(quantity):
    with pytest.raises(TypeError, match="labels must be whole numbers, below 0 for noise, but their dtype is float64"):
        quantity([0.0, 1.0], ["a", "b"])
    with pytest.raises(ValueError, match="labels must be one for each row, but their shape is"):
        quantity(np.zeros((2, 2), dtype=int), ["a", "b"])
    with pytest.raises(ValueError, match="groups must be one for each of the 2 labels"):
        quantity([0, 1], ["a"])
    with pytest.raises(DegenerateError, match="all rows are noise"):
        quantity([-1, -1], ["a", "b"])


def test_messages_of_the_others():
    with pytest.raises(DegenerateError, match="all rows are of one group"):
        modality_entropy([0, 1], ["a", "a"])
    for quantity in (pairs_in_one_cluster, pairs_in_one_cluster_by_chance):
        with pytest.raises(ValueError, match="must pair one by one, but there are 2 and 1"):
            quantity([0, 1], [0])
        with pytest.raises(DegenerateError, match="there are no pairs"):
            quantity(np.array([], dtype=int), np.array([], dtype=int))
        with pytest.raises(TypeError, match="x_labels must be whole numbers"):
            quantity(["a"], [0])
