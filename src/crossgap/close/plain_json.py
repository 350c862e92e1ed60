"""A linear closer as plain JSON: for each group the matrices and offsets that its rows go through."""

import json
import os
from pathlib import Path
from typing import Any

from crossgap import __version__
from crossgap.close.affine_step import AffineStep
from crossgap.close.closer import Closer
from crossgap.close.linear_steps import linear_steps
from crossgap.data.atomic import write_whole

__all__ = ["to_plain_json", "write_plain_json"]


def to_plain_json(closer: Closer) -> str:
    r"""Return a linear closer as one JSON document that any language can apply.

    Formula::

        {"schema": 1, "kind": "linear closer", "crossgap": VERSION, "method": "MeanRemoval", "dimension": d,
         "input": "rows are divided by their length first",
         "steps": {GROUP: [{"matrix": null | [d factors] | [k rows of d], "removed": null | [j rows of d],
                            "offset": null | [k], "appended": null | [i], "renormalise": true}]}}

        each step: v becomes (A v + b, c) with A the matrix, or I - B^T B where the rows of B are "removed", b the
        offset and c what is "appended"; then it is divided by its length where "renormalise" says so

    Parameters
    ----------
    closer
        A fitted linear closer.

    Raises
    ------
    TypeError
        If the closer does more than matrices, offsets and lengths.
    ValueError
        If it is not fitted.

    Notes
    -----
    Numbers are written with as many digits as bring back the same float64: about 20 bytes each, so a full matrix of
    512 dimensions takes 5 MB. A row of zeros has no direction and stays zero.

    Examples
    --------
    >>> from crossgap.close import MeanRemoval
    >>> closer = MeanRemoval().fit(np.array([[1.0, 0.0], [0.0, 1.0]]))
    >>> json.loads(to_plain_json(closer))["steps"]
    {'rows': [{'matrix': None, 'removed': None, 'offset': [-0.5, -0.5], 'appended': None, 'renormalise': True}]}
    """
    steps = linear_steps(closer)
    document = {
        "schema": 1,
        "kind": "linear closer",
        "crossgap": __version__,
        "method": type(closer).__name__,
        "dimension": int(closer.n_features_in_),
        "input": "rows are divided by their length first",
        "steps": {group: [_plain(step) for step in own] for group, own in steps.items()},
    }
    return json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":")) + "\n"


def write_plain_json(closer: Closer, path: str | os.PathLike[str]) -> Path:
    """Write ``to_plain_json`` to a file, whole or not at all; it raises the same, and ``OSError``."""
    return write_whole(path, to_plain_json(closer).encode())


def _plain(step: AffineStep) -> dict[str, Any]:
    numbers = {key: None if array is None else array.tolist() for key, array in step.arrays().items()}
    return {**numbers, "renormalise": step.renormalise}
