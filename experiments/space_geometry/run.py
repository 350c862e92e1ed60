"""Measure the spaces of the four losses and write the table."""

from pathlib import Path

from crossgap.reproduce import space_geometry

if __name__ == "__main__":
    place = Path(__file__).parent / "trained_heads.md"
    place.write_text(space_geometry.run().markdown(), encoding="utf-8")
