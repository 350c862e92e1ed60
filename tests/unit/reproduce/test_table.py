"""The record of an experiment: summaries, ranges, orderings, and the three views drawn from it."""

import json
import math

import pytest

from crossgap.reproduce.table import Ordering, Reference, Row, Summary, Table, lower, ordering, rising


def _table(**changes) -> Table:
    rows = (
        Row(
            condition={"d": 8, "loss": "CLIP"},
            measured={"centroid_distance": (0.1, 0.2, 0.3), "recall_at_1/x_to_y": (0.5, 0.5, 0.5)},
            references={
                "paper": {"centroid_distance": Reference.published(0.5, 0.01)},
                "toy": {
                    "centroid_distance": Reference.band(0.15, 0.25, 0.2),
                    "recall_at_1/x_to_y": Reference.band(0.6, 0.7),
                },
            },
        ),
        Row(
            condition={"d": 16, "loss": "CLIP"},
            measured={"centroid_distance": (0.1, 0.2, 1.9)},
            statistic="median",
            references={"toy": {"centroid_distance": Reference(value=0.2)}},
        ),
    )
    options = {
        "name": "example",
        "title": "An example",
        "columns": ("centroid_distance", "recall_at_1/x_to_y", "uniformity"),
        "rows": rows,
        "sources": {"paper": "table 1.", "toy": "earlier."},
        "orderings": (rising("the gap grows", "paper", {"d=8": 0.2, "d=16": 0.1}),),
        "settings": {"seed": 0, "dimensions": (8, 16), "losses": {"CLIP": {"scale": 1 / 3}}},
        "notes": ("nothing was left out",),
    }
    return Table(**{**options, **changes})


def test_a_summary_by_hand():
    found = Summary.of([1.0, 2.0, 6.0])
    assert (found.n, found.mean, found.median, found.least, found.greatest) == (3, 3.0, 2.0, 1.0, 6.0)
    assert found.standard_error == pytest.approx(math.sqrt((4 + 1 + 9) / 2 / 3))
    assert Summary.of([2.0]).standard_error is None


def test_a_reference_judges_by_its_range_alone():
    band = Reference.band(0.1, 0.2, 0.15)
    assert (band.holds(0.1), band.holds(0.2), band.holds(0.2001)) == (True, True, False)
    assert Reference(value=0.1).holds(0.1) is None
    assert Reference.published(0.5, 0.01).holds(0.5) is None
    judged = Reference.published(0.5, 0.01, judged_by=0.03)
    assert (judged.holds(0.47 + 1e-9), judged.holds(0.46)) == (True, False)
    assert judged.as_json() == {"value": 0.5, "standard_error": 0.01, "low": 0.47, "high": 0.53}
    assert Reference.band(0.1, 0.2, rounded_to=0.01).holds(0.2049) is True


def test_the_middle_is_the_mean_or_the_median():
    table = _table()
    assert table.row(d=8).middle("centroid_distance") == pytest.approx(0.2)
    assert table.row(d=16).middle("centroid_distance") == 0.2
    assert table.row(d=8).held("toy", "centroid_distance") is True
    assert table.row(d=8).held("toy", "recall_at_1/x_to_y") is False
    assert table.row(d=16).held("toy", "centroid_distance") is None
    assert table.row(d=16).held("paper", "centroid_distance") is None
    assert table.bands("toy") == (1, 2)
    assert table.bands("paper") == (0, 0)


def test_orderings():
    assert rising("up", "s", {"a": 1.0, "b": 2.0}).held
    assert not rising("up", "s", {"a": 1.0, "b": 1.0}).held
    assert rising("up", "s", {"a": 1.0, "b": 0.9}, margin=-0.2).held
    assert not rising("up", "s", {"a": 1.0, "b": 1.1}, margin=0.2).held
    assert lower("less", "s", {"a": (1.0, 2.0)}).held
    assert not lower("less", "s", {"a": (1.0, 2.0), "b": (2.0, 2.0)}).held
    assert not lower("less", "s", {"a": (1.0, 2.0)}, margin=1.5).held
    assert lower("less", "s", {"b": (2.0, 1.0)}).numbers == "b: 2.000 not < 1.000"
    own = ordering("so", "s", True, {"a": 12.34})
    assert own == Ordering(sentence="so", source="s", held=True, numbers="a 12.3")


