import json
import os
import signal
from types import SimpleNamespace

import pytest
import safetensors.torch
import torch

from crossgap.errors import FormatError
from crossgap.train.tensor_file import read_record, read_tensors, write_tensors

TYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
]


def _tensors() -> dict[str, torch.Tensor]:
    values = torch.randn(3, 5, generator=torch.Generator().manual_seed(0)) * 3
    tensors = {str(dtype): values.to(dtype) for dtype in TYPES}
    return {
        **tensors,
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 4),
        "transposed": values.T,
        "special": values[0] / 0,
    }


def test_what_is_written_is_read(tmp_path):
    record = {"b": [1, 2.5, None, "ö"], "a": {"nested": True}, "exact": 0.1 + 0.2}
    write_tensors(tmp_path / "a.safetensors", _tensors(), record)
    tensors, read = read_tensors(tmp_path / "a.safetensors")
    assert read == record
    assert set(tensors) == set(_tensors())
    for name, values in _tensors().items():
        assert tensors[name].dtype == values.dtype
        assert tensors[name].shape == values.shape
        assert torch.equal(tensors[name], values), name


def test_the_library_reads_it_too(tmp_path):
    write_tensors(tmp_path / "a.safetensors", _tensors(), {})
    for name, values in safetensors.torch.load_file(tmp_path / "a.safetensors").items():
        assert torch.equal(values, _tensors()[name])


def test_the_same_content_gives_the_same_bytes(tmp_path):
    tensors, record = _tensors(), {"b": 1, "a": 2}
    write_tensors(tmp_path / "a.safetensors", tensors, record)
    write_tensors(tmp_path / "b.safetensors", dict(reversed(tensors.items())), {"a": 2, "b": 1})
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_reading_holds_no_file_open(tmp_path):
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"a": torch.zeros(1000)}, {})
    tensors, _ = read_tensors(path)
    path.write_bytes(b"\xff" * path.stat().st_size)
    assert torch.equal(tensors["a"], torch.zeros(1000))


@pytest.mark.parametrize("left", [0, 4, 8, 100, -1])
def test_a_file_cut_short(tmp_path, left):
    path = tmp_path / "a.safetensors"
    write_tensors(path, _tensors(), {})
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(
        FormatError, match=r"a.safetensors' is cut short or no .safetensors file \(.*\); give a file that"
    ):
        read_tensors(path)


@pytest.mark.parametrize("content", [b"PK\x03\x04 a zip", b"{}", bytes(1000), b"\x10" + bytes(7) + b"not json at all!"])
def test_a_foreign_file(tmp_path, content):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"is cut short or no \.safetensors file") as caught:
        read_tensors(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("metadata", [None, {"other": "{}"}, {"crossgap": "{"}, {"crossgap": "[1]"}])
def test_a_file_of_another_program(tmp_path, metadata):
    safetensors.torch.save_file({"a": torch.zeros(2)}, tmp_path / "a.safetensors", metadata=metadata)
    with pytest.raises(FormatError, match=r"is a \.safetensors file without a record of crossgap; give a file that"):
        read_tensors(tmp_path / "a.safetensors")


@pytest.mark.parametrize("name", ["missing.safetensors", "."])
def test_no_such_file(tmp_path, name):
    with pytest.raises(FileNotFoundError, match="does not exist or is no file; give the path of a saved run or model"):
        read_tensors(tmp_path / name)


def test_a_type_the_format_does_not_know(tmp_path):
    with pytest.raises(
        TypeError, match=r"a must have one of the types F64, .*, but it is torch.complex64; a .safetensors"
    ):
        write_tensors(tmp_path / "a.safetensors", {"a": torch.zeros(2, dtype=torch.complex64)}, {})
    assert list(tmp_path.iterdir()) == []


def test_a_record_without_json_leaves_no_file(tmp_path):
    with pytest.raises(ValueError, match="Out of range float values"):
        write_tensors(tmp_path / "a.safetensors", {}, {"a": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"the folder .* does not exist; create it first"):
        write_tensors(tmp_path / "no" / "a.safetensors", {}, {})


# a full disk


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize("size", [1, 1_000_000])  # small content fails when it is flushed, large when it is written
def test_a_full_disk_keeps_the_file_before(tmp_path, monkeypatch, size):
    """The temporary file leads to a device that has no space, so that the error is the system's own."""
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"a": torch.zeros(3)}, {"step": 1})
    before = path.read_bytes()
    (tmp_path / ".crossgap-full.safetensors").symlink_to("/dev/full")
    monkeypatch.setattr("crossgap.data.atomic.secrets", SimpleNamespace(token_hex=lambda length: "full"))
    with pytest.raises(
        OSError, match=r"a.safetensors' cannot be written \(no space left on device\), so what was there"
    ) as caught:
        write_tensors(path, {"a": torch.zeros(size)}, {"step": 2})
    assert "free " in str(caught.value)
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["a.safetensors"]
    assert read_tensors(path)[1] == {"step": 1}


@pytest.mark.skipif(os.name == "nt", reason="limits of a process work differently there")
def test_a_limit_on_the_size_of_files(tmp_path):
    """This process may not write more than 64 KiB: the kernel refuses in the middle of the tensors."""
    import resource

    path = tmp_path / "a.safetensors"
    write_tensors(path, {"a": torch.zeros(3)}, {"step": 1})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, before[1]))
    try:
        with pytest.raises(
            OSError, match=r"cannot be written \(file too large\), so what was there before is kept"
        ) as caught:
            write_tensors(path, {"a": torch.zeros(1_000_000)}, {"step": 2})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert "; free 4,000," in str(caught.value)
    assert [found.name for found in tmp_path.iterdir()] == ["a.safetensors"]
    assert read_tensors(path)[1] == {"step": 1}


def test_the_record_alone(tmp_path):
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"a": torch.zeros(1000)}, {"step": 1})
    assert read_record(path) == {"step": 1}
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FormatError, match="cut short"):
        read_record(path)


def test_an_error_while_writing_keeps_the_file_before(tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"a": torch.zeros(3)}, {"step": 1})

    def interrupted(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_tensors(path, {"a": torch.zeros(3)}, {"step": 2})
    assert [found.name for found in tmp_path.iterdir()] == ["a.safetensors"]
    assert read_tensors(path)[1] == {"step": 1}


def test_the_header_is_plain(tmp_path):
    """A length, JSON padded to 8 bytes, then the numbers, largest types first."""
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"b": torch.ones(1, dtype=torch.uint8), "a": torch.ones(2)}, {"x": 1})
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    assert length % 8 == 0
    assert header["__metadata__"] == {"crossgap": '{"x":1}'}
    assert header["a"] == {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    assert header["b"] == {"dtype": "U8", "shape": [1], "data_offsets": [8, 9]}
    assert content[8 + length :] == torch.ones(2).numpy().tobytes() + b"\x01"
