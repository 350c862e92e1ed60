"""Charts, one file each: ``chart(report, x, y) -> Figure | None``, drawn from a report alone.

A chart names its data, sets no colour but that of the data, and takes its width from where it stands. ``figures`` lists
them all.
"""

__all__: list[str] = []
