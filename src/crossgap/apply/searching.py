"""How moved vectors are searched: by queries moved alike, or, where scores were standardised, by the inner product."""

from crossgap.close.closer import Closer
from crossgap.close.score_standardisation import ScoreStandardisation

__all__ = ["how_to_search", "wants_inner_product"]


def wants_inner_product(closer: Closer) -> bool:
    """Say whether moved vectors carry means and deviations of scores, which nothing but the inner product respects."""
    return closer.scales(closer.groups_[0]) is not None


def how_to_search(closer: Closer) -> str:
    """Return one sentence on what queries must become before they search moved vectors."""
    if isinstance(closer, ScoreStandardisation):
        return (
            f"search the new vectors by the inner product, with queries of {closer.served()} only, brought to length 1 "
            f"and a 1 appended: closer.as_queries(queries) gives them. Cosines of the new vectors mean nothing, so "
            f"judge them by: crossgap evaluate mixed SOURCE --closer CLOSER."
        )
    return "move queries with the same closer before they search the new vectors: only then do both lie in one space."
