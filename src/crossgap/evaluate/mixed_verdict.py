"""What a mixed search says: close it, leave it, or not enough data; and why shares are not those of the corpus."""

from dataclasses import dataclass

from crossgap.close.tasks import CLOSE, LEAVE, NOT_ENOUGH
from crossgap.evaluate.comparison import decide
from crossgap.evaluate.evaluation import MEASURED, Verdict
from crossgap.evaluate.share_causes import ShareCauses
from crossgap.results import Measurement, told

__all__ = ["SHARE_TOLERANCE", "MixedNumbers", "mixed_verdict"]

SHARE_TOLERANCE = 0.05


@dataclass(frozen=True, kw_only=True)
class MixedNumbers:
    """The numbers of one group of queries that the verdict rests on.

    Parameters
    ----------
    queries, names, k
        The group that searches, the groups of the corpus, and the length of the list.
    measurements
        Shares, fairness and NDCG, before, after and their difference.
    causes
        What remains of the excess of each group after closing; empty where it was not taken apart.
    """

    queries: str
    names: tuple[str, ...]
    k: int
    measurements: tuple[Measurement, ...]
    causes: tuple[ShareCauses, ...] = ()

    def find(self, name: str, version: str, group: str | None = None) -> Measurement | None:
        """Return the number of this name and version at the length of the list."""
        groups = (self.queries,) if group is None else (self.queries, group)
        for found in self.measurements:
            same = found.name == name and found.groups == groups and found.value is not None
            if same and found.options.get("k") == self.k and found.options.get("version") == version:
                return found
        return None


def mixed_verdict(numbers: MixedNumbers, *, changes: bool) -> Verdict:
    """Say in one sentence what to do for one group of queries, and in a second why shares still differ."""
    if not changes:
        return _as_is(numbers)
    decision, why = _decision(numbers)
    sentence = f"{numbers.queries} queries: {decision}: {why}; {_shares(numbers)}."
    reason = _why_not(numbers)
    cause = _cause(numbers)
    return Verdict(
        groups=(numbers.queries,),
        decision=decision,
        sentence=f"{sentence} {reason}".rstrip(),
        cause=None if cause is None else cause.main,
    )


def _decision(numbers: MixedNumbers) -> tuple[str, str]:
    """Decide by NDCG where it changes, and by the shares where it does not or nothing is known of relevance."""
    gain, fairer = numbers.find("ndcg_at_k", "difference"), numbers.find("modality_fairness", "difference")
    better, nearer = decide(gain), decide(fairer)
    score = f"NDCG@{numbers.k}"
    if fairer is None or fairer.interval is None:
        return NOT_ENOUGH, "there are too few items for an interval"
    if gain is not None and better == CLOSE:
        return CLOSE, f"{score} rises by {told(gain, sign=True)} to {_after(numbers)}"
    if gain is not None and better == LEAVE:
        return LEAVE, f"{score} falls by {told(gain, sign=True)} to {_after(numbers)}"
    if _is_fair(numbers):
        told_gain = "" if gain is None else f", and {score} changes by {told(gain, sign=True)}"
        why = f"shares are within {SHARE_TOLERANCE} of those of the corpus as it is{told_gain}"
        return NOT_ENOUGH if gain is not None and better == NOT_ENOUGH else LEAVE, why
    if gain is None:
        return nearer or LEAVE, "no ids say which rows are right, so only the shares speak"
    if nearer == CLOSE:
        return CLOSE, f"shares come nearer to those of the corpus, and {score} changes by {told(gain, sign=True)}"
    if better == NOT_ENOUGH:
        return NOT_ENOUGH, f"the change of {score}, {told(gain, sign=True)}, may be a gain or a loss"
    return LEAVE, f"{score} changes by {told(gain, sign=True)} and shares come no nearer"


def _is_fair(numbers: MixedNumbers) -> bool:
    """Return whether every share is within the tolerance before anything is done."""
    return all(
        abs(_share(numbers, "before", name) - _corpus_share(numbers, name)) <= SHARE_TOLERANCE for name in numbers.names
    )


def _as_is(numbers: MixedNumbers) -> Verdict:
    parts = [
        f"{name} takes {told(numbers.find('modality_share_at_k', 'as is', name))} of the top {numbers.k}, of "
        f"{_corpus_share(numbers, name):.3f} of the corpus"
        for name in numbers.names
    ]
    ndcg = numbers.find("ndcg_at_k", "as is")
    score = "" if ndcg is None else f"; NDCG@{numbers.k} {told(ndcg)}"
    return Verdict(
        groups=(numbers.queries,), decision=MEASURED, sentence=f"{numbers.queries} queries: {', '.join(parts)}{score}."
    )


def _shares(numbers: MixedNumbers) -> str:
    """Tell the share of the group that is most under-represented before."""
    name = min(numbers.names, key=lambda name: _share(numbers, "before", name) - _corpus_share(numbers, name))
    return (
        f"the share of {name} in the top {numbers.k} goes from "
        f"{_share(numbers, 'before', name):.3f} to {told(numbers.find('modality_share_at_k', 'after', name))}, of "
        f"{_corpus_share(numbers, name):.3f} of the corpus"
    )


def _why_not(numbers: MixedNumbers) -> str:
    """Say why a share is further than the tolerance from that of the corpus after closing; empty where none is."""
    name, excess = _favoured(numbers)
    if name is None:
        return ""
    text = f"{name} still takes {excess:+.3f} more than its share of the corpus"
    cause = _cause(numbers)
    if cause is None:
        return f"{text}."
    parts = ", ".join(
        f"{label} {getattr(cause, part):+.3f}"
        for part, label in (
            ("right_answers", "right answers"),
            ("level", "level of the scores"),
            ("spread", "spread of the scores"),
            ("rest", "what these do not tell"),
        )
    )
    return f"{text}, mostly because {_BECAUSE[cause.main].format(name=name)} ({parts})."


def _favoured(numbers: MixedNumbers) -> tuple[str | None, float]:
    """Return the group furthest above its share of the corpus after closing; none where all are within tolerance."""
    excess = {name: _share(numbers, "after", name) - _corpus_share(numbers, name) for name in numbers.names}
    name = max(excess, key=lambda name: excess[name])
    far = max(abs(value) for value in excess.values()) > SHARE_TOLERANCE
    return (name if far else None), excess[name]


def _cause(numbers: MixedNumbers) -> ShareCauses | None:
    """Return what the excess of the group that is still favoured consists of; None where there is no such group."""
    name, _ = _favoured(numbers)
    return next((cause for cause in numbers.causes if cause.group == name), None)


_BECAUSE = {
    "right_answers": "the right answers are there",
    "level": "scores of {name} are still higher on average",
    "spread": "scores of {name} spread wider, so the extremes lie there, which no shift of the means can mend",
    "rest": "of near neighbours, hubs or heavy tails, which no shift of the means can mend",
}


def _share(numbers: MixedNumbers, version: str, name: str) -> float:
    found = numbers.find("modality_share_at_k", version, name)
    return 0.0 if found is None or found.value is None else found.value


def _corpus_share(numbers: MixedNumbers, name: str) -> float:
    for version in ("as is", "before"):
        found = numbers.find("modality_share_at_k", version, name)
        if found is not None:
            return float(found.options["corpus_share"])
    return 0.0


def _after(numbers: MixedNumbers) -> str:
    return told(numbers.find("ndcg_at_k", "after"))
