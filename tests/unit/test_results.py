import json
import math

import numpy as np
import pytest

from crossgap.results import Interval, Measurement, percent, to_json, told, with_bounds


def test_an_interval_holds_its_numbers():
    found = Interval(value=0.5, low=0.4, high=0.7)
    assert found.level == 0.95
    assert 0.4 in found
    assert 0.7 in found
    assert 0.39 not in found
    assert 0.71 not in found


def test_records_are_frozen_and_take_keywords_only():
    found = Measurement(name="a", groups=("x",), value=1.0)
    with pytest.raises(AttributeError):
        found.value = 2.0  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(TypeError):
        Measurement("a", ("x",), 1.0)  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize("reason", [None, "too few rows"])
def test_a_measurement_has_a_value_or_a_reason(reason):
    value = None if reason is None else 1.0
    with pytest.raises(
        ValueError, match=r"mmd must have either a value or a reason for having none; give exactly one\."
    ):
        Measurement(name="mmd", groups=("x", "y"), value=value, reason=reason)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_measurement_is_finite(number):
    with pytest.raises(ValueError, match=rf"mmd must be finite, but it is {number}; give no value and a reason"):
        Measurement(name="mmd", groups=("x", "y"), value=number)
    with pytest.raises(ValueError, match="mmd must be finite"):
        Measurement(name="mmd", groups=("x", "y"), value=1.0, interval=(0.0, number))


def test_json_has_the_keys_of_the_file_format_in_order():
    found = Measurement(
        name="recall_at_k", groups=("q", "g"), value=1 / 3, interval=(0.1, 2 / 3), options={"k": 5, "share": 1 / 7}
    )
    assert list(found.as_json()) == ["name", "groups", "value", "interval", "options", "reason"]
    assert found.as_json() == {
        "name": "recall_at_k",
        "groups": ["q", "g"],
        "value": 0.333333333,
        "interval": [0.1, 0.666666667],
        "options": {"k": 5, "share": 0.142857143},
        "reason": None,
    }


def test_json_of_a_skipped_measurement():
    found = Measurement(name="alignment", groups=("x", "y"), value=None, reason="needs pairs")
    assert found.as_json()["value"] is None
    assert found.as_json()["interval"] is None
    assert found.as_json()["reason"] == "needs pairs"


def test_large_and_small_numbers_keep_nine_digits():
    for number in (123456789.987, 1.23456789987e-12, -9.87654321123e8):
        told = Measurement(name="a", groups=("x",), value=number).as_json()["value"]
        assert told == pytest.approx(number, rel=1e-8)


def test_equal_records_give_equal_bytes():
    first, second = (to_json({"a": [1, 2.5], "b": {"ä": None}}) for _ in range(2))
    assert first == second == '{\n  "a": [1, 2.5],\n  "b": {\n    "ä": null\n  }\n}\n'


def test_json_never_holds_nan():
    for number in (math.nan, math.inf):
        with pytest.raises(ValueError, match="Out of range float"):
            to_json({"a": number})


def test_numbers_of_numpy_are_plain_numbers():
    found = Measurement(name="a", groups=("x",), value=np.float64(0.5), interval=(np.float64(0.25), np.float64(0.75)))
    assert json.loads(to_json(found.as_json()))["interval"] == [0.25, 0.75]


def _measured(value, *interval):
    reason = "nothing pairs" if value is None else None
    return Measurement(name="d", groups=("a",), value=value, interval=interval or None, reason=reason)


def test_numbers_are_told_with_their_intervals():
    assert told(_measured(0.5, 0.4, 0.6)) == "0.500 [0.400, 0.600]"
    assert told(_measured(12.34, 10.0, 14.0), 1) == "12.3 [10.0, 14.0]"
    assert told(_measured(0.5)) == "0.500"
    assert told(None) == told(_measured(None)) == "-"


def test_changes_are_told_with_their_sign_and_no_negative_zero():
    assert told(_measured(-1e-9, -0.0001, 0.25), sign=True) == "+0.000 [+0.000, +0.250]"
    assert with_bounds(-0.0004) == "0.000"
    assert with_bounds(-0.25, (-0.5, 0.0), 2, sign=True) == "-0.25 [-0.50, +0.00]"
    assert percent(0.1234) == "12.3%"


def test_strings_that_look_like_lists_stay_as_they_are():
    document = {"text": "[\n  1,\n  2\n]", "lists": [[1, -2.5e-07], [3]], "mixed": [1, None], "none": []}
    text = to_json(document)
    assert json.loads(text) == document
    assert "[1, -2.5e-07]" in text
