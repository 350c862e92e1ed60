"""What users would see: mixed search, and recall of an approximate index, before and after closing."""

__all__: list[str] = []
