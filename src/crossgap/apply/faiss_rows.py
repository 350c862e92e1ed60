"""The vectors of a FAISS index, row by row, and an empty index of the same kind to add moved ones to."""

import os
from typing import Any

import numpy as np

from crossgap.data.location import Location
from crossgap.data.npy import NpyRows, read_npy
from crossgap.errors import FormatError, MissingExtraError

__all__ = ["IndexRows", "read_index"]

_EXACT = ("IndexFlat", "IndexFlatIP", "IndexFlatL2", "IndexHNSWFlat", "IndexIVFFlat")
_ROUNDED = ("IndexScalarQuantizer", "IndexPQ", "IndexIVFPQ", "IndexIVFScalarQuantizer", "IndexHNSWSQ", "IndexHNSWPQ")
_ANY_DIMENSION = ("IndexFlat", "IndexFlatIP", "IndexFlatL2", "IndexHNSWFlat")
_ROWS_A_CENTRE = 256  # more are not looked at when FAISS looks for centres
_LEAST_TRAINING = 65536


def read_index(path: str | os.PathLike[str]) -> Any:
    """Read an index from a file.

    Raises
    ------
    MissingExtraError
        If faiss is not installed.
    FormatError
        If the file holds no index of float vectors, or is cut short.
    """
    try:
        import faiss
    except ImportError as error:
        raise MissingExtraError(
            "A FAISS index needs faiss, which is not installed; install it: pip install 'crossgap[faiss]'."
        ) from error
    if not os.access(path, os.R_OK):
        raise PermissionError(f"{os.fspath(path)!r} cannot be read by this user; check its permissions.")
    try:
        return faiss.read_index(os.fspath(path))
    except RuntimeError as error:
        raise FormatError(
            f"{os.fspath(path)!r} is cut short, damaged, or no FAISS index of float vectors; write it again with "
            f"faiss.write_index."
        ) from error


