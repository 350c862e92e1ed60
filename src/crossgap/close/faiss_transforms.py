"""A linear closer of one group as transforms of FAISS, to stand in front of an index."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from crossgap.close.affine_step import AffineStep
from crossgap.close.closer import Closer
from crossgap.close.linear_steps import linear_steps_of
from crossgap.data.atomic import write_whole
from crossgap.errors import MissingExtraError

__all__ = ["faiss_transforms", "with_closer", "write_faiss"]


def faiss_transforms(closer: Closer, group: str | None = None) -> list[Any]:
    """Return ``faiss.VectorTransform`` objects that, one after the other, move rows of one group.

    Parameters
    ----------
    closer
        A fitted linear closer.
    group
        Whose rows they move. None: the only group.

    Raises
    ------
    TypeError
        If the closer does more than matrices, offsets and lengths.
    ValueError
        If it is not fitted, or the group is unknown, or none is named and there are several.
    MissingExtraError
        If faiss is not installed.

    Notes
    -----
    Numbers are float32, as everything in FAISS. A mean that is taken away is a ``CenteringTransform``, which is as
    small as the mean; factors, directions to take out and further columns become a full matrix. FAISS knows no rows to
    leave out, so a row of zeros does not stay zero: it becomes what the offsets make of it.
    """
    faiss = _faiss("faiss_transforms")
    _, steps = linear_steps_of(closer, group)
    width = int(closer.n_features_in_)
    chain = [faiss.NormalizationTransform(width, 2.0)]
    for step in steps:
        if not (step.matrix is None and step.removed is None and step.appended is None):
            chain.append(_linear(faiss, step, width))
        elif step.offset is not None:
            chain.append(_centring(faiss, -step.offset))
        width = step.width(width)
        if step.renormalise:
            chain.append(faiss.NormalizationTransform(width, 2.0))
    return chain


def with_closer(index: Any, closer: Closer, group: str | None = None) -> Any:
    """Return a view of an index that takes raw rows of one group: it moves what is added and what is searched.

    The vectors in ``index`` itself are moved ones. Several views, one for each group, may share one index.

    Parameters
    ----------
    index
        A FAISS index of the dimension of the moved rows. It is not copied.
    closer, group
        As in ``faiss_transforms``.

    Returns
    -------
    A ``faiss.IndexPreTransform``, which ``faiss.write_index`` writes together with the index.

    Raises
    ------
    ValueError
        If the index has another dimension, or as ``faiss_transforms`` says.
    TypeError, MissingExtraError
        As ``faiss_transforms`` says.
    """
    faiss = _faiss("with_closer")
    chain = faiss_transforms(closer, group)
    if index.d != chain[-1].d_out:
        raise ValueError(
            f"index must have {chain[-1].d_out} dimensions, as the moved rows, but it has {index.d}; build one of "
            f"{chain[-1].d_out}."
        )
    view = faiss.IndexPreTransform(index)
    for transform in reversed(chain):
        view.prepend_transform(transform)
    return view


def write_faiss(closer: Closer, path: str | os.PathLike[str], *, group: str | None = None) -> Path:
    """Write the transforms of one group in front of an empty exact index (inner product), in one file.

    ``faiss.read_index`` reads it. Add and search raw rows, or put an index of moved rows behind it, which must be kept
    alive: ``view.index = index; view.ntotal = index.ntotal``.

    Parameters
    ----------
    closer, group
        As in ``faiss_transforms``.
    path
        The file, usually ``closer.faiss``.

    Raises
    ------
    ValueError, TypeError, MissingExtraError
        As ``faiss_transforms`` says.
    OSError
        If the file cannot be written.
    """
    faiss = _faiss("write_faiss")
    chain = faiss_transforms(closer, group)
    view = with_closer(faiss.IndexFlatIP(chain[-1].d_out), closer, group)
    return write_whole(path, faiss.serialize_index(view).tobytes())


def _faiss(name: str) -> Any:
    try:
        import faiss
    except ImportError as error:
        raise MissingExtraError(
            f"{name} needs faiss, which is not installed; install it: pip install 'crossgap[faiss]'."
        ) from error
    return faiss


def _linear(faiss: Any, step: AffineStep, width: int) -> Any:
    matrix, offset = step.dense(width)
    transform = faiss.LinearTransform(width, len(matrix), bool(offset.any()))
    faiss.copy_array_to_vector(np.ascontiguousarray(matrix, np.float32).ravel(), transform.A)
    if transform.have_bias:
        faiss.copy_array_to_vector(np.ascontiguousarray(offset, np.float32), transform.b)
    transform.is_trained = True
    transform.set_is_orthonormal()
    return transform


def _centring(faiss: Any, mean: np.ndarray) -> Any:
    transform = faiss.CenteringTransform(len(mean))
    faiss.copy_array_to_vector(np.ascontiguousarray(mean, np.float32), transform.mean)
    transform.is_trained = True
    return transform
