"""Exact recall at 1, 5 and 10 in both directions against its one product, and against faiss IndexFlatIP."""

from typing import Any

import faiss
import numpy as np
from timing import bare_products, extra_mib, figure, in_turn, publish, rows_wanted, unit_rows

from crossgap.measure.retrieval_ranks import retrieval_ranks_both

KS = (1, 5, 10)


def ours(x: np.ndarray, y: np.ndarray) -> list[float]:
    return [float(ranks.recall_at_k(k)) for ranks in retrieval_ranks_both(x, y) for k in KS]


def by_faiss(x: np.ndarray, y: np.ndarray) -> list[float]:
    recalls = []
    for queries, gallery in ((x, y), (y, x)):
        index: Any = faiss.IndexFlatIP(gallery.shape[1])
        index.add(gallery)
        found = index.search(queries, max(KS))[1] == np.arange(len(queries))[:, None]
        recalls += [float(found[:, :k].any(axis=1).mean()) for k in KS]
    return recalls


n = rows_wanted(50_000)
faiss.omp_set_num_threads(1)
x = unit_rows(n)
y = unit_rows(n, seed=1, of=x, noise=5.0)  # matched cosine 0.2, where the best of 50,000 strangers lies
bare_products(x[:2048], y[:2048])
extra = extra_mib(lambda: ours(x, y))
timings, values = in_turn(
    {"ours": lambda: ours(x, y), "floor": lambda: bare_products(x, y), "faiss": lambda: by_faiss(x, y)},
    once=("faiss",),
)
seconds = timings["ours"]["cpu_s"]
difference = max(abs(a - b) for a, b in zip(values["ours"], values["faiss"], strict=True))
publish(
    "recall",
    [
        figure("time of its one product", seconds / timings["floor"]["cpu_s"], 1.5, at_most=True),
        figure("faster than faiss FlatIP", timings["faiss"]["cpu_s"] / seconds, 3, at_most=False),
        figure("largest difference of a recall from faiss", difference, 0, at_most=True, unit=""),
        figure(
            "time of faiss over that of its two products, ours twice",
            timings["faiss"]["cpu_s"] / timings["floor"]["cpu_s"] / 2,
            None,
        ),
        figure("extra memory", extra, None, unit="MiB"),
    ],
    timings,
    rows=n,
    recalls=values["ours"],
)
