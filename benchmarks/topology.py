"""Exact dimension-0 persistence of 5,000 rows against SciPy, and the exact graph of 15 nearest of 50,000 against faiss.

The rows of the tree are two modalities with a gap, a spectrum like an encoder's and matched pairs; the same with 50
clusters far apart, and even rows, which have neither, stand beside them.
"""

import faiss
import numpy as np
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import pdist
from timing import D, bare_products, extra_mib, figure, in_turn, publish, rows_wanted, unit_rows

from crossgap.geometry.neighbours import nearest_rows
from crossgap.topology import component_deaths

K = 15
CLUSTERS = 50


def modalities(n: int) -> np.ndarray:
    """Pairs with noise, each group about a point of its own, with variances that fall off."""
    rng = np.random.default_rng(1)
    spread = np.arange(1, D + 1) ** -0.75
    shared = rng.standard_normal((n // 2, D)) * spread
    gap, cone = (rows / np.linalg.norm(rows) for rows in rng.standard_normal((2, D)))
    length = np.linalg.norm(shared, axis=1).mean()
    groups = [
        shared + 0.8 * rng.standard_normal(shared.shape) * spread + length * (cone + side * 0.6 * gap)
        for side in (1, -1)
    ]
    return of_length_one(np.concatenate(groups))


def clustered(n: int) -> np.ndarray:
    """Clusters whose rows lie much nearer to each other than to any other."""
    rng = np.random.default_rng(2)
    centres = rng.standard_normal((CLUSTERS, D))
    return of_length_one(centres[rng.integers(0, CLUSTERS, n)] + 0.5 * rng.standard_normal((n, D)))


def of_length_one(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def by_scipy(x: np.ndarray) -> np.ndarray:
    return linkage(pdist(x), "single")[:, 2]


def by_faiss(x: np.ndarray) -> np.ndarray:
    index = faiss.IndexFlatIP(D)
    index.add(x)
    return index.search(x, K + 1)[1]


many = rows_wanted(50_000)
few = many // 10
clouds = {"two modalities": modalities(few), "50 clusters": clustered(few), "even rows": unit_rows(few)}
faiss.omp_set_num_threads(1)
bare_products(clouds["even rows"][:2048])
extra_tree = max(extra_mib(lambda x=x: component_deaths(x)) for x in clouds.values())
figures, timings = [], {}
for name, x in clouds.items():
    taken, deaths = in_turn(
        {
            "ours": lambda x=x: component_deaths(x),
            "scipy": lambda x=x: by_scipy(x),
            "floor": lambda x=x: bare_products(x),
        },
        rounds=5,
    )
    assert np.abs(deaths["ours"] - deaths["scipy"]).max() < 1e-6
    timings |= {f"{routine}, {name}": seconds for routine, seconds in taken.items()}
    ours = taken["ours"]["cpu_s"]
    note = f"{name}, {few:,} rows"
    target = 3.5 if name == "two modalities" else None
    figures.append(
        figure(
            "deaths faster than SciPy's single linkage",
            taken["scipy"]["cpu_s"] / ours,
            target,
            at_most=False,
            note=note,
        )
    )
    figures.append(
        figure("deaths, time of the bare symmetric products", ours / taken["floor"]["cpu_s"], None, note=note)
    )
figures.append(
    figure("extra memory of deaths", extra_tree, 100, unit="MiB", note=f"{few:,} rows, the most of the three")
)

x = unit_rows(many)
extra_graph = extra_mib(lambda: nearest_rows(x, x, K, leave_out_self=True))
taken, found = in_turn(
    {
        "graph": lambda: nearest_rows(x, x, K, leave_out_self=True),
        "symmetric products": lambda: bare_products(x),
        "all products": lambda: bare_products(x, x),
        "faiss": lambda: by_faiss(x),
    },
    once=("faiss",),
)
timings |= taken
ours, rows = taken["graph"]["cpu_s"], found["graph"].rows
theirs = found["faiss"][:, 1:]  # the first is the row itself
same = np.mean([len(np.intersect1d(a, b)) for a, b in zip(rows[::97], theirs[::97], strict=True)]) / K
assert same > 0.999
figures += [
    figure("graph of 15 nearest, time of the symmetric products", ours / taken["symmetric products"]["cpu_s"], 1.5),
    figure("graph of 15 nearest, time of all products", ours / taken["all products"]["cpu_s"], 1.5),
    figure("graph of 15 nearest, faster than faiss IndexFlatIP", taken["faiss"]["cpu_s"] / ours, None),
    figure("extra memory of the graph", extra_graph, None, unit="MiB"),
]
publish("topology", figures, timings, rows=many, neighbours_in_common_with_faiss=float(same))
