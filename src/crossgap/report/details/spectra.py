"""How the variance of one group falls off over its principal components."""

from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.report.details.principal_axes import PrincipalAxes
from crossgap.report.details.short_numbers import rising_counts, short_list

__all__ = ["spectrum"]

_SHOWN = 128


def spectrum(name: str, axes: PrincipalAxes) -> dict[str, Any]:
    """Return the shares of variance of one group, largest first, as ``measure.spectrum_values`` has them."""
    try:
        values = axes.values(name)
    except DegenerateError as error:
        return {"groups": [name], "reason": str(error)}
    shares = values / values.sum()
    counts = rising_counts(len(shares))
    return {
        "group": name,
        "n": axes.sample.sizes[name],
        "d": axes.sample.embeddings.dimension,
        "sampled_from": None if axes.sample.sampled_from is None else axes.sample.sampled_from[name],
        "variances": short_list(shares[:_SHOWN]),
        "cumulative": {"counts": counts, "shares": short_list(np.cumsum(shares)[np.array(counts) - 1])},
    }
