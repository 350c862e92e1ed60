"""``crossgap export``: a closer in a form that others read."""

import json

import numpy as np
import pytest

import crossgap
from crossgap.close.closer_file import write_closer
from crossgap.close.corruption import Corruption
from crossgap.close.mean_removal import MeanRemoval
from crossgap.close.plain_json import to_plain_json
from crossgap.close.pretrained import save_pretrained


@pytest.fixture(scope="module")
def rows(vectors):
    return np.concatenate(vectors), np.repeat(["image", "text"], len(vectors[0]))


@pytest.fixture(scope="module")
def fitted(rows):
    return MeanRemoval().fit(rows[0], groups=rows[1])


@pytest.fixture
def closer(fitted, tmp_path):
    return write_closer(fitted, tmp_path / "closer.safetensors")


def test_plain_json_and_its_recipe(process, closer, fitted, vectors, tmp_path):
    out = process("export", closer, "-o", "closer.json", cwd=tmp_path).check_success()
    assert "MeanRemoval for rows of image, text" in out
    recipe = out.split("without crossgap:\n\n")[1]
    (tmp_path / "recipe.py").write_text(recipe, encoding="utf-8")
    np.save(tmp_path / "rows.npy", vectors[1])
    code = (
        "import sys; sys.modules['crossgap'] = None; import pathlib; exec(pathlib.Path('recipe.py').read_text()); "
        "np.save('moved.npy', move(np.load('rows.npy'), 'text'))"
    )
    process(cwd=tmp_path, command=("-c", code)).check_success()
    np.testing.assert_allclose(np.load(tmp_path / "moved.npy"), fitted.move(vectors[1], "text"), rtol=0, atol=1e-6)


def test_onnx(here, closer, fitted, vectors, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    path = tmp_path / "closer.onnx"
    out = here("export", closer, "-o", path, "--group", "text").check_success()
    assert "MeanRemoval for rows of text" in out
    assert "Next: onnxruntime" in out
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (moved,) = session.run(None, {"rows": vectors[1]})
    np.testing.assert_allclose(moved, fitted.move(vectors[1], "text"), rtol=0, atol=1e-6)


def test_faiss(here, closer, fitted, vectors, tmp_path):
    faiss = pytest.importorskip("faiss")
    path = tmp_path / "closer.faiss"
    assert "Next: faiss.read_index" in here("export", closer, "-o", path, "--group", "image").check_success()
    index = faiss.read_index(str(path))
    index.add(vectors[0])
    moved = fitted.move(vectors[0], "image")
    expected = np.argsort(-(moved @ moved.T), axis=1)[:, 0]
    np.testing.assert_array_equal(index.search(vectors[0], 1)[1][:, 0], expected)


def test_a_folder(here, fitted, tmp_path):
    folder = save_pretrained(fitted, tmp_path / "shared")
    here("export", folder, "-o", tmp_path / "closer.json").check_success()
    assert (tmp_path / "closer.json").read_text() == to_plain_json(fitted)


def test_one_json_document(here, closer, tmp_path):
    path = tmp_path / "out.json"
    document = json.loads(here("export", closer, "-o", path, "--json").check_success())
    assert document == {
        "schema": 1,
        "crossgap": crossgap.__version__,
        "closer": str(closer),
        "method": "MeanRemoval",
        "groups": ["image", "text"],
        "written": str(path),
        "bytes": path.stat().st_size,
    }


def test_an_older_export_is_replaced(here, closer, tmp_path):
    pytest.importorskip("onnx")
    path = tmp_path / "closer.onnx"
    for group in ("text", "image"):
        here("export", closer, "-o", path, "--group", group).check_success()
        assert group.encode() in path.read_bytes()


@pytest.mark.parametrize(
    ("words", "fragments"),
    [
        (["-o", "closer.txt"], ["must end in .json, .onnx or .faiss"]),
        (["-o", "-"], ["the output must be a path"]),
        (["-o", "none/closer.json"], ["does not exist; make it first"]),
        (["-o", "closer.json", "--group", "text"], ["--group must go with .onnx or .faiss"]),
        (["-o", "closer.onnx"], ["group must be named", "image, text"]),
        (["-o", "closer.faiss", "--group", "audio"], ["group must be one of image, text, but it is 'audio'"]),
        ([], ["missing option", "export --help"]),
    ],
)
def test_refusals(here, closer, tmp_path, words, fragments):
    here("export", closer, *words, cwd=tmp_path).check_refusal(*fragments)
    assert [path.name for path in tmp_path.iterdir()] == ["closer.safetensors"]


def test_files_that_are_no_closer(here, closer, files, rows, tmp_path):
    here("export", tmp_path / "none", "-o", tmp_path / "c.json").check_refusal("does not exist or is no file")
    here("export", files / "pairs.safetensors", "-o", tmp_path / "c.json").check_refusal("without a closer")
    here("export", files / "img.npy", "-o", tmp_path / "c.json").check_refusal("cut short, damaged or no .safetensors")
    closer.write_bytes(closer.read_bytes()[:-1])
    here("export", closer, "-o", tmp_path / "c.json").check_refusal("cut short")
    other = write_closer(Corruption().fit(rows[0]), tmp_path / "other.safetensors")
    here("export", other, "-o", tmp_path / "c.json").check_refusal("Corruption does not")
    assert not (tmp_path / "c.json").exists()


def test_a_json_of_something_else_is_not_replaced(here, closer, tmp_path):
    (tmp_path / "notes.json").write_text("my notes")
    here("export", closer, "-o", tmp_path / "notes.json").check_refusal("exists and is no JSON of an earlier run")
    assert (tmp_path / "notes.json").read_text() == "my notes"
