"""Ten lines of NumPy that apply a linear closer where crossgap is not installed."""

import os
from itertools import chain

from crossgap.close.affine_step import AffineStep
from crossgap.close.closer import Closer
from crossgap.close.closer_record import pack_closer
from crossgap.close.linear_steps import linear_steps

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
        If it is not fitted.

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
        load = [
            f'with safe_open({name!a}, "numpy") as file:',
            '    steps = json.loads(file.metadata()["crossgap"])["steps"]',
            "    held = {name: file.get_tensor(name) for name in file.keys()}",
        ]
        sign = any(step["sign"] == -1 for own in pack_closer(closer)[0]["steps"].values() for step in own)
    body = [_LENGTH, "for step in steps[group]:"]
    body += [f"    {line}" for line in _moves([*chain(*steps.values())], plain=plain, sign=sign)]
    signature = f"def move(rows, group):  # rows (n, {closer.n_features_in_}) as the model gives them; group: {groups}"
    lines = [*filter(None, head), "", *load, "", signature, *(f"    {line}" for line in [*body, "return rows"])]
    return "\n".join(lines) + "\n"


def _moves(steps: list[AffineStep], *, plain: bool, sign: bool) -> list[str]:
    """Return the lines of one step: those that any of the steps needs, with a condition where not all do."""
    lines = []
    given = [{**step.arrays(), "renormalise": step.renormalise or None} for step in steps]

    def value(part: str) -> str:
        return f'np.array(step["{part}"])' if plain else f'held[step["{part}"]]'

    def when(part: str, *moves: str) -> None:
        needed = [parts[part] is not None for parts in given]
        if all(needed):
            lines.extend(moves)
        elif any(needed):
            lines.append(f'if step["{part}"]:')
            lines.extend(f"    {move}" for move in moves)

    shapes = {step.matrix.ndim for step in steps if step.matrix is not None}
    if shapes == {1, 2}:
        when("matrix", f"matrix = {value('matrix')}", "rows = rows * matrix if matrix.ndim == 1 else rows @ matrix.T")
    else:
        when("matrix", f"rows = rows * {value('matrix')}" if shapes == {1} else f"rows = rows @ {value('matrix')}.T")
    when("removed", f"basis = {value('removed')}", "rows = rows - rows @ basis.T @ basis")
    signed = 'step["sign"] * ' if sign else ""
    when("offset", f"rows = rows + {signed}{value('offset')}")
    when("appended", f"rows = np.hstack([rows, np.tile({value('appended')}, (len(rows), 1))])")
    when("renormalise", _LENGTH)
    return lines