def test_the_json_holds_everything_and_is_the_same_twice(tmp_path):
    table = _table()
    document = json.loads(table.to_json())
    assert document["schema"] == 1
    assert document["settings"] == {"seed": 0, "dimensions": [8, 16], "losses": {"CLIP": {"scale": 0.333333333}}}
    gap, recall = document["rows"][0]["quantities"]
    assert gap["values"] == [0.1, 0.2, 0.3]
    assert (gap["mean"], gap["median"], gap["least"], gap["greatest"], gap["n"]) == (0.2, 0.2, 0.1, 0.3, 3)
    assert gap["standard_error"] == pytest.approx(0.1 / math.sqrt(3))
    assert gap["references"] == [
        {"source": "paper", "value": 0.5, "standard_error": 0.01, "held": None},
        {"source": "toy", "value": 0.2, "low": 0.15, "high": 0.25, "held": True},
    ]
    assert recall["references"] == [{"source": "toy", "low": 0.6, "high": 0.7, "held": False}]
    assert document["rows"][1]["compared_by"] == "median"
    assert document["orderings"] == [
        {"sentence": "the gap grows", "source": "paper", "held": False, "numbers": "d=8 0.200, d=16 0.100"}
    ]
    assert document["notes"] == ["nothing was left out"]
    table.write(tmp_path / "table.json")
    assert (tmp_path / "table.json").read_text(encoding="utf-8") == _table().to_json()


def test_the_text():
    text = _table().text()
    lines = text.splitlines()
    assert lines[0] == "An example"
    assert lines[2].split() == ["d", "loss", "gap", "R@1", "x→y", "U"]
    (here,) = [line for line in lines if line.startswith("8 ")]
    assert "0.200±0.058" in here
    assert "0.500±0.000" in here
    assert any("0.500±0.010" in line and line.split()[0] == "paper" for line in lines)
    assert any("0.200 (0.150..0.250) ok" in line and "0.600..0.700 OUT" in line for line in lines)
    assert any("here, median" in line and "0.200 (0.100..1.900)" in line for line in lines)
    assert "toy: earlier. 1 of 2 numbers lie in the range." in lines
    assert "NOT HELD: the gap grows [paper] (d=8 0.200, d=16 0.100)" in lines
    assert "note: nothing was left out" in lines


def test_narrow_text_puts_columns_below_each_other():
    wide, narrow = _table().text(), _table().text(width=60)
    assert max(len(line) for line in narrow.splitlines() if "±" in line) <= 60 < max(map(len, wide.splitlines()))
    assert narrow.count("here, median") > 1 == wide.count("here, median")


def test_the_markdown():
    lines = _table().markdown(quantities=["centroid_distance"]).splitlines()
    assert lines[0] == "| d | loss |  | gap |"
    assert lines[1] == "| --- | --- | --- | --- |"
    assert lines[2] == "| 8 | CLIP | here | 0.200±0.058 |"
    assert "- NOT HELD: the gap grows [paper] (d=8 0.200, d=16 0.100)" in lines
    assert _table().markdown().splitlines()[0] == "| d | loss |  | gap | R@1 x→y | U |"


def test_a_table_without_references_has_no_column_for_them():
    rows = (Row(condition={"loss": "CLIP"}, measured={"uniformity": (-2.0,)}),)
    table = _table(rows=rows, orderings=(), sources={}, notes=())
    assert table.markdown(quantities=["uniformity"]) == "| loss | U |\n| --- | --- |\n| CLIP | -2.000 |\n"
    named = _table(headings={"uniformity": "evenness"})
    assert named.markdown(quantities=["uniformity"]).startswith("| d | loss |  | evenness |")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Summary.of([]), "^values must hold at least one number, but there are none"),
        (lambda: Summary.of([1.0, math.nan]), "^values must be finite, but one is nan"),
        (lambda: Reference(low=0.1), "^a range must have both ends"),
        (lambda: Reference.band(0.2, 0.1), "^low must not be above high, but they are 0.2 and 0.1"),
        (lambda: Reference(), "^a reference must have a value or a range"),
        (lambda: Row(condition={}, measured={}, statistic="mode"), "^statistic must be 'mean' or 'median'"),
        (lambda: _table().row(d=8).middle("alignment"), "^'alignment' was not measured; there are centroid_distance"),
        (lambda: _table().row(loss="CLIP"), "^one row must have {'loss': 'CLIP'}, but 2 have"),
        (lambda: _table(sources={"toy": "t"}), "^a row names the source 'paper', which is not in sources"),
        (
            lambda: _table(rows=(), sources={}, orderings=(rising("up", "paper", {"a": 1.0}),)),
            "^an ordering names the source 'paper'",
        ),
    ],
)
def test_messages(call, message):
    with pytest.raises(ValueError, match=message):
        call()
