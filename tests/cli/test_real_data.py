"""Real embeddings through the real command: known values, and one headline."""

import json
import re

import numpy as np
import pytest

from crossgap import Embeddings, Group, write

# golden values of the specification: 500 COCO pairs under CLIP ViT-B/16, computed apart from this package
COCO = {
    ("centroid_distance", "image", "text"): 0.85135,
    ("frechet_mean_part", "image", "text"): 0.72480,
    ("centroid_cosine", "image", "text"): 0.30882,
    ("resultant_length", "image"): 0.72967,
    ("resultant_length", "text"): 0.71845,
    ("uniformity", "image"): -1.79453,
    ("uniformity", "text"): -1.84091,
    ("cross_uniformity", "image", "text"): -3.33427,
    ("alignment", "image", "text"): 1.38016,
    ("matched_cosine", "image", "text"): 0.30992,
    ("unmatched_cosine", "image", "text"): 0.16160,
    ("within_cosine", "image"): 0.53148,
    ("within_cosine", "text"): 0.51519,
    ("relative_modality_gap", "image", "text"): 0.59146,
    ("recall_at_k", "image", "text", 1): 0.552,
    ("recall_at_k", "image", "text", 5): 0.808,
    ("recall_at_k", "image", "text", 10): 0.892,
    ("recall_at_k", "text", "image", 1): 0.506,
    ("recall_at_k", "text", "image", 5): 0.766,
    ("recall_at_k", "text", "image", 10): 0.862,
    ("gap_energy_ratio", "image", "text"): 0.5252,
    ("frechet_covariance_part", "image", "text"): 0.3804,
    ("linear_separability", "image", "text"): 1.0,
}
COCO_ROUGHER = {  # given to fewer digits there
    ("participation_ratio", "image"): 42.70,
    ("participation_ratio", "text"): 41.71,
    ("entropy_rank", "image"): 104.59,
    ("entropy_rank", "text"): 96.93,
    ("mmd", "image", "text"): 0.4174,
}


def _headlines(out: str) -> list[str]:
    text = out.split("\n- ")[0].split("\n\n")[0]
    return re.findall(r"^\S+ and \S+ (?:show|have) .*", text, re.MULTILINE)


def _value(document: dict, name: str, *groups, **options) -> float:
    *names, last = groups
    if isinstance(last, int):
        groups, options = tuple(names), {"k": last}
    for found in document["measurements"]:
        same = all(found["options"].get(key) == value for key, value in options.items())
        if found["name"] == name and found["groups"] == list(groups) and same:
            return found["value"]
    raise AssertionError(f"no {name} of {groups}")


def _gap(x: np.ndarray, y: np.ndarray) -> float:
    x, y = (rows.astype(np.float64) for rows in (x, y))
    means = [(rows / np.linalg.norm(rows, axis=1, keepdims=True)).mean(axis=0) for rows in (x, y)]
    return float(np.linalg.norm(means[0] - means[1]))


def test_coco(shared_data, here, tmp_path):
    source = shared_data / "pairs" / "coco500_clip-vit-b16.npz"
    output = tmp_path / "gap.json"
    out = here("measure", source, "--groups", "image,text", "--bootstrap", "20", "-o", output).check_success()
    document = json.loads(output.read_text())
    for key, value in COCO.items():
        assert _value(document, *key) == pytest.approx(value, abs=1e-4), key
    for key, value in COCO_ROUGHER.items():
        assert _value(document, *key) == pytest.approx(value, rel=2e-3), key
    assert _value(document, "effective_dimension", "image", quantile=0.99) == 296
    assert _value(document, "effective_dimension", "text", quantile=0.99) == 277
    (headline,) = _headlines(out)
    assert headline.startswith("image and text show a clear modality gap: centroid distance 0.851 [")
    assert ": text is hidden" in " ".join(out.split())


