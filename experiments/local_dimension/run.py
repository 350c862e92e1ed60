"""Ask files of pairs whether recall@1 follows the local dimension, and write the tables beside this file."""

import sys
from pathlib import Path

from crossgap.reproduce import local_dimension

HERE = Path(__file__).parent

if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        table = local_dimension.run(pairs=path)
        (HERE / f"{path.stem}.md").write_text(table.markdown(), encoding="utf-8")
