"""The report page of 5,000 pairs: numbers, details and page, and the whole command on two cores."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from timing import figure, in_turn, publish, rows_wanted, unit_rows

from crossgap import Embeddings
from crossgap.report import GapReport, collect

n = rows_wanted(5_000)
offset = np.zeros(512, np.float32)
offset[:3] = 0.5
image = unit_rows(n) * np.linspace(2, 0.1, 512, dtype=np.float32)
text = image + unit_rows(n, seed=1)
pairs = Embeddings.from_arrays(image=image + offset, text=text - offset)
collect(pairs.select(["image"]), replicates=0)  # imports
numbers = collect(pairs, metrics=["linear_separability", "match_probability"], replicates=0, details=True)
GapReport.from_json(numbers.to_json()).to_html()
written = collect(pairs, details=True).to_json()
timings, _ = in_turn(
    {
        "numbers": lambda: collect(pairs),
        "numbers and details": lambda: collect(pairs, details=True),
        "page": lambda: GapReport.from_json(written).to_html(),
    }
)
ALL_CORES = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}


def command() -> None:
    subprocess.run(
        [sys.executable, "-m", "crossgap", "measure", str(source), "--html", str(source.with_suffix(".html"))],
        env=ALL_CORES,
        check=True,
        stdout=subprocess.DEVNULL,
        preexec_fn=two_cores,
    )


def two_cores() -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])


with tempfile.TemporaryDirectory() as folder:
    source = Path(folder) / "pairs.npz"
    np.savez(source, **{name: group.vectors for name, group in pairs.items()})
    whole, _ = in_turn({"command": command})

publish(
    "report",
    [
        figure("crossgap measure --html on two cores", whole["command"]["wall_s"], 10, unit="s"),
        figure("CPU time of the numbers", timings["numbers"]["cpu_s"], None, unit="s"),
        figure("CPU time of the details", timings["numbers and details"]["cpu_s"] - timings["numbers"]["cpu_s"], None,
               unit="s"),
        figure("CPU time of the page", timings["page"]["cpu_s"], None, unit="s", note="runtime loaded"),
    ],
    {**timings, "command": {"wall_s": whole["command"]["wall_s"], "rounds": whole["command"]["rounds"]}},
    rows=n,
)  # fmt: skip
