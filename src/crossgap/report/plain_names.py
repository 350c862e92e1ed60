"""What a quantity is called where people read: "recall@1", "effective dimension (99% of the variance)"."""

from collections.abc import Mapping
from typing import Any

from crossgap.results import Measurement

__all__ = ["DIRECTED", "plain_name", "plain_where"]

DIRECTED = frozenset(
    {
        "hubness",
        "match_probability",
        "mean_average_precision",
        "mean_reciprocal_rank",
        "median_rank",
        "modality_share_at_k",
        "modality_share_excess",
        "precision_recall",
        "r_precision",
        "recall_at_k",
        "threshold_at_precision",
    }
)
_WORDS = {
    "linear_separability": "linear separability (C = {C})",
    "mmd": "MMD",
    "mmd_p_value": "p-value of the MMD",
    "centroid_distance_floor": "centroid distance by chance",
    "centroid_distance_p_value": "p-value of the centroid distance",
    "frechet_distance": "Fréchet distance",
    "frechet_mean_part": "Fréchet distance, part of the means",
    "frechet_covariance_part": "Fréchet distance, part of the covariances",
    "sliced_wasserstein": "sliced Wasserstein distance",
    "within_cosine": "mean cosine within",
    "matched_cosine": "mean cosine of matches",
    "unmatched_cosine": "mean cosine of other pairs",
    "modality_share_at_k": "share of the top {k}",
    "modality_share_excess": "share of the top {k} less share of the corpus",
    "ndcg_at_k": "NDCG@{k}, mixed index",
    "recall_at_k": "recall@{k}",
    "hubness": "hubness (skewness of {k}-occurrence)",
    "gap_coordinate_share": "share of the gap in its {coordinates} largest coordinates",
    "effective_dimension": "effective dimension ({quantile} of the variance)",
    "stable_region": "share of stable pairs",
    "cross_edge_share": "share of tree edges across",
    "friedman_rafsky_z_score": "z-score of the edges across",
    "longest_merge_ratio": "longest edge across over median edge within",
    "two_nn_dimension": "intrinsic dimension, TwoNN",
    "levina_bickel_dimension": "intrinsic dimension, Levina and Bickel",
    "correlation_dimension": "correlation dimension",
    "local_pca_dimension": "intrinsic dimension, local PCA",
}


def plain_name(found: Measurement) -> str:
    """Return the words for a quantity, with the options that tell its variants apart.

    Examples
    --------
    >>> plain_name(Measurement(name="recall_at_k", groups=("image", "text"), value=0.5, options={"k": 5, "n": 9}))
    'recall@5'
    """
    words = _WORDS.get(found.name, found.name.replace("_", " "))
    if found.name == "linear_separability" and "C" not in found.options:
        words = words.partition(" (")[0]
    if found.name == "gap_coordinate_share" and found.options.get("coordinates") == 1:
        return "share of the gap in its largest coordinate"
    return words.format_map(_Options(found.options))


def plain_where(found: Measurement) -> str:
    """Return the groups: "a to b" where direction matters, else "a and b"."""
    return (" to " if found.name in DIRECTED else " and ").join(found.groups)


class _Options(dict[str, str]):
    """Options as they stand in a sentence; one that is not there by its name."""

    def __init__(self, options: Mapping[str, Any]):
        super().__init__({key: _word(key, value) for key, value in options.items()})

    def __missing__(self, key: str) -> str:
        return key


def _word(key: str, value: Any) -> str:
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:.0%}" if key == "quantile" else f"{value:g}"
