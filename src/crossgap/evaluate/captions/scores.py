"""All scores of a set of captions, with their intervals, as one record."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossgap import __version__
from crossgap.evaluate.captions.bleu import bleu, bleu_per_item
from crossgap.evaluate.captions.caption_words import Caption, caption_words, mean_of_items
from crossgap.evaluate.captions.cider_d import cider_d_per_item
from crossgap.evaluate.captions.meteor import JavaScores, meteor
from crossgap.evaluate.captions.ptb_tokens import ptb_tokens
from crossgap.evaluate.captions.rouge_l import rouge_l_per_item
from crossgap.evaluate.captions.spice import spice
from crossgap.evaluate.comparison import Resampling
from crossgap.measure.certainty import bounds, plain_and_drawn
from crossgap.results import Measurement, to_json

__all__ = ["SCORES", "CaptionScores", "caption_scores"]

SCORES = ("bleu", "rouge_l", "cider_d", "meteor", "spice")
_BLEU = ("bleu_1", "bleu_2", "bleu_3", "bleu_4")
_GROUPS = ("candidates", "references")
_SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class CaptionScores:
    """Scores of a set of captions: of the set, and of each item.

    Parameters
    ----------
    version
        The version of crossgap.
    settings
        How it was done: numbers of items and references, replicates, seed, level, and ``notes``.
    measurements
        ``bleu_1`` to ``bleu_4``, ``rouge_l``, ``cider_d``, ``meteor``, ``spice``: a value with its interval, or the
        reason why there is none.
    items
        The id of each item.
    per_item
        The value of each item by the name of its score; scores without a value are left out.
    """

    version: str
    settings: Mapping[str, Any]
    measurements: tuple[Measurement, ...]
    items: tuple[str, ...]
    per_item: Mapping[str, tuple[float, ...]]

    def find(self, name: str) -> Measurement | None:
        """Return the measurement of this name; None if it was not asked for."""
        return next((found for found in self.measurements if found.name == name), None)

    @property
    def left_out(self) -> dict[str, str]:
        """The scores without a value, and why."""
        return {found.name: found.reason for found in self.measurements if found.reason is not None}

    def as_json(self) -> dict[str, Any]:
        """Return plain data in the order of the file format."""
        rows = zip(*self.per_item.values(), strict=True) if self.per_item else ((),) * len(self.items)
        return {
            "schema": _SCHEMA,
            "crossgap": self.version,
            "task": "captions",
            "settings": dict(self.settings),
            "measurements": [found.as_json() for found in self.measurements],
            "items": [
                {"id": item, **{name: float(f"{value:.9g}") for name, value in zip(self.per_item, row, strict=True)}}
                for item, row in zip(self.items, rows, strict=True)
            ],
        }

    def to_json(self) -> str:
        """Return the file format: the same record gives the same bytes."""
        return to_json(self.as_json())


def caption_scores(
    candidates: Sequence[Caption],
    references: Sequence[Sequence[Caption]],
    *,
    items: Sequence[str] | None = None,
    scores: Sequence[str] = SCORES,
    resampling: Resampling | None = None,
    timeout: float = 1800.0,
    notes: Sequence[str] = (),
    tokenise: Callable[[str], list[str]] = ptb_tokens,
) -> CaptionScores:
    """Score captions against references: BLEU-1 to 4, ROUGE-L, CIDEr-D, and with Java METEOR and SPICE.

    How to read it: higher is better in all. Compare scores of one set of references only, and of two systems by the
    intervals of their difference where they are near: those of each alone are wider. People's own captions do not
    reach 1 (``docs/caption_scores.md`` has their values).

    Parameters
    ----------
    candidates
        One caption for each item: text, or a list of words.
    references
        The references of each item, one or more, in the same order.
    items
        An id for each item; without ids their numbers from 0.
    scores
        Some of ``SCORES``.
    resampling
        How intervals are made; 200 replicates by default. There are none for fewer than 10 items.
    timeout
        Seconds that each Java program may take.
    notes
        Sentences for the record.
    tokenise
        Cuts a text into words.

    Returns
    -------
    A record. A score whose program or package is missing, or fails, has a reason instead of a value.

    Raises
    ------
    ValueError
        If an item has no reference, lists differ in length, ids are not unique or a score is not known.
    DegenerateError
        If there is no item.

    Notes
    -----
    A replicate draws items. Fixed in it are the counts of the corpus in CIDEr-D; BLEU is computed anew from the drawn
    counts; the interval of METEOR is that of the mean over items, moved to its value.

    References
    ----------
    Chen et al., *Microsoft COCO Captions: Data Collection and Evaluation Server*, arXiv 1504.00325.

    Examples
    --------
    >>> found = caption_scores(["a red dog runs", "a cat"], [["a red dog"], ["one cat"]], scores=["bleu", "rouge_l"])
    >>> [(m.name, round(m.value, 3)) for m in found.measurements]
    [('bleu_1', 0.667), ('bleu_2', 0.577), ('bleu_3', 0.55), ('bleu_4', 0.0), ('rouge_l', 0.69)]
    """
    unknown = [name for name in scores if name not in SCORES]
    if unknown or not scores:
        raise ValueError(f"scores must be some of {', '.join(SCORES)}, but they are {list(scores)}; name at least one.")
    if not timeout > 0:
        raise ValueError(f"timeout must be positive, but it is {timeout}; 1800 seconds are usual.")
    resampling = Resampling() if resampling is None else resampling
    words, listed = caption_words(candidates, references, tokenise=tokenise)
    ids = tuple(map(str, range(len(words)) if items is None else items))
    if len(ids) != len(words) or len(set(ids)) < len(ids):
        raise ValueError(
            f"items must hold one id for each of the {len(words)} captions, each once, but there are {len(ids)} ids, "
            f"{len(set(ids))} of them different; leave them out to number the captions."
        )
    counts = plain_and_drawn(len(words), resampling.replicates, seed=resampling.seed)
    weights = None if counts is None else counts.astype(np.float64)
    found: list[Measurement] = []
    per_item: dict[str, tuple[float, ...]] = {}

    def add(name: str, value: float, replicates: Any, values: np.ndarray, highest: float = 1.0) -> None:
        within = None
        if weights is not None:
            within = bounds(
                np.concatenate([[value], replicates[1:]]), level=resampling.level, lowest=0.0, highest=highest
            )
        found.append(Measurement(name=name, groups=_GROUPS, value=value, interval=within, options={"n": len(words)}))
        per_item[name] = tuple(values.tolist())

    def of_items(name: str, values: np.ndarray, highest: float = 1.0, value: float | None = None) -> None:
        mean = float(values.mean())
        drawn = None if weights is None else np.asarray(mean_of_items(values, weights))
        moved = 0.0 if value is None else value - mean
        add(name, mean + moved, None if drawn is None else drawn + moved, values, highest)

    def by_java(name: str, call: Callable[..., JavaScores]) -> None:
        try:
            made = call(words, listed, timeout=timeout)
        except (ImportError, OSError) as error:
            found.append(Measurement(name=name, groups=_GROUPS, value=None, reason=str(error)))
        else:
            of_items(name, made.per_item, value=made.score)

    if "bleu" in scores:
        values = bleu_per_item(words, listed)
        whole = bleu(words, listed)
        drawn = None if weights is None else bleu(words, listed, weights=weights)
        for number, name in enumerate(_BLEU):
            add(name, float(whole[number]), None if drawn is None else drawn[:, number], values[:, number])
    if "rouge_l" in scores:
        of_items("rouge_l", rouge_l_per_item(words, listed))
    if "cider_d" in scores:
        of_items("cider_d", cider_d_per_item(words, listed), highest=10.0)
    if "meteor" in scores:
        by_java("meteor", meteor)
    if "spice" in scores:
        by_java("spice", spice)
    return CaptionScores(
        version=__version__,
        settings={
            "items": len(words),
            "references": sum(map(len, listed)),
            "candidates_without_words": sum(not one for one in words),
            "bootstrap": resampling.replicates,
            "seed": resampling.seed,
            "level": resampling.level,
            "notes": [*notes, *_warnings(words)],
        },
        measurements=tuple(found),
        items=ids,
        per_item=per_item,
    )


def _warnings(words: Sequence[Sequence[str]]) -> list[str]:
    notes = []
    if len(words) == 1:
        notes.append("with one item CIDEr-D is 0 whatever the caption: no run of words is rarer than another.")
    empty = sum(not one for one in words)
    if empty:
        notes.append(f"{empty} of {len(words)} candidates hold no words once punctuation is taken out; they score 0.")
    return notes
