"""Install a built wheel into an empty folder and use it from another one, away from the checkout.

    python scripts/check_wheel.py dist

The packages that crossgap needs must be installed in this Python; crossgap itself need not be.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

USE = """
import sys
from pathlib import Path

target, checkout = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
sys.path[:] = [entry for entry in sys.path if entry and checkout / "src" != Path(entry).resolve()]

import crossgap

place = Path(crossgap.__file__).resolve()
if not place.is_relative_to(target):
    sys.exit(f"the installed package should be used, but crossgap came from {place}.")
try:
    sample = crossgap.sample()
except OSError as error:
    sys.exit(f"the wheel should hold the sample, but reading it failed: {error}")
pairs = sample.pairs("image", "text")
distance = float(crossgap.measure.centroid_distance(pairs.x, pairs.y))
if not distance > 0.1:
    sys.exit(f"the sample should show a gap, but its centroid distance is {distance:.3f}.")
report = crossgap.report.collect(sample, metrics=["centroid_distance"], replicates=0)
page = report.to_html()
if "</html>" not in page[-20:] or "http-equiv" not in page:
    sys.exit("the wheel should draw the page of a report, but the page is not whole.")
print(f"crossgap {crossgap.__version__} from the wheel: {len(pairs)} pairs, centroid distance {distance:.3f}, "
      f"{len(report.to_json())} bytes of report, {len(page)} of its page.")
"""


def main(folder: Path) -> None:
    """Check the one wheel in a folder; exit with a sentence where it does not work."""
    wheels = sorted(folder.glob("*.whl"))
    if len(wheels) != 1:
        sys.exit(f"{folder} should hold one wheel, but it holds {len(wheels)}; build it first: make wheel.")
    checkout = Path(__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory() as place:
        target, elsewhere = Path(place, "target"), Path(place, "elsewhere")
        elsewhere.mkdir()
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
        subprocess.run([*pip, "--no-deps", "--target", target, wheels[0].resolve()], check=True)
        environment = {**os.environ, "PYTHONPATH": str(target)}
        checks = (["-c", USE, str(target), str(checkout)], ["-m", "crossgap", "explain", "--metric", "uniformity"])
        for number, check in enumerate(checks):
            done = subprocess.run(
                [sys.executable, *check],
                cwd=elsewhere,
                env=environment,
                stdout=None if number == 0 else subprocess.DEVNULL,
                check=False,
            )
            if done.returncode != 0:
                sys.exit(done.returncode)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python scripts/check_wheel.py FOLDER_OF_THE_WHEEL")
    main(Path(sys.argv[1]))
