import json

import pytest

from crossgap.doctor import Finding, verdict_line
from crossgap.doctor.finding import row_list, sorted_findings


def finding(name="x", severity="note", **rest):
    return Finding(name=name, severity=severity, evidence="seen", mend="do", **rest)


def test_verdict_counts_by_severity():
    assert verdict_line([]) == "No blunder found."
    assert verdict_line([finding()]) == "No blunder found; 1 note."
    three = [finding(), finding(), finding(severity="error")]
    assert verdict_line(three) == "3 findings: 1 error, 2 notes."
    assert verdict_line([finding(severity="warning")] * 2) == "2 findings: 2 warnings."


def test_the_gravest_come_first_then_the_name():
    found = [finding("b"), finding("a"), finding("z", "error"), finding("c", "warning")]
    assert [f.name for f in sorted_findings(found)] == ["z", "c", "a", "b"]


def test_json_is_plain_and_rounded():
    document = finding(groups=("image",), numbers={"share": 1 / 3, "rows": 2}).as_json()
    assert document["numbers"] == {"share": 0.333333333, "rows": 2}
    assert document["groups"] == ["image"]
    assert set(json.loads(json.dumps(document))) == {"name", "severity", "groups", "evidence", "mend", "numbers"}


def test_bad_findings_are_refused():
    with pytest.raises(ValueError, match="severity must be one of error, warning, note"):
        finding(severity="bad")
    with pytest.raises(ValueError, match="must be finite, but share is nan"):
        finding(numbers={"share": float("nan")})


def test_rows_are_named_and_counted():
    assert row_list([4]) == "row 4"
    assert row_list([4, 5]) == "rows 4 and 5"
    assert row_list(range(7)) == "rows 0, 1, 2, 3, 4 and 2 more"
