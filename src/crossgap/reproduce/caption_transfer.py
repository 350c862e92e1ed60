"""E12: captions of pictures and sounds by a decoder that saw text alone, for the four arms (table 2 of C3)."""

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np

from crossgap.reproduce.caption_orderings import (
    PAPER,
    PUBLISHED,
    SCORES,
    arm_orderings,
    comparison,
    score_headings,
)
from crossgap.reproduce.caption_runs import has_meteor
from crossgap.reproduce.caption_study import MEMORY, PAIRS, CaptionStudy, check_scale, within
from crossgap.reproduce.caption_worlds import space_facts
from crossgap.reproduce.table import Ordering, Progress, Reference, Row, Summary, Table, check_counts
from crossgap.transfer.preparation import ARMS

__all__ = ["METHODS", "run"]

METHODS = (
    *(("transformer", arm) for arm in (*ARMS, MEMORY, PAIRS)),
    *(("nearest", arm) for arm in (*ARMS, MEMORY)),
)
"""Decoder and arm of each row."""
_COLUMNS = (*SCORES, "row_gain")
_SOURCES = {PAPER: "arXiv 2401.08567, table 2: GPT-2 on COCO, so other data and a larger decoder; shown, not judged."}
_SPACE = (
    ("gap", "gap"),
    ("length", "length of the mean text"),
    ("pair_variance", "noise of pairs"),
    ("caption_variance", "noise of captions of one item"),
    ("matched_cosine", "cosine of partners"),
    ("collapsed_cosine", "after collapse"),
    ("recall_at_1", "R@1"),
    ("recall_at_10", "R@10 among the captions of all test items, after collapse"),
)


def run(
    *,
    scale: str = "small",
    seed: int = 0,
    output: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    data: Literal["flickr8k", "emoji", "tuxpaint"] = "flickr8k",
    features: str | os.PathLike[str] | None = None,
    splits: int | None = None,
    dimension: int = 64,
    embeddings: str | os.PathLike[str] | None = None,
    language_model: str | os.PathLike[str] | None = None,
    group: str = "image",
    test_items: int = 5000,
    seeds: Sequence[int] = (1234,),
    passes: int = 10,
    batch_size: int = 40,
    learning_rate: float = 2e-5,
    warmup_steps: int = 5000,
    variance: float = 0.016,
    tune: Literal["whole", "lora", "frozen"] = "whole",
    device: str = "cpu",
    precision: Literal["float32", "bf16", "fp16"] = "float32",
) -> Table:
    """Train a decoder on text embeddings for each arm, and caption pictures and sounds that nothing has seen.

    How to read it: the rows are the arms, from no step over one step to both; below them DeCap's projection onto the
    training texts with the decoder of C1, the same decoder trained on pairs, and the nearest training caption. CIDEr-D,
    BLEU-4, ROUGE-L and METEOR are times 100, as papers print them. "CIDEr-D of text" is of captions written from the
    text rows of the test items themselves: it falls with noise. "Row gain" says by how many nats a token the row
    helps in training, "distinct" which share of the captions differ.

    Parameters
    ----------
    scale
        "small": the small decoder on stored features of frozen towers. "full": ClipCap on embeddings of your own.
    seed
        Small: of the splits; split s has heads, decoder and noise of seed ``seed + s``.
    output
        File that the table is written to as JSON. What single runs found lies beside it in a folder ``.runs``, so that
        a killed experiment goes on where it was, with the same result.
    progress
        Called in each training and after each run.
    data, features
        Small: the set, and the folder that holds ``<data>.npz`` (see ``experiments/captioning/make_features.py``).
    splits
        Small: how many test splits; None for 3. They share no item.
    dimension
        Small: of the space that the heads lead to.
    embeddings, language_model, group, test_items, seeds, passes, batch_size, learning_rate, warmup_steps, variance, \
tune, device, precision
        Full: see ``caption_transfer_full.GivenStudy`` and ``full_table``.

    Returns
    -------
    One row for each group, decoder and arm.

    Raises
    ------
    ValueError
        If ``scale`` or ``data`` is unknown, or a path is missing.

    Notes
    -----
    Protocol (small): linear heads on frozen towers, trained with the CLIP loss (scale 100, 15 epochs) on the pairs of
    the items that are not tested, then frozen; a group beyond the first gets a head against the text head. The decoder
    sees text rows alone: all captions but those of test items, and but those with the words of one. Means are of
    the training rows. The noise was chosen for each arm on items that are in no test split (``caption_noise``). The
    nearest caption of arms with noise is looked up among rows that were noised once.

    Cost: Flickr8k some hour on one core, emoji and Tux Paint a few minutes.

    References
    ----------
    Zhang et al., *Connect, Collapse, Corrupt*, ICLR 2024, arXiv 2401.08567, table 2; Li et al., *DeCap*, ICLR 2023.
    """
    check_scale(scale, small={"features": features}, full={"embeddings": embeddings, "language_model": language_model})
    if scale == "full":
        from crossgap.reproduce.caption_transfer_full import GivenStudy, full_table

        given = GivenStudy(
            embeddings,
            language_model,
            group=group,
            test_items=test_items,
            passes=passes,
            batch_size=batch_size,
            learning_rate=learning_rate,
            warmup_steps=warmup_steps,
            variance=variance,
            tune=tune,
            device=device,
            precision=precision,
            runs=output,
        )
        return full_table(given, seeds=seeds, output=output, progress=progress)
    check_counts(splits=splits)
    splits = 3 if splits is None else splits
    study = CaptionStudy(data, features, seed=seed, dimension=dimension, runs=output)
    java, targets = has_meteor(), study.set.target_cosines
    measured: dict[tuple[str, str, str], list[dict[str, float]]] = {}
    per_row: dict[tuple[str, str, str], list[np.ndarray]] = {}
    spaces: dict[str, list[dict[str, float]]] = {name: [] for name in study.groups}
    left_out, total = [], splits * len(METHODS)
    for number in range(splits):
        world = study.world(number)
        left_out.append(world.same_captions)
        for name in study.groups:
            spaces[name].append(space_facts(world, name))
        for place, (decoder, arm) in enumerate(METHODS):
            done = number * len(METHODS) + place
            what = f"{decoder}, {arm}, split {number + 1}"
            for name in study.groups:
                one, values = study.scored(
                    number,
                    decoder,
                    arm,
                    name,
                    target_cosine=targets.get(arm),
                    java=java,
                    progress=within(progress, done, total, what),
                )
                measured.setdefault((name, decoder, arm), []).append(one)
                per_row.setdefault((name, decoder, arm), []).append(values)
            if progress is not None:
                progress(done + 1, total, what)
    keys = itertools.product(study.groups, METHODS)
    rows = tuple(_row(name, *method, measured[name, *method]) for name, method in keys)
    table = Table(
        name="caption_transfer",
        title=f"Captions of {data} by decoders that saw text alone: {splits} splits, d = {dimension}",
        columns=tuple(name for name in _COLUMNS if java or name != "meteor"),
        rows=rows,
        sources=_SOURCES,
        orderings=tuple(_orderings(per_row, study.groups)),
        settings={"scale": scale, "splits": splits, **study.settings, "target_cosines": dict(targets)}
        | {"same_captions": left_out, "spaces": {name: _gathered(several) for name, several in spaces.items()}},
        notes=(*_notes(spaces, left_out), *(() if java else ("METEOR needs Java and pycocoevalcap: left out.",))),
        headings=score_headings(),
    )
    if output is not None:
        table.write(output)
    return table


