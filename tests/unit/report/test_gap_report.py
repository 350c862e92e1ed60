import json

import pytest

from crossgap.errors import FormatError
from crossgap.report import GapReport
from crossgap.results import Measurement


@pytest.fixture
def report() -> GapReport:
    return GapReport(
        version="1.2.3",
        inputs=({"group": "image", "n": 3, "d": 2}, {"group": "text", "n": 3, "d": 2}),
        settings={"seed": 0, "notes": ["ä"]},
        measurements=(
            Measurement(name="recall_at_k", groups=("image", "text"), value=0.5, interval=(0.4, 0.6), options={"k": 1}),
            Measurement(name="recall_at_k", groups=("image", "text"), value=0.8, options={"k": 5}),
            Measurement(name="recall_at_k", groups=("text", "image"), value=0.25, options={"k": 1}),
            Measurement(name="alignment", groups=("image", "text"), value=None, reason="needs pairs"),
        ),
    )


def test_the_round_trip_keeps_the_record_and_the_bytes(report):
    text = report.to_json()
    back = GapReport.from_json(text)
    assert back == report
    assert back.to_json() == text


def test_the_file_format(report):
    document = json.loads(report.to_json())
    assert list(document) == ["schema", "crossgap", "inputs", "settings", "measurements"]
    assert (document["schema"], document["crossgap"]) == (1, "1.2.3")
    assert report.to_json().endswith("}\n")
    assert "ä" in report.to_json()


def test_find_and_value(report):
    assert report.find("recall_at_k") is report.measurements[0]
    assert report.find("recall_at_k", k=5) is report.measurements[1]
    assert report.find("recall_at_k", "text", "image") is report.measurements[2]
    assert report.find("recall_at_k", "image", "text", k=5) is report.measurements[1]
    assert report.find("recall_at_k", "text", "image", k=5) is None
    assert report.find("recall_at_k", "image") is None
    assert report.value("recall_at_k", "text", "image", k=1) == 0.25
    assert report.value("alignment") is None
    assert report.value("mmd") is None


def test_another_schema(report):
    text = report.to_json().replace('"schema": 1', '"schema": 7')
    with pytest.raises(FormatError, match=r"must have schema 1, but this one has 7; measure again with this version"):
        GapReport.from_json(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        "3",
        "null",
        "{}",
        '{"schema": 1}',
        '{"schema": 1, "crossgap": "1", "inputs": [], "settings": {}, "measurements": [{}]}',
        '{"schema": 1, "crossgap": "1", "inputs": [], "settings": {}, "measurements": [3]}',
        '{"schema": 1, "crossgap": "1", "inputs": 3, "settings": {}, "measurements": []}',
    ],
)
def test_what_is_no_report(text):
    with pytest.raises(FormatError, match=r"must be JSON as `crossgap measure` writes it, .*; measure again\."):
        GapReport.from_json(text)


@pytest.mark.parametrize(
    ("key", "value"),
    [("value", "high"), ("value", None), ("interval", [0.1, "b"]), ("interval", [0.1]), ("value", float("nan"))],
)
def test_a_measurement_that_is_none(report, key, value):
    document = json.loads(report.to_json())
    document["measurements"][0][key] = value
    with pytest.raises(FormatError, match="must be JSON as `crossgap measure` writes it"):
        GapReport.from_json(json.dumps(document))


def test_nesting_without_end():
    with pytest.raises(FormatError, match="must be JSON as `crossgap measure` writes it"):
        GapReport.from_json("[" * 100_000)
