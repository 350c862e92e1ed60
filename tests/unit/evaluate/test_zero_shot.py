import numpy as np
import pytest

from crossgap.close.mean_removal import MeanRemoval
from crossgap.data.embeddings import Embeddings, Group
from crossgap.errors import DegenerateError
from crossgap.evaluate.comparison import Resampling
from crossgap.evaluate.folds import as_is, numbered, other_half, with_closer
from crossgap.evaluate.zero_shot import class_vectors, evaluate_zero_shot, with_classes

FEW = Resampling(replicates=30)


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _classes(classes=6, each=15, prompts=3, d=8, *, seed=0, labels=True):
    rng = np.random.default_rng(seed)
    centre = rng.normal(size=(classes, d))
    owner = np.repeat(np.arange(classes), each)
    rows = centre[owner] + 0.8 * rng.normal(size=(len(owner), d)) + 2 * np.eye(d)[0]
    words = np.repeat(np.arange(classes), prompts)
    texts = centre[words] + 0.5 * rng.normal(size=(len(words), d)) - 2 * np.eye(d)[0]
    names = [f"class {c}" for c in range(classes)]
    return Embeddings(
        {
            "image": Group(
                vectors=rows,
                items=np.arange(len(owner)) if labels else owner,
                label=[names[c] for c in owner] if labels else None,
            ),
            "text": Group(
                vectors=texts,
                items=1000 + np.arange(len(words)) if labels else words,
                label=[names[c] for c in words] if labels else None,
            ),
        }
    )


def _ready(e):
    return with_classes(numbered(e, unit="row")[0], "image", "text")


def test_numbers_match_a_plain_loop():
    e = _ready(_classes())
    found = evaluate_zero_shot(as_is(e), queries="image", prompts="text", resampling=Resampling(replicates=0))
    text, image = _unit(e["text"].vectors), _unit(e["image"].vectors)
    vectors = _unit(np.array([text[3 * c : 3 * c + 3].mean(axis=0) for c in range(6)]))
    right = {1: [], 5: []}
    for i, row in enumerate(image):
        order = np.argsort(-(vectors @ row))
        for k in right:
            right[k].append(i // 15 in order[:k])
    for k, values in right.items():
        assert found.find("zero_shot_accuracy", k=k).value == pytest.approx(np.mean(values))
    by_class = np.mean(np.reshape(right[1], (6, 15)).mean(axis=1))
    assert found.find("zero_shot_mean_class_accuracy").value == pytest.approx(by_class)


def test_the_mean_over_classes_weighs_classes_alike():
    e = _ready(_classes(each=15))
    kept = np.concatenate([np.arange(15, 90), [0, 1]])
    cut = Embeddings({"image": e["image"].take(kept), "text": e["text"]})
    found = evaluate_zero_shot(as_is(cut), queries="image", prompts="text", resampling=FEW)
    plain, by_class = found.find("zero_shot_accuracy", k=1), found.find("zero_shot_mean_class_accuracy")
    assert plain.value != by_class.value
    assert by_class.interval[0] <= by_class.value <= by_class.interval[1]


def test_item_ids_name_classes_where_there_are_no_labels():
    with_labels, with_ids = (
        evaluate_zero_shot(as_is(_ready(_classes(labels=labels))), queries="image", prompts="text", resampling=FEW)
        for labels in (True, False)
    )
    assert [m.value for m in with_labels.measurements] == [m.value for m in with_ids.measurements]


def test_half_of_the_rows_teaches_and_all_prompts_do():
    e = _ready(_classes())
    folds = other_half(e, unit="row", whole=["text"])
    found = evaluate_zero_shot(folds, queries="image", prompts="text", resampling=FEW)
    assert found.find("zero_shot_accuracy", k=1, version="after").options["n"] == 90
    assert found.verdicts[0].sentence.startswith("image into 6 classes of text: ")
    rights = []
    for fold in folds:
        assert len(fold.judged["text"]) == 18
        _, vectors = class_vectors(fold.rows("text", closed=True), fold.items("text"))
        best = np.argmax(fold.rows("image", closed=True) @ vectors.T, axis=1)
        rights += (np.unique(fold.items("text"))[best] == fold.items("image")).tolist()
    assert found.find("zero_shot_accuracy", k=1, version="after").value == pytest.approx(np.mean(rights))


def test_a_closer_that_was_fitted_before():
    e = _ready(_classes())
    closer = MeanRemoval().fit_embeddings(e)
    found = evaluate_zero_shot(with_closer(e, closer), queries="image", prompts="text", resampling=FEW)
    assert {m.options["version"] for m in found.measurements} == {"before", "after", "difference"}


@pytest.mark.parametrize(("ten", "wanted"), [(True, (0.748, 0.822)), (False, (0.416, 0.442))])
def test_cifar_pictures_by_names_of_imagenet(cifar_classes, ten, wanted):
    """Every picture is of one of ten classes; there are only these to choose from, or 1000 names."""
    e = with_classes(cifar_classes, "image", "text")
    if ten:
        known = np.flatnonzero(np.isin(e["text"].items, e["image"].items))
        e = Embeddings({"image": e["image"], "text": e["text"].take(known)})
    folds = other_half(e, unit="row", whole=["text"])
    found = evaluate_zero_shot(folds, queries="image", prompts="text", resampling=FEW)
    before, after = (found.find("zero_shot_accuracy", k=1, version=version).value for version in ("before", "after"))
    assert (before, after) == pytest.approx(wanted, abs=5e-3)


def test_rows_without_a_class_are_left_out():
    e = _classes()
    labels = ["nothing of the kind" if row < 10 else label for row, label in enumerate(e["image"].label)]
    image = Group(vectors=e["image"].vectors, items=e["image"].items, label=labels)
    ready = _ready(Embeddings({"image": image, "text": e["text"]}))
    assert len(ready["image"]) == 80


def test_no_class_in_common_is_refused():
    e = _classes()
    image = Group(vectors=e["image"].vectors, items=e["image"].items, label=["x"] * 90)
    with pytest.raises(DegenerateError, match="no row of image is of a class of text: neither their labels nor"):
        _ready(Embeddings({"image": image, "text": e["text"]}))


def test_one_class_is_refused():
    e = _ready(_classes(classes=1))
    with pytest.raises(DegenerateError, match="classifying needs at least two classes, but text names one"):
        evaluate_zero_shot(as_is(e), queries="image", prompts="text")


def test_prompts_that_cancel_are_refused():
    with pytest.raises(DegenerateError, match="the prompts of class 3 cancel"):
        class_vectors(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]]), np.array([3, 3, 4]))
