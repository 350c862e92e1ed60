"""A folder to share holds a closer, what is known of it, and its card."""

import json

import numpy as np
import pytest

from crossgap.close.closer_file import read_closer_record
from crossgap.close.mean_removal import MeanRemoval
from crossgap.close.model_card import model_card
from crossgap.close.pretrained import from_pretrained, save_pretrained
from crossgap.errors import FormatError

FILES = {"config.json", "model.safetensors", "README.md"}
TABLE = [{"quantity": "centroid_distance", "before": 0.8, "after": 0.1}]


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_closer_moves_as_before(any_closer, pairs, tmp_path):
    folder = save_pretrained(any_closer, tmp_path / "closer")
    assert names(folder) == FILES
    assert names(tmp_path) == {"closer"}
    read = from_pretrained(folder)
    assert read.get_params() == any_closer.get_params()
    np.testing.assert_allclose(read.move(pairs.X[:5], "image"), any_closer.move(pairs.X[:5], "image"), atol=1e-12)


def test_the_files(closers, tmp_path):
    closer = closers("mean removal")
    folder = save_pretrained(closer, str(tmp_path / "closer"), facts={"seed": 0}, table=TABLE)
    record = read_closer_record(folder / "model.safetensors")
    assert record["facts"] == {"seed": 0, "table": TABLE}
    config = json.loads((folder / "config.json").read_text())
    assert config == {key: value for key, value in record.items() if key not in ("state", "steps")}
    assert (folder / "README.md").read_text() == model_card(closer, facts={"seed": 0}, table=TABLE)


def test_the_same_closer_gives_the_same_folder(closers, tmp_path):
    one, other = (save_pretrained(closers("coral"), tmp_path / name, facts={"seed": 0}) for name in "ab")
    for name in FILES:
        assert (one / name).read_bytes() == (other / name).read_bytes()


def test_a_folder_is_never_replaced(closers, tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder that exists already; give a new name"):
        save_pretrained(closers("mean removal"), tmp_path)


def test_nothing_is_left_where_it_fails(tmp_path, rng):
    closer = MeanRemoval().fit(rng.normal(size=(4, 3)))
    with pytest.raises(TypeError, match="facts must be JSON"):
        save_pretrained(closer, tmp_path / "closer", table=[{"x": object()}])
    with pytest.raises(ValueError, match="must be fitted"):
        save_pretrained(MeanRemoval(), tmp_path / "closer")
    assert not names(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(closers, tmp_path, name):
    folder = save_pretrained(closers("mean removal"), tmp_path / "closer")
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"must be a folder that holds {name}, but there is none"):
        from_pretrained(folder)


def test_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"must be a folder that holds config.json"):
        from_pretrained(tmp_path / "none")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"digest": "0"}', "[" * 100_000, "\xff"])
def test_a_config_of_another_closer(closers, tmp_path, text):
    folder = save_pretrained(closers("mean removal"), tmp_path / "closer")
    (folder / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(FormatError, match=r"holds a config.json that does not belong to its model.safetensors"):
        from_pretrained(folder)


def test_a_damaged_file(closers, tmp_path):
    folder = save_pretrained(closers("mean removal"), tmp_path / "closer")
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:-1] + b"x")
    with pytest.raises(FormatError, match="was changed after it was written"):
        from_pretrained(folder)
