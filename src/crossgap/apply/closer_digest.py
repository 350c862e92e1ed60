"""Which closer it was: a digest of its method, its parameters and what it learned."""

import hashlib
import json

import numpy as np

from crossgap.close.closer import Closer
from crossgap.close.linear_steps import check_fitted
from crossgap.close.state_tree import pack

__all__ = ["closer_digest"]


def closer_digest(closer: Closer) -> str:
    """Return a SHA-256 in hexadecimal: two closers have the same one where they move rows in the same way, bit for bit.

    Where a run was stopped, it says whether the closer that goes on is the one that began. Facts about the fit that
    are kept in a closer's file do not enter, nor does the version that wrote it.

    Examples
    --------
    >>> from crossgap.close import MeanRemoval
    >>> X = np.array([[1.0, 1.0], [1.0, -1.0]])
    >>> digest = closer_digest(MeanRemoval().fit(X))
    >>> digest == closer_digest(MeanRemoval().fit(X)), digest == closer_digest(MeanRemoval().fit(-X))
    (True, False)
    """
    check_fitted(closer)
    tensors: dict[str, np.ndarray] = {}
    parameters = closer.get_params(deep=False)
    learned = {key: value for key, value in vars(closer).items() if key[0] != "_" and key[-1] == "_"}
    said = {
        "method": type(closer).__name__,
        "parameters": pack(dict(sorted(parameters.items())), tensors, name="parameters"),
        "learned": pack(dict(sorted(learned.items())), tensors, name="learned"),
    }
    digest = hashlib.sha256(json.dumps(said, separators=(",", ":"), sort_keys=True).encode())
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
