"""Single runs of captioning: a decoder trained on text, on pairs, or looked up, and how its captions score."""

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from crossgap.close import MemoryProjection
from crossgap.errors import MissingExtraError
from crossgap.evaluate.captions.bleu import bleu
from crossgap.evaluate.captions.cider_d import cider_d_per_item
from crossgap.evaluate.captions.meteor import meteor
from crossgap.evaluate.captions.rouge_l import rouge_l
from crossgap.reproduce.caption_worlds import TEXT, CaptionWorld
from crossgap.transfer.caption_tokens import CaptionTokens
from crossgap.transfer.captioner import Captioner
from crossgap.transfer.decoding import Decoding
from crossgap.transfer.fit import fit_captioner
from crossgap.transfer.fit_settings import FitSettings
from crossgap.transfer.nearest_caption import NearestCaption
from crossgap.transfer.preparation import Arm, Preparation
from crossgap.transfer.transformer_decoder import TransformerDecoder

__all__ = [
    "CaptionRecipe",
    "captions_of",
    "has_meteor",
    "nearest_captioner",
    "new_decoder",
    "paired_captioner",
    "paired_rows",
    "references_of",
    "scores",
    "text_captioner",
    "training_texts",
    "with_memory",
]

Told = Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True)
class CaptionRecipe:
    """The small decoder and its training.

    Parameters
    ----------
    width, layers, most_tokens
        Of ``TransformerDecoder``; four heads, dropout 0.1.
    vocabulary
        Of ``CaptionTokens``.
    epochs, paired_epochs
        On texts, and on the captions of the paired rows of another group.
    batch_size, learning_rate, warmup_steps
        Of ``FitSettings``.
    held_out
        Share of the items whose token loss says which epoch is kept; 0 keeps the last.
    """

    width: int = 96
    layers: int = 2
    most_tokens: int = 24
    vocabulary: int = 2000
    epochs: int = 2
    paired_epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 2e-3
    warmup_steps: int = 100
    held_out: float = 0.05

    def settings(self, *, epochs: int, seed: int) -> FitSettings:
        """Return the settings of a training."""
        return FitSettings(
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            epochs=epochs,
            warmup_steps=self.warmup_steps,
            seed=seed,
        )

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def text_captioner(
    world: CaptionWorld,
    arm: Arm,
    *,
    target_cosine: float | None,
    recipe: CaptionRecipe,
    seed: int,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: Told | None = None,
) -> Captioner:
    """Train the small decoder on the texts of the training part alone.

    Parameters
    ----------
    world
        Of which the means of all groups are taken, and the texts learned.
    arm, target_cosine
        Of ``Preparation``.
    recipe
        Decoder and training.
    seed
        Of the decoder, its training, and the noise.
    checkpoint, progress
        As in ``fit_captioner``.
    """
    preparation = Preparation.fit(world.train, arm=arm, target_cosine=target_cosine, seed=seed)
    texts = training_texts(world)
    return fit_captioner(
        new_decoder(texts, preparation, recipe, seed),
        preparation,
        world.train[TEXT].vectors,
        texts,
        settings=recipe.settings(epochs=recipe.epochs, seed=seed),
        held_out=recipe.held_out,
        items=world.train[TEXT].items,
        checkpoint=checkpoint,
        progress=progress,
    )


