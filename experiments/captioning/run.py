"""Run the experiments on captioning, and write their tables beside this file.

    python run.py FEATURES [noise|attributes|transfer|low_data] [--sets flickr8k emoji tuxpaint]

FEATURES is the folder that make_features.py wrote. A run that was stopped goes on where it was.
"""

import argparse
import sys
from pathlib import Path

from crossgap.reproduce import attribute_transfer, caption_noise, caption_transfer, low_data
from crossgap.reproduce.table import Table

RESULTS = Path(__file__).parent / "results"


def tell(done: int, total: int, what: str) -> None:
    """Say how far an experiment is."""
    sys.stderr.write(f"{done}/{total} {what}\n")


def keep(table: Table, name: str) -> None:
    """Write a table as Markdown beside its JSON."""
    (RESULTS / f"{name}.md").write_text(table.markdown(), encoding="utf-8")


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path)
    parser.add_argument("what", nargs="?", choices=("noise", "attributes", "transfer", "low_data"))
    parser.add_argument("--sets", nargs="*", default=["flickr8k", "emoji", "tuxpaint"])
    given = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    if given.what in (None, "attributes"):
        keep(attribute_transfer.run(output=RESULTS / "attributes.json", progress=tell), "attributes")
    for data in given.sets:
        options = {"data": data, "features": given.features, "progress": tell}
        if given.what in (None, "noise"):
            name = f"{data}_noise"
            keep(caption_noise.profile(output=RESULTS / f"{name}.json", **options), name)
        if given.what in (None, "transfer"):
            keep(caption_transfer.run(output=RESULTS / f"{data}.json", **options), data)
    if given.what in (None, "low_data") and "flickr8k" in given.sets:
        table = low_data.run(
            output=RESULTS / "low_data.json",
            runs=str(RESULTS / "flickr8k.json"),
            features=given.features,
            progress=tell,
        )
        keep(table, "low_data")


if __name__ == "__main__":
    main()
