"""D5: a captioner learned from text alone, trained further on 1, 5, 25 and 100 % of the pairs."""

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np

from crossgap.reproduce.caption_orderings import PAPER, comparison, score_headings
from crossgap.reproduce.caption_runs import captions_of, has_meteor, new_decoder, references_of, scores, training_texts
from crossgap.reproduce.caption_study import CaptionStudy, Told, check_scale, within
from crossgap.reproduce.caption_worlds import CaptionWorld, split_items
from crossgap.reproduce.kept_runs import KeptRuns
from crossgap.reproduce.table import Ordering, Progress, Reference, Row, Table, check_counts
from crossgap.transfer.captioner import Captioner
from crossgap.transfer.fine_tune import fine_tune
from crossgap.transfer.fit_settings import FitSettings
from crossgap.transfer.preparation import ARMS, Preparation

__all__ = ["FRACTIONS", "pairs_of", "run"]

FRACTIONS = (0.01, 0.05, 0.25, 1.0)
NEW = "new"
STARTS = (*ARMS, NEW)
_PASSES, _BATCH_SIZE, _LEARNING_RATE = 10, 40, 5e-4
_STREAM = 0xD5
_COLUMNS = ("cider_d", "bleu_4", "rouge_l", "meteor")
_SOURCES = {
    PAPER: "CIDEr of the low-data figure of arXiv 2401.08567, read off to 0.5: GPT-2 on COCO, other data; not judged."
}
_FIGURE = {
    0.01: {"C1": 78.5, "C2_1": 78.5, "C2_2": 96.3, "C3": 96.4, NEW: 71.1},
    0.05: {"C1": 91.75, "C2_1": 91.75, "C2_2": 98.2, "C3": 98.8, NEW: 89.5},
    0.25: {"C1": 102.65, "C2_1": 102.65, "C2_2": 103.0, "C3": 103.5, NEW: 101.7},
    1.0: {"C1": 109.7, "C2_1": 109.2, "C2_2": 108.9, "C3": 108.9, NEW: 106.6},
}


class _Source(Protocol):
    """Splits, the captioners that the tuning starts from, and its settings."""

    group: str
    settings: dict[str, Any]
    kept: KeptRuns
    most_tokens: int

    def world(self, number: int) -> CaptionWorld: ...

    def validation(self, number: int) -> frozenset[str]: ...

    def start(self, number: int, name: str, progress: Told) -> Captioner: ...

    def tuning(self, number: int, share: float) -> FitSettings: ...


