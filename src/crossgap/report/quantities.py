"""What a report measures: one row for each quantity, in the order of the report.

A row says how the function is called, between which bounds its value lies, and whether it looks at all pairs of rows
(and so is taken on a sub-sample of large groups). Options are those that a report wants beside the defaults.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from crossgap import measure
from crossgap.measure.effective_dimension import components_for_share
from crossgap.measure.entropy_rank import entropy_rank_of
from crossgap.measure.hubness import hubness_of_lists
from crossgap.measure.participation_ratio import participation_ratio_of
from crossgap.measure.spectrum_area import spectrum_area_of
from crossgap.report.selection import SEARCHED

__all__ = ["QUANTITIES", "Quantity"]

GROUP = "one group"  # f(x)
SPECTRUM = "the spectrum of one group"  # form(values, n), the values computed once for all of these
GROUPS = "two groups"  # f(x, y), any sizes
MATCHES = "two groups and which rows match"  # f(x, y, x_items=, y_items=)
PAIRS = "pairs"  # f(x, y), row by row
LISTS = "lists of nearest rows"  # form(rows, m), the rows of ``Selection.nearest``, both ways
INDEPENDENT = "two groups of independent rows"  # f(x, y, paired=): permutation tests
RANKS = "places of right answers"  # the method of RetrievalRanks that has the function's name, both ways


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """How a report calls one function of ``crossgap.measure``."""

    function: Callable[..., Any]
    takes: str
    lowest: float = float("-inf")
    highest: float = float("inf")
    all_pairs: bool = False
    needs_pairs: bool = False
    seeded: bool = False
    weighted: bool = True
    share: bool = False  # a share of rows, whose interval on a bound needs another form
    dimension: bool = False  # at most the rank of the rows
    all_pairs_of_pairs: bool = False  # takes the pairs' items, so that pairs of one item are no wrong answers
    floor: Callable[..., Any] | None = None  # f(x, y, x_items=, y_items=): what samples of one distribution reach
    form: Any = None  # of SPECTRUM and LISTS: what the function does with what all of its kind share
    bandwidth: bool = False  # takes the bandwidth of a kernel, which all of these share
    by_default: bool = True
    variants: tuple[Mapping[str, Any], ...] = field(default=({},))

    @property
    def name(self) -> str:
        """The function's name, which is also the quantity's."""
        return self.function.__name__


def _table(*rows: Quantity) -> dict[str, Quantity]:
    return {row.name: row for row in rows}


QUANTITIES = _table(
    # how large the gap is
    Quantity(
        function=measure.centroid_distance,
        takes=GROUPS,
        lowest=0,
        highest=2,
        floor=measure.centroid_distance_floor,
    ),
    Quantity(function=measure.centroid_distance_floor, takes=MATCHES, lowest=0, weighted=False),
    Quantity(function=measure.centroid_distance_p_value, takes=INDEPENDENT, seeded=True, weighted=False),
    Quantity(function=measure.centroid_cosine, takes=GROUPS, lowest=-1, highest=1),
    Quantity(function=measure.relative_modality_gap, takes=MATCHES, lowest=0, highest=1, needs_pairs=True),
    Quantity(
        function=measure.linear_separability,
        takes=MATCHES,
        lowest=0,
        highest=1,
        seeded=True,
        share=True,
        variants=({"C": 1.0}, {"C": 100.0}),
    ),
    Quantity(function=measure.mmd, takes=GROUPS, all_pairs=True, seeded=True, bandwidth=True),
    Quantity(
        function=measure.mmd_p_value, takes=INDEPENDENT, all_pairs=True, seeded=True, weighted=False, bandwidth=True
    ),
    Quantity(function=measure.energy_distance, takes=GROUPS, all_pairs=True),
    Quantity(function=measure.frechet_mean_part, takes=GROUPS, lowest=0),
    Quantity(function=measure.frechet_covariance_part, takes=GROUPS, lowest=0),
    Quantity(function=measure.frechet_distance, takes=GROUPS, lowest=0, by_default=False),
    Quantity(function=measure.sliced_wasserstein, takes=GROUPS, lowest=0, all_pairs=True, seeded=True),
    Quantity(function=measure.cross_uniformity, takes=MATCHES, highest=0, all_pairs=True),
    Quantity(function=measure.joint_uniformity, takes=GROUPS, highest=0, all_pairs=True, by_default=False),
    # what it is made of
    Quantity(function=measure.gap_energy_ratio, takes=PAIRS, lowest=0, highest=1),
    Quantity(function=measure.gap_constancy, takes=PAIRS, lowest=-1, highest=1),
    Quantity(function=measure.gap_direction, takes=PAIRS, lowest=-1, highest=1, by_default=False),
    Quantity(function=measure.alignment, takes=PAIRS, lowest=0, highest=4),
    Quantity(function=measure.alignment_noise, takes=PAIRS, lowest=0, highest=4),
    Quantity(function=measure.pair_distance, takes=PAIRS, lowest=0, highest=2),
    Quantity(function=measure.relative_alignment, takes=PAIRS, lowest=0, all_pairs=True, by_default=False),
    Quantity(
        function=measure.gap_coordinate_share,
        takes=GROUPS,
        lowest=0,
        highest=1,
        variants=tuple({"coordinates": m} for m in (1, 2, 5, 10)),
    ),
    # scores
    Quantity(function=measure.matched_cosine, takes=PAIRS, lowest=-1, highest=1),
    Quantity(function=measure.unmatched_cosine, takes=MATCHES, lowest=-1, highest=1),
    Quantity(function=measure.within_cosine, takes=GROUP, lowest=-1, highest=1),
    # shape of each group
    Quantity(function=measure.uniformity, takes=GROUP, highest=0, all_pairs=True),
    Quantity(function=measure.resultant_length, takes=GROUP, lowest=0, highest=1),
    Quantity(
        function=measure.effective_dimension,
        takes=SPECTRUM,
        form=lambda values, n, quantile: components_for_share(values, quantile),
        dimension=True,
        lowest=1,
        variants=tuple({"quantile": share} for share in (0.9, 0.95, 0.99)),
    ),
    Quantity(
        function=measure.participation_ratio,
        takes=SPECTRUM,
        form=lambda values, n: participation_ratio_of(values),
        dimension=True,
        lowest=1,
    ),
    Quantity(
        function=measure.entropy_rank,
        takes=SPECTRUM,
        form=lambda values, n: entropy_rank_of(values),
        dimension=True,
        lowest=1,
    ),
    Quantity(function=measure.spectrum_area, takes=SPECTRUM, form=spectrum_area_of, lowest=0, highest=1),
    Quantity(function=measure.two_nn_dimension, takes=GROUP, lowest=0, all_pairs=True, by_default=False),
    Quantity(
        function=measure.levina_bickel_dimension,
        takes=GROUP,
        lowest=0,
        all_pairs=True,
        by_default=False,
        variants=tuple({"k": k} for k in (10, 20)),
    ),
    Quantity(function=measure.correlation_dimension, takes=GROUP, lowest=0, all_pairs=True, by_default=False),
    Quantity(
        function=measure.local_pca_dimension, takes=GROUP, dimension=True, lowest=1, all_pairs=True, by_default=False
    ),
    # retrieval
    Quantity(
        function=measure.recall_at_k,
        takes=RANKS,
        share=True,
        all_pairs=True,
        lowest=0,
        highest=1,
        variants=tuple({"k": k} for k in (1, 5, 10)),
    ),
    Quantity(function=measure.median_rank, takes=RANKS, all_pairs=True, lowest=1),
    Quantity(function=measure.mean_reciprocal_rank, takes=RANKS, all_pairs=True, lowest=0, highest=1),
    Quantity(
        function=measure.mean_average_precision, takes=RANKS, all_pairs=True, lowest=0, highest=1, by_default=False
    ),
    Quantity(function=measure.r_precision, takes=RANKS, all_pairs=True, lowest=0, highest=1, by_default=False),
    Quantity(
        function=measure.hubness,
        takes=LISTS,
        form=lambda rows, m, k, weights=None: hubness_of_lists(rows[:, :k], m, weights=weights),
        all_pairs=True,
        variants=({"k": SEARCHED},),
    ),
    Quantity(
        function=measure.neighbourhood_preservation, takes=PAIRS, lowest=0, highest=1, all_pairs=True, by_default=False
    ),
    Quantity(function=measure.stable_region, takes=PAIRS, all_pairs_of_pairs=True, lowest=0, highest=1, all_pairs=True),
)
