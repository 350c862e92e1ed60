"""Run one of the four experiments on the geometry of the gap, and write its table beside this file.

python run.py constant_gap PAIRS.npz image:text ...
python run.py stable_region PAIRS.npz
python run.py collapse_with_depth
python run.py idle_coordinates [full cosine]
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from crossgap.reproduce import collapse_with_depth, constant_gap, idle_coordinates, stable_region
from crossgap.reproduce.table import Table

HERE = Path(__file__).parent


def write(name: str, table: Table, sections: Mapping[str, Sequence[str]] | None = None) -> None:
    """Write the table as Markdown, in sections of columns where it is wide; claims and sources once, at the end."""
    if sections is None:
        text = table.markdown()
    else:
        parts = {head: table.markdown(quantities=columns).partition("\n\n") for head, columns in sections.items()}
        foot = next(iter(parts.values()))[2]
        text = "".join(f"## {head}\n\n{lines}\n\n" for head, (lines, _, _) in parts.items()) + f"## Claims\n\n{foot}"
    (HERE / f"{name}.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    experiment, *words = sys.argv[1:]
    if experiment == "constant_gap":
        name = f"constant_gap_{Path(words[0]).stem}"
        found = constant_gap.run(pairs=words[0], groups=words[1:] or None, output=HERE / f"{name}.json")
        write(name, found, constant_gap.SECTIONS)
    elif experiment == "stable_region":
        name = f"stable_region_{Path(words[0]).stem}"
        write(name, stable_region.run(pairs=words[0], output=HERE / f"{name}.json"))
    elif experiment == "collapse_with_depth":
        write(experiment, collapse_with_depth.run(output=HERE / f"{experiment}.json"))
    elif words:
        name = f"idle_coordinates_{words[0]}"
        found = idle_coordinates.run(scale=words[0], versions=words[1:], output=HERE / f"{name}.json")
        write(name, found)
    else:
        write("idle_coordinates", idle_coordinates.run(output=HERE / "idle_coordinates.json"))
