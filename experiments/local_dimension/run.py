"""Ask files of pairs, or spaces trained on a number of worlds, whether recall@1 follows the local dimension."""

import sys
from pathlib import Path

from crossgap.reproduce import local_dimension

HERE = Path(__file__).parent

if __name__ == "__main__":
    for given in sys.argv[1:]:
        if given.isdecimal():
            name, table = "trained_spaces", local_dimension.run(trained=int(given))
        else:
            name, table = Path(given).stem, local_dimension.run(pairs=given)
        (HERE / f"{name}.md").write_text(table.markdown(), encoding="utf-8")
