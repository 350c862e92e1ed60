"""Run both experiments on the sphere at the small scale, and write tables and pictures beside this file."""

from pathlib import Path

from crossgap.reproduce import free_points, sphere

HERE = Path(__file__).parent

if __name__ == "__main__":
    for name, experiment in (("sphere", sphere), ("free_points", free_points)):
        table = experiment.run(output=HERE / f"{name}.json")
        (HERE / f"{name}.md").write_text(table.markdown(), encoding="utf-8")
