"""The record of one comparison of models; the table, the page and the gate are drawn from it alone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crossgap.errors import FormatError
from crossgap.results import Measurement, to_json

__all__ = ["SCHEMA", "Gate", "ModelComparison"]

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Whether a model passed a condition, and the numbers that decided."""

    expression: str
    model: str
    passed: bool
    numbers: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {**self.__dict__, "numbers": list(self.numbers)}


@dataclass(frozen=True, kw_only=True)
class ModelComparison:
    """What was measured of each model, how each differs from the first, and how alike their spaces are.

    Parameters
    ----------
    version
        The version of crossgap.
    models
        For each model its label and its ``inputs``, one mapping for each group. The first is the baseline.
    settings
        Seed, replicates, level, rows, whether the items are the same (``paired``), notes, command.
    measurements
        By label: what ``crossgap measure`` finds in this model.
    differences
        By label, the baseline left out: value of the model less that of the baseline, for each measurement that both
        have, with an interval that is paired where the items are the same.
    similarities
        Of two models and one group: CKA and others. ``options["models"]`` holds both labels.
    gates
        Whether each model but the first passed the gate; empty where none was asked for.
    """

    version: str
    models: Mapping[str, tuple[Mapping[str, Any], ...]]
    settings: Mapping[str, Any]
    measurements: Mapping[str, tuple[Measurement, ...]]
    differences: Mapping[str, tuple[Measurement, ...]]
    similarities: tuple[Measurement, ...]
    gates: tuple[Gate, ...] = ()

    @property
    def baseline(self) -> str:
        """The label of the first model, against which the others are held."""
        return next(iter(self.models))

    def find(self, model: str, name: str, *groups: str, **options: Any) -> Measurement | None:
        """Return the first measurement of a model with this name, on these groups, with these options."""
        return _first(self.measurements[model], name, groups, options)

    def difference(self, model: str, name: str, *groups: str, **options: Any) -> Measurement | None:
        """Return by how much a model differs from the baseline in the first such quantity."""
        return _first(self.differences.get(model, ()), name, groups, options)

    def to_json(self) -> str:
        """Return the file format: the same record gives the same bytes."""
        return to_json(
            {
                "schema": SCHEMA,
                "crossgap": self.version,
                "models": {label: [dict(facts) for facts in inputs] for label, inputs in self.models.items()},
                "settings": dict(self.settings),
                "measurements": _listed(self.measurements),
                "differences": _listed(self.differences),
                "similarities": [found.as_json() for found in self.similarities],
                "gates": [found.as_json() for found in self.gates],
            }
        )

    def to_html(self) -> str:
        """Return the page: one HTML file that needs no network; the same record gives the same bytes."""
        from crossgap.report.models.models_page import models_page
        from crossgap.report.page.html import render

        return render(models_page(self))

    @classmethod
    def from_json(cls, text: str) -> "ModelComparison":
        """Read the file format back.

        Raises
        ------
        FormatError
            If the text is not a comparison of this schema.
        """
        try:
            document = json.loads(text)
            if document["schema"] != SCHEMA:
                raise FormatError(
                    f"a comparison must have schema {SCHEMA}, but this one has {document['schema']!r}; compare again "
                    f"with this version of crossgap."
                )
            return cls(
                version=str(document["crossgap"]),
                models={label: tuple(inputs) for label, inputs in document["models"].items()},
                settings=document["settings"],
                measurements=_read(document["measurements"]),
                differences=_read(document["differences"]),
                similarities=tuple(map(Measurement.from_json, document["similarities"])),
                gates=tuple(
                    Gate(**{**found, "numbers": tuple(found["numbers"])}) for found in document.get("gates", ())
                ),
            )
        except FormatError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise FormatError(
                f"a comparison must be JSON as `crossgap compare` writes it, but reading it failed ({error}); compare "
                f"again."
            ) from None


def _first(found: tuple[Measurement, ...], name: str, groups: tuple[str, ...], options: Mapping[str, Any]) -> Any:
    for measurement in found:
        if measurement.matches(name, groups, options):
            return measurement
    return None


def _listed(by_model: Mapping[str, tuple[Measurement, ...]]) -> dict[str, list[dict[str, Any]]]:
    return {label: [measurement.as_json() for measurement in found] for label, found in by_model.items()}


def _read(by_model: Mapping[str, Any]) -> dict[str, tuple[Measurement, ...]]:
    return {label: tuple(map(Measurement.from_json, found)) for label, found in by_model.items()}
