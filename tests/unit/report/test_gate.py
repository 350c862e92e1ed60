from dataclasses import replace

import numpy as np
import pytest

from crossgap import Embeddings
from crossgap.report.models import ModelComparison, check_gate, compare_models
from crossgap.report.models.differences import written
from crossgap.report.models.gate import parsed_gate
from crossgap.results import Measurement


def _measured(name, value, *groups, interval=None, reason=None, **options):
    return Measurement(name=name, groups=groups, value=value, interval=interval, options=options, reason=reason)


@pytest.fixture
def comparison():
    def found(gap, recall):
        return (
            _measured("centroid_distance", gap, "image", "text", interval=(gap - 0.1, gap + 0.1)),
            _measured("recall_at_k", recall, "image", "text", k=1),
            _measured("recall_at_k", recall - 0.1, "text", "image", k=1),
            _measured("recall_at_k", recall + 0.1, "image", "text", k=5),
            _measured("mmd", None, "image", "text", reason="too few rows"),
        )

    changes = (_measured("centroid_distance", -0.3, "image", "text", interval=(-0.35, -0.25)),)
    return ModelComparison(
        version="0",
        models={"clip": (), "cloob": ()},
        settings={"groups": ["image", "text"]},
        measurements={"clip": found(0.8, 0.6), "cloob": found(0.5, 0.55)},
        differences={"cloob": changes},
        similarities=(_measured("cka", 0.7, "image", models=["clip", "cloob"]),),
    )


@pytest.mark.parametrize(
    ("expression", "passes"),
    [
        ("centroid_distance < 0.6", True),
        ("centroid_distance < 0.4", False),
        ("0.4 < centroid_distance <= 0.5", True),
        ("baseline(centroid_distance) == 0.8", True),
        ("change(centroid_distance) <= -0.3", True),
        ("low(change(centroid_distance)) > -0.34", False),
        ("high(centroid_distance) < 0.61 and high(centroid_distance) > 0.59", True),
        ('recall_at_k("image", "text", k=1) >= 0.55', True),
        ('recall_at_k("text", "image", k=1) >= 0.55', False),
        ('recall_at_k("image", "text", k=5) / baseline(recall_at_k("image", "text", k=5)) > 0.9', True),
        ("recall_at_k(k=5) * 2 - 1 > 0.2 + 0.05", True),
        ('similarity(cka("image")) > 0.6', True),
        ("not centroid_distance < 0.4 or centroid_distance > 9", True),
        ("centroid_distance != -0.5", True),
        ("centroid_distance > +0.1", True),
    ],
)
def test_gates(comparison, expression, passes):
    (gate,) = check_gate(comparison, expression)
    assert gate.model == "cloob"
    assert gate.passed is passes


def test_a_gate_tells_its_numbers_once(comparison):
    (gate,) = check_gate(comparison, "centroid_distance < 1 and centroid_distance > 0")
    assert gate.numbers == ("centroid_distance = 0.500 [0.400, 0.600]",)


