"""What a comparison did not measure, and what it looked at in part: in sentences, for the page and the terminal."""

from collections.abc import Iterator

from crossgap.report.models.model_comparison import ModelComparison
from crossgap.results import Measurement

__all__ = ["in_part", "not_measured", "without_interval"]


def not_measured(comparison: ModelComparison, *, of_models: bool = True, of_spaces: bool = True) -> Iterator[str]:
    """Say for each reason which quantities have no value: of which models, and of which models' likeness."""
    if of_models:
        yield from _of_models(comparison)
    if of_spaces:
        yield from _of_spaces(comparison)


def _of_models(comparison: ModelComparison) -> Iterator[str]:
    reasons: dict[tuple[str, str], dict[str, None]] = {}
    by_key: dict[tuple[str, tuple[str, ...], str], dict[str, None]] = {}
    for model, measurements in comparison.measurements.items():
        for found in measurements:
            if found.reason is not None:
                by_key.setdefault((found.name, found.groups, found.reason), {})[model] = None
    for (name, groups, reason), models in by_key.items():
        whose = "" if len(models) == len(comparison.models) else f"{', '.join(models)}: "
        reasons.setdefault((whose, reason), {})[f"{name} ({', '.join(groups)})"] = None
    for (whose, reason), names in reasons.items():
        yield f"{whose}{', '.join(names)}: {reason.rstrip('.')}."


def _of_spaces(comparison: ModelComparison) -> Iterator[str]:
    alike: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for found in comparison.similarities:
        if found.reason is not None:
            names, pairs = alike.setdefault(found.reason, ({}, {}))
            names[found.name] = None
            pairs[f"{' and '.join(found.options['models'])}, {', '.join(found.groups)}"] = None
    for reason, (names, pairs) in alike.items():
        whose = next(iter(pairs)) if len(pairs) == 1 else f"{len(pairs)} times two models and a group"
        yield f"{', '.join(names)} ({whose}): {reason.rstrip('.')}."
    if not comparison.settings["paired"]:
        yield "How alike the spaces are: needs the same items in each model."


def in_part(comparison: ModelComparison) -> Iterator[str]:
    """Say which quantities looked at a sub-sample, and of how many rows."""
    by_size: dict[str, dict[str, None]] = {}
    for measurements in comparison.measurements.values():
        for found in measurements:
            if "sampled_from" in found.options and found.value is not None:
                by_size.setdefault(_size(found), {})[found.name] = None
    for found in comparison.similarities:
        if "sampled_from" in found.options and found.value is not None:
            by_size.setdefault(_size(found), {})[found.name] = None
    for size, names in by_size.items():
        yield f"On {size} (whole items drawn at random): {', '.join(names)}."


def without_interval(comparison: ModelComparison) -> Iterator[str]:
    """Say for each reason which changes have no interval."""
    reasons: dict[str, dict[str, None]] = {}
    for changes in comparison.differences.values():
        for found in changes:
            if "no_interval" in found.options and comparison.settings["bootstrap"]:
                reasons.setdefault(str(found.options["no_interval"]), {})[found.name] = None
    for reason, names in reasons.items():
        yield f"No interval for the change of {', '.join(names)}: {reason}."


def _size(found: Measurement) -> str:
    full = found.options["sampled_from"]
    if isinstance(full, dict):  # a corpus
        taken = found.options.get("corpus", {})
        return " and ".join(f"{taken.get(name, '?')} of {n} rows of {name}" for name, n in full.items())
    numbers = full if isinstance(full, list) else [full]
    taken = [found.options.get(key, "?") for key in ("n", "m")[: len(numbers)]]
    return " and ".join(
        f"{n} of {of} rows of {name}" for n, of, name in zip(taken, numbers, found.groups, strict=False)
    )
