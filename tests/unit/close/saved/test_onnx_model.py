"""An ONNX model moves rows as the closer does."""

import numpy as np
import pytest

from crossgap.close.corruption import Corruption
from crossgap.close.mean_removal import MeanRemoval
from crossgap.close.onnx_model import write_onnx

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def run(path, rows: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (moved,) = session.run(None, {"rows": rows.astype(np.float32)})
    return moved


def tolerance(expected: np.ndarray) -> float:
    """1e-6 of rows of length 1; longer rows are rounded by as much more."""
    return 1e-6 * max(1.0, float(np.linalg.norm(expected, axis=1).max()))


@pytest.mark.parametrize("group", ["image", "text"])
def test_it_moves_real_rows(linear_closer, pairs, tmp_path, group):
    path = write_onnx(linear_closer, tmp_path / "closer.onnx", group=group)
    rows = pairs.of(group).astype(np.float32)
    expected = linear_closer.move(rows, group)
    found = run(path, rows)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance(expected))
    np.testing.assert_allclose(run(path, rows[:1]), expected[:1], rtol=0, atol=tolerance(expected))
    assert run(path, rows[:0]).shape == (0, expected.shape[1])


def test_rows_of_zeros_stay_zero(closers, pairs, tmp_path):
    rows = pairs.of("image")[:3].astype(np.float32)
    rows[1] = 0
    for label in ("mean removal", "canonical map", "mean removal, lengths kept"):
        moved = run(write_onnx(closers(label), tmp_path / "closer.onnx", group="image"), rows)
        assert not moved[1].any()
        assert np.isfinite(moved).all()
        np.testing.assert_allclose(moved[::2], closers(label).move(rows[::2], "image"), atol=1e-6)


def test_lengths_of_the_input_do_not_matter(closers, pairs, tmp_path):
    path = write_onnx(closers("whitening"), tmp_path / "closer.onnx", group="text")
    rows = pairs.of("text").astype(np.float32)
    np.testing.assert_allclose(run(path, 1000 * rows), run(path, rows / 1000), atol=2e-6)


def test_the_file(closers, tmp_path):
    paths = [write_onnx(closers("mean removal"), tmp_path / name, group="text") for name in ("a.onnx", "b.onnx")]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths[0].stat().st_size < 4000
    model = onnx.load(paths[0])
    assert {entry.key: entry.value for entry in model.metadata_props} == {"method": "MeanRemoval", "group": "text"}
    shapes = [value.type.tensor_type.shape.dim for value in (model.graph.input[0], model.graph.output[0])]
    assert [[dim.dim_param or dim.dim_value for dim in shape] for shape in shapes] == [["n", 512], ["n", 512]]
    assert [entry.version for entry in model.opset_import] == [17]


def test_one_group_needs_no_name(tmp_path):
    X = np.array([[1.0, 1.0], [1.0, -1.0]])
    np.testing.assert_allclose(run(write_onnx(MeanRemoval().fit(X), tmp_path / "c.onnx"), X), [[0, 1], [0, -1]])


def test_what_cannot_be_written(closers, tmp_path, rng):
    path = tmp_path / "closer.onnx"
    with pytest.raises(ValueError, match="group must be named"):
        write_onnx(closers("mean removal"), path)
    with pytest.raises(ValueError, match="group must be one of image, text, but it is 'audio'"):
        write_onnx(closers("mean removal"), path, group="audio")
    with pytest.raises(TypeError, match="Corruption does not"):
        write_onnx(Corruption().fit(rng.normal(size=(3, 2))), path)
    assert not path.exists()


def test_onnx_is_named_where_it_is_missing(closers, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(ImportError, match=r"write_onnx needs onnx, which is not installed; .*'crossgap\[onnx\]'"):
        write_onnx(closers("mean removal"), tmp_path / "closer.onnx", group="text")
