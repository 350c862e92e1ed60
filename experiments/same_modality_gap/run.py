"""Run the same-modality experiment and its sweep at the small scale, and write their tables beside this file."""

from pathlib import Path

from crossgap.reproduce import same_modality, temperature_sweep

HERE = Path(__file__).parent

if __name__ == "__main__":
    for name, table in (
        ("table", same_modality.run(output=HERE / "table.json")),
        ("sweep", temperature_sweep.run(batch_sizes=(64, 128), output=HERE / "sweep.json")),
    ):
        (HERE / f"{name}.md").write_text(table.markdown(), encoding="utf-8")
