"""The picture: it is its parts, a sub-sample is told, and what has no value has a reason."""

import json
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from crossgap import Embeddings
from crossgap.errors import DegenerateError
from crossgap.topology import (
    cluster_picture,
    cluster_purity,
    find_clusters,
    modality_entropy,
    pairs_in_one_cluster,
    pairs_in_one_cluster_by_chance,
)


def pairs(n=300, gap=1.0, seed=0):
    rng = np.random.default_rng(seed)
    centres = 3 * np.linalg.qr(rng.normal(size=(20, 10)))[0].T
    shared = centres[rng.integers(0, 10, n)] + 0.1 * rng.normal(size=(n, 20))
    offset = gap * np.eye(20)[0]
    return tuple(shared + sign * offset + 0.05 * rng.normal(size=shared.shape) for sign in (1, -1))


def test_it_is_its_parts():
    x, y = pairs(gap=0.3)
    found = cluster_picture(Embeddings.from_arrays(image=x, text=y))
    clusters = find_clusters(x, y)
    a, b = clusters.by_group()
    assert (found.groups, found.rows, found.sampled_from) == (("image", "text"), (300, 300), None)
    assert (found.path, found.sizes, found.noise_share) == (clusters.path, clusters.sizes, clusters.noise_share)
    assert found.purity == cluster_purity(clusters.labels, clusters.groups())
    assert found.modality_entropy == modality_entropy(clusters.labels, clusters.groups())
    assert found.purity_by_chance == 0.5
    shared = found.pairs[0]
    assert (shared.groups, shared.n_pairs, shared.reason) == (("image", "text"), 300, None)
    assert shared.value == pairs_in_one_cluster(a, b)
    assert shared.shuffled == pairs_in_one_cluster_by_chance(a, b)
    assert shared.mixed == pairs_in_one_cluster_by_chance(a, b, mixed=True)
    for size, shares, label in zip(found.sizes, found.group_shares, range(len(found.sizes)), strict=True):
        assert shares == pytest.approx([(a == label).sum() / size, (b == label).sum() / size])
    with pytest.raises(FrozenInstanceError):
        found.purity = 0.0


def test_a_mixed_space_and_one_with_a_gap():
    together = cluster_picture(Embeddings.from_arrays(image=(z := pairs(gap=0.0))[0], text=z[1]))
    assert together.path.startswith("HDBSCAN")
    assert len(together.sizes) == 10
    assert together.modality_entropy > 0.99
    assert together.pairs[0].value == 1.0
    apart = cluster_picture(Embeddings.from_arrays(image=(z := pairs(gap=3.0))[0], text=z[1]))
    assert (apart.purity, apart.modality_entropy, apart.pairs[0].value) == (1.0, 0.0, 0.0)
    assert apart.pairs[0].shuffled == 0.0 < apart.pairs[0].mixed


def test_coco(coco):
    found = cluster_picture(Embeddings.from_arrays(image=coco["image"], text=coco["text"]))
    assert found.path.startswith("k-means with k = 22 on the first 15 principal axes")
    assert (found.purity, found.modality_entropy, found.pairs[0].value) == (1.0, 0.0, 0.0)
    document = json.dumps(found.as_json(), allow_nan=False)
    assert document == json.dumps(
        cluster_picture(Embeddings.from_arrays(image=coco["image"], text=coco["text"])).as_json()
    )


def test_a_sample_is_told_and_keeps_pairs():
    x, y = pairs()
    found = cluster_picture(Embeddings.from_arrays(image=x, text=y), most_rows=120)
    assert (found.rows, found.sampled_from) == ((120, 120), (300, 300))
    assert found.pairs[0].n_pairs == 120
    assert found.settings["most_rows"] == 120
    other = cluster_picture(Embeddings.from_arrays(image=x, text=y), most_rows=120, seed=5)
    assert other.sizes != found.sizes


def test_several_captions_and_three_groups():
    x, y = pairs()
    items = {"image": np.arange(300), "text": np.repeat(np.arange(150), 2), "audio": np.arange(1000, 1300)}
    found = cluster_picture(Embeddings.from_arrays(image=x, text=y, audio=-y, items=items))
    by_groups = {shared.groups: shared for shared in found.pairs}
    assert by_groups["image", "text"].n_pairs == 300
    assert by_groups["image", "audio"].value is None
    assert by_groups["image", "audio"].reason.startswith("nothing pairs: ")
    assert by_groups["image", "audio"].n_pairs == 0
    assert all(len(shares) == 3 for shares in found.group_shares)
    assert found.purity_by_chance == pytest.approx(1 / 3)


def test_one_group_has_clusters_and_no_purity():
    found = cluster_picture(Embeddings.from_arrays(image=pairs()[0]))
    assert len(found.sizes) == 10
    assert (found.purity, found.purity_by_chance, found.modality_entropy, found.pairs) == (None, None, None, ())
    assert all(shares == (1.0,) for shares in found.group_shares)


def test_options_reach_the_clusters():
    e = Embeddings.from_arrays(image=(z := pairs())[0], text=z[1])
    found = cluster_picture(e, reduction=None, min_cluster_size=40, min_samples=7, fallback=False, seed=2)
    assert found.settings == {
        "reduction": None,
        "dimension": 20,
        "min_cluster_size": 40,
        "min_samples": 7,
        "k": None,
        "seed": 2,
        "most_rows": 2500,
    }
    assert cluster_picture(e, dimension=4).settings["dimension"] == 4


def test_messages():
    e = Embeddings.from_arrays(image=(z := pairs())[0], text=z[1])
    with pytest.raises(ValueError, match="most_rows must be at least 1, but it is 0"):
        cluster_picture(e, most_rows=0)
    with pytest.raises(DegenerateError, match="clusters need at least 8 rows"):
        cluster_picture(Embeddings.from_arrays(image=np.eye(3)))
    with pytest.raises(DegenerateError, match="all rows are noise"):
        cluster_picture(e, min_cluster_size=400, fallback=False)
    zero = z[0].copy()
    zero[1] = 0
    with pytest.raises(ValueError, match="row 1 is all zeros"):
        cluster_picture(Embeddings.from_arrays(image=zero, text=z[1]))
    assert cluster_picture(Embeddings.from_arrays(image=zero, text=z[1]), check=False).rows == (300, 300)
