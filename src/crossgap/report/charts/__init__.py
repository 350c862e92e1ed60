"""Charts, one file each: ``chart(report, x, y) -> Figure | None``, drawn from a report alone."""
