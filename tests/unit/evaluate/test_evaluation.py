import json

from crossgap.evaluate.evaluation import Evaluation, Verdict
from crossgap.results import Measurement


def test_a_record_finds_its_numbers_and_writes_itself():
    numbers = tuple(
        Measurement(name="m", groups=("a",), value=value, options={"version": version})
        for version, value in (("before", 1 / 3), ("after", 2 / 3))
    )
    verdict = Verdict(groups=("a",), decision="close it", sentence="Do.")
    record = Evaluation(
        task="mixed", version="1", inputs=(), settings={"k": 1}, measurements=numbers, verdicts=(verdict,)
    )
    assert record.find("m", "a", version="after").value == 2 / 3
    assert record.find("m", "b") is None
    assert record.find("n") is None
    document = json.loads(record.to_json())
    assert document["schema"] == 1
    assert document["task"] == "mixed"
    assert document["measurements"][0]["value"] == 0.333333333
    assert document["verdicts"] == [{"groups": ["a"], "decision": "close it", "sentence": "Do.", "cause": None}]
