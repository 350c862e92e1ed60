"""The journal of a run: what it remembers, whom it lets in, and what it makes of a line that was cut."""

import errno
import io
import json
import os
import subprocess
import sys

import pytest

from crossgap.apply.journal import Journal, read_entries

HEADER = {"closer": "c", "source": ["s"], "options": {}}


@pytest.fixture
def open_journal(tmp_path):
    opened = []

    def open_(header=HEADER, **options):
        journal = Journal(tmp_path / "journal", header, output=tmp_path / "out.npy", part=tmp_path / "part", **options)
        opened.append(journal)
        return journal

    yield open_
    for journal in opened:
        journal.close()


def _stopped(open_journal, tmp_path, entries=({"file": 0, "rows": 5},)):
    (tmp_path / "part").write_bytes(b"")
    journal = open_journal()
    journal.add(list(entries))
    journal.close()


def test_a_full_disk_leaves_no_journal_and_no_second_error(open_journal, tmp_path, monkeypatch):
    """What could not be written must not be tried again on closing, which would hide the first error."""

    def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    class Full(io.FileIO):
        write = full

    monkeypatch.setattr("crossgap.apply.journal.io.FileIO", Full)
    with pytest.raises(OSError, match="No space left"):
        open_journal()
    assert not list(tmp_path.iterdir())


def test_entries_are_there_again(open_journal, tmp_path):
    _stopped(open_journal, tmp_path)
    again = open_journal()
    assert again.entries == [{"file": 0, "rows": 5}]
    again.add([{"file": 0, "rows": 6}])
    assert read_entries(again.path) == again.entries == [{"file": 0, "rows": 5}, {"file": 0, "rows": 6}]
    lines = [json.loads(line) for line in again.path.read_text().splitlines()]
    assert lines[0] == {"crossgap": "apply", **HEADER}
    assert [line["run"] for line in lines if "run" in line] == [os.getpid()] * 2


@pytest.mark.parametrize("cut", range(1, 20))
def test_a_line_that_was_cut_is_dropped(open_journal, tmp_path, cut):
    _stopped(open_journal, tmp_path, [{"file": 0, "rows": 5}, {"file": 0, "rows": 6}])
    path = tmp_path / "journal"
    path.write_bytes(path.read_bytes()[:-cut])
    assert read_entries(path) == [{"file": 0, "rows": 5}]
    again = open_journal()
    assert again.entries == [{"file": 0, "rows": 5}]
    again.add([{"file": 0, "rows": 7}])
    again.close()
    assert open_journal().entries == [{"file": 0, "rows": 5}, {"file": 0, "rows": 7}]


@pytest.mark.parametrize("held", [b"", b"\0" * 50, b"nonsense\n", b"[]\n", b'{"other": 1}\n{"file": 0}\n', b'{"cross'])
def test_what_is_no_journal_begins_anew(open_journal, tmp_path, held):
    (tmp_path / "part").write_bytes(b"")
    (tmp_path / "journal").write_bytes(held)
    journal = open_journal()
    assert journal.entries == []
    assert journal.path.read_bytes().startswith(b'{"crossgap":"apply"')


@pytest.mark.parametrize(
    ("key", "told"), [("closer", "another closer"), ("source", "another source, or one"), ("options", "other options")]
)
def test_a_run_that_was_begun_with_something_else(open_journal, tmp_path, key, told):
    _stopped(open_journal, tmp_path)
    other = {**HEADER, key: "other"}
    with pytest.raises(ValueError, match=f"out.npy' was begun with {told}.*--restart.*removes '.*part'"):
        open_journal(other)
    assert open_journal(other, restart=True).entries == []


def test_a_journal_without_a_part_hinders_nobody(open_journal, tmp_path):
    _stopped(open_journal, tmp_path)
    (tmp_path / "part").unlink()
    assert open_journal({**HEADER, "closer": "other"}).entries == []


def test_two_runs_at_once(open_journal):
    first = open_journal()
    with pytest.raises(ValueError, match=f"another run \\(process {os.getpid()}\\) is writing '.*out.npy'; wait"):
        open_journal()
    with pytest.raises(ValueError, match="another run"):
        open_journal(restart=True)
    first.close()
    open_journal()


def test_the_lock_goes_with_the_process(open_journal, tmp_path):
    code = f"""
import os
from pathlib import Path
from crossgap.apply.journal import Journal
folder = Path({str(tmp_path)!r})
journal = Journal(folder / "journal", {HEADER!r}, output=folder / "out.npy", part=folder / "part")
print("open", flush=True)
input()
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"open\n"
        with pytest.raises(ValueError, match=f"process {process.pid}"):
            open_journal()
    finally:
        process.kill()
        process.communicate()
    open_journal()


def test_a_journal_is_removed_once(open_journal):
    first = open_journal()
    first.remove()
    second = open_journal()
    first.remove()  # the path is the second's by now
    assert second.path.exists()
    assert read_entries(first.path.with_name("none")) == []
