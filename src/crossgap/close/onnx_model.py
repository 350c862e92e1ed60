"""A linear closer of one group as an ONNX model."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crossgap import __version__
from crossgap.close.affine_step import AffineStep
from crossgap.close.closer import Closer
from crossgap.close.linear_steps import linear_steps_of
from crossgap.data.atomic import write_whole
from crossgap.errors import MissingExtraError

__all__ = ["write_onnx"]

_OPSET = 17
_FORMAT = 8  # the file format that came with the operators: runtimes of 2022 and later read it


def write_onnx(closer: Closer, path: str | os.PathLike[str], *, group: str | None = None) -> Path:
    """Write a model that moves rows of one group: ``rows`` (n, d) in, ``moved`` (n, k) out, both float32.

    Parameters
    ----------
    closer
        A fitted linear closer.
    path
        The file, usually ``closer.onnx``.
    group
        Whose rows the model moves. None: the only group.

    Raises
    ------
    TypeError
        If the closer does more than matrices, offsets and lengths.
    ValueError
        If it is not fitted, or the group is unknown, or none is named and there are several.
    MissingExtraError
        If onnx is not installed.
    OSError
        If the file cannot be written.

    Notes
    -----
    Any number of rows, as they come from the model: they are brought to length 1 inside. A row of zeros stays zero.
    Operators of opset 17. The same closer gives the same bytes.
    """
    try:
        from onnx import checker
    except ImportError as error:
        raise MissingExtraError(
            "write_onnx needs onnx, which is not installed; install it: pip install 'crossgap[onnx]'."
        ) from error
    group, steps = linear_steps_of(closer, group)
    model = _model(steps, closer=closer, group=group)
    checker.check_model(model, full_check=True)
    return write_whole(path, model.SerializeToString(deterministic=True))


def _model(steps: Sequence[AffineStep], *, closer: Closer, group: str) -> Any:
    from onnx import TensorProto, helper, numpy_helper

    nodes: list[Any] = []
    arrays: dict[str, np.ndarray] = {"last_axis": np.array([1]), "zero": np.array(0.0), "one": np.array(1.0)}

    def add(operator: str, *inputs: str, to: str, **options: Any) -> str:
        nodes.append(helper.make_node(operator, inputs, [to], **options))
        return to

    def at_length_one(rows: str, name: str) -> str:
        """Add the nodes that divide rows by their length, where they have one."""
        squares = add("Mul", rows, rows, to=f"{name}_squares")
        length = add("Sqrt", add("ReduceSum", squares, "last_axis", to=f"{name}_sum"), to=f"{name}_length")
        nonzero = add("Greater", length, "zero", to=f"{name}_nonzero")
        return add("Div", rows, add("Where", nonzero, length, "one", to=f"{name}_divisor"), to=f"{name}_unit")

    rows = at_length_one("rows", "input")
    width = int(closer.n_features_in_)
    for number, step in enumerate(steps):
        name = f"step{number}"
        matrix = step.matrix if step.removed is None else step.dense(width)[0][:width]
        if matrix is not None:
            full = matrix.ndim == 2
            arrays[f"{name}_matrix"] = matrix.T if full else matrix
            rows = add("MatMul" if full else "Mul", rows, f"{name}_matrix", to=f"{name}_turned")
        if step.offset is not None:
            arrays[f"{name}_offset"] = step.offset
            rows = add("Add", rows, f"{name}_offset", to=f"{name}_shifted")
        width = step.width(width)
        if step.appended is not None:
            more = len(step.appended)
            arrays[f"{name}_room"] = np.array([0, 0, 0, more])
            arrays[f"{name}_appended"] = np.concatenate([np.zeros(width - more), step.appended])
            rows = add("Pad", rows, f"{name}_room", to=f"{name}_widened")
            rows = add("Add", rows, f"{name}_appended", to=f"{name}_filled")
        if step.renormalise:
            rows = at_length_one(rows, name)
    add("Where", "input_nonzero", rows, "zero", to="moved")
    initialisers = [
        numpy_helper.from_array(
            np.ascontiguousarray(array, np.int64 if array.dtype.kind == "i" else np.float32).reshape(array.shape), name
        )
        for name, array in arrays.items()
    ]
    graph = helper.make_graph(
        nodes,
        "closer",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", int(closer.n_features_in_)])],
        [helper.make_tensor_value_info("moved", TensorProto.FLOAT, ["n", width])],
        initialisers,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_FORMAT,
        producer_name="crossgap",
        producer_version=__version__,
    )
    helper.set_model_props(model, {"method": type(closer).__name__, "group": group})
    return model