def paired_rows(world: CaptionWorld, group: str) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Return each training row of a group once for each caption of its item, those captions, and the items."""
    items = world.train[group].items
    known = [] if items is None else [str(item) for item in items]
    rows = [row for row, item in enumerate(known) for _ in world.references[item]]
    texts = [caption for item in known for caption in world.references[item]]
    return np.asarray(world.train[group].vectors)[rows], texts, np.array([known[row] for row in rows])


def paired_captioner(
    world: CaptionWorld,
    group: str,
    *,
    recipe: CaptionRecipe,
    seed: int,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: Told | None = None,
) -> Captioner:
    """Train the small decoder on the rows of a group with the captions of their items: what pairs alone can do.

    Parameters
    ----------
    world, group, recipe, seed, checkpoint, progress
        As in ``text_captioner``; the rows are taken as they are, without a mean and without noise.
    """
    rows, texts, items = paired_rows(world, group)
    preparation = Preparation.fit(world.train, arm="C1", learn_on=group, seed=seed)
    return fit_captioner(
        new_decoder(training_texts(world), preparation, recipe, seed),
        preparation,
        rows,
        texts,
        settings=recipe.settings(epochs=recipe.paired_epochs, seed=seed),
        held_out=recipe.held_out,
        items=items,
        checkpoint=checkpoint,
        progress=progress,
    )


def new_decoder(texts: Sequence[str], preparation: Preparation, recipe: CaptionRecipe, seed: int) -> TransformerDecoder:
    """Return a decoder with a vocabulary of the texts and new weights."""
    return TransformerDecoder(
        CaptionTokens.from_texts(texts, size=recipe.vocabulary),
        dimension=preparation.dimension,
        width=recipe.width,
        layers=recipe.layers,
        most_tokens=recipe.most_tokens,
        seed=seed,
    )


def nearest_captioner(world: CaptionWorld, arm: Arm, *, target_cosine: float | None, seed: int) -> Captioner:
    """Return a captioner that looks the nearest training text up, among rows prepared once as in training."""
    preparation = Preparation.fit(world.train, arm=arm, target_cosine=target_cosine, seed=seed)
    rows = preparation.training_rows(np.asarray(world.train[TEXT].vectors), epoch=0)
    return Captioner(preparation, NearestCaption(rows, training_texts(world)))


def with_memory(captioner: Captioner, world: CaptionWorld) -> Captioner:
    """Return a captioner of the arm C1 whose rows go through DeCap's projection onto the training texts first."""
    closer = MemoryProjection().fit_embeddings(world.train)
    return Captioner(Preparation.fit(world.train, arm="C1", closer=closer), captioner.decoder)


def captions_of(captioner: Captioner, world: CaptionWorld, *, most_tokens: int) -> dict[str, list[str]]:
    """Return the captions of the test rows of each group; for "text" those of the first caption of each item."""
    found = {}
    for group in world.test:
        if group in captioner.groups or not captioner.preparation.collapses:
            rows = np.asarray(world.test[group].vectors)[_first_of_items(world, group)]
            written = captioner.caption(rows, group=group, decoding=Decoding(most_tokens=most_tokens))
            found[group] = [caption.text for caption in written]
    return found


def _first_of_items(world: CaptionWorld, group: str) -> np.ndarray:
    items = world.test[group].items
    if group != TEXT or items is None:
        return np.arange(len(world.test[group]))
    return np.sort(np.unique(items, return_index=True)[1])


def references_of(world: CaptionWorld, group: str) -> list[tuple[str, ...]]:
    """Return the references of what ``captions_of`` writes for a group."""
    listed = world.references_of(group)
    return [listed[row] for row in _first_of_items(world, group)]


def scores(
    captions: Sequence[str], references: Sequence[Sequence[str]], *, java: bool = True
) -> tuple[dict[str, float], np.ndarray]:
    """CIDEr-D, BLEU-4, ROUGE-L and METEOR, each times 100 as papers print them, and how many captions are unlike.

    Parameters
    ----------
    captions, references
        One caption and its references for each item.
    java
        False leaves METEOR out, which needs Java.

    Returns
    -------
    The scores by name, and the CIDEr-D of each caption (n,).

    Examples
    --------
    >>> found, per_item = scores(["a red dog runs", "one cat"], [["a red dog runs"], ["the bird"]], java=False)
    >>> found["cider_d"], per_item.tolist(), found["distinct"]
    (500.0, [1000.0, 0.0], 1.0)
    """
    per_item = 100 * cider_d_per_item(captions, references)
    found = {
        "cider_d": float(per_item.mean()),
        "bleu_4": 100 * float(bleu(captions, references)[-1]),
        "rouge_l": 100 * float(rouge_l(captions, references)),
    }
    if java:
        found["meteor"] = 100 * meteor(captions, references).score
    return found | {"distinct": len(set(captions)) / len(captions)}, per_item


def has_meteor() -> bool:
    """Return whether METEOR can be computed here."""
    try:
        meteor(["a"], [["a"]])
    except MissingExtraError:
        return False
    return True


def training_texts(world: CaptionWorld) -> list[str]:
    """Return the captions of the training part."""
    return [str(text) for text in world.train[TEXT].text or ()]
