"""Learn on one modality, use on the others: Connect, Collapse, Corrupt.

embeddings ──Preparation──► prepared rows ──decoder──► Caption
   text in training, any group in use          nearest caption, small transformer, ClipCap; a head of attributes
"""

from importlib.util import find_spec

from crossgap.errors import MissingExtraError

if find_spec("torch") is None:
    raise MissingExtraError(
        "transfer needs torch, which is not installed; install it: pip install 'crossgap[caption]'."
    )

from crossgap.transfer.attribute_head import AttributeHead, attribute_loss
from crossgap.transfer.caption import Caption
from crossgap.transfer.caption_tokens import CaptionTokens
from crossgap.transfer.captioner import Captioner, MeanLikeness
from crossgap.transfer.clipcap import ClipCap
from crossgap.transfer.decoding import Decoding
from crossgap.transfer.fine_tune import fine_tune
from crossgap.transfer.fit import CaptionerRun, fit_captioner
from crossgap.transfer.fit_settings import FitSettings
from crossgap.transfer.low_rank import LowRank
from crossgap.transfer.nearest_caption import NearestCaption
from crossgap.transfer.preparation import ARMS, Preparation
from crossgap.transfer.prepared_attributes import PreparedAttributes
from crossgap.transfer.prepared_captions import PreparedCaptions
from crossgap.transfer.token_loss import token_loss
from crossgap.transfer.transformer_decoder import TransformerDecoder

__all__ = [
    "ARMS",
    "AttributeHead",
    "Caption",
    "CaptionTokens",
    "Captioner",
    "CaptionerRun",
    "ClipCap",
    "Decoding",
    "FitSettings",
    "LowRank",
    "MeanLikeness",
    "NearestCaption",
    "Preparation",
    "PreparedAttributes",
    "PreparedCaptions",
    "TransformerDecoder",
    "attribute_loss",
    "fine_tune",
    "fit_captioner",
    "token_loss",
]
