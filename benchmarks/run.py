"""Run the benchmarks, each in a process of its own with one thread, and write their figures and a table.

    python benchmarks/run.py                            all of them, 50,000 rows; about half an hour on one core
    python benchmarks/run.py recall                     one
    python benchmarks/run.py recall --rows 5000 -o DIR  a quick look; leave the published results alone

Each writes DIR/<job>.json; DIR/table.md is made from all JSON files that lie there.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
JOBS = (
    "uniformity", "recall", "spectrum", "separability", "streaming_mean", "large_file", "start_up", "losses", "apply",
    "topology", "report", "caption_speed",
)  # fmt: skip
MET = {True: "yes", False: "**no**", None: ""}
LIBRARIES = ("OMP", "OPENBLAS", "MKL", "VECLIB")
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in LIBRARIES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jobs", nargs="*", choices=[*JOBS, []], default=[], metavar="job", help=", ".join(JOBS))
    parser.add_argument("--rows", type=int, help="rows instead of the published number")
    parser.add_argument("-o", "--output", type=Path, default=HERE / "results", help="folder for results")
    arguments = parser.parse_args()
    if arguments.rows and arguments.output == HERE / "results":
        parser.error("--rows makes figures that are not the published ones; name another folder with -o.")
    arguments.output.mkdir(parents=True, exist_ok=True)
    failed = []
    for job in arguments.jobs or JOBS:
        print(f"{job} ...", file=sys.stderr, flush=True)
        command = [sys.executable, str(HERE / f"{job}.py"), *([str(arguments.rows)] if arguments.rows else [])]
        done = subprocess.run(command, env={**os.environ, **ONE_THREAD}, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            failed.append(job)
            continue
        record = json.loads(done.stdout)
        (arguments.output / f"{job}.json").write_text(json.dumps(record, indent=2) + "\n")
    table = as_table([json.loads(path.read_text()) for path in sorted(arguments.output.glob("*.json"))])
    (arguments.output / "table.md").write_text(table)
    print(table)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def as_table(records: list[dict]) -> str:
    lines = ["| job | figure | measured | target | met | seconds of CPU (wall) |", "|---|---|---|---|---|---|"]
    for record in sorted(records, key=lambda record: JOBS.index(record["job"])):
        rows = record["facts"].get("rows")
        job = record["job"] + (f", {rows:,} rows" if rows else "")
        seconds = "; ".join(
            f"{name} {taken['cpu_s']:.3g} ({taken['wall_s']:.3g})"
            for name, taken in record["timings"].items()
            if "cpu_s" in taken
        )
        for line in record["figures"]:
            note = f" ({line['note']})" if line["note"] else ""
            value = f"{line['value']:.3g}{' ' if line['unit'] not in ('', 'x') else ''}{line['unit']}"
            lines.append(
                f"| {job} | {line['what']}{note} | {value} | {line['target']} | {MET[line['met']]} | {seconds} |"
            )
            job = seconds = ""
    machines = {json.dumps({k: v for k, v in record["machine"].items() if k != "load_1_5_15"}) for record in records}
    facts = [json.loads(text) for text in sorted(machines)]
    described = [
        f"{fact['cpu']}, {fact['cores']} cores; Python {fact['python']}; "
        + ", ".join(f"{name} {number}" for name, number in fact["libraries"].items())
        + f"; BLAS {', '.join(fact['blas'])}; product routine `{fact['product']}`."
        for fact in facts
    ]
    return "\n".join([*lines, "", *described]) + "\n"


if __name__ == "__main__":
    main()
