"""Fitted maps that move embeddings so that the gap closes: scikit-learn estimators whose rows belong to groups.

    closer = MeanRemoval().fit(X, groups=groups)        # groups: the name of the group of each row
    moved = closer.transform(new_rows, groups=new_groups)

means alone        MeanRemoval, Translation
means and shapes   Standardisation, Whitening, Coral, ReAlign, GaussianTransport
pairs              Procrustes, RidgeMap, CanonicalMap
directions         SubspaceRemoval
a bank of rows     MemoryProjection, BipartiteSpectral
scores             ScoreStandardisation; csls_scores, inverted_softmax_scores, query_bank_scores, ...
noise              Corruption, estimate_noise
prompts            ProjectionAugmentation
"""

from crossgap.close.affine_step import AffineStep
from crossgap.close.bipartite_spectral import BipartiteSpectral
from crossgap.close.canonical_map import CanonicalMap
from crossgap.close.choice import Choice, choose, judge
from crossgap.close.closer import ONE_GROUP, Calibration, Closer, LinearCloser
from crossgap.close.closer_file import read_closer, read_closer_record, write_closer
from crossgap.close.comparison import Comparison, compare
from crossgap.close.coral import Coral
from crossgap.close.corruption import Corruption
from crossgap.close.csls import csls_offsets, csls_scores
from crossgap.close.dual_softmax import dual_softmax_scores
from crossgap.close.faiss_transforms import faiss_transforms, with_closer, write_faiss
from crossgap.close.gaussian_transport import GaussianTransport
from crossgap.close.inverted_softmax import inverted_softmax_offsets, inverted_softmax_scores
from crossgap.close.mean_removal import MeanRemoval
from crossgap.close.memory_projection import MemoryProjection
from crossgap.close.moments import MomentCloser, Moments
from crossgap.close.noise_draws import expected_cosine, variance_for_cosine
from crossgap.close.noise_estimate import NoiseEstimate, estimate_noise
from crossgap.close.onnx_model import write_onnx
from crossgap.close.plain_json import to_plain_json, write_plain_json
from crossgap.close.pretrained import from_pretrained, save_pretrained
from crossgap.close.procrustes import Procrustes
from crossgap.close.projection_augmentation import ProjectionAugmentation
from crossgap.close.query_bank import activation_set, query_bank_scores
from crossgap.close.rank_preservation import RankPreservation, list_kendall, neighbour_overlap, rank_preservation
from crossgap.close.realign import ReAlign
from crossgap.close.recipe import numpy_recipe
from crossgap.close.ridge_map import RidgeMap
from crossgap.close.score_standardisation import ScoreStandardisation
from crossgap.close.sinkhorn_scores import sinkhorn_offsets, sinkhorn_scores
from crossgap.close.standardisation import Standardisation
from crossgap.close.subspace_removal import SubspaceRemoval
from crossgap.close.translation import Translation
from crossgap.close.whitening import Whitening

__all__ = [
    "ONE_GROUP",
    "AffineStep",
    "BipartiteSpectral",
    "Calibration",
    "CanonicalMap",
    "Choice",
    "Closer",
    "Comparison",
    "Coral",
    "Corruption",
    "GaussianTransport",
    "LinearCloser",
    "MeanRemoval",
    "MemoryProjection",
    "MomentCloser",
    "Moments",
    "NoiseEstimate",
    "Procrustes",
    "ProjectionAugmentation",
    "RankPreservation",
    "ReAlign",
    "RidgeMap",
    "ScoreStandardisation",
    "Standardisation",
    "SubspaceRemoval",
    "Translation",
    "Whitening",
    "activation_set",
    "choose",
    "compare",
    "csls_offsets",
    "csls_scores",
    "dual_softmax_scores",
    "estimate_noise",
    "expected_cosine",
    "faiss_transforms",
    "from_pretrained",
    "inverted_softmax_offsets",
    "inverted_softmax_scores",
    "judge",
    "list_kendall",
    "neighbour_overlap",
    "numpy_recipe",
    "query_bank_scores",
    "rank_preservation",
    "read_closer",
    "read_closer_record",
    "save_pretrained",
    "sinkhorn_offsets",
    "sinkhorn_scores",
    "to_plain_json",
    "variance_for_cosine",
    "with_closer",
    "write_closer",
    "write_faiss",
    "write_onnx",
    "write_plain_json",
]
