"""Sections of the page of one report, one file each: ``section(report) -> Section``."""

__all__: list[str] = []
