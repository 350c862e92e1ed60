"""Training of dual encoders on pairs, with the gap watched while it goes.

    towers ─┐
    pairs ──┼─► for step in TrainingRun(model, objective, pairs, ...): a record; the caller logs, stops, saves
    losses ─┘        └─ held-out pairs ─► gap_curve: the functions of ``measure`` ─► CollapseAlarm

``crossgap train CONFIG.toml`` does the same from a file.
"""

from importlib.util import find_spec

from crossgap.errors import MissingExtraError

if find_spec("torch") is None:
    raise MissingExtraError("training needs torch, which is not installed; install it: pip install 'crossgap[torch]'.")

from crossgap.train.alarms import Alarm, CollapseAlarm
from crossgap.train.caption_file import read_captions
from crossgap.train.checkpoint import load_model, save_model
from crossgap.train.config import TrainingConfig
from crossgap.train.config_file import read_config
from crossgap.train.dual_encoder import DualEncoder
from crossgap.train.from_config import ConfiguredRun, configured_run
from crossgap.train.gap_curves import GapCurve, gap_curve, held_out_curve
from crossgap.train.gradient_cache import cached_backward
from crossgap.train.hugging_face import hugging_face_dual_encoder
from crossgap.train.image_tower import convolutional_tower, vision_transformer_tower
from crossgap.train.images_and_captions import CaptionedPictures, read_images_and_captions
from crossgap.train.loggers import tensorboard_logger, trackio_logger
from crossgap.train.optimisers import (
    adamw,
    constant_schedule,
    cosine_restarts_schedule,
    cosine_schedule,
    exponential_schedule,
    linear_schedule,
)
from crossgap.train.pairs import PairedTensors, TrainingPairs
from crossgap.train.run import Step, TrainingRun
from crossgap.train.text_tower import text_tower
from crossgap.train.tokeniser import WordTokeniser
from crossgap.train.towers import linear_tower, mlp_tower

__all__ = [
    "Alarm",
    "CaptionedPictures",
    "CollapseAlarm",
    "ConfiguredRun",
    "DualEncoder",
    "GapCurve",
    "PairedTensors",
    "Step",
    "TrainingConfig",
    "TrainingPairs",
    "TrainingRun",
    "WordTokeniser",
    "adamw",
    "cached_backward",
    "configured_run",
    "constant_schedule",
    "convolutional_tower",
    "cosine_restarts_schedule",
    "cosine_schedule",
    "exponential_schedule",
    "gap_curve",
    "held_out_curve",
    "hugging_face_dual_encoder",
    "linear_schedule",
    "linear_tower",
    "load_model",
    "mlp_tower",
    "read_captions",
    "read_config",
    "read_images_and_captions",
    "save_model",
    "tensorboard_logger",
    "text_tower",
    "trackio_logger",
    "vision_transformer_tower",
]
