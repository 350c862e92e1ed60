"""The sets that captioning is studied on, their splits, and trainings of the small decoder, each kept when done."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crossgap.reproduce.caption_runs import (
    CaptionRecipe,
    captions_of,
    nearest_captioner,
    paired_captioner,
    references_of,
    scores,
    text_captioner,
    with_memory,
)
from crossgap.reproduce.caption_worlds import TEXT, CaptionWorld, embedded, read_features, split_items, world_of
from crossgap.reproduce.kept_runs import KeptRuns
from crossgap.reproduce.table import Progress
from crossgap.transfer.captioner import Captioner

__all__ = ["MEMORY", "PAIRS", "SETS", "CaptionSet", "CaptionStudy", "Told", "check_scale", "within"]

MEMORY, PAIRS = "C1 + memory", "pairs"
Told = Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True)
class CaptionSet:
    """Sizes and settings for one set of data.

    Parameters
    ----------
    test, validation
        Items of each test split, and items that choose the noise and are in no test split.
    recipe
        Decoder and training.
    target_cosines
        Noise of the arms that have it, as ``caption_noise`` chose it.
    """

    test: int
    validation: int
    recipe: CaptionRecipe
    target_cosines: Mapping[str, float]


_NAMES = CaptionRecipe(vocabulary=1000, most_tokens=16, epochs=30, paired_epochs=30, batch_size=32)
SETS = {
    "flickr8k": CaptionSet(test=200, validation=140, recipe=CaptionRecipe(), target_cosines={"C2_2": 0.9, "C3": 0.8}),
    "emoji": CaptionSet(test=400, validation=200, recipe=_NAMES, target_cosines={"C2_2": 0.9, "C3": 0.8}),
    "tuxpaint": CaptionSet(test=110, validation=80, recipe=_NAMES, target_cosines={"C2_2": 0.98, "C3": 0.65}),
}


class CaptionStudy:
    """One set, split by item, and what decoders that are trained on it write.

    How to read it: split number s has test items, heads, decoder and noise of its own. The items that validate are in
    no test split of any number.

    Parameters
    ----------
    data
        A name of ``SETS``.
    features
        Folder that holds ``<data>.npz``, as ``read_features`` takes it.
    seed, dimension
        Of the splits; of the space that the heads lead to.
    runs
        Path beside which the single runs are kept, as ``KeptRuns`` takes it; None keeps nothing.

    Raises
    ------
    ValueError
        If the set is unknown or ``features`` is missing.
    """

    def __init__(
        self,
        data: str,
        features: str | os.PathLike[str] | None,
        *,
        seed: int = 0,
        dimension: int = 64,
        runs: str | os.PathLike[str] | None = None,
    ) -> None:
        if data not in SETS:
            raise ValueError(f"data must be one of {', '.join(SETS)}, but it is {data!r}; choose one.")
        if features is None:
            raise ValueError(
                f"features must name the folder that holds {data}.npz, but it is missing; make it by "
                f"experiments/captioning/make_features.py and give features=FOLDER."
            )
        self.data, self.set, self.seed, self.dimension = data, SETS[data], seed, dimension
        self.recipe = self.set.recipe
        self.features = read_features(Path(features) / f"{data}.npz")
        self.settings: dict[str, Any] = {"data": data, "seed": seed, "d": dimension}
        self.settings |= {"test_items": self.set.test, "validation_items": self.set.validation}
        self.settings |= {"features": {group: list(rows.shape) for group, rows in self.features.rows.items()}}
        self.settings |= {"recipe": self.recipe.as_json()}
        self.kept = KeptRuns(runs, self.settings)
        self._worlds: dict[tuple[int, bool], CaptionWorld] = {}

    @property
    def groups(self) -> list[str]:
        """The groups that are captioned."""
        return [group for group in self.features.rows if group != TEXT]

    def world(self, number: int, *, validating: bool = False) -> CaptionWorld:
        """Return test split ``number``; with ``validating`` its training part alone, tested on what validates."""
        key = (number, validating)
        if key not in self._worlds:
            test, validation = split_items(
                self.features, seed=self.seed, number=number, test=self.set.test, validation=self.set.validation
            )
            every = {item for group in self.groups for item in self.features.items[group].tolist()}
            out = test | validation if validating else test
            space = embedded(self.features, every - out, d=self.dimension, seed=self.seed + number)
            self._worlds[key] = world_of(space, validation, without=test) if validating else world_of(space, test)
        return self._worlds[key]

    def captioner(
        self,
        number: int,
        arm: Any,
        *,
        target_cosine: float | None = None,
        validating: bool = False,
        progress: Told | None = None,
    ) -> Captioner:
        """Train the small decoder of an arm on the texts of a split, or take it up where it was left."""
        key = {"arm": arm, "split": number, "target_cosine": target_cosine, "validating": validating}
        return text_captioner(
            self.world(number, validating=validating),
            arm,
            target_cosine=target_cosine,
            recipe=self.recipe,
            seed=self.seed + number,
            checkpoint=self._checkpoint(key),
            progress=progress,
        )

    def result(
        self,
        number: int,
        decoder: str,
        arm: str,
        *,
        target_cosine: float | None = None,
        validating: bool = False,
        progress: Told | None = None,
    ) -> dict[str, Any]:
        """Return the captions that a method writes on a split, by group, and what its training says of itself.

        Parameters
        ----------
        number, validating
            The split; see ``world``.
        decoder
            "transformer" or "nearest".
        arm
            One of the four, "C1 + memory" or, for the transformer, "pairs".
        target_cosine
            Noise of the arm; None for none.
        progress
            Called in training.
        """
        key = {"decoder": decoder, "arm": arm, "split": number, "target_cosine": target_cosine}
        key |= {"validating": validating, "what": "captions"}
        found = self.kept.get(key)
        if found is None:
            world = self.world(number, validating=validating)
            if arm == PAIRS:
                found = self._from_pairs(world, number, progress)
            else:
                plain: Any = "C1" if arm == MEMORY else arm
                if decoder == "nearest":
                    captioner = nearest_captioner(world, plain, target_cosine=target_cosine, seed=self.seed + number)
                else:
                    captioner = self.captioner(
                        number, plain, target_cosine=target_cosine, validating=validating, progress=progress
                    )
                facts = _facts(captioner)
                captioner = with_memory(captioner, world) if arm == MEMORY else captioner
                found = {"captions": captions_of(captioner, world, most_tokens=self.recipe.most_tokens), "facts": facts}
            self.kept.put(key, found)
        return found

    def scored(
        self,
        number: int,
        decoder: str,
        arm: str,
        group: str,
        *,
        target_cosine: float | None = None,
        java: bool = True,
        progress: Told | None = None,
    ) -> tuple[dict[str, float], np.ndarray]:
        """Return the scores of what a method writes for a group, and the CIDEr-D of each row; see ``scores``."""
        key = {"decoder": decoder, "arm": arm, "split": number, "target_cosine": target_cosine, "group": group}
        key |= {"java": java, "what": "scores"}
        kept = self.kept.get(key)
        if kept is None:
            found = self.result(number, decoder, arm, target_cosine=target_cosine, progress=progress)
            world = self.world(number)
            one, per_item = scores(found["captions"][group], references_of(world, group), java=java)
            if TEXT in found["captions"]:
                own = scores(found["captions"][TEXT], references_of(world, TEXT), java=False)[0]
                one["cider_d/text"] = own["cider_d"]
            kept = {"scores": one | found["facts"], "per_item": per_item.tolist()}
            self.kept.put(key, kept)
        return dict(kept["scores"]), np.array(kept["per_item"])

    def _from_pairs(self, world: CaptionWorld, number: int, progress: Told | None) -> dict[str, Any]:
        captions, facts = {}, {}
        for group in self.groups:
            captioner = paired_captioner(
                world,
                group,
                recipe=self.recipe,
                seed=self.seed + number,
                checkpoint=self._checkpoint({"arm": PAIRS, "split": number, "group": group}),
                progress=progress,
            )
            captions[group] = captions_of(captioner, world, most_tokens=self.recipe.most_tokens)[group]
            facts = facts or _facts(captioner)
        return {"captions": captions, "facts": facts}

    def _checkpoint(self, key: Mapping[str, Any]) -> Path | None:
        path = self.kept.path(key, ".safetensors")
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        return path


def _facts(captioner: Captioner) -> dict[str, float]:
    names = ("row_gain", "validation_loss")
    return {name: float(captioner.facts[name]) for name in names if captioner.facts.get(name) is not None}


def within(progress: Progress | None, done: int, total: int, what: str) -> Callable[[int, int, str], None]:
    """Return what tells of the steps within one run of several."""

    def told(step: int, steps: int, text: str) -> None:
        if progress is not None and step % 50 == 0:
            progress(done, total, f"{what}: step {step} of {steps}, {text}")

    return told


def check_scale(scale: str, *, small: Mapping[str, Any], full: Mapping[str, Any]) -> None:
    """Raise unless the scale is "small" or "full", and no path of the other scale is given."""
    if scale not in ("small", "full"):
        raise ValueError(f"scale must be 'small' or 'full', but it is {scale!r}; choose one.")
    foreign = [name for name, value in (full if scale == "small" else small).items() if value is not None]
    if foreign:
        other = "full" if scale == "small" else "small"
        raise ValueError(
            f"{' and '.join(foreign)} must be left out at scale {scale!r}, since only scale {other!r} has such an "
            f"option; change the scale or leave it out."
        )
