"""The experiments of the papers, each from one command, beside the published numbers."""

__all__: list[str] = []