def run(
    *,
    scale: str = "small",
    seed: int = 0,
    output: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    features: str | os.PathLike[str] | None = None,
    data: Literal["flickr8k", "emoji", "tuxpaint"] = "flickr8k",
    splits: int | None = None,
    dimension: int = 64,
    fractions: Sequence[float] = FRACTIONS,
    runs: str | None = None,
    embeddings: str | os.PathLike[str] | None = None,
    language_model: str | os.PathLike[str] | None = None,
    group: str = "image",
    test_items: int = 5000,
    seeds: Sequence[int] = (1234, 5678, 910),
    passes: int = _PASSES,
    device: str = "cpu",
    precision: Literal["float32", "bf16", "fp16"] = "float32",
) -> Table:
    """Train captioners that were learned from text alone further on a share of the pairs, and caption unseen rows.

    How to read it: a row is a start (an arm's text-only captioner, or new weights) and a share of the items that have
    pairs; share 0 is the start itself. The worth of text alone is the distance between an arm and "new", which closes
    as pairs grow. "length kept" says whether collapsed rows are brought back to length 1 before they are tuned on
    and used ("no"), or left at the length that the collapse leaves ("yes", the paper's scripts; erratum 20).

    Parameters
    ----------
    scale
        "small": the captioners of ``caption_transfer`` on stored features. "full": ClipCap on embeddings of your own.
    seed, output, progress, features, data, dimension
        As in ``caption_transfer.run``.
    splits
        How many; None for 3 at small scale, for as many as ``seeds`` at full scale.
    fractions
        Shares of the items with pairs, above 0 and up to 1; at least two items are taken.
    runs
        Path of an earlier ``caption_transfer`` table, whose text-only captioners are taken up again; None for
        ``output``.
    embeddings, language_model, group, test_items, seeds, passes, device, precision
        Full: as in ``caption_transfer.run``; ``passes`` counts for both stages.

    Returns
    -------
    One row for each start, length and share.

    Raises
    ------
    ValueError
        If ``scale`` is unknown, a path is missing or a share is out of range.

    Notes
    -----
    Protocol (D5): pairs of the first items of a random order, all captions of each; no noise; collapse as in the start;
    10 epochs, batches of 40; the epoch with the highest ROUGE-L on items that validate is kept. Those are not tuned on.
    The learning rate is 5e-4 for the small decoder, 2e-5 for ClipCap, with 5,000 warm-up steps times the share.

    Cost: 24 tunings a split, some minutes on one core beside the start's own training.

    References
    ----------
    Zhang et al., *Connect, Collapse, Corrupt*, ICLR 2024, arXiv 2401.08567, section 5.
    """
    check_scale(scale, small={"features": features}, full={"embeddings": embeddings, "language_model": language_model})
    check_counts(splits=splits)
    if not fractions or any(not 0 < fraction <= 1 for fraction in fractions):
        raise ValueError(f"fractions must lie above 0 and up to 1, but they are {list(fractions)}; 0.01 is 1 %.")
    kept = output if runs is None else runs
    if scale == "small":
        source: _Source = _Stored(CaptionStudy(data, features, seed=seed, dimension=dimension, runs=kept))
        splits = 3 if splits is None else splits
    else:
        source = _given(
            embeddings,
            language_model,
            seeds=seeds,
            group=group,
            test_items=test_items,
            passes=passes,
            device=device,
            precision=precision,
            runs=kept,
        )
        splits = len(seeds) if splits is None else min(splits, len(seeds))
    conditions = [
        (start, length, share)
        for start in STARTS
        for length in (("unit", "kept") if start in ("C2_1", "C3") else ("unit",))
        for share in (0.0, *fractions)
        if not (share == 0.0 and (length == "kept" or start == NEW))
    ]
    java, total = has_meteor(), splits * len(conditions)
    measured: dict[tuple[str, str, float], list[dict[str, float]]] = {}
    per_row: dict[tuple[str, str, float], list[np.ndarray]] = {}
    for number in range(splits):
        references = references_of(source.world(number), source.group)
        for place, condition in enumerate(conditions):
            done = number * len(conditions) + place
            what = f"{condition[0]}, {condition[2]:.0%} of the pairs, split {number + 1}"
            captions = _captions(source, number, *condition, progress=within(progress, done, total, what))
            if progress is not None:
                progress(done + 1, total, what)
            one, values = scores(captions, references, java=java)
            measured.setdefault(condition, []).append(one)
            per_row.setdefault(condition, []).append(values)
    table = Table(
        name="low_data",
        title=f"Captioners learned from text, trained further on a share of the pairs: {splits} splits",
        columns=tuple(name for name in _COLUMNS if java or name != "meteor"),
        rows=tuple(_row(*condition, several) for condition, several in measured.items()),
        sources=_SOURCES,
        orderings=tuple(_orderings(per_row, fractions)),
        settings={"scale": scale, "splits": splits, "fractions": list(fractions), **source.settings},
        headings=score_headings(),
    )
    if output is not None:
        table.write(output)
    return table


def _captions(source: _Source, number: int, start: str, length: str, share: float, *, progress: Told) -> list[str]:
    key = {"start": start, "length": length, "share": share, "split": number, "what": "low data"}
    settings = source.tuning(number, share or 1.0)
    key |= {"passes": settings.epochs, "learning_rate": settings.learning_rate, "batch_size": settings.batch_size}
    found = source.kept.get(key)
    if found is None:
        world = source.world(number)
        captioner = source.start(number, start, progress)
        if share > 0:
            rows, texts, items = pairs_of(world, source.group, source.validation(number), share, seed=settings.seed)
            captioner = fine_tune(
                captioner,
                rows,
                texts,
                group=source.group,
                settings=settings,
                renormalise=length == "unit",
                items=items,
                validation=_validating(world, source.group, source.validation(number)),
                progress=progress,
            )
        found = captions_of(captioner, world, most_tokens=source.most_tokens)[source.group]
        source.kept.put(key, found)
    return found


