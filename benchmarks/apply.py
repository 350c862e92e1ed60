"""``crossgap apply`` on a Parquet file of 2 million rows of 512 float16 numbers: speed, memory, and 20 kills.

Speed is told against two ways to read and write the same file without moving anything: pyarrow alone, and the same run
with rows that pass unchanged. The file has the row groups that pyarrow writes when not asked otherwise, of a million
rows. All files lie in a temporary folder (TMPDIR chooses where) and are deleted afterwards.
"""

import hashlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from timing import D, figure, in_turn, publish, rows_wanted, unit_rows

from crossgap.apply.file_plan import plan_files
from crossgap.apply.files import apply_to_files
from crossgap.close.closer_file import read_closer, write_closer
from crossgap.close.mean_removal import MeanRemoval

KILLS = 20
OTHERS = ("id", "modality", "item", "text")


def write_source(path: Path, n: int) -> None:
    """Write half the rows as images, half as texts, from one drawn block whose coordinates are shifted."""
    element = pa.field("element", pa.float16(), nullable=False)
    fields = [("id", pa.string()), ("modality", pa.string()), ("item", pa.int64()), ("vector", pa.list_(element, D))]
    schema = pa.schema([*fields, ("text", pa.string())])
    with pq.ParquetWriter(path, schema, use_dictionary=["modality"]) as writer:
        held = []
        for number, first in enumerate(range(0, n, len(DRAWN))):
            count = min(len(DRAWN), n - first)
            name, sign = ("image", 0.3) if first < n // 2 else ("text", -0.3)
            rows = np.roll(DRAWN[:count], number % D, axis=1)
            rows[:, 0] += sign
            numbers = range(first, first + count)
            vectors = pa.FixedSizeListArray.from_arrays(
                pa.array(rows.astype(np.float16).reshape(-1)), type=schema.field("vector").type
            )
            columns = [[f"{name}/{i}" for i in numbers], [name] * count, list(numbers), vectors]
            held.append(pa.table([*columns, [f"a photo, number {i}" for i in numbers]], schema=schema))
            if sum(map(len, held)) >= 2**20 or first + count == n:
                writer.write_table(pa.concat_tables(held), row_group_size=2**20)
                held = []


def read_and_write() -> None:
    """Read and write by pyarrow, with the options that suit vectors."""
    options = {
        "compression": {**dict.fromkeys(OTHERS, "snappy"), "vector.list.element": "none"},
        "use_dictionary": ["modality"],
        "write_statistics": list(OTHERS),
    }
    with (
        pq.ParquetFile(SOURCE, buffer_size=2**22) as file,
        pq.ParquetWriter(OUTPUT, file.schema_arrow, **options) as out,
    ):
        for batch in file.iter_batches(batch_size=8192):
            out.write_batch(batch)


def moved() -> None:
    apply_to_files(plan_files(CLOSER, [str(SOURCE)], OUTPUT))


def unchanged() -> None:
    plan = plan_files(CLOSER, [str(SOURCE)], OUTPUT)
    plan.mover.groups.update(dict.fromkeys(plan.groups))
    apply_to_files(plan)


def command(source: Path, output: Path) -> list[str]:
    return [sys.executable, "-m", "crossgap", "apply", str(CLOSER_FILE), str(source), "-o", str(output)]


def peak_mib() -> float:
    """Run the command in a process of its own; return the peak of its resident memory (Linux).

    What the system tells of a process that has ended counts the memory of this one too, from which it was forked.
    """
    process = subprocess.Popen(command(SOURCE, OUTPUT), stdout=subprocess.DEVNULL)
    peak = 0.0
    while process.poll() is None:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        peak = max([peak, *(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))])
        time.sleep(0.01)
    return peak if process.returncode == 0 else float("inf")


def digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def kills(source: Path) -> dict[str, object]:
    """Kill the command at random times until it has died so often, and let it come to its end."""
    whole, output = FOLDER / "whole.parquet", FOLDER / "killed.parquet"
    journal = FOLDER / ".killed.parquet.crossgap-journal"
    start = time.perf_counter()
    subprocess.run(command(source, whole), stdout=subprocess.DEVNULL, check=True)
    longest = time.perf_counter() - start
    chosen, dead, ends, kept, same = random.Random(0), 0, 0, [], True
    while dead < KILLS:
        process = subprocess.Popen(command(source, output), stdout=subprocess.DEVNULL)
        try:
            process.wait(chosen.uniform(0, longest))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            dead += 1
            text = journal.read_bytes() if journal.exists() else b""
            lines = [json.loads(line) for line in text.split(b"\n")[:-1]]
            kept.append(sum(line.get("rows", 0) for line in lines if "file" in line))
        if output.exists():  # this time it came to its end first
            ends += 1
            same = same and digest(output) == digest(whole)
            output.unlink()
    subprocess.run(command(source, output), stdout=subprocess.DEVNULL, check=True)
    same = same and digest(output) == digest(whole)
    left = [path.name for path in FOLDER.iterdir() if path.name.startswith(".")]
    return {"identical": same and not left, "kills": dead, "other_ends": ends, "rows_kept_after_each_kill": kept}


n = rows_wanted(2_000_000)
DRAWN = unit_rows(8192)
FOLDER = Path(tempfile.mkdtemp(prefix="crossgap-apply-"))
SOURCE, OUTPUT, CLOSER_FILE = FOLDER / "source.parquet", FOLDER / "output.parquet", FOLDER / "closer.safetensors"
try:
    needed = 2.2 * n * D * 2
    if shutil.disk_usage(FOLDER).free < needed + 2e9:
        sys.exit(f"{needed / 1e9:.0f} GB and 2 GB to spare are needed in {FOLDER.parent}; set TMPDIR to a larger disk.")
    write_source(SOURCE, n)
    fitted = np.concatenate([DRAWN[:2000], DRAWN[:2000]])
    fitted[:, 0] += np.repeat([0.3, -0.3], 2000)
    write_closer(MeanRemoval().fit(fitted, groups=["image"] * 2000 + ["text"] * 2000), CLOSER_FILE)
    CLOSER = read_closer(CLOSER_FILE)
    routines = {"moved": moved, "unchanged": unchanged, "pyarrow": read_and_write}
    timings, _ = in_turn({**routines, "file copied": lambda: shutil.copyfile(SOURCE, OUTPUT)})
    peak = peak_mib()
    sizes = {"source_bytes": SOURCE.stat().st_size, "output_bytes": OUTPUT.stat().st_size}
    OUTPUT.unlink()
    SOURCE.unlink()
    write_source(SOURCE, n // 10)
    killed = kills(SOURCE)
finally:
    shutil.rmtree(FOLDER)
seconds = {name: taken["wall_s"] for name, taken in timings.items()}
publish(
    "apply",
    [
        figure("speed, of pyarrow reading and writing", seconds["pyarrow"] / seconds["moved"], 0.6, at_most=False),
        figure("speed, of the same with rows unchanged", seconds["unchanged"] / seconds["moved"], 0.6, at_most=False),
        figure("rows a second", n / seconds["moved"] / 1e6, None, unit="million"),
        figure("peak memory", peak * 2**20 / 1e6, 500, unit="MB"),
        figure("kills after which the bytes are the same", killed["kills"] if killed["identical"] else 0, KILLS,
               at_most=False, unit="", note=f"on {n // 10:,} rows"),
    ],
    timings,
    rows=n,
    **sizes,
    **killed,
)  # fmt: skip
