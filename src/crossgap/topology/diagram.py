"""What a persistence diagram is: an array (bars, 2) of births and deaths."""

import numpy as np

__all__ = ["bar_lengths", "check_diagram"]


def check_diagram(diagram: np.ndarray, name: str = "diagram") -> np.ndarray:
    """Return a diagram in float64, or say in one sentence why it is none. No bars at all is a diagram."""
    diagram = np.asarray(diagram, dtype=np.float64)
    if diagram.ndim != 2 or diagram.shape[1] != 2:
        raise ValueError(
            f"{name} must have shape (bars, 2), birth and death of each bar, but its shape is {diagram.shape}; "
            f"take one degree of persistence_diagrams(...).diagrams."
        )
    if not np.isfinite(diagram).all():
        raise ValueError(
            f"{name} must hold bars that end, but one is not finite; "
            f"drop it: {name}[numpy.isfinite({name}).all(axis=1)]."
        )
    if (diagram[:, 1] < diagram[:, 0]).any():
        raise ValueError(f"{name} must hold births and deaths in that order, but a bar dies before it is born.")
    return diagram


def bar_lengths(diagram: np.ndarray, name: str = "diagram") -> np.ndarray:
    """Return death minus birth of each bar (bars,)."""
    diagram = check_diagram(diagram, name)
    return diagram[:, 1] - diagram[:, 0]