def _row(group: str, decoder: str, arm: str, several: Sequence[Mapping[str, float]]) -> Row:
    judged = decoder == "transformer" and group == "image"
    published = PUBLISHED.get(arm, {}) if judged else {}
    return Row(
        condition={"group": group, "decoder": decoder, "arm": arm},
        measured={name: tuple(one[name] for one in several) for name in several[0]},
        references={PAPER: {name: Reference.published(value) for name, value in published.items()}},
    )


def _orderings(
    per_row: Mapping[tuple[str, str, str], Sequence[np.ndarray]], groups: Sequence[str]
) -> Iterator[Ordering]:
    for group in groups:
        arms = {arm: per_row[group, "transformer", arm] for arm in ARMS}
        yield from arm_orderings(arms, f"CIDEr-D of {group}, transformer")
        looked_up = [per_row[group, "nearest", arm] for arm in ("C1", "C2_1")]
        yield comparison(f"CIDEr-D of {group}, nearest: C1 is below C2_1", PAPER, *looked_up)
    for group in groups:
        at = {method: per_row[group, *method] for method in METHODS}
        for few, many in (
            (("nearest", "C2_1"), ("transformer", "C3")),
            (("transformer", MEMORY), ("transformer", "C3")),
            (("transformer", PAIRS), ("transformer", "C3")),
        ):
            yield comparison(f"CIDEr-D of {group}: {' '.join(few)} is below {' '.join(many)}", PAPER, at[few], at[many])


def _gathered(several: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    return {name: [one[name] for one in several] for name in several[0]}


def _notes(spaces: Mapping[str, Sequence[Mapping[str, float]]], left_out: Sequence[int]) -> Iterator[str]:
    for group, several in spaces.items():
        parts = []
        for name, words in _SPACE:
            if all(name in one for one in several):
                found = Summary.of([one[name] for one in several])
                error = "" if found.standard_error is None else f" ± {found.standard_error:.2g}"
                parts.append(f"{words} {found.mean:.3g}{error}")
        yield f"{group} and text, over the splits: {', '.join(parts)}."
    yield (
        f"captions of other items that were left out of training since a test item has the same words: "
        f"{', '.join(map(str, left_out))}, by split."
    )
