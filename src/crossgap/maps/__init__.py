"""Maps of a space for the eye: linear ones by default, UMAP on the plane or the sphere as an extra."""

__all__: list[str] = []
