"""Write the bars that ripser gives for ten clouds: what the tests of crossgap's persistence diagrams compare with.

    python -m pip install ripser==0.6.15
    python scripts/make_ripser_bars.py tests/unit/topology/data/ripser_bars.json

Run it in an environment of its own: crossgap does not need ripser. The clouds are stored with their bars, rounded to
four digits first, so that a test needs nothing but the file.
"""

import json
import sys
from pathlib import Path

import numpy as np
import ripser


def clouds() -> dict[str, tuple[np.ndarray, bool, int]]:
    """Return name -> (rows, whether they are brought to length 1, highest degree)."""
    rng = np.random.default_rng(7)
    circle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    centres = rng.normal(size=(4, 5)) * 4
    torus = rng.uniform(0, 2 * np.pi, size=(110, 2))
    ring = 2 + 0.7 * np.cos(torus[:, 1])
    sphere = rng.normal(size=(70, 3))
    return {
        "uniform in the plane": (rng.uniform(size=(80, 2)), False, 1),
        "noisy circle": (
            np.stack([np.cos(circle), np.sin(circle)], axis=1) + rng.normal(size=(60, 2)) * 0.1,
            False,
            1,
        ),
        "sphere": (sphere / np.linalg.norm(sphere, axis=1, keepdims=True), False, 2),
        "torus": (
            np.stack([ring * np.cos(torus[:, 0]), ring * np.sin(torus[:, 0]), 0.7 * np.sin(torus[:, 1])], axis=1),
            False,
            1,
        ),
        "four clusters": (np.repeat(centres, 25, axis=0) + rng.normal(size=(100, 5)), False, 1),
        "normal, 8 dimensions": (rng.normal(size=(90, 8)), False, 1),
        "normal, 16 dimensions": (rng.normal(size=(60, 16)), False, 1),
        "directions, 4 dimensions": (rng.normal(size=(40, 4)), True, 2),
        "directions in a cone": (rng.normal(size=(120, 6)) * 0.3 + 1, True, 1),
        "two modalities": (
            np.concatenate([rng.normal(size=(40, 8)) + 1.5, rng.normal(size=(40, 8)) * 0.6 - 1]),
            True,
            1,
        ),
    }


def main() -> None:
    """Write the file named on the command line."""
    kept = []
    for name, (rows, unit, degree) in clouds().items():
        rows = rows.round(4)
        taken = rows / np.linalg.norm(rows, axis=1, keepdims=True) if unit else rows
        distances = np.sqrt(np.square(taken[:, None, :] - taken[None, :, :]).sum(axis=2))
        found = ripser.ripser(distances, distance_matrix=True, maxdim=degree)["dgms"]
        bars = [[[float(f"{end:.7g}") for end in bar] for bar in each if np.isfinite(bar).all()] for each in found]
        kept.append({"name": name, "unit": unit, "rows": rows.tolist(), "bars": bars})
    made = f"ripser {ripser.__version__} on full distance matrices; scripts/make_ripser_bars.py"
    Path(sys.argv[1]).write_text(json.dumps({"made_by": made, "clouds": kept}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
