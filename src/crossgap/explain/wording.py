"""How numbers stand in a sentence."""

from crossgap.results import Measurement

__all__ = ["percent", "stated", "with_bounds"]


def stated(found: Measurement | None, digits: int = 3) -> str:
    """Write a measurement with its interval."""
    if found is None or found.value is None:
        return "-"
    return with_bounds(found.value, found.interval, digits)


def with_bounds(value: float, bounds: tuple[float, float] | None, digits: int = 3) -> str:
    """Write a number with its interval."""
    text = f"{value:.{digits}f}"
    return text if bounds is None else f"{text} [{bounds[0]:.{digits}f}, {bounds[1]:.{digits}f}]"


def percent(share: float) -> str:
    """Write a share in percent."""
    return f"{share:.1%}"
