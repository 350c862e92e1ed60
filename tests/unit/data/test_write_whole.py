"""A file is written whole or not at all."""

import os

import pytest

from crossgap.data.atomic import write_whole


def test_parts_follow_each_other(tmp_path):
    path = write_whole(str(tmp_path / "x"), b"ab", memoryview(b"cd"))
    assert path.read_bytes() == b"abcd"
    assert write_whole(path).read_bytes() == b""


def test_a_full_disk(tmp_path, monkeypatch):
    path = write_whole(tmp_path / "x", b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"cannot be written \(no space left on device\).* is kept; free 4 bytes or"):
        write_whole(path, b"new", b"!")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x"]


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder that exists already"):
        write_whole(tmp_path, b"")