def test_all_parts_are_looked_up_though_the_first_decides(comparison):
    (gate,) = check_gate(comparison, "centroid_distance > 1 and change(centroid_distance) < 0")
    assert len(gate.numbers) == 2


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "must be a comparison such as"),
        ("1 < 2", "asks for none"),
        ("1 is 1", "compares nothing"),
        ("1e999 < centroid_distance", "is no number of a gate"),
        ("1" + "0" * 500 + " < centroid_distance", "is no number of a gate"),
        ("centroid_distance < 1j", "is no number of a gate"),
        ("centroid_distance(*[1]) < 1", "is no number of a gate"),
        ("centroid_distance(**{'a': 1}) < 1", "is no number of a gate"),
        ("(x := 3) < 4", "is no number of a gate"),
        ("a\x00 < 1", "must be a comparison such as"),
        ("-" * 1900 + "centroid_distance < 1", "must nest at most 100 levels"),
        ("+".join(["1"] * 900) + " < centroid_distance", "must nest at most 100 levels"),
        ("(" * 500 + "1" + ")" * 500 + " < 2", "must be a comparison such as"),
        ("low(3) < 1", r"low\(...\) takes one quantity, but '3' is none"),
        ("low(low(centroid_distance)) < 1", "takes one quantity"),
        ("change(low(centroid_distance)) < 1", "takes one quantity"),
        ("similarity(3) < 1", r'write for example similarity\(cka\("image"\)\)'),
        ("centroid_distnace < 1", "'centroid_distnace' is no quantity that is compared; choose from centroid_distance"),
        ("float('nan') < 1", "crossgap explain lists them"),
        ("cka('image') > 0", r"write similarity\(cka\(...\)\)"),
        ("similarity(centroid_distance) > 0", "is no similarity that is compared; choose from"),
        ("two_nn_dimension > 1", "will not be measured; name it in --metrics"),
        ("precision_recall > 1", "is a curve"),
        ("centroid_distance <", "must be a comparison such as"),
        ("centroid_distance", "compares nothing"),
        ("centroid_distance in 3", "compares nothing"),
        ("__import__('os').system('true') == 0", "is no number of a gate"),
        ("[1] < 2", "is no number of a gate"),
        ("True < 2", "is no number of a gate"),
        ("centroid_distance.real < 2", "is no number of a gate"),
        ("2 ** 9 < 3", "is no number of a gate"),
        ("(lambda: 1)() < 2", "is no number of a gate"),
        ("a < 1 " + "and a < 1 " * 300, "at most 2000 characters"),
    ],
)
def test_no_gate(expression, message):
    with pytest.raises(ValueError, match=message):
        parsed_gate(expression)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("recall_at_k < 1", r'may be several numbers; write one of recall_at_k\("image", "text", k=1\)'),
        ('recall_at_k("image", "text", k=7) < 1', "is not among what was measured"),
        ("mmd < 1", "mmd has no value for cloob: too few rows"),
        ("low(recall_at_k(k=5)) < 1", "recall_at_k\\(k=5\\) has no interval"),
        ("centroid_distance / 0 < 1", "divides by zero"),
        ("change(mmd) < 1", "mmd has no value for clip: too few rows"),
        ("change(recall_at_k(k=5)) < 1", "change of recall_at_k was not measured of cloob"),
        ("uniformity < 1", "uniformity was not measured of cloob"),
        ('similarity(cka("text")) > 0', r'is not among what was measured: cka\("image"\)'),
        ("similarity(mutual_neighbours) > 0", "similarity mutual_neighbours was not measured of clip and cloob"),
        ("centroid_distance / (centroid_distance - centroid_distance) < 1", "divides by zero"),
        ("centroid_distance * 1e300 * 1e300 < 1", "or is too large"),
    ],
)
def test_gates_that_ask_for_what_is_not_there(comparison, expression, message):
    with pytest.raises(ValueError, match=message):
        check_gate(comparison, expression)


def test_no_interval_says_why(comparison):
    tree = Measurement(
        name="cross_edge_share", groups=("image", "text"), value=0.1, options={"no_interval": "it was not resampled"}
    )
    told = replace(comparison, settings={"groups": [], "bootstrap": 200}, differences={"cloob": (tree,)})
    told = replace(told, measurements={label: (*found, tree) for label, found in told.measurements.items()})
    with pytest.raises(ValueError, match="has no interval: it was not resampled"):
        check_gate(told, "low(change(cross_edge_share)) > 0")
    without = replace(told, settings={"groups": [], "bootstrap": 0})
    with pytest.raises(ValueError, match="compare with --bootstrap 200"):
        check_gate(without, "low(change(cross_edge_share)) > 0")


def test_similarities_need_the_same_items(comparison):
    apart = replace(comparison, settings={"groups": [], "paired": False})
    with pytest.raises(ValueError, match="needs the same items"):
        check_gate(apart, "similarity(cka) > 0")


def test_quantities_beside_the_usual_ones_are_asked_for_by_name():
    parsed_gate("two_nn_dimension > 1", metrics=["two_nn_dimension"])
    with pytest.raises(ValueError, match="will not be measured"):
        parsed_gate("centroid_distance < 1", metrics=["two_nn_dimension"])


def test_every_number_has_a_name_that_a_gate_takes():
    rng = np.random.default_rng(0)
    rows = {name: rng.standard_normal((40, 6)) + 1 for name in ("image", "text")}
    found = compare_models({"a": Embeddings.from_arrays(**rows), "b": Embeddings.from_arrays(**rows)}, replicates=10)
    checked = 0
    for one in found.measurements["b"]:
        if one.value is not None:
            (gate,) = check_gate(found, f"{written(one)} <= {one.value!r}")
            assert gate.passed, written(one)
            checked += 1
    for one in found.differences["b"]:
        (gate,) = check_gate(found, f"change({written(one)}) == 0")
        assert gate.passed
    for one in found.similarities:
        if one.value is not None:
            assert check_gate(found, f"similarity({written(one)}) == {one.value!r}")[0].passed
    assert checked > 60
