"""What ``crossgap close`` would find: some closers compared on rows that they were not fitted on."""

import itertools
from collections.abc import Mapping
from typing import Any

from crossgap.close import (
    Closer,
    MeanRemoval,
    Procrustes,
    RidgeMap,
    ScoreStandardisation,
    Standardisation,
    Whitening,
    compare,
)
from crossgap.close.choice import NOT_TRIED, Choice, Trial, chosen_from
from crossgap.close.comparison import CandidateRow
from crossgap.close.purpose_scores import lowest_overlap
from crossgap.data.embeddings import Embeddings
from crossgap.errors import DegenerateError
from crossgap.report.details.sampled_rows import SampledRows, sampled_rows
from crossgap.report.details.short_numbers import short
from crossgap.report.selection import Settings

__all__ = ["closer_candidates", "closers"]

_SCORE = "mixed-ndcg"
_MOST_ROWS = 1_000  # of all groups together
_LEAST_ROWS = 200  # of a group
_MOST_DIMENSIONS = 768  # above, closers that need a decomposition take tens of seconds
_DECOMPOSE = ("whitening", "procrustes", "ridge-map")
_FEWEST_REPLICATES, _MOST_REPLICATES = 20, 100
_QUANTITIES = frozenset(
    {"centroid_distance", "relative_modality_gap", "ndcg_at_k", "neighbour_overlap", "recall_at_k", "match_auroc"}
)


def closer_candidates() -> dict[str, Closer]:
    """Return closers by the names of ``crossgap close --method``, from simple to complex, not fitted."""
    return {
        "mean-removal": MeanRemoval(),
        "score-standardisation": ScoreStandardisation(),
        "centred-score-standardisation": ScoreStandardisation(centre=True),
        "standardisation": Standardisation(),
        "whitening": Whitening(),
        "procrustes": Procrustes(),
        "ridge-map": RidgeMap(),
    }


def closers(embeddings: Embeddings, settings: Settings) -> dict[str, Any]:
    """Compare the candidates and choose one for a mixed search, on a sub-sample of whole items."""
    names = list(embeddings)
    reason = _why_not(embeddings)
    if reason is None:
        most_rows = max(_LEAST_ROWS, _MOST_ROWS // len(names))
        try:
            sample = sampled_rows(embeddings, most_rows, seed=settings.seed, whole_items=True)
            return _compared(sample, settings)
        except DegenerateError as error:
            reason = str(error)
    return {"groups": names, "reason": reason}


def _why_not(embeddings: Embeddings) -> str | None:
    if len(embeddings) < 2:
        return f"closing a gap needs two groups, but there is one, {next(iter(embeddings))}"
    reasons = [embeddings.item_codes(a, b).reason for a, b in itertools.combinations(embeddings, 2)]
    if None in reasons:
        return None
    return f"needs pairs: {reasons[0]}; crossgap close --score mixed-fairness judges without"


def _compared(sample: SampledRows, settings: Settings) -> dict[str, Any]:
    candidates = closer_candidates()
    left_out = _DECOMPOSE if sample.embeddings.dimension > _MOST_DIMENSIONS else ()
    found = compare(
        sample.embeddings,
        {name: closer for name, closer in candidates.items() if name not in left_out},
        replicates=min(max(settings.replicates, _FEWEST_REPLICATES), _MOST_REPLICATES),
        level=settings.level,
        seed=settings.seed,
        quantities=_QUANTITIES,
    )
    choice = chosen_from(found, score=_SCORE)
    trials = {trial.candidate: trial for trial in choice.trials}
    return {
        "groups": list(sample.embeddings),
        **sample.facts,
        "chosen": choice.chosen,
        "judged": choice.judged,
        "why": choice.why,
        "score": _score(choice),
        "tolerance": choice.tolerance,
        "settings": dict(found.settings),
        "notes": list(found.notes),
        "verdicts": [_rounded(verdict.as_json()) for verdict in choice.verdicts],
        "candidates": [
            *(_candidate(row, trials[row.name]) for row in found.rows),
            *(_left_out(name) for name in left_out),
        ],
    }


def _left_out(name: str) -> dict[str, Any]:
    reason = f"takes long with more than {_MOST_DIMENSIONS} dimensions; crossgap close --method {name} tries it"
    return {"name": name, "outcome": NOT_TRIED, "sentence": f"{name}: {NOT_TRIED}: {reason}.", "reason": reason}


def _score(choice: Choice) -> dict[str, Any]:
    return _rounded({"name": choice.score, "before": choice.before, "after": choice.after})


def _candidate(row: CandidateRow, trial: Trial) -> dict[str, Any]:
    if row.reason is not None:
        return {"name": row.name, "outcome": trial.outcome, "sentence": trial.sentence, "reason": row.reason}
    return {
        "name": row.name,
        "outcome": trial.outcome,
        "sentence": trial.sentence,
        "score": None if trial.score is None else short(trial.score),
        "overlap": short(lowest_overlap(row)),
        "dimension": row.dimension,
        "notes": list(row.notes),
        "changes": [_rounded(_without_empty(change.as_json())) for change in row.changes],
    }


def _without_empty(change: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value for key, value in change.items() if key != "in_sample" and (key != "reason" or value is not None)
    }


def _rounded(record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _short(value) for key, value in record.items()}


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return short(value)
    return [_short(one) for one in value] if isinstance(value, list) else value
