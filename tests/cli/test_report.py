"""``crossgap report``: the page from the file alone, and files that are none."""

import json

import pytest

from crossgap import sample
from crossgap.report import collect


@pytest.fixture(scope="module")
def document():
    return collect(sample().sample_items(40), replicates=10, details=True).to_json()


@pytest.fixture
def file(tmp_path, document, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gap.json").write_text(document, encoding="utf-8")
    return tmp_path / "gap.json"


def test_the_page_is_that_of_the_file(process, file):
    out = process("report", "gap.json", "-o", "one.html", cwd=file.parent).check_success()
    assert out.startswith("Written: one.html\nNext: open one.html in a browser")
    process("report", "gap.json", "-o", "two.html", cwd=file.parent).check_success()
    page = (file.parent / "one.html").read_bytes()
    assert page == (file.parent / "two.html").read_bytes()
    assert page.lower().startswith(b"<!doctype html>")


def test_an_older_page_is_replaced_and_a_foreign_file_is_not(here, file):
    here("report", "gap.json")
    before = (file.parent / "gap.html").read_bytes()
    here("report", "gap.json").check_success()
    assert (file.parent / "gap.html").read_bytes() == before
    (file.parent / "mine.html").write_text("my notes", encoding="utf-8")
    here("report", "gap.json", "-o", "mine.html").check_refusal("is no page of an earlier run")
    assert (file.parent / "mine.html").read_text(encoding="utf-8") == "my notes"


@pytest.mark.parametrize(
    ("content", "fragments"),
    [
        (None, ("there is no report 'bad.json'", "crossgap measure SOURCE -o bad.json")),
        (b"", ("must be JSON as `crossgap measure` writes it",)),
        (b"[1, 2]", ("must be JSON as `crossgap measure` writes it",)),
        (b'{"schema": 2}', ("must have schema 1, but this one has 2",)),
        (b'{"schema": 1, "crossgap": "0"}', ("must be JSON as",)),
        (b"\xff\xfe\x00", ("is no text",)),
        (b'{"schema": 1' + b"[" * 100_000, ("must be JSON as",)),
    ],
)
def test_files_that_are_no_report(here, tmp_path, monkeypatch, content, fragments):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / "bad.json").write_bytes(content)
    here("report", "bad.json", "-o", "page.html").check_refusal(*fragments)
    assert not (tmp_path / "page.html").exists()


def test_a_file_that_is_too_large(here, tmp_path, monkeypatch):
    monkeypatch.setattr("crossgap.cli.report_file._MOST_BYTES", 10)
    (tmp_path / "bad.json").write_text("{" + " " * 20 + "}", encoding="utf-8")
    here("report", tmp_path / "bad.json", "-o", tmp_path / "page.html").check_refusal("more than 10 bytes")


@pytest.mark.parametrize("command", ["report", "figures"])
@pytest.mark.parametrize("kind", ["maps", "spectra", "gap_location"])
def test_details_of_another_form(here, file, document, kind, command):
    changed = json.loads(document)
    for entry in changed["details"][kind]:
        for key in list(entry):
            if key not in ("kind", "group", "groups"):
                del entry[key]
    file.write_text(json.dumps(changed), encoding="utf-8")
    done = here(command, "gap.json", "-o", "out.html" if command == "report" else "out")
    if done.code:
        done.check_refusal("holds details that cannot be drawn")
        assert not (file.parent / "out.html").exists()


@pytest.mark.parametrize(
    ("output", "fragment"),
    [("page.txt", "must end in .html"), ("no/page.html", "does not exist"), ("-", "must be a path")],
)
def test_bad_outputs(here, file, output, fragment):
    here("report", "gap.json", "-o", output).check_refusal(fragment)