def pairs_of(
    world: CaptionWorld, group: str, validation: frozenset[str], share: float, *, seed: int
) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Return the rows, captions and items of a share of the training items of a group that do not validate.

    How to read it: each row comes once for each caption of its item. A smaller share is a part of a larger one; at
    least two items are taken.

    Parameters
    ----------
    world, group
        Where the rows are from.
    validation
        Items that are left out.
    share
        Above 0, up to 1.
    seed
        Of the order of the items.
    """
    names = [str(item) for item in np.asarray(world.train[group].items)]
    known = np.unique([name for name in names if name not in validation])
    order = np.random.default_rng([seed, _STREAM]).permutation(known)
    taken = set(order[: max(2, round(share * len(order)))].tolist())
    rows = [row for row, name in enumerate(names) if name in taken for _ in world.references[name]]
    texts = [caption for name in names if name in taken for caption in world.references[name]]
    return np.asarray(world.train[group].vectors)[rows], texts, np.array([names[row] for row in rows])


def _validating(
    world: CaptionWorld, group: str, validation: frozenset[str]
) -> tuple[np.ndarray, list[tuple[str, ...]]]:
    names = [str(item) for item in np.asarray(world.train[group].items)]
    rows = [row for row, name in enumerate(names) if name in validation]
    return np.asarray(world.train[group].vectors)[rows], [world.references[names[row]] for row in rows]


class _Stored:
    """The small decoder on stored features."""

    group = "image"

    def __init__(self, study: CaptionStudy) -> None:
        self.study, self.kept, self.most_tokens = study, study.kept, study.recipe.most_tokens
        self.settings = {**study.settings, "target_cosines": dict(study.set.target_cosines)}

    def world(self, number: int) -> CaptionWorld:
        return self.study.world(number)

    def validation(self, number: int) -> frozenset[str]:
        sizes = {"test": self.study.set.test, "validation": self.study.set.validation}
        return split_items(self.study.features, seed=self.study.seed, number=number, **sizes)[1]

    def start(self, number: int, name: str, progress: Told) -> Captioner:
        if name != NEW:
            target = self.study.set.target_cosines.get(name)
            return self.study.captioner(number, name, target_cosine=target, progress=progress)
        world = self.world(number)
        preparation = Preparation.fit(world.train, arm="C1")
        seed = self.study.seed + number
        return Captioner(preparation, new_decoder(training_texts(world), preparation, self.study.recipe, seed))

    def tuning(self, number: int, share: float) -> FitSettings:
        return FitSettings(
            learning_rate=_LEARNING_RATE,
            batch_size=_BATCH_SIZE,
            epochs=_PASSES,
            warmup_steps=round(50 * share),
            seed=self.study.seed + number,
        )


def _given(
    embeddings: str | os.PathLike[str] | None,
    language_model: str | os.PathLike[str] | None,
    *,
    seeds: Sequence[int],
    **options: Any,
) -> _Source:
    from crossgap.reproduce.caption_transfer_full import MOST_TOKENS, GivenStudy

    class Given:
        """ClipCap on embeddings of one's own; items that validate are 1,000 of the training part, or a tenth."""

        most_tokens = MOST_TOKENS

        def __init__(self) -> None:
            self.study = GivenStudy(embeddings, language_model, **options)
            self.group, self.kept, self.settings = self.study.group, self.study.kept, self.study.settings
            self.settings["seeds"] = list(seeds)
            self._worlds: dict[int, CaptionWorld] = {}

        def world(self, number: int) -> CaptionWorld:
            if number not in self._worlds:
                self._worlds = {number: self.study.world(seeds[number])}
            return self._worlds[number]

        def validation(self, number: int) -> frozenset[str]:
            names = np.unique(np.asarray(self.world(number).train[self.group].items).astype(str))
            order = np.random.default_rng([seeds[number], _STREAM, 1]).permutation(names)
            return frozenset(order[: min(1000, len(order) // 10)].tolist())

        def start(self, number: int, name: str, progress: Told) -> Captioner:
            world, seed = self.world(number), seeds[number]
            if name != NEW:
                return self.study.captioner(world, name, seed=seed, progress=progress)
            return Captioner(Preparation.fit(world.train, arm="C1"), self.study.decoder(world, seed=seed))

        def tuning(self, number: int, share: float) -> FitSettings:
            return self.study.training(seeds[number], warmup_steps=round(5000 * share))

    return Given()


def _row(start: str, length: str, share: float, several: Sequence[Mapping[str, float]]) -> Row:
    published = _FIGURE.get(share, {}).get(start)
    shown = published is not None and (length == "kept" or start not in ("C2_1", "C3"))
    return Row(
        condition={"start": start, "length kept": "yes" if length == "kept" else "no", "pairs": f"{share:.0%}"},
        measured={name: tuple(one[name] for one in several) for name in several[0]},
        references={PAPER: {"cider_d": Reference.published(published)}} if shown and published is not None else {},
    )


def _orderings(
    per_row: Mapping[tuple[str, str, float], Sequence[np.ndarray]], fractions: Sequence[float]
) -> Iterator[Ordering]:
    for share in fractions:
        at = {(start, length): values for (start, length, part), values in per_row.items() if part == share}
        told = f"CIDEr-D with {share:.0%} of the pairs"
        yield comparison(f"{told}: new weights are below C3", PAPER, at[NEW, "unit"], at["C3", "unit"])
        yield comparison(f"{told}: C1 is below C3", PAPER, at["C1", "unit"], at["C3", "unit"])
        yield comparison(
            f"{told}: C3 at the length that is left is below C3 at length 1", PAPER, at["C3", "kept"], at["C3", "unit"]
        )
    for start in STARTS:
        shares = sorted(fractions)
        for few, many in itertools.pairwise(shares):
            yield comparison(
                f"CIDEr-D from {start}: {few:.0%} of the pairs is below {many:.0%}",
                PAPER,
                per_row[start, "unit", few],
                per_row[start, "unit", many],
            )
