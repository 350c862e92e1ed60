"""Scores of captions against references, as the COCO caption evaluation computes them.

caption_scores(["a dog runs"], [["a dog is running", "the dog runs"]]).measurements
"""

from crossgap.evaluate.captions.bleu import bleu, bleu_per_item
from crossgap.evaluate.captions.caption_words import caption_words
from crossgap.evaluate.captions.cider_d import cider, cider_d, cider_d_per_item, cider_per_item
from crossgap.evaluate.captions.meteor import JavaScores, meteor
from crossgap.evaluate.captions.ptb_tokens import ptb_tokens
from crossgap.evaluate.captions.rouge_l import rouge_l, rouge_l_per_item
from crossgap.evaluate.captions.scores import SCORES, CaptionScores, caption_scores
from crossgap.evaluate.captions.spice import spice

__all__ = [
    "SCORES",
    "CaptionScores",
    "JavaScores",
    "bleu",
    "bleu_per_item",
    "caption_scores",
    "caption_words",
    "cider",
    "cider_d",
    "cider_d_per_item",
    "cider_per_item",
    "meteor",
    "ptb_tokens",
    "rouge_l",
    "rouge_l_per_item",
    "spice",
]
