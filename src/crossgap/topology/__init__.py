"""Shape that no rotation and no stretch changes: bars, trees, clusters, and what they say of two modalities."""

from crossgap.topology.betti_curve import betti_curve
from crossgap.topology.bottleneck_distance import bottleneck_distance
from crossgap.topology.cluster_picture import ClusterPicture, SharedClusters, cluster_picture
from crossgap.topology.cluster_purity import cluster_counts, cluster_purity
from crossgap.topology.clusters import Clusters, find_clusters
from crossgap.topology.component_deaths import component_deaths
from crossgap.topology.cross_barcode import cross_barcode
from crossgap.topology.diagram_wasserstein_distance import diagram_wasserstein_distance
from crossgap.topology.dimension_and_retrieval import (
    DimensionAndRetrieval,
    controlled_correlation,
    dimension_and_retrieval,
)
from crossgap.topology.landscape_distance import landscape_distance, persistence_landscape
from crossgap.topology.local_dimension import (
    DIMENSIONS,
    Dimensions,
    LocalCluster,
    LocalDimensions,
    local_dimensions,
    partner_labels,
    random_subset_dimensions,
)
from crossgap.topology.manifold_topology_divergence import (
    manifold_topology_divergence,
    manifold_topology_divergence_per_batch,
)
from crossgap.topology.mixing import (
    MixingScores,
    cross_edge_share,
    cross_edge_share_by_chance,
    friedman_rafsky_p_value,
    friedman_rafsky_z_score,
    longest_merge_ratio,
    mixing_scores,
)
from crossgap.topology.modality_entropy import modality_entropy
from crossgap.topology.modality_silhouette import modality_silhouette, modality_silhouette_per_row
from crossgap.topology.neighbour_purity import neighbour_purity, neighbour_purity_by_chance
from crossgap.topology.pairs_in_one_cluster import pairs_in_one_cluster, pairs_in_one_cluster_by_chance
from crossgap.topology.persistence import PersistenceDiagrams, persistence_diagrams, persistence_diagrams_of_distances
from crossgap.topology.persistence_summaries import (
    DiagramSummary,
    PersistenceSummaries,
    long_bar_count,
    longest_bar,
    persistence_entropy,
    persistence_summaries,
    total_persistence,
)
from crossgap.topology.sliced_diagram_distance import sliced_diagram_distance

__all__ = [
    "DIMENSIONS",
    "ClusterPicture",
    "Clusters",
    "DiagramSummary",
    "DimensionAndRetrieval",
    "Dimensions",
    "LocalCluster",
    "LocalDimensions",
    "MixingScores",
    "PersistenceDiagrams",
    "PersistenceSummaries",
    "SharedClusters",
    "betti_curve",
    "bottleneck_distance",
    "cluster_counts",
    "cluster_picture",
    "cluster_purity",
    "component_deaths",
    "controlled_correlation",
    "cross_barcode",
    "cross_edge_share",
    "cross_edge_share_by_chance",
    "diagram_wasserstein_distance",
    "dimension_and_retrieval",
    "find_clusters",
    "friedman_rafsky_p_value",
    "friedman_rafsky_z_score",
    "landscape_distance",
    "local_dimensions",
    "long_bar_count",
    "longest_bar",
    "longest_merge_ratio",
    "manifold_topology_divergence",
    "manifold_topology_divergence_per_batch",
    "mixing_scores",
    "modality_entropy",
    "modality_silhouette",
    "modality_silhouette_per_row",
    "neighbour_purity",
    "neighbour_purity_by_chance",
    "pairs_in_one_cluster",
    "pairs_in_one_cluster_by_chance",
    "partner_labels",
    "persistence_diagrams",
    "persistence_diagrams_of_distances",
    "persistence_entropy",
    "persistence_landscape",
    "persistence_summaries",
    "random_subset_dimensions",
    "sliced_diagram_distance",
    "total_persistence",
]
