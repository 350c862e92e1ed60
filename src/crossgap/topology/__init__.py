"""Shape that no rotation and no stretch changes: bars, trees, clusters, and what they say of two modalities."""

__all__: list[str] = []
