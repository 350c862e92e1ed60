"""Train and measure the five losses; write results.json (each loss as it served best) and one_recipe.json."""

import argparse
import sys
import tomllib
from pathlib import Path

from crossgap.reproduce import frozen_towers

HERE = Path(__file__).parent


def main() -> None:
    """Read the settings, run, and write beside this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("features", help="frozen_towers.npz")
    features = parser.parse_args().features
    settings = tomllib.loads((HERE / "config.toml").read_text(encoding="utf-8"))["measure"]

    def progress(done: int, total: int, what: str) -> None:
        sys.stderr.write(f"{done}/{total} {what}\n")

    for name, one_recipe in (("results", False), ("one_recipe", True)):
        output = HERE / f"{name}.json"
        table = frozen_towers.run(
            features=features, one_recipe=one_recipe, output=output, progress=progress, **settings
        )
        output.with_suffix(".txt").write_text(table.text(), encoding="utf-8")


if __name__ == "__main__":
    main()
