"""``crossgap explain``: every quantity is documented, and the command shows it."""

import inspect
import json
import re

import pytest
from typer.testing import CliRunner

from crossgap import measure
from crossgap.cli import app
from crossgap.report.collect import MEASURED
from crossgap.report.documentation import documentation

FUNCTIONS = [name for name in measure.__all__ if not isinstance(getattr(measure, name), type)]
TOOLS = {"bootstrap_interval", "bootstrap_weights", "paired_difference"}  # of certainty, and no quantities


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_says_what_it_is_and_whose(name):
    found = documentation(getattr(measure, name))
    assert found.summary.endswith(".")
    assert found.parameters, "has no section Parameters"
    if name not in TOOLS:
        assert found.formula or found.how_to_read, "has neither 'Formula::' nor 'How to read it:'"
        assert found.references, "has no section References"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_explained(name):
    done = CliRunner().invoke(app, ["explain", "--metric", name])
    assert done.exit_code == 0
    assert done.stderr == ""
    assert done.stdout.startswith(f"crossgap.measure.{name}(")
    assert done.stdout.splitlines()[-1].startswith("Next: ")
    for part in documentation(getattr(measure, name)).how_to_read.split()[1:6]:
        assert part in done.stdout


@pytest.mark.parametrize("name", MEASURED)
def test_every_name_in_a_report_can_be_explained(name):
    assert name in FUNCTIONS


def test_the_next_step_is_one_that_works():
    for name in FUNCTIONS:
        last = CliRunner().invoke(app, ["explain", "--metric", name]).stdout.splitlines()[-1]
        assert ("--metrics" in last) == (name in MEASURED), last


def test_the_sections(here):
    out = here("explain", "--metric", "centroid_distance").check_success()
    titles = [line for line in out.splitlines() if line and not line.startswith((" ", "crossgap.", "Next"))]
    for title in ("Formula", "How to read it", "Arguments", "Source"):
        assert title in titles


def test_json(here):
    document = json.loads(here("explain", "--metric", "uniformity", "--json").check_success())
    assert document["name"] == "uniformity"
    assert list(document) == [
        *("name", "signature", "summary", "formula", "how_to_read", "parameters", "returns"),
        *("raises", "notes", "references", "examples"),
    ]


def test_the_real_command(process):
    assert "Formula" in process("explain", "--metric", "recall_at_k").check_success()


@pytest.mark.parametrize(("given", "meant"), [("centroid_distanc", "centroid_distance"), ("hubnes", "hubness")])
def test_an_unknown_name_suggests_the_closest(given, meant, here):
    here("explain", "--metric", given).check_refusal(f"there is no quantity '{given}'", meant)


def test_suggestions_are_few(here):
    done = here("explain", "uniform_gap_cosine_distance")
    done.check_refusal("choose from ", "; crossgap explain lists all.")
    assert done.err.count(", ") <= 4


def test_a_name_far_from_all_says_where_they_are(here):
    done = here("explain", "zzz")
    done.check_refusal("there is no quantity 'zzz'; crossgap explain lists all.")


def test_a_bare_name_in_any_case(here):
    expected = here("explain", "--metric", "uniformity").check_success()
    for words in (["uniformity"], ["Uniformity"], ["--metric", "UNIFORMITY"]):
        assert here("explain", *words).check_success() == expected


def test_without_a_name_all_are_listed(here):
    out = here("explain").check_success()
    assert [line.split()[0] for line in out.splitlines()[:-2] if not line.startswith(" ")] == FUNCTIONS
    assert re.search(r"^hubness +[A-Z]", out, re.MULTILINE)
    assert out.splitlines()[-1].startswith("Next: crossgap explain ")
    assert here("explain", "--json").check_success().startswith("[")


def test_the_list_as_json(here):
    document = json.loads(here("explain", "--json").check_success())
    assert [entry["name"] for entry in document] == FUNCTIONS
    for entry in document:
        assert list(entry) == ["name", "summary"]
        assert entry["summary"] == inspect.getdoc(getattr(measure, entry["name"])).splitlines()[0]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_list_fits_the_terminal(width, process):
    out = process("explain", COLUMNS=str(width)).check_success()
    lines = out.splitlines()[:-2]
    assert max(map(len, lines)) <= width
    words = " ".join(out.split())
    for name in FUNCTIONS:
        assert f"{name} {inspect.getdoc(getattr(measure, name)).splitlines()[0]}" in words
    if width > 40:
        assert len({len(line) - len(line.lstrip()) for line in lines}) <= 2, "two columns"
