"""What users would see: mixed search, retrieval, zero-shot, approximate indexes, before and after closing; captions.

folds = other_half(numbered(embeddings)[0])        # mean removal, fitted on the other half of the items
evaluate_mixed(folds, queries=["text"]).verdicts
"""

from crossgap.evaluate.approximate_index import INDEXES, approximate_neighbours, index_settings
from crossgap.evaluate.captions import CaptionScores, caption_scores
from crossgap.evaluate.comparison import Resampling
from crossgap.evaluate.corrected_search import CORRECTIONS, Correction
from crossgap.evaluate.evaluation import Evaluation, Verdict
from crossgap.evaluate.folds import Fold, as_is, in_sample, numbered, other_half, with_closer
from crossgap.evaluate.index_recall import evaluate_index
from crossgap.evaluate.mixed import evaluate_mixed
from crossgap.evaluate.retrieval import evaluate_retrieval
from crossgap.evaluate.search_scores import modality_fairness
from crossgap.evaluate.zero_shot import class_vectors, evaluate_zero_shot, with_classes

__all__ = [
    "CORRECTIONS",
    "INDEXES",
    "CaptionScores",
    "Correction",
    "Evaluation",
    "Fold",
    "Resampling",
    "Verdict",
    "approximate_neighbours",
    "as_is",
    "caption_scores",
    "class_vectors",
    "evaluate_index",
    "evaluate_mixed",
    "evaluate_retrieval",
    "evaluate_zero_shot",
    "in_sample",
    "index_settings",
    "modality_fairness",
    "numbered",
    "other_half",
    "with_classes",
    "with_closer",
]
