"""Approximate indexes of faiss, built and searched so that the same rows give the same answer."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from crossgap.errors import MissingExtraError

__all__ = ["INDEXES", "approximate_neighbours", "index_settings"]

INDEXES = ("ivf-pq", "hnsw", "flat-pq")
_COORDINATES = 8  # a byte of a product quantiser stands for this many coordinates, or more


def index_settings(kind: str, rows: int, dimension: int, given: Mapping[str, int] | None = None) -> dict[str, int]:
    """Return the parameters of an index for so many rows; ``given`` ones take the place of the usual.

    ==========  ================================================================================================
    ivf-pq      ``nlist`` cells (about the root of the rows), ``nprobe`` of them searched (an eighth); rows stored
                in ``m`` codes of ``nbits`` bits
    flat-pq     ``m`` codes of ``nbits`` bits, all rows searched
    hnsw        a graph with ``M`` links a row, built with lists of ``efConstruction``, searched with ``efSearch``
    ==========  ================================================================================================

    Raises
    ------
    ValueError
        If the kind or a parameter is unknown, or a parameter does not fit the rows.

    Examples
    --------
    >>> index_settings("ivf-pq", 500, 512)
    {'nlist': 22, 'nprobe': 2, 'm': 64, 'nbits': 6}
    """
    if kind not in INDEXES:
        raise ValueError(f"the index must be one of {', '.join(INDEXES)}, but it is {kind!r}.")
    if kind == "hnsw":
        settings = {"M": 16, "efConstruction": 100, "efSearch": 32}
    else:
        codes = max(c for c in range(1, max(2, dimension // _COORDINATES + 1)) if dimension % c == 0)
        bits = 8 if rows >= 4 * 256 else max(1, int(math.log2(max(rows, 8) / 4)))
        settings = {"m": codes, "nbits": bits}
        if kind == "ivf-pq":
            cells = max(1, round(math.sqrt(rows)))
            settings = {"nlist": cells, "nprobe": max(1, cells // 8), **settings}
    for key, value in (given or {}).items():
        if key not in settings:
            raise ValueError(f"{kind} has no parameter {key!r}; it has {', '.join(settings)}.")
        if value < 1:
            raise ValueError(f"{key} must be at least 1, but it is {value}.")
        settings[key] = int(value)
    if dimension % settings.get("m", 1):
        raise ValueError(f"m must divide the {dimension} dimensions, but it is {settings['m']}; choose another.")
    if settings.get("nlist", 1) > rows or 2 ** settings.get("nbits", 0) > rows or settings.get("nbits", 0) > 8:
        raise ValueError(
            f"{kind} must have at most as many cells and codes as there are rows ({rows}), and at most 8 bits, but its "
            f"parameters are {settings}; make them smaller."
        )
    return settings


def approximate_neighbours(
    queries: np.ndarray,
    gallery: np.ndarray,
    k: int,
    *,
    kind: str,
    settings: Mapping[str, int],
    leave_out_self: bool = False,
    seed: int = 0,
) -> np.ndarray:
    """Return the numbers of the k gallery rows that an approximate index finds for each query (n, k); -1 for none.

    Parameters
    ----------
    queries, gallery
        Unit rows (n, d) and (m, d). The index is trained on the gallery and ranks by Euclidean distance, which for unit
        rows is the order of the cosine.
    k
        Length of the lists.
    kind, settings
        Of ``index_settings``.
    leave_out_self
        Row i of the gallery is query i, and is left out of its list.
    seed
        Of the training; faiss then runs on one thread, so that the index is the same each time.

    Raises
    ------
    MissingExtraError
        If faiss is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise MissingExtraError(
            "approximate indexes need faiss, which is not installed; install it: pip install 'crossgap[faiss]'."
        ) from error

    data, wanted = (np.ascontiguousarray(rows, dtype=np.float32) for rows in (gallery, queries))
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        index = _built(faiss, kind, settings, data, seed)
        found = np.asarray(index.search(wanted, min(k + leave_out_self, len(data)))[1])
    finally:
        faiss.omp_set_num_threads(threads)
    if leave_out_self:
        itself = found == np.arange(len(wanted))[:, None]
        found = np.take_along_axis(found, np.argsort(itself, axis=1, kind="stable"), 1)
    return found[:, :k]


def _built(faiss: Any, kind: str, settings: Mapping[str, int], data: np.ndarray, seed: int) -> Any:
    d = data.shape[1]
    if kind == "hnsw":
        index = faiss.IndexHNSWFlat(d, settings["M"])
        index.hnsw.efConstruction, index.hnsw.efSearch = settings["efConstruction"], settings["efSearch"]
    else:
        if kind == "ivf-pq":
            quantiser = faiss.IndexFlatL2(d)
            index = faiss.IndexIVFPQ(quantiser, d, settings["nlist"], settings["m"], settings["nbits"])
            index.nprobe = settings["nprobe"]
            clusterings = (index.cp, index.pq.cp)
        else:
            index = faiss.IndexPQ(d, settings["m"], settings["nbits"])
            clusterings = (index.pq.cp,)
        for clustering in clusterings:
            clustering.seed, clustering.min_points_per_centroid = seed + 1, 1  # few rows are no reason to warn
        index.train(data)
    index.add(data)
    return index
