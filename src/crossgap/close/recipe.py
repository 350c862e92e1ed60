"""Ten lines of NumPy that apply a linear closer where crossgap is not installed."""

import os

from crossgap.close.affine_step import AffineStep
from crossgap.close.closer import Closer
from crossgap.close.closer_record import pack_closer
from crossgap.close.linear_steps import linear_steps, removed_directions

__all__ = ["numpy_recipe"]

_LENGTH = "rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)"


def numpy_recipe(closer: Closer, path: str | os.PathLike[str] = "closer.safetensors") -> str:
    """Return Python code that defines ``move(rows, group)``, which does what ``closer.move`` does.

    The code needs NumPy, and the package safetensors where the file is one. It holds only the lines that this closer
    needs, no numbers: those it reads from the file.

    Parameters
    ----------
    closer
        A fitted linear closer.
    path
        The file that the code reads, as it will be called: ``.json`` for one of ``write_plain_json``, any other for
        one of ``write_closer``.

    Raises
    ------
    TypeError
        If the closer does more than matrices, offsets and lengths.
    ValueError
        If it is not fitted, or the file of ``write_closer`` would hold no steps.

    Notes
    -----
    Rows of zeros have no direction, and are not looked for: NumPy divides by zero there.

    Examples
    --------
    >>> from crossgap.close import MeanRemoval
    >>> print(numpy_recipe(MeanRemoval().fit(np.eye(2)), "closer.json"))
    import json
    import numpy as np
    <BLANKLINE>
    with open('closer.json') as file:
        steps = json.load(file)["steps"]
    <BLANKLINE>
    def move(rows, group):  # rows (n, 2) as the model gives them; group: 'rows'
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        for step in steps[group]:
            rows = rows + np.array(step["offset"])
            rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return rows
    <BLANKLINE>
    """
    steps = linear_steps(closer)
    name = os.fspath(path)
    plain = name.lower().endswith(".json")
    groups = " or ".join(ascii(group) for group in steps)
    head = ["import json", "import numpy as np", "" if plain else "from safetensors import safe_open"]
    if plain:
        load = [f"with open({name!a}) as file:", '    steps = json.load(file)["steps"]']
        sign = False
    else:
        packed = pack_closer(closer)[0]["steps"]
        if packed is None:
            raise ValueError(
                f"the .safetensors file of {type(closer).__name__} lists no steps, since they would take much more "
                f"room than what was learned; write it as plain JSON too: crossgap export closer.safetensors -o "
                f"closer.json."
            )
        load = [
            f'with safe_open({name!a}, "numpy") as file:',
            '    steps = json.loads(file.metadata()["crossgap"])["steps"]',
            "    held = {name: file.get_tensor(name) for name in file.keys()}",
        ]
        sign = any(step["sign"] == -1 for own in packed.values() for step in own)
    every = [(step, removed_directions(closer, step) is not None) for own in steps.values() for step in own]
    body = [_LENGTH, "for step in steps[group]:"]
    body += [f"    {line}" for line in _moves(every, plain=plain, sign=sign)]
    signature = f"def move(rows, group):  # rows (n, {closer.n_features_in_}) as the model gives them; group: {groups}"
    lines = [*filter(None, head), "", *load, "", signature, *(f"    {line}" for line in [*body, "return rows"])]
    return "\n".join(lines) + "\n"


def _moves(every: list[tuple[AffineStep, bool]], *, plain: bool, sign: bool) -> list[str]:
    """Return the lines of one step: those that any of the steps needs, with a condition where not all do."""
    lines = []

    def value(part: str) -> str:
        return f'np.array(step["{part}"])' if plain else f'held[step["{part}"]]'

    def when(key: str, needed: list[bool], *moves: str) -> None:
        if all(needed):
            lines.extend(moves)
        elif any(needed):
            lines.append(f'if step["{key}"]:')
            lines.extend(f"    {move}" for move in moves)

    steps = [step for step, _ in every]
    matrices = [step.matrix is not None and not removed for step, removed in every]
    shapes = {step.matrix.ndim for step, removed in every if step.matrix is not None and not removed}
    by_matrix = {1: "rows * matrix", 2: "rows @ matrix.T"}
    form = by_matrix[min(shapes)] if len(shapes) == 1 else f"{by_matrix[1]} if matrix.ndim == 1 else {by_matrix[2]}"
    when("matrix", matrices, f"matrix = {value('matrix')}", f"rows = {form}")
    basis = f"basis = {value('removed')}", "rows = rows - rows @ basis.T @ basis"
    when("removed", [removed for _, removed in every], *basis)
    offset = f'step["sign"] * {value("offset")}' if sign else value("offset")
    when("offset", [step.offset is not None for step in steps], f"rows = rows + {offset}")
    when("renormalise", [step.renormalise for step in steps], _LENGTH)
    return lines
