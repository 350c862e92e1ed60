"""E12 at full scale: ClipCap trained on the texts of embeddings that you have, and used on their other groups."""

import os
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from crossgap.data.embeddings import Embeddings
from crossgap.data.read import read
from crossgap.errors import DegenerateError
from crossgap.geometry.rows import materialise
from crossgap.reproduce.caption_orderings import PAPER, PUBLISHED, SCORES, arm_orderings, score_headings
from crossgap.reproduce.caption_runs import captions_of, has_meteor, paired_rows, references_of, scores, training_texts
from crossgap.reproduce.caption_study import PAIRS, Told, within
from crossgap.reproduce.caption_worlds import TEXT, CaptionWorld, world_of
from crossgap.reproduce.kept_runs import KeptRuns
from crossgap.reproduce.table import Progress, Reference, Row, Table
from crossgap.transfer.captioner import Captioner
from crossgap.transfer.clipcap import ClipCap
from crossgap.transfer.fit import fit_captioner
from crossgap.transfer.fit_settings import FitSettings
from crossgap.transfer.preparation import ARMS, Preparation

__all__ = ["GivenStudy", "full_table", "given_world"]

MOST_TOKENS = 67
_JUDGED_BY = 2.0  # CIDEr


def given_world(embeddings: Embeddings, group: str, *, test_items: int, seed: int) -> CaptionWorld:
    """Split embeddings: where rows of the group say so ("train", "test" in ``split``), else items drawn at random.

    Parameters
    ----------
    embeddings
        With items in each group, and captions in "text". Rows of another split ("val") are in neither part.
    group
        The group that is captioned.
    test_items
        How many items to draw, where no row has a split.
    seed
        Of that draw.

    Raises
    ------
    ValueError
        If there is no such group or it has no items, or too few of them.
    DegenerateError
        If the splits name no test rows.
    """
    if group == TEXT or group not in embeddings:
        raise ValueError(f"group must be one beside 'text' ({', '.join(embeddings)}), but it is {group!r}; name one.")
    chosen = Embeddings({name: embeddings[name] for name in (group, TEXT)}) if TEXT in embeddings else embeddings
    items, splits = chosen[group].items, chosen[group].split
    if items is None:
        raise ValueError(f"each row of {group} must have an item, but there are none; store the ids with the vectors.")
    names = [str(item) for item in items]
    if splits is not None and any(split is not None for split in splits):
        test = {name for name, split in zip(names, splits, strict=True) if split == "test"}
        others = {name for name, split in zip(names, splits, strict=True) if split not in ("train", "test", None)}
        if not test:
            raise DegenerateError(f"rows of {group} have splits, but none is 'test'; mark the rows to test on.")
        return world_of(chosen, test, without=others - test)
    known = np.unique(np.array(names))
    if not 1 <= test_items <= len(known) - 2:
        raise ValueError(
            f"test_items must leave items to train on, but it is {test_items} of {len(known)}; give fewer."
        )
    return world_of(chosen, np.random.default_rng(seed).permutation(known)[:test_items].tolist())