class IndexRows:
    """The rows of an index: from the index, or, where it holds rounded ones, from a file of the original ones.

    The order is that of adding; in an IVF index that was given ids, that of ids.
    """

    def __init__(self, index: Any, where: str, *, vectors_file: str | None) -> None:
        import faiss

        self._index, self._where = index, where
        self._wrapped = type(index).__name__ in ("IndexIDMap", "IndexIDMap2")
        self._inner = _inner(index)
        self._kind = type(self._inner).__name__
        self.dimension = int(index.d)
        self._check_kind(vectors_file)
        metrics = {faiss.METRIC_INNER_PRODUCT: "inner product", faiss.METRIC_L2: "L2"}
        if index.metric_type not in metrics:
            raise ValueError(
                f"{where} is compared by a metric that is neither the inner product nor L2, under which moved vectors "
                f"mean little; build an index of the inner product."
            )
        self.metric = metrics[index.metric_type]
        own = self._list_ids()
        self._ids = faiss.vector_to_array(index.id_map) if self._wrapped else own
        self._vectors = None if vectors_file is None else self._original(vectors_file)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def training_rows(self) -> int:
        """How many rows a new index of this kind learns from."""
        return max(_ROWS_A_CENTRE * int(getattr(self._inner, "nlist", 0)), _LEAST_TRAINING)

    def take(self, index: np.ndarray) -> np.ndarray:
        """Return the vectors of these rows."""
        if self._vectors is not None:
            return np.ascontiguousarray(self._vectors[index], np.float32)
        if not len(index):
            return np.zeros((0, self.dimension), np.float32)
        if len(index) == index[-1] - index[0] + 1 and self._kind != "IndexIVFFlat":
            return self._inner.reconstruct_n(int(index[0]), len(index))
        keys = index if self._wrapped or self._ids is None else self._ids[index]
        return self._inner.reconstruct_batch(np.ascontiguousarray(keys, np.int64))

    def add(self, new: Any, vectors: np.ndarray, index: np.ndarray) -> None:
        """Add the vectors of these rows to a new index, under the ids of the old one."""
        if self._ids is None:
            new.add(vectors)
        else:
            new.add_with_ids(vectors, np.ascontiguousarray(self._ids[index], np.int64))

    def empty(self, dimension: int) -> Any:
        """Return an empty index of the same kind and settings; not trained, where the kind learns from vectors.

        Raises
        ------
        ValueError
            If ``dimension`` is another one and the kind learns from vectors.
        """
        import faiss

        if dimension != self.dimension:
            return _of_dimension(self._index, dimension, self._where)
        new = faiss.clone_index(self._index)
        new.reset()
        inner = _inner(new)
        if hasattr(inner, "quantizer"):
            inner.set_direct_map_type(self._map)
            inner.quantizer.reset()
            inner.cp.spherical = self.metric == "inner product"  # as a new index has it; a file does not keep it
        if hasattr(inner, "quantizer") or self._kind in _ROUNDED:
            inner.is_trained = False
            new.is_trained = False
        return new

    def _check_kind(self, vectors_file: str | None) -> None:
        if self._kind in _EXACT or (self._kind in _ROUNDED and vectors_file is not None):
            return
        if self._kind in _ROUNDED:
            raise ValueError(
                f"{self._where} is an {self._kind}, which holds rounded vectors: moved, they would be rounded a second "
                f"time, about other centres; give the original vectors with --vectors-file "
                f"(vectors_file=), or move those and build the "
                f"index anew."
            )
        raise ValueError(
            f"{self._where} is an {self._kind}, which is not rebuilt here (these are: {', '.join(_EXACT + _ROUNDED)}, "
            f"and IndexIDMap of them); move the vectors that it was built of, and build it anew."
        )

    def _list_ids(self) -> np.ndarray | None:
        """Return the ids in the lists of an IVF index in ascending order; None for other kinds, which have none.

        The index, in memory, is made to find rows by them.
        """
        import faiss

        if not hasattr(self._inner, "invlists"):
            return None
        lists = self._inner.invlists
        parts = [np.zeros(0, np.int64)]
        for number in range(lists.nlist):
            count = lists.list_size(number)
            if count:
                parts.append(faiss.rev_swig_ptr(lists.get_ids(number), count).astype(np.int64))  # a copy
        ids = np.sort(np.concatenate(parts))
        if (ids[1:] == ids[:-1]).any():
            raise ValueError(f"{self._where} has the same id twice, so its rows cannot be told apart; build it anew.")
        self._map = self._inner.direct_map.type
        if self._map == _no_map():
            self._inner.set_direct_map_type(faiss.DirectMap.Hashtable)  # pyright: ignore[reportAttributeAccessIssue]
        return ids

    def _original(self, path: str) -> NpyRows:
        location = Location(path)
        if location.kind() != "file":
            raise FileNotFoundError(f"{path!r} does not exist or is no file; give a .npy of the original vectors.")
        vectors, _ = read_npy(location)
        if vectors.shape != (len(self), self.dimension):
            raise ValueError(
                f"{path!r} has shape {vectors.shape}, but {self._where} has {len(self)} rows of {self.dimension} "
                f"dimensions; give its original vectors, in the order of its rows."
            )
        return vectors


def _of_dimension(index: Any, dimension: int, where: str) -> Any:
    import faiss

    inner = _inner(index)
    kind = type(inner).__name__
    if kind not in _ANY_DIMENSION:
        raise ValueError(
            f"the closer gives {dimension} dimensions in place of {index.d}, for which an {kind} is not made here; "
            f"move the vectors that {where} was built of, and build it anew."
        )
    if kind == "IndexHNSWFlat":
        new = faiss.IndexHNSWFlat(dimension, inner.hnsw.nb_neighbors(1), inner.metric_type)
        new.hnsw.efConstruction, new.hnsw.efSearch = inner.hnsw.efConstruction, inner.hnsw.efSearch
    else:
        new = faiss.IndexFlat(dimension, inner.metric_type)
    wrapper = type(index).__name__
    return getattr(faiss, wrapper)(new) if wrapper in ("IndexIDMap", "IndexIDMap2") else new


def _inner(index: Any) -> Any:
    """Return the index in a map of ids, else the index itself."""
    import faiss

    return faiss.downcast_index(index.index) if type(index).__name__ in ("IndexIDMap", "IndexIDMap2") else index


def _no_map() -> int:
    import faiss

    return faiss.DirectMap.NoMap  # pyright: ignore[reportAttributeAccessIssue]
