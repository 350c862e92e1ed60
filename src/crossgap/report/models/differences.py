"""By how much one model differs from another, quantity by quantity, with an interval or the reason for none."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.measure.certainty import change_bounds
from crossgap.results import Measurement

__all__ = ["ASKED", "asked", "differences", "is_point", "written"]

ASKED = ("pairs", "k", "quantile", "coordinates", "C", "asked", "result")  # options; all others are facts of the rows
_POINTS = ("from", "score", "threshold")  # of histograms and curves, at scores that each model has of its own
_NO_CHANGE = ("centroid_distance_p_value", "mmd_p_value")  # how sure a gap is; the difference of two means nothing


def differences(
    baseline: Sequence[Measurement], model: Sequence[Measurement], *, level: float
) -> Iterator[Measurement]:
    """Yield model - baseline for each number that both have under the same options.

    Where both were resampled, the interval comes from the differences of their replicates: paired where those share
    the counts of items, else of two independent samples. Where not, ``options["no_interval"]`` says why.
    """
    before = {_key(found): found for found in baseline}
    for found in model:
        reference = before.get(_key(found))
        if found.name in _NO_CHANGE or reference is None:
            continue
        if found.value is None or reference.value is None:
            continue
        interval, reason = _interval(reference, found, level)
        yield Measurement(
            name=found.name,
            groups=found.groups,
            value=found.value - reference.value,
            interval=interval,
            options=asked(found) if reason is None else {**asked(found), "no_interval": reason},
        )


def asked(found: Measurement) -> dict[str, Any]:
    """Return what was asked for, which tells numbers of one name apart, without facts that belong to the rows."""
    return {key: found.options[key] for key in ASKED if key in found.options}


def is_point(found: Measurement) -> bool:
    """Tell whether this is one point of a histogram or a curve."""
    return any(key in found.options for key in _POINTS)


def written(found: Measurement) -> str:
    """Return a number's name as a gate takes it.

    Examples
    --------
    >>> written(Measurement(name="recall_at_k", groups=("image", "text"), value=0.5, options={"k": 1, "n": 500}))
    'recall_at_k("image", "text", k=1)'
    """
    words = [f'"{group}"' for group in found.groups]
    words += [
        f'{key}="{value}"' if isinstance(value, str) else f"{key}={value!r}" for key, value in asked(found).items()
    ]
    return f"{found.name}({', '.join(words)})"


def _key(found: Measurement) -> tuple[Any, ...]:
    return found.name, found.groups, tuple(asked(found).items())


def _interval(before: Measurement, after: Measurement, level: float) -> tuple[tuple[float, float] | None, str | None]:
    if not (before.replicates and after.replicates):
        one = before if not before.replicates else after
        return None, str(one.options.get("no_interval", "it was not resampled"))
    if len(before.replicates) != len(after.replicates):
        return None, "the models have different numbers of replicates"
    if _is_constant(before) and _is_constant(after):
        return _newcombe(before, after), None
    drawn = np.array([after.value, *after.replicates]) - np.array([before.value, *before.replicates])
    try:
        found = change_bounds(drawn, level=level)
    except DegenerateError:
        found = None
    return found, "hardly any replicate has a value" if found is None else None


def _is_constant(found: Measurement) -> bool:
    """Tell whether resampling showed nothing but one share of 0 or 1, whose interval is Wilson's."""
    return set(found.replicates or ()) == {found.value} and found.interval not in (None, (found.value, found.value))


def _newcombe(before: Measurement, after: Measurement) -> tuple[float, float] | None:
    """Bounds of the difference of two shares from the bounds of each (Newcombe 1998, method 10)."""
    if before.interval is None or after.interval is None or before.value is None or after.value is None:
        return None
    change = after.value - before.value
    down = math.hypot(after.value - after.interval[0], before.interval[1] - before.value)
    up = math.hypot(after.interval[1] - after.value, before.value - before.interval[0])
    return max(-1.0, change - down), min(1.0, change + up)
