"""Try learning rates, numbers of epochs and logit scales on the training photos; write every trial to search.json."""

import argparse
import dataclasses
import json
import sys
import tomllib
from pathlib import Path

from crossgap.reproduce.frozen_towers import search_recipes

HERE = Path(__file__).parent


def main() -> None:
    """Read the settings, run, and write beside this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("features", help="frozen_towers.npz")
    features = parser.parse_args().features
    settings = tomllib.loads((HERE / "config.toml").read_text(encoding="utf-8"))["search"]

    def progress(done: int, total: int, what: str) -> None:
        sys.stderr.write(f"{done}/{total} {what}\n")

    trials = [dataclasses.asdict(trial) for trial in search_recipes(features, progress=progress, **settings)]
    best: dict[str, dict] = {}
    for trial in trials:
        for name in (trial["loss"], f"{trial['loss']} at {trial['logit_scale']:g}"):
            if name not in best or trial["recall"] > best[name]["recall"]:
                best[name] = trial
    document = {"settings": settings, "best": best, "trials": trials}
    (HERE / "search.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
