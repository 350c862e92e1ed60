"""The mean over a .npy that lies in the page cache, as a share of the speed at which one core reads memory."""

import tempfile
from pathlib import Path

import numpy as np
from timing import extra_mib, figure, in_turn, publish, rows_wanted, unit_rows

from crossgap.data.location import locate
from crossgap.data.npy import read_npy
from crossgap.geometry.means import mean_row, mean_unit_row

n = rows_wanted(200_000)
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "x.npy"
    x = unit_rows(n)
    np.save(path, x)
    rows, _ = read_npy(locate(path))
    flat = x.reshape(-1)
    mean_unit_row(rows[:2048])
    extra = extra_mib(lambda: mean_unit_row(rows))
    timings, values = in_turn(
        {
            "read": lambda: np.dot(flat, flat),  # the fastest pass over memory that NumPy has
            "mean": lambda: mean_row(rows),
            "mean of unit rows": lambda: mean_unit_row(rows),
            "mean of unit rows, in memory": lambda: mean_unit_row(x),
            "numpy memmap mean(0)": lambda: np.load(path, mmap_mode="r").mean(axis=0),
            "numpy load, then mean(0)": lambda: np.load(path).mean(axis=0),
            "only reading the blocks": lambda: [None for first in range(0, n, 1024) if rows[first : first + 1024].size],
        },
        rounds=15,
    )
assert np.abs(values["mean"] - values["numpy memmap mean(0)"]).max() < 1e-5
share = {name: 100 * timings["read"]["cpu_s"] / taken["cpu_s"] for name, taken in timings.items()}
unit = "% of the read bandwidth"
publish(
    "streaming_mean",
    [
        figure("mean of a .npy", share["mean"], 35, at_most=False, unit=unit),
        figure("mean of its unit rows", share["mean of unit rows"], 35, at_most=False, unit=unit,
               note="the mean that centroid_distance takes: lengths and sums"),
        figure("extra memory", extra, None, unit="MiB"),
    ],
    timings,
    rows=n,
    read_bandwidth_gb_s=x.nbytes / timings["read"]["cpu_s"] / 1e9,
    shares_percent=share,
)  # fmt: skip
