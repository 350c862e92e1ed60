"""``crossgap explain --metric``: every quantity is documented, and the command shows it."""

import json

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


def test_a_name_far_from_all_lists_them(here):
    here("explain", "--metric", "zzz").check_refusal("choose from alignment,", "within_cosine")
