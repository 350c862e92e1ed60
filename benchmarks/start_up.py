"""How long a user waits: import, help, and the demo on the packaged sample, with all threads that the machine has."""

import os
import statistics
import subprocess
import sys
import tempfile
import time

from timing import figure, publish

COMMANDS = {
    "python -c 'import crossgap'": ([sys.executable, "-c", "import crossgap"], 0.3),
    "crossgap --help": ([sys.executable, "-m", "crossgap", "--help"], 0.3),
    "crossgap demo": ([sys.executable, "-m", "crossgap", "demo"], 10.0),
}
environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}


def seconds(command: list[str]) -> dict[str, float]:
    walls = []
    for _ in range(5):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
            walls.append(time.perf_counter() - start)
    return {"wall_s": statistics.median(walls), "fastest_s": min(walls), "rounds": len(walls)}


timings = {name: seconds(command) for name, (command, _) in COMMANDS.items()}
publish(
    "start_up",
    [
        figure(name, timings[name]["wall_s"], target, at_most=True, unit="s wall")
        for name, (_, target) in COMMANDS.items()
    ],
    timings,
)
