"""Whether the data are sound, and what these numbers leave out: findings, sub-samples, what could not be measured."""

from collections.abc import Mapping
from typing import Any

from crossgap.report.gap_report import GapReport
from crossgap.report.page.answers import joined
from crossgap.report.page.blocks import Heading, Paragraph, Section, Sentences
from crossgap.report.page.detail_entries import entries, missing_entry
from crossgap.report.plain_names import plain_name

__all__ = ["health"]

_ORDER = {"error": 0, "warning": 1, "note": 2}


def health(report: GapReport) -> Section:
    """List blunders found in the vectors, what was looked at only in part, and what was skipped and why."""
    blocks: list[Any] = []
    found = sorted(entries(report, "health"), key=lambda one: _ORDER.get(str(one.get("severity")), len(_ORDER)))
    if found:
        blocks.append(Paragraph(text=_summary([str(one["severity"]) for one in found]), tone="key"))
        blocks.append(Sentences(items=tuple(map(_told, found))))
    elif report.details.get("health") == []:
        blocks.append(Paragraph(text="crossgap doctor finds no fault in these vectors.", tone="key"))
    sampled = _sampled(report)
    if sampled:
        blocks += [Heading(text="Looked at in part"), Sentences(items=sampled)]
    notes = tuple(str(note) for note in report.settings.get("notes") or ())
    if notes:
        blocks += [Heading(text="Left aside"), Sentences(items=notes)]
    missing = (
        [] if report.details.get("health") == [] else [*missing_entry(report, "health", "Blunders in the vectors")]
    )
    return Section(name="health", title="Data health", blocks=tuple(blocks), missing=(*missing, *_skipped(report)))


def _told(one: Mapping[str, Any]) -> str:
    """Write a finding: how grave, what it is called, what was seen, what to do."""
    groups = joined([str(name) for name in one.get("groups") or ()] or [""])
    where = f" ({groups})" if groups else ""
    sentence = str(one["sentence"])
    mend = str(one.get("mend") or "")
    todo = f" What to do: {mend}" if mend else ""
    return f"{str(one['severity']).capitalize()}, {one['name']}{where}: {sentence}{todo}"


def _summary(severities: list[str]) -> str:
    counts = [(severities.count(kind), kind) for kind in _ORDER if kind in severities]
    told = ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for count, kind in counts)
    worst = counts[0][1] if counts else "note"
    ends = {
        "error": "these numbers may be wrong until the errors are mended",
        "warning": "look at them before relying on these numbers",
        "note": "good to know, but nothing that puts these numbers in doubt",
    }
    return f"crossgap doctor finds {told} in these vectors: {ends[worst]}."


def _sampled(report: GapReport) -> tuple[str, ...]:
    """Say which quantities saw a sub-sample, by the sizes they saw."""
    seen: dict[str, list[str]] = {}
    for one in report.measurements:
        if "sampled_from" not in one.options:
            continue
        full = one.options["sampled_from"]
        full = list(full.values()) if isinstance(full, dict) else list(full)
        corpus = one.options.get("corpus")
        taken = list(corpus.values()) if isinstance(corpus, dict) else [
            one.options[key] for key in ("n", "m") if key in one.options
        ]  # fmt: skip
        told = " and ".join(f"{some:,} of {whole:,}" for some, whole in zip(taken, full, strict=False))
        seen.setdefault(f"{told} rows of {joined(one.groups)}", []).append(plain_name(one))
    return tuple(f"{what}: {', '.join(dict.fromkeys(names))}." for what, names in seen.items())


def _skipped(report: GapReport) -> tuple[str, ...]:
    """Say what has no value and why; what needs pairs once for each two groups, not for each direction."""
    reasons: dict[tuple[str, ...], tuple[str, list[str]]] = {}
    for one in report.measurements:
        if one.reason is None or one.name == "threshold_at_precision":  # the scores say it
            continue
        reason = one.reason.rstrip(".")
        if reason.startswith("needs pairs"):
            reasons.setdefault(tuple(sorted(one.groups)), (reason, []))[1].append(plain_name(one))
        else:
            reasons.setdefault((reason,), (reason, []))[1].append(f"{plain_name(one)} ({', '.join(one.groups)})")
    return tuple(
        f"{text[:1].upper()}{text[1:]}: {reason}."
        for reason, names in reasons.values()
        for text in [", ".join(dict.fromkeys(names))]
    )
