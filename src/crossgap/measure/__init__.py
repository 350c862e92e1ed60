"""Quantities of groups that share a space: plain functions of arrays, one idea a file.

Every scalar quantity takes rows (n, d), keywords for its options, and ``weights`` for a bootstrap; see ``certainty``.
"""

from crossgap.measure.alignment import alignment, alignment_noise, alignment_per_pair, pair_distance, relative_alignment
from crossgap.measure.alignment_noise_profile import AlignmentNoiseProfile, alignment_noise_profile
from crossgap.measure.centroid_distance import (
    centroid_cosine,
    centroid_distance,
    centroid_distance_floor,
    centroid_distance_p_value,
)
from crossgap.measure.certainty import bootstrap_interval, bootstrap_weights, interval, paired_difference, permutation_p
from crossgap.measure.clip_score import clip_score, clip_score_per_pair
from crossgap.measure.correlation_dimension import correlation_dimension
from crossgap.measure.cosine_quantiles import CosineDistribution, cosine_quantiles
from crossgap.measure.cross_uniformity import cross_uniformity
from crossgap.measure.dimension_ablation import DimensionAblation, dimension_ablation, neighbourhood_test
from crossgap.measure.effective_dimension import effective_dimension
from crossgap.measure.energy_distance import energy_distance
from crossgap.measure.entropy_rank import entropy_rank
from crossgap.measure.explained_variance import explained_variance, explained_variance_area
from crossgap.measure.frechet_distance import frechet_covariance_part, frechet_distance, frechet_mean_part
from crossgap.measure.gap_coordinate_share import gap_coordinate_share
from crossgap.measure.gap_energy_ratio import (
    gap_constancy,
    gap_direction,
    gap_direction_per_pair,
    gap_energy_ratio,
)
from crossgap.measure.gap_frame_split import GapFrameSplit, gap_frame_split
from crossgap.measure.gap_groups import GapGroups, gap_groups
from crossgap.measure.gap_orthogonality import gap_orthogonality, gap_orthogonality_reference
from crossgap.measure.gap_span_energy import gap_span_energy, gap_span_energy_reference
from crossgap.measure.gap_vector import gap_vector
from crossgap.measure.hubness import (
    HubnessScores,
    antihub_share,
    hubness,
    hubness_gini,
    hubness_max,
    hubness_scores,
    top_hub_share,
)
from crossgap.measure.k_occurrence import k_occurrence
from crossgap.measure.levina_bickel_dimension import levina_bickel_dimension, levina_bickel_dimension_per_row
from crossgap.measure.linear_separability import SeparabilityScores, linear_separability, linear_separability_scores
from crossgap.measure.local_pca_dimension import local_pca_dimension, local_pca_dimension_per_row
from crossgap.measure.match_probability import MatchCalibration, match_probability
from crossgap.measure.matched_cosine import matched_cosine, matched_cosine_per_pair
from crossgap.measure.mean_average_precision import mean_average_precision, r_precision
from crossgap.measure.median_rank import mean_reciprocal_rank, median_rank
from crossgap.measure.mixed_search import MixedSearch, mixed_search
from crossgap.measure.mmd import median_squared_distance, mmd, mmd_p_value
from crossgap.measure.modality_share import modality_share_at_k, modality_share_excess
from crossgap.measure.ndcg_at_k import ndcg_at_k
from crossgap.measure.neighbourhood_preservation import (
    neighbourhood_preservation,
    neighbourhood_preservation_per_row,
)
from crossgap.measure.numerical_rank import numerical_rank, singular_values_above_one, stable_rank
from crossgap.measure.participation_ratio import participation_ratio
from crossgap.measure.precision_recall import PrecisionRecall, precision_recall
from crossgap.measure.recall_at_k import recall_at_k
from crossgap.measure.ref_clip_score import ref_clip_score, ref_clip_score_per_item
from crossgap.measure.relative_modality_gap import relative_modality_gap
from crossgap.measure.resultant_length import conformity_per_row, resultant_length, thin_shell, von_mises_concentration
from crossgap.measure.retrieval_ranks import RetrievalRanks, retrieval_ranks, retrieval_ranks_both
from crossgap.measure.scored_pairs import ScoredPairs, scored_pairs
from crossgap.measure.signed_centroid_distance import signed_centroid_distance
from crossgap.measure.sliced_wasserstein import max_sliced_wasserstein, sliced_wasserstein
from crossgap.measure.spectrum_area import joint_spectrum_area, spectrum_area
from crossgap.measure.stable_region import StableRegion, stable_region, stable_region_per_anchor, stable_region_width
from crossgap.measure.threshold_at_precision import PrecisionThreshold, threshold_at_precision
from crossgap.measure.two_nn_dimension import two_nn_dimension
from crossgap.measure.uniformity import joint_uniformity, uniformity
from crossgap.measure.unmatched_cosine import unmatched_cosine
from crossgap.measure.wasserstein import matching_cost_ratio, optimal_partner_share, sinkhorn_distance, wasserstein
from crossgap.measure.within_cosine import within_cosine

