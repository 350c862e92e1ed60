"""The record of one evaluation: numbers before and after closing, and what they say for each task."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crossgap.results import Measurement, to_json

__all__ = ["MEASURED", "Evaluation", "Verdict"]

MEASURED = "measured"  # beside the verdicts of ``close.tasks``: there was nothing to compare
_SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the numbers say for one task: ``close it``, ``leave it``, ``not enough data``, or only ``measured``.

    Parameters
    ----------
    groups
        The groups of the task, queries first.
    decision
        One of the four.
    sentence
        The reason, with its numbers.
    cause
        What mainly keeps a share from that of the corpus after closing: ``right_answers``, ``level``, ``spread`` or
        ``rest`` (``crossgap.evaluate.share_causes``); None where nothing does, or it was not taken apart.
    """

    groups: tuple[str, ...]
    decision: str
    sentence: str
    cause: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain data in the order of the file format."""
        return {"groups": list(self.groups), "decision": self.decision, "sentence": self.sentence, "cause": self.cause}


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What was evaluated, on what, how: plain numbers and strings.

    Parameters
    ----------
    task
        ``mixed``, ``retrieval``, ``zero-shot`` or ``index``.
    version
        The version of crossgap.
    inputs
        One mapping for each group: its name and its numbers of rows and dimensions, and where it came from.
    settings
        How it was measured: seed, replicates, what was fitted on which rows, limits; and ``notes``.
    measurements
        The numbers. ``options["version"]`` is ``before``, ``after``, ``difference`` or, where there is one version
        only, ``as is``.
    verdicts
        One for each task.
    """

    task: str
    version: str
    inputs: tuple[Mapping[str, Any], ...]
    settings: Mapping[str, Any]
    measurements: tuple[Measurement, ...]
    verdicts: tuple[Verdict, ...]

    def find(self, name: str, *groups: str, **options: Any) -> Measurement | None:
        """Return the first measurement of this name, on these groups, with these options; None if there is none."""
        for found in self.measurements:
            if (
                found.name == name
                and (not groups or found.groups == groups)
                and all(found.options.get(key) == value for key, value in options.items())
            ):
                return found
        return None

    def as_json(self) -> dict[str, Any]:
        """Return plain data in the order of the file format."""
        return {
            "schema": _SCHEMA,
            "crossgap": self.version,
            "task": self.task,
            "inputs": [dict(facts) for facts in self.inputs],
            "settings": dict(self.settings),
            "measurements": [measurement.as_json() for measurement in self.measurements],
            "verdicts": [verdict.as_json() for verdict in self.verdicts],
        }

    def to_json(self) -> str:
        """Return the file format: the same record gives the same bytes."""
        return to_json(self.as_json())
