import pytest

from crossgap.report.models import ModelComparison, check_gate
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
        ("centroid_distnace < 1", "'centroid_distnace' was not measured; choose from centroid_distance"),
        ("recall_at_k < 1", r'may be several numbers; write one of recall_at_k\("image", "text", k=1\)'),
        ('recall_at_k("image", "text", k=7) < 1', "is not among what was measured"),
        ("mmd < 1", "mmd has no value for cloob: too few rows"),
        ("low(recall_at_k(k=5)) < 1", "has no interval; compare with --bootstrap 200"),
        ("low(3) < 1", "is no quantity; low and high take one quantity"),
        ("centroid_distance / 0 < 1", "divides by zero"),
        ("change(mmd) < 1", "'mmd' was not measured"),
    ],
)
def test_gates_that_ask_for_what_is_not_there(comparison, expression, message):
    with pytest.raises(ValueError, match=message):
        check_gate(comparison, expression)