def test_the_untrained_network(shared_data, here):
    source = shared_data / "pairs" / "coco500_clip-vit-b16.npz"
    arguments = ["--groups", "image_random_init,text_random_init", "--metrics", "centroid_distance,recall_at_k"]
    document = json.loads(here("measure", source, *arguments, "--bootstrap", "0", "--json").check_success())
    groups = ("image_random_init", "text_random_init")
    assert _value(document, "centroid_distance", *groups) == pytest.approx(1.13606, abs=1e-4)
    assert _value(document, "recall_at_k", *groups, 10) == pytest.approx(0.026, abs=1e-9)


def test_fashion(shared_data, here, tmp_path):
    source = shared_data / "pairs" / "fashion1000_marqo-fashionclip.npz"
    with np.load(source) as arrays:
        expected = _gap(arrays["image"], arrays["text"])
    output = tmp_path / "gap.json"
    metrics = "centroid_distance,centroid_distance_floor,linear_separability,matched_cosine,recall_at_k"
    out = here("measure", source, "--metrics", metrics, "--bootstrap", "20", "-o", output).check_success()
    document = json.loads(output.read_text())
    assert _value(document, "centroid_distance", "image", "text") == pytest.approx(expected, abs=1e-4)
    assert expected == pytest.approx(0.855, abs=1e-3)
    assert _value(document, "matched_cosine", "image", "text") == pytest.approx(0.274, abs=1e-3)
    assert _value(document, "recall_at_k", "image", "text", 1) == pytest.approx(0.53, abs=0.01)
    (headline,) = _headlines(out)
    assert "a clear modality gap" in headline


def test_cifar_pictures_and_class_names_without_pairs(shared_data, here, tmp_path):
    """500 pictures, 1,000 class names: different sizes, and arrays beside them that are no vectors."""
    source = shared_data / "pairs" / "cifar500_clip-vit-b32.npz"
    with np.load(source) as arrays:
        expected = _gap(arrays["image"], arrays["imagenet_text_a"])
    output = tmp_path / "gap.json"
    metrics = "centroid_distance,centroid_distance_floor,linear_separability"
    arguments = ["--groups", "image,imagenet_text_a", "--metrics", metrics, "--bootstrap", "20", "-o", output]
    out = here("measure", source, *arguments).check_success()
    document = json.loads(output.read_text())
    assert _value(document, "centroid_distance", "image", "imagenet_text_a") == pytest.approx(expected, abs=1e-4)
    (headline,) = _headlines(out)
    assert headline.startswith("image and imagenet_text_a show a clear modality gap")
    assert any("'pixels'" in note for note in document["settings"]["notes"])


def test_flickr_five_captions_a_photo(shared_data, here, tmp_path):
    """Frozen towers share no space, so a ridge map brings the pictures into that of the captions."""
    with np.load(shared_data / "flickr8k" / "frozen_towers.npz") as arrays:
        x, y = arrays["image_effnetlite0"].astype(np.float64), arrays["text_usem3"].astype(np.float64)
    x, target = x - x.mean(axis=0), y.mean(axis=1)
    train, test = slice(0, 700), slice(700, 900)
    gram = x[train].T @ x[train]
    mapped = x[test] @ np.linalg.solve(
        gram + np.trace(gram) / len(gram) * np.eye(len(gram)), x[train].T @ target[train]
    )
    captions = y[test].reshape(1000, -1)
    embeddings = Embeddings(
        {
            "image": Group(vectors=mapped, items=np.arange(200)),
            "text": Group(vectors=captions, items=np.repeat(np.arange(200), 5)),
        }
    )
    write(embeddings, tmp_path / "captions.parquet")
    arguments = ["--metrics", "recall_at_k,centroid_distance", "--bootstrap", "20", "--json"]
    document = json.loads(here("measure", "captions.parquet", *arguments, cwd=tmp_path).check_success())
    found = _value(document, "recall_at_k", "image", "text", 10)
    chance = 1 - (1 - 5 / 1000) ** 10
    assert found > 5 * chance
    assert _value(document, "centroid_distance", "image", "text") == pytest.approx(_gap(mapped, captions), abs=1e-4)
