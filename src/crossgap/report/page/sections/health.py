"""Whether the data are sound, and what these numbers leave out: findings, sub-samples, what could not be measured."""

from typing import Any

from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Heading, Paragraph, Section, Sentences, Table
from crossgap.report.page.detail_entries import entries, missing_entry

__all__ = ["health"]

_ORDER = {"error": 0, "warning": 1, "note": 2}


def health(report: GapReport) -> Section:
    """List blunders found in the vectors, what was looked at only in part, and what was skipped and why."""
    blocks: list[Any] = []
    found = sorted(entries(report, "health"), key=lambda one: _ORDER.get(str(one.get("severity")), len(_ORDER)))
    if found:
        blocks.append(Paragraph(text=_summary([str(one["severity"]) for one in found]), tone="key"))
        blocks.append(
            Table(
                caption="What crossgap doctor finds in these vectors",
                columns=("severity", "finding", "groups", "what was seen", "what to do"),
                rows=tuple(
                    (
                        str(one["severity"]),
                        str(one["name"]),
                        ", ".join(map(str, one.get("groups", ()))),
                        str(one["sentence"]),
                        str(one.get("mend", "")),
                    )
                    for one in found
                ),
            )
        )
    elif report.details.get("health") == []:
        blocks.append(Paragraph(text="No blunder found in these vectors.", tone="key"))
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


def _summary(severities: list[str]) -> str:
    counts = [(severities.count(kind), kind) for kind in _ORDER if kind in severities]
    told = ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for count, kind in counts)
    worst = counts[0][1] if counts else "note"
    ends = {
        "error": "these numbers may be wrong until the errors are mended",
        "warning": "look at them before relying on these numbers",
        "note": "nothing that puts these numbers in doubt",
    }
    return f"{told}: {ends[worst]}."


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
        seen.setdefault(f"{told} rows of {' and '.join(one.groups)}", []).append(one.name)
    return tuple(f"{what}: {', '.join(dict.fromkeys(names))}." for what, names in seen.items())


def _skipped(report: GapReport) -> tuple[str, ...]:
    reasons: dict[str, list[str]] = {}
    for one in report.measurements:
        if one.reason is not None and one.name != "threshold_at_precision":  # the scores say it
            reasons.setdefault(one.reason.rstrip("."), []).append(f"{one.name} ({', '.join(one.groups)})")
    return tuple(f"{', '.join(dict.fromkeys(names))}: {reason}." for reason, names in reasons.items())