__all__ = [
    "AlignmentNoiseProfile",
    "CosineDistribution",
    "DimensionAblation",
    "GapFrameSplit",
    "GapGroups",
    "HubnessScores",
    "MatchCalibration",
    "MixedSearch",
    "PrecisionRecall",
    "PrecisionThreshold",
    "RetrievalRanks",
    "ScoredPairs",
    "SeparabilityScores",
    "StableRegion",
    "alignment",
    "alignment_noise",
    "alignment_noise_profile",
    "alignment_per_pair",
    "antihub_share",
    "bootstrap_interval",
    "bootstrap_weights",
    "centroid_cosine",
    "centroid_distance",
    "centroid_distance_floor",
    "centroid_distance_p_value",
    "clip_score",
    "clip_score_per_pair",
    "conformity_per_row",
    "correlation_dimension",
    "cosine_quantiles",
    "cross_uniformity",
    "dimension_ablation",
    "effective_dimension",
    "energy_distance",
    "entropy_rank",
    "explained_variance",
    "explained_variance_area",
    "frechet_covariance_part",
    "frechet_distance",
    "frechet_mean_part",
    "gap_constancy",
    "gap_coordinate_share",
    "gap_direction",
    "gap_direction_per_pair",
    "gap_energy_ratio",
    "gap_frame_split",
    "gap_groups",
    "gap_orthogonality",
    "gap_orthogonality_reference",
    "gap_span_energy",
    "gap_span_energy_reference",
    "gap_vector",
    "hubness",
    "hubness_gini",
    "hubness_max",
    "hubness_scores",
    "interval",
    "joint_spectrum_area",
    "joint_uniformity",
    "k_occurrence",
    "levina_bickel_dimension",
    "levina_bickel_dimension_per_row",
    "linear_separability",
    "linear_separability_scores",
    "local_pca_dimension",
    "local_pca_dimension_per_row",
    "match_probability",
    "matched_cosine",
    "matched_cosine_per_pair",
    "matching_cost_ratio",
    "max_sliced_wasserstein",
    "mean_average_precision",
    "mean_reciprocal_rank",
    "median_rank",
    "median_squared_distance",
    "mixed_search",
    "mmd",
    "mmd_p_value",
    "modality_share_at_k",
    "modality_share_excess",
    "ndcg_at_k",
    "neighbourhood_preservation",
    "neighbourhood_preservation_per_row",
    "neighbourhood_test",
    "numerical_rank",
    "optimal_partner_share",
    "pair_distance",
    "paired_difference",
    "participation_ratio",
    "permutation_p",
    "precision_recall",
    "r_precision",
    "recall_at_k",
    "ref_clip_score",
    "ref_clip_score_per_item",
    "relative_alignment",
    "relative_modality_gap",
    "resultant_length",
    "retrieval_ranks",
    "retrieval_ranks_both",
    "scored_pairs",
    "signed_centroid_distance",
    "singular_values_above_one",
    "sinkhorn_distance",
    "sliced_wasserstein",
    "spectrum_area",
    "stable_rank",
    "stable_region",
    "stable_region_per_anchor",
    "stable_region_width",
    "thin_shell",
    "threshold_at_precision",
    "top_hub_share",
    "two_nn_dimension",
    "uniformity",
    "unmatched_cosine",
    "von_mises_concentration",
    "wasserstein",
    "within_cosine",
]
