"""How a fit of a captioner went, in words and as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crossgap.train import Alarm

__all__ = ["fit_document", "ignores_rows", "result_lines"]

_LEAST_GAIN = 0.02  # nats a token: below, a row is as good as any other


def result_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield how the training went, from the facts of a captioner."""
    if facts.get("row_gain") is None:
        return
    if facts["validation_loss"] is not None:
        yield (
            f"held-out loss {facts['validation_loss']:.3f} nats a token, kept from epoch {facts['best_epoch'] + 1} of "
            f"{facts['settings']['epochs']}; {facts['chance_loss']:.3f} for one who knows only how often tokens come"
        )
    yield f"a row is worth {facts['row_gain']:.3f} nats a token against another caption's row"
    if ignores_rows(facts):
        yield (
            "alarm: the decoder ignores its rows, so it writes the same for all; train longer, lower the noise (a "
            "larger --target-cosine), and check that row i and text i belong together."
        )


def fit_document(
    folder: Path, facts: Mapping[str, Any], record: Mapping[str, Any], alarms: Sequence["Alarm"], notes: Sequence[str]
) -> str:
    """Return what ``--json`` prints."""
    from crossgap import __version__
    from crossgap.cli.training_loop import alarm_record
    from crossgap.results import to_json

    return to_json(
        {
            "schema": 1,
            "crossgap": __version__,
            "captioner": str(folder),
            "digest": record["digest"],
            "arm": record["arm"],
            "decoder": record["decoder"],
            "groups": record["groups"],
            "dimension": record["dimension"],
            "facts": dict(facts),
            "ignores_rows": ignores_rows(facts),
            "alarms": [alarm_record(alarm) for alarm in alarms],
            "notes": list(notes),
            "files": ["captioner.json", *record["files"]],
        }
    )


def ignores_rows(facts: Mapping[str, Any]) -> bool:
    """Whether a trained decoder does as well with rows of other captions."""
    return facts.get("row_gain") is not None and facts["row_gain"] < _LEAST_GAIN
