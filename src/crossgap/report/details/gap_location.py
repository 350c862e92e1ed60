"""Where the gap between two groups lies: in which coordinates, and in whose directions of variation."""

from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.report.details.principal_axes import PrincipalAxes
from crossgap.report.details.short_numbers import rising_counts, short, short_list

__all__ = ["gap_location"]

_SHOWN = 20
_NO_GAP = 1e-12


def gap_location(x: str, y: str, axes: PrincipalAxes) -> dict[str, Any]:
    """Return the shares of the squared gap, as ``gap_coordinate_share`` and ``gap_span_energy`` have them."""
    gap = axes.means[x] - axes.means[y]
    energy = float(gap @ gap)
    if not energy > _NO_GAP:
        return {"groups": [x, y], "reason": f"the means of {x} and {y} coincide, so that there is no gap to locate"}
    shares = gap**2 / energy
    order = np.argsort(-shares, kind="stable")
    counts = rising_counts(len(gap))
    return {
        "groups": [x, y],
        **axes.sample.facts,
        "d": len(gap),
        "coordinates": order[:_SHOWN].tolist(),
        "shares": short_list(shares[order[:_SHOWN]]),
        "values": short_list(gap[order[:_SHOWN]]),
        "cumulative": {"counts": counts, "shares": short_list(np.cumsum(shares[order])[np.array(counts) - 1])},
        "angles": {name: _angles(gap, name, axes) for name in (x, y)},
    }


def _angles(gap: np.ndarray, name: str, axes: PrincipalAxes) -> dict[str, Any]:
    """Angles between the gap and the span of the first components of one group."""
    try:
        vectors = axes.vectors(name)
    except DegenerateError as error:
        return {"reason": str(error)}
    along = np.clip(np.cumsum((gap @ vectors) ** 2) / float(gap @ gap), 0.0, 1.0)
    counts = rising_counts(vectors.shape[1])
    energy = along[np.array(counts) - 1]
    return {
        "components": counts,
        "energy": short_list(energy),
        "random": [short(count / len(gap)) for count in counts],
        "degrees": short_list(np.degrees(np.arccos(np.sqrt(energy)))),
    }