class GivenStudy:
    """Embeddings that you have, and trainings of ClipCap on their texts or pairs, each kept when it is done.

    Parameters
    ----------
    embeddings
        A file that ``crossgap.data.read`` takes, with groups "text" (with its texts) and ``group``, and items.
    language_model
        Folder of a causal language model of transformers (GPT-2 in the paper); nothing is downloaded.
    group, test_items
        What is captioned; how many items are tested, where the rows have no split. See ``given_world``.
    passes, batch_size, learning_rate, warmup_steps
        Epochs and settings of AdamW; the rate falls in a line, everything is decayed, as in C3.
    variance
        Of the noise; 0.016 is that of C3 at 512 dimensions.
    tune, device, precision
        Of ``ClipCap`` and ``FitSettings``.
    runs
        As in ``CaptionStudy``.

    Raises
    ------
    ValueError
        If a path is missing.
    FormatError, OSError
        If the file cannot be read.
    """

    def __init__(
        self,
        embeddings: str | os.PathLike[str] | None,
        language_model: str | os.PathLike[str] | None,
        *,
        group: str = "image",
        test_items: int = 5000,
        passes: int = 10,
        batch_size: int = 40,
        learning_rate: float = 2e-5,
        warmup_steps: int = 5000,
        variance: float = 0.016,
        tune: Literal["whole", "lora", "frozen"] = "whole",
        device: str = "cpu",
        precision: Literal["float32", "bf16", "fp16"] = "float32",
        runs: str | os.PathLike[str] | None = None,
    ) -> None:
        if embeddings is None:
            raise ValueError(
                "scale 'full' needs embeddings, a file of vectors with their texts, but it is missing; give "
                "embeddings=PATH."
            )
        if language_model is None:
            raise ValueError(
                "scale 'full' needs language_model, the folder of a causal language model such as GPT-2, but it is "
                "missing; give language_model=PATH."
            )
        self.embeddings, self.group, self.test_items = read(embeddings), group, test_items
        self.language_model, self.variance, self.tune = language_model, variance, tune
        self._training: dict[str, Any] = {
            "learning_rate": learning_rate,
            "batch_size": batch_size,
            "epochs": passes,
            "warmup_steps": warmup_steps,
            "precision": precision,
            "schedule": "linear",
            "betas": (0.9, 0.999),
            "decay_all": True,
            "gradient_clip": None,
        }
        self._device = device
        self.settings: dict[str, Any] = {"embeddings": os.path.basename(os.fspath(embeddings)), "group": group}
        self.settings |= {"language_model": os.path.basename(os.path.normpath(os.fspath(language_model)))}
        self.settings |= {"rows": {name: len(rows) for name, rows in self.embeddings.items()}}
        self.settings |= {"d": self.embeddings.dimension, "test_items": test_items, "variance": variance, "tune": tune}
        self.settings |= self._training
        self.kept = KeptRuns(runs, self.settings)

    def world(self, seed: int) -> CaptionWorld:
        """Return the split of a seed."""
        return given_world(self.embeddings, self.group, test_items=self.test_items, seed=seed)

    def training(self, seed: int, **changes: Any) -> FitSettings:
        """Return the settings of a training."""
        return FitSettings(**{**self._training, "device": self._device, "seed": seed, **changes})

    def decoder(self, world: CaptionWorld, *, seed: int) -> ClipCap:
        """Return a decoder with a new mapper, for captions as long as those of the training part."""
        decoder = ClipCap.from_pretrained(
            self.language_model, dimension=world.train.dimension, tune=self.tune, most_tokens=MOST_TOKENS, seed=seed
        )
        decoder.fit_length(training_texts(world))
        return decoder

    def captioner(self, world: CaptionWorld, arm: Any, *, seed: int, progress: Told | None = None) -> Captioner:
        """Train a decoder on the texts of an arm, or on the pairs, or take it up where it was left."""
        if arm == PAIRS:
            rows, texts, items = paired_rows(world, self.group)
            preparation = Preparation.fit(world.train, arm="C1", learn_on=self.group, seed=seed)
        else:
            rows, items = np.asarray(materialise(world.train[TEXT].vectors)), world.train[TEXT].items
            texts = training_texts(world)
            preparation = Preparation.fit(world.train, arm=arm, variance=self.variance, seed=seed)
        checkpoint = self.kept.path({"arm": arm, "seed": seed}, ".safetensors")
        if checkpoint is not None:
            checkpoint.parent.mkdir(parents=True, exist_ok=True)
        return fit_captioner(
            self.decoder(world, seed=seed),
            preparation,
            rows,
            texts,
            settings=self.training(seed),
            items=items,
            checkpoint=checkpoint,
            progress=progress,
        )

    def captions(self, world: CaptionWorld, arm: str, *, seed: int, progress: Told | None = None) -> dict[str, Any]:
        """Return what an arm writes for the test rows of both groups, or of the one that it was trained on."""
        found = self.kept.get({"arm": arm, "seed": seed})
        if found is None:
            captioner = self.captioner(world, arm, seed=seed, progress=progress)
            found = captions_of(captioner, world, most_tokens=MOST_TOKENS)
            found = {self.group: found[self.group]} if arm == PAIRS else found
            self.kept.put({"arm": arm, "seed": seed}, found)
        return found


def full_table(
    study: GivenStudy,
    *,
    seeds: Sequence[int] = (1234,),
    output: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Table:
    """Train ClipCap on text embeddings for each arm and on the pairs, by the protocol of C3.

    Parameters
    ----------
    study
        Embeddings and settings.
    seeds
        Of the training, and of the split that is drawn; C3 has 1234.
    output, progress
        As in ``caption_transfer.run``.

    Returns
    -------
    One row for each arm, and one for pairs.

    Raises
    ------
    ValueError
        If there is no seed, or as ``given_world``.

    Notes
    -----
    Cost: 142,000 steps of GPT-2 small at batch 40 for each arm on COCO, two to four hours on one large GPU.
    """
    if not seeds:
        raise ValueError("seeds must hold a seed at least, but there is none; give for example [1234].")
    java, methods = has_meteor(), (*ARMS, PAIRS)
    measured: dict[str, list[dict[str, float]]] = {arm: [] for arm in methods}
    per_row: dict[str, list[np.ndarray]] = {arm: [] for arm in methods}
    total = len(seeds) * len(methods)
    for number, seed in enumerate(seeds):
        world = study.world(seed)
        for place, arm in enumerate(methods):
            done, what = number * len(methods) + place, f"{arm}, seed {seed}"
            found = study.captions(world, arm, seed=seed, progress=within(progress, done, total, what))
            if progress is not None:
                progress(done + 1, total, what)
            one, values = scores(found[study.group], references_of(world, study.group), java=java)
            if TEXT in found:
                one["cider_d/text"] = scores(found[TEXT], references_of(world, TEXT), java=False)[0]["cider_d"]
            measured[arm].append(one)
            per_row[arm].append(values)
    table = Table(
        name="caption_transfer",
        title=f"Captions of {study.group} rows by ClipCap trained on text alone, and on pairs: {len(seeds)} seeds",
        columns=tuple(name for name in SCORES if java or name != "meteor"),
        rows=tuple(_row(arm, several) for arm, several in measured.items()),
        sources={PAPER: "arXiv 2401.08567, table 2: CLIP ViT-B/32, GPT-2, COCO; C3's CIDEr is judged within 2."},
        orderings=tuple(arm_orderings(per_row, f"CIDEr-D of {study.group}")),
        settings={"scale": "full", "seeds": list(seeds), **study.settings},
        headings=score_headings(),
    )
    if output is not None:
        table.write(output)
    return table


def _row(arm: str, several: Sequence[dict[str, float]]) -> Row:
    published = {
        name: Reference.published(value, judged_by=_JUDGED_BY if (arm, name) == ("C3", "cider_d") else 0.0)
        for name, value in PUBLISHED.get(arm, {}).items()
    }
    return Row(
        condition={"arm": arm},
        measured={name: tuple(one[name] for one in several) for name in several[0]},
        references={PAPER: published},
    )
