"""Quantities of two spaces that need not share one: how alike their geometry is, whatever their rotation.

Every function takes rows (n, d1) and (n, d2), row i of both the same item; most take ``weights`` for a bootstrap.
"""

from crossgap.compare.cka import cka
from crossgap.compare.cknna import cknna
from crossgap.compare.cycle_neighbours import cycle_neighbours
from crossgap.compare.mutual_neighbours import mutual_neighbours, mutual_neighbours_per_row
from crossgap.compare.procrustes_distance import procrustes_distance
from crossgap.compare.representation_topology_divergence import (
    representation_cross_barcode,
    representation_topology_divergence,
    representation_topology_divergence_per_batch,
)
from crossgap.compare.representational_similarity import representational_similarity

__all__ = [
    "cka",
    "cknna",
    "cycle_neighbours",
    "mutual_neighbours",
    "mutual_neighbours_per_row",
    "procrustes_distance",
    "representation_cross_barcode",
    "representation_topology_divergence",
    "representation_topology_divergence_per_batch",
    "representational_similarity",
]
