"""Peak memory of ``crossgap measure`` on files of 5 GB: two .npy of 2.5 million rows, and one Parquet of both groups.

The files are written block by block into a temporary folder (TMPDIR chooses where) and deleted afterwards.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from timing import D, figure, publish, rows_wanted, unit_rows

METRICS = "centroid_distance,matched_cosine,alignment,resultant_length,gap_energy_ratio"


def rows_block(number: int, group: int) -> np.ndarray:
    """Block ``number``, made from one drawn block by a shift of its coordinates, so that making it costs no time."""
    rows = np.roll(DRAWN, number % D, axis=1)
    rows[:, 0] += 1.0 if group else -1.0
    return rows


def write_npy(path: Path, n: int, group: int) -> None:
    with open(path, "wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (n, D)}
        np.lib.format.write_array_header_1_0(file, header)
        for number, first in enumerate(range(0, n, len(DRAWN))):
            file.write(rows_block(number, group)[: n - first].tobytes())


def write_parquet(path: Path, n: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    element = pa.field("element", pa.float32(), nullable=False)
    schema = pa.schema([("modality", pa.string()), ("item", pa.int64()), ("vector", pa.list_(element, D))])
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=["modality"]) as writer:
        for group, name in enumerate(("image", "text")):
            for number, first in enumerate(range(0, n, len(DRAWN))):
                rows = rows_block(number, group)[: n - first]
                vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), type=schema.field(2).type)
                columns = [pa.array([name] * len(rows)), pa.array(np.arange(first, first + len(rows))), vectors]
                writer.write_table(pa.table(columns, schema=schema))


def measured(*sources: str, replicates: int) -> dict:
    """Run the command in a process of its own; return its time and the peak of its resident memory."""
    command = [sys.executable, "-m", "crossgap", "measure", *sources, "--metrics", METRICS, "--json"]
    command += ["--bootstrap", str(replicates)]
    start = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        out.seek(0)
        names = [q.get("name") for q in json.load(out).get("quantities", [])] if process.returncode == 0 else []
    return {
        "peak_mib": usage.ru_maxrss / 1024,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "wall_s": wall,
        "exit_code": process.returncode,
        "quantities": sorted(set(filter(None, names))),
    }


n = rows_wanted(2_500_000)
DRAWN = unit_rows(8192)
needed = 2 * n * D * 4 * 1.05
folder = Path(tempfile.mkdtemp(prefix="crossgap-large-"))
runs = {}
try:
    if shutil.disk_usage(folder).free < needed + 2e9:
        sys.exit(f"{needed / 1e9:.0f} GB and 2 GB to spare are needed in {folder.parent}; set TMPDIR to a larger disk.")
    pair = []
    for group, name in enumerate(("image", "text")):
        write_npy(folder / f"{name}.npy", n, group)
        pair.append(f"{name}={folder / name}.npy")
    size = (folder / "image.npy").stat().st_size / 1e9
    runs["npy, no bootstrap"] = measured(*pair, replicates=0)
    runs["npy, 200 replicates"] = measured(*pair, replicates=200)
    for name in ("image", "text"):
        (folder / f"{name}.npy").unlink()
    write_parquet(folder / "both.parquet", n // 2)
    runs["parquet, no bootstrap"] = measured(str(folder / "both.parquet"), replicates=0)
    runs["parquet, 200 replicates"] = measured(str(folder / "both.parquet"), replicates=200)
finally:
    shutil.rmtree(folder)
publish(
    "large_file",
    [
        figure(f"peak memory, {name}", run["peak_mib"] * 2**20 / 1e9 if run["exit_code"] == 0 else float("inf"), 1,
               at_most=True, unit="GB", note=f"exit code {run['exit_code']}, {run['wall_s']:.0f} s wall")
        for name, run in runs.items()
    ],
    runs,
    rows=n,
    gigabytes_each_npy=size,
    metrics=METRICS,
)  # fmt: skip
