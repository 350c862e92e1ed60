"""The covariance spectrum of 50,000 rows against numpy.linalg.svd of the centred rows."""

import numpy as np
from timing import D, extra_mib, figure, in_turn, publish, rows_wanted, unit_rows

from crossgap.measure.spectrum_values import spectrum_values

n = rows_wanted(50_000)
x = unit_rows(n)
x *= np.linspace(2, 0.1, D, dtype=np.float32)
x /= np.linalg.norm(x, axis=1, keepdims=True)
x[:2048].T @ x[:2048]
np.linalg.eigvalsh(np.eye(D))
spectrum_values(x[:1024])  # imports scipy
extra = extra_mib(lambda: spectrum_values(x))
timings, values = in_turn(
    {
        "ours": lambda: spectrum_values(x),
        "floor": lambda: x.T @ x,
        "svd": lambda: np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[1],
        "svd, values only": lambda: np.linalg.svd(x - x.mean(axis=0), compute_uv=False),
    },
    rounds=5,
)
by_svd = values["svd"].astype(np.float64) ** 2 / (n - 1)
ours = timings["ours"]["cpu_s"]
publish(
    "spectrum",
    [
        figure("faster than numpy.linalg.svd (thin)", timings["svd"]["cpu_s"] / ours, 15, at_most=False),
        figure(
            "faster than numpy.linalg.svd, values only", timings["svd, values only"]["cpu_s"] / ours, None
        ),
        figure("time of the one product x.T @ x", ours / timings["floor"]["cpu_s"], None),
        figure("largest relative difference of a value", float(np.abs(values["ours"] / by_svd - 1).max()), None,
               unit=""),
        figure("extra memory", extra, None, unit="MiB"),
    ],
    timings,
    rows=n,
)  # fmt: skip
