"""What a source names: a group and files."""

import pytest

from crossgap.data.location import locate
from crossgap.data.source import data_files, group_of_array, parse_source
from crossgap.errors import FormatError


def test_a_name_before_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parse_source("image=a b.npy")[0] == "image"
    assert parse_source("text/query=c=d.npy")[1].path == "c=d.npy"
    assert parse_source("memory://a=b.npy")[0] is None
    (tmp_path / "a=b.npy").write_bytes(b"")
    assert parse_source("a=b.npy")[0] is None  # a file that exists is no name
    assert parse_source(tmp_path / "x=y.npy")[0] is None
    with pytest.raises(ValueError, match="names a group 'a b', but a group is"):
        parse_source("a b=x.npy")


def test_files_and_what_lies_beside_them(tmp_path):
    for name in ("part 10.npz", "part 2.npz", "notes.txt", ".hidden.npz"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.npz").mkdir()
    files, others = data_files(locate(tmp_path), None)
    assert [file.name for file in files] == ["part 2.npz", "part 10.npz"]
    assert [file.name for file in others] == ["folder.npz", "notes.txt"]
    files, others = data_files(locate(tmp_path / "part*.npz"), None)
    assert ([file.name for file in files], others) == (["part 2.npz", "part 10.npz"], [])
    assert data_files(locate(tmp_path / "part 2.npz"), None)[0][0].name == "part 2.npz"


@pytest.mark.parametrize(
    ("place", "kind", "message"),
    [
        ("none", FileNotFoundError, "there is no file or folder"),
        ("x*.npy", FileNotFoundError, "no file matches"),
        ("a.npy", ValueError, "holds one array without a name"),
        ("a.txt", FormatError, "is of no format that is read"),
        ("both", FormatError, "holds files of several formats"),
        ("empty", FormatError, "holds no .npy, .npz, .safetensors or .parquet file"),
    ],
)
def test_what_is_refused(tmp_path, place, kind, message):
    for folder in ("both", "empty"):
        (tmp_path / folder).mkdir()
    for name in ("a.npy", "a.txt", "both/a.npy", "both/b.npz"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(kind, match=message):
        data_files(locate(tmp_path / place), None)


def test_an_array_names_its_group(tmp_path):
    assert group_of_array(locate("folder/image.npy")) == "image"
    with pytest.raises(FormatError, match="cannot name a group after itself"):
        group_of_array(locate("folder/my image.npy"))
