"""Stored vectors moved by a closer, file by file or in a vector store, so that a run that was stopped goes on."""

__all__: list[str] = []
