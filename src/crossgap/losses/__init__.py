"""Losses of dual encoders: differentiable objectives of a batch of matched rows.

Every loss is a function ``loss(x, y, logit_scale, *, options)``, in open_clip's order of arguments: image rows (B, d),
text rows (B, d), both of length 1, row i matched with row i, and the logit scale 1/temperature. It returns a scalar.
``ContrastiveLoss`` adds weighted losses and gathers rows across processes; ``LogitScale`` holds a temperature.
"""

from importlib.util import find_spec

from crossgap.errors import MissingExtraError

if find_spec("torch") is None:
    raise MissingExtraError("losses need torch, which is not installed; install it: pip install 'crossgap[torch]'.")

from crossgap.losses.alignclip import alignclip_loss
from crossgap.losses.alignment_uniformity import (
    alignment_loss,
    cross_uniformity_loss,
    joint_uniformity_loss,
    uniformity_loss,
)
from crossgap.losses.clip import clip_loss
from crossgap.losses.clip_refine import clip_refine_loss, distillation_loss, random_reference_loss
from crossgap.losses.cloob import cloob_loss
from crossgap.losses.correct_only import correct_only_loss
from crossgap.losses.cua import cua_loss, cuaxu_loss
from crossgap.losses.cyclip import cross_modal_consistency_loss, cyclip_loss, in_modal_consistency_loss
from crossgap.losses.debiased import debiased_loss
from crossgap.losses.decoupled import decoupled_loss
from crossgap.losses.direction_consistency import direction_consistency_loss
from crossgap.losses.extra_negatives import extra_negatives_loss
from crossgap.losses.focal import focal_loss
from crossgap.losses.gathering import gather_rows, own_rows
from crossgap.losses.geodesic_mixup import geodesic_mixup
from crossgap.losses.hard_negatives import hard_negative_loss
from crossgap.losses.hopfield import hopfield_retrieval
from crossgap.losses.in_modal import in_modal_loss
from crossgap.losses.infoloob import infoloob_loss
from crossgap.losses.m2mix import m2mix_loss
from crossgap.losses.m3mix import both_mix_loss, image_mix_loss, m3mix_loss, text_mix_loss
from crossgap.losses.margin import margin_loss
from crossgap.losses.nt_xent import nt_xent_loss
from crossgap.losses.objective import ContrastiveLoss
from crossgap.losses.siglip import siglip_loss
from crossgap.losses.similarity_structure import similarity_structure_loss
from crossgap.losses.singular_spread import singular_spread_loss
from crossgap.losses.temperature import (
    LogitScale,
    constant_scale,
    cosine_scale,
    fixed_then_learned_scale,
    linear_scale,
)

__all__ = [
    "ContrastiveLoss",
    "LogitScale",
    "alignclip_loss",
    "alignment_loss",
    "both_mix_loss",
    "clip_loss",
    "clip_refine_loss",
    "cloob_loss",
    "constant_scale",
    "correct_only_loss",
    "cosine_scale",
    "cross_modal_consistency_loss",
    "cross_uniformity_loss",
    "cua_loss",
    "cuaxu_loss",
    "cyclip_loss",
    "debiased_loss",
    "decoupled_loss",
    "direction_consistency_loss",
    "distillation_loss",
    "extra_negatives_loss",
    "fixed_then_learned_scale",
    "focal_loss",
    "gather_rows",
    "geodesic_mixup",
    "hard_negative_loss",
    "hopfield_retrieval",
    "image_mix_loss",
    "in_modal_consistency_loss",
    "in_modal_loss",
    "infoloob_loss",
    "joint_uniformity_loss",
    "linear_scale",
    "m2mix_loss",
    "m3mix_loss",
    "margin_loss",
    "nt_xent_loss",
    "own_rows",
    "random_reference_loss",
    "siglip_loss",
    "similarity_structure_loss",
    "singular_spread_loss",
    "text_mix_loss",
    "uniformity_loss",
]
