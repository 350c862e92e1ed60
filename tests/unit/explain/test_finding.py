"""The records: a value or a reason, plain numbers, and bytes that repeat."""

import json

import pytest

from crossgap.explain.finding import Explanation, Finding
from crossgap.results import Measurement


def finding(**changes):
    told = {"name": "offset", "groups": ("image", "text"), "sentence": "Half is offset.", "value": 0.5}
    return Finding(**(told | changes))


def test_a_finding_has_a_value_or_a_reason():
    for value, reason in ((None, None), (0.5, "no pairs")):
        with pytest.raises(ValueError, match="offset must have either a value or a reason"):
            finding(value=value, reason=reason)


@pytest.mark.parametrize("bad", [{"value": float("nan")}, {"value": float("inf")}, {"interval": (0.1, float("nan"))}])
def test_no_finding_is_without_an_end(bad):
    with pytest.raises(ValueError, match="offset must be finite"):
        finding(**bad)


def test_a_skipped_finding_says_why():
    skipped = Finding.skipped("offset", ("image", "text"), "needs pairs: there are none.")
    assert skipped.reason == "needs pairs: there are none"
    assert skipped.sentence == "Not said: needs pairs: there are none."
    assert skipped.as_json()["value"] is None


def test_evidence_is_found_by_name_groups_and_options():
    evidence = (
        Measurement(name="hubness", groups=("image", "text"), value=1.0, options={"k": 10}),
        Measurement(name="hubness", groups=("text", "image"), value=2.0, options={"k": 10}),
        Measurement(name="hubness", groups=("text", "image"), value=3.0, options={"k": 5}),
    )
    found = finding(evidence=evidence)
    assert found.measured("hubness").value == 1.0
    assert found.measured("hubness", "text", "image").value == 2.0
    assert found.measured("hubness", k=5).value == 3.0
    assert found.measured("alignment") is None


def test_json():
    measured = Measurement(name="alignment", groups=("image", "text"), value=1 / 3)
    found = finding(value=2 / 3, interval=(0.1, 0.7), evidence=(measured,))
    explanation = Explanation(version="1", inputs=({"group": "image"},), settings={"seed": 0}, findings=(found,))
    document = json.loads(explanation.to_json())
    assert list(document) == ["schema", "crossgap", "inputs", "settings", "findings"]
    (entry,) = document["findings"]
    assert list(entry) == ["name", "groups", "sentence", "value", "interval", "reason", "evidence"]
    assert entry["value"] == 0.666666667
    assert entry["evidence"][0]["name"] == "alignment"
    assert explanation.to_json() == explanation.to_json()


def test_findings_are_found():
    one, other = finding(), finding(groups=("image", "audio"), value=0.1)
    explanation = Explanation(version="1", inputs=(), settings={}, findings=(one, other))
    assert explanation.find("offset") is one
    assert explanation.find("offset", "image", "audio") is other
    assert explanation.find("details") is None
