"""What single coordinates show of the tower: wrong layer, missing projection, quantised codes, dead dimensions."""

from collections.abc import Iterator

import numpy as np

from crossgap.doctor.finding import Finding, plural
from crossgap.doctor.survey import Survey

__all__ = ["check_coordinates"]

# Real CLIP towers reach 0.50 for the first coordinate and 0.58 for the first five (ViT-B/32 images), 0.40 and 0.47
# (ViT-B/16 images); hidden states of transformers before the last norm and projection lie above 0.8.
_NOTED_FIRST, _SUSPECT_FIRST, _SUSPECT_FIVE = 0.2, 0.65, 0.8
_LEAST_DIMENSION = 32  # with fewer coordinates a large share of one is nothing strange
_LEAST_ROWS = 10  # as few rows agree by chance
_MANY_DEAD = 0.1


def check_coordinates(name: str, s: Survey) -> Iterator[Finding]:
    """Find coordinates that carry most of the norm, never go below zero, hold whole numbers, or never change."""
    if s.count < _LEAST_ROWS:
        return
    if s.d >= _LEAST_DIMENSION:
        yield from _dominant(name, s)
        if bool(np.all(s.low >= 0)):
            yield Finding(
                name="non-negative-rows",
                severity="warning",
                groups=(name,),
                evidence=f"no entry of {name} is below zero ({100 * s.zeros:.0f} % are exactly 0), as after a ReLU and "
                f"before a projection.",
                mend="Take the output of the projection: get_image_features(...) or get_text_features(...) in "
                "transformers, encode_image(...) or encode_text(...) in open_clip.",
                numbers={"zero_share": s.zeros, "smallest": float(s.low.min())},
            )
    if s.whole:
        yield Finding(
            name="whole-numbers",
            severity="warning",
            groups=(name,),
            evidence=f"all entries of {name} are whole numbers, from {s.low.min():.0f} to {s.high.max():.0f}: these "
            f"look like quantised codes, not vectors.",
            mend="Undo the quantisation first, with its scale and offset: x = scale * codes + offset.",
            numbers={"smallest": float(s.low.min()), "largest": float(s.high.max())},
        )
    dead = np.flatnonzero(s.low == s.high)
    if len(dead) and len(dead) < s.d:
        share = len(dead) / s.d
        yield Finding(
            name="dead-coordinates",
            severity="warning" if share >= _MANY_DEAD else "note",
            groups=(name,),
            evidence=f"{plural(len(dead), 'coordinate')} of {s.d} in {name} never change over {s.n} rows, among them "
            f"coordinate {dead[0]}.",
            mend="Check for padding, or for an array of the wrong width that was filled up; constant coordinates of "
            "all groups may be dropped.",
            numbers={"coordinates": len(dead), "share": share},
        )


def _dominant(name: str, s: Survey) -> Iterator[Finding]:
    order = np.argsort(-s.share, kind="stable")
    first, five = float(s.share[order[0]]), float(s.share[order[:5]].sum())
    if first < _NOTED_FIRST and five < _SUSPECT_FIVE:
        return
    suspect = first >= _SUSPECT_FIRST or five >= _SUSPECT_FIVE
    if suspect:
        mend = (
            "Check that these are the projected outputs of the dual encoder and not a hidden state or another pooling: "
            "get_image_features(...) in transformers 5 returns an object whose .pooler_output is the projection."
        )
    else:
        mend = (
            "CLIP itself has such coordinates, so this need be no mistake; removing each group's mean takes most of "
            "them away."
        )
    yield Finding(
        name="dominant-coordinates",
        severity="warning" if suspect else "note",
        groups=(name,),
        evidence=f"coordinate {order[0]} carries {100 * first:.0f} % of the squared length of {name}, and five "
        f"coordinates carry {100 * five:.0f} % (an even spread gives {100 / s.d:.2g} % and {500 / s.d:.2g} %).",
        mend=mend,
        numbers={"coordinate": int(order[0]), "first_share": first, "five_share": five, "even_share": 1 / s.d},
    )
