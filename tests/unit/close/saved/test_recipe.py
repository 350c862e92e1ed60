"""The recipe that is printed moves rows as the closer does, where crossgap cannot be imported."""

import json
import subprocess
import sys

import numpy as np
import pytest

from crossgap.close.closer_file import write_closer
from crossgap.close.corruption import Corruption
from crossgap.close.mean_removal import MeanRemoval
from crossgap.close.plain_json import write_plain_json
from crossgap.close.recipe import numpy_recipe

WITHOUT_CROSSGAP = """
import sys
sys.modules["crossgap"] = None  # so that an import of it fails
names = {}
exec(compile(open("recipe.py").read(), "recipe.py", "exec"), names)
import numpy
for group in sys.argv[1:]:
    numpy.save(group + "_moved.npy", names["move"](numpy.load(group + ".npy"), group))
"""


def written(closer, path):
    (write_plain_json if path.suffix == ".json" else write_closer)(closer, path)
    return numpy_recipe(closer, path)


@pytest.mark.parametrize("name", ["closer.safetensors", "closer.json"])
@pytest.mark.parametrize("label", ["mean removal", "gap direction", "coral", "realign", "score standardisation"])
def test_it_runs_in_a_process_of_its_own(closers, pairs, tmp_path, label, name):
    closer = closers(label)
    written(closer, tmp_path / name)
    (tmp_path / "recipe.py").write_text(numpy_recipe(closer, name), encoding="utf-8")
    for group in ("image", "text"):
        np.save(tmp_path / f"{group}.npy", pairs.of(group).astype(np.float32))
    command = [sys.executable, "-W", "error", "-c", WITHOUT_CROSSGAP, "image", "text"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for group in ("image", "text"):
        found = np.load(tmp_path / f"{group}_moved.npy")
        expected = closer.move(pairs.of(group).astype(np.float32), group)
        longest = max(1.0, float(np.linalg.norm(expected, axis=1).max()))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * longest)


@pytest.mark.parametrize("name", ["closer.safetensors", "closer.json"])
def test_it_moves_as_every_linear_closer(linear_closer, pairs, tmp_path, name):
    names: dict = {}
    exec(written(linear_closer, tmp_path / name), names)  # noqa: S102
    for group in ("image", "text"):
        found = names["move"](pairs.of(group), group)
        np.testing.assert_allclose(found, linear_closer.move(pairs.of(group), group), rtol=0, atol=1e-12)


def test_it_is_about_ten_lines(linear_closer):
    lines = [line for line in numpy_recipe(linear_closer, "closer.json").splitlines() if line]
    assert len(lines) <= 16
    assert max(map(len, lines)) < 120


@pytest.mark.parametrize(("label", "lines"), [("mean removal", 10), ("gap direction", 11), ("standardisation", 11)])
def test_nothing_is_in_it_that_is_not_needed(closers, label, lines):
    assert len([line for line in numpy_recipe(closers(label), "closer.json").splitlines() if line]) == lines


def test_columns_that_are_appended_take_one_line(closers):
    lines = numpy_recipe(closers("score standardisation"), "closer.json").splitlines()
    assert sum("append" in line for line in lines) == 2  # a condition, since the mean is a step of its own, and a move


def test_names_cannot_break_out(tmp_path, rng):
    group = "x'\nimport os  # \u202e"
    closer = MeanRemoval().fit(rng.normal(size=(4, 3)), groups=[group] * 4)
    path = tmp_path / 'it\'s "here"\n.safetensors'
    write_closer(closer, path)
    text = numpy_recipe(closer, path)
    assert text.isascii()
    assert not any(line.startswith("import os") for line in text.splitlines())
    names: dict = {}
    exec(text, names)  # noqa: S102
    X = rng.normal(size=(4, 3))
    np.testing.assert_allclose(names["move"](X, group), closer.move(X, group), atol=1e-14)


def test_what_has_no_recipe(rng):
    X = rng.normal(size=(20, 10))
    with pytest.raises(TypeError, match="Corruption does not"):
        numpy_recipe(Corruption().fit(X))
    with pytest.raises(ValueError, match="MeanRemoval must be fitted before it is saved or exported"):
        numpy_recipe(MeanRemoval())


def test_the_header_is_enough_to_know_the_groups(closers, tmp_path):
    from safetensors import safe_open

    with safe_open(write_closer(closers("mean removal"), tmp_path / "c"), "numpy") as file:
        assert json.loads(file.metadata()["crossgap"])["groups"] == ["image", "text"]
