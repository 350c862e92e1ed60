"""Training of dual encoders on pairs, with the gap watched while it goes."""

__all__: list[str] = []
