"""What a configured run is trained and measured on: vectors or pictures, read and split into items."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from crossgap.data.embeddings import Embeddings, Group
from crossgap.data.read import read_groups
from crossgap.errors import DegenerateError
from crossgap.train.config import DataTable, TrainingConfig
from crossgap.train.config_values import nearest
from crossgap.train.dual_encoder import DualEncoder
from crossgap.train.gap_curves import GapCurve, held_out_curve
from crossgap.train.hugging_face_text import HuggingFaceInputs, hugging_face_inputs
from crossgap.train.images_and_captions import read_images_and_captions
from crossgap.train.item_pairs import ItemPairs
from crossgap.train.tokeniser import WordTokeniser

__all__ = ["ConfiguredData", "HeldOut", "configured_data", "encoded"]

_EVERYTHING = 2**62  # bytes: features to train on are held in memory
_BATCH = 256  # rows encoded at a time


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOut:
    """Items that a run does not train on.

    Parameters
    ----------
    names
        The two groups.
    pairs
        The items, with all their rows.
    x_items, y_items
        Number of the item of each row.
    seed
        Seed of the measurements.
    """

    names: tuple[str, str]
    pairs: ItemPairs
    x_items: np.ndarray
    y_items: np.ndarray
    seed: int

    def curve(self, model: DualEncoder) -> GapCurve:
        """Measure the first row of each item in either group."""
        x, y = (_placed(rows, model) for rows in self.pairs.first_rows())
        return held_out_curve(x, y, seed=self.seed, batch_size=_BATCH)(model)

    def embeddings(self, model: DualEncoder) -> Embeddings:
        """Encode all rows of the items."""
        sides = (
            (model.encode_x, self.pairs.x, self.x_items),
            (model.encode_y, self.pairs.y, self.y_items),
        )
        groups = (
            Group(vectors=encoded(model, encode, rows).cpu().numpy(), items=items) for encode, rows, items in sides
        )
        return Embeddings(dict(zip(self.names, groups, strict=True)))


@dataclass(frozen=True, kw_only=True, eq=False)
class ConfiguredData:
    """All rows of both groups, the numbers of their items, and which items are held out.

    Parameters
    ----------
    names
        The two groups, x first.
    x, y
        Rows of the two groups.
    x_items, y_items
        Number of the item of each row.
    shared, held
        Items that both groups show, and those of them that are measured and not trained on.
    notes
        One sentence for everything in the source that is not used.
    words
        Tokeniser of captions, where one was made of them.
    inputs
        What a model of Hugging Face takes, where there is one.
    """

    names: tuple[str, str]
    x: Tensor
    y: Tensor
    x_items: np.ndarray
    y_items: np.ndarray
    shared: np.ndarray
    held: np.ndarray
    notes: tuple[str, ...]
    words: WordTokeniser | None = None
    inputs: HuggingFaceInputs | None = None

    def training_pairs(self, seed: int) -> ItemPairs:
        """Return the items to train on; the seed is of the choice among several rows of an item."""
        return self._items(np.setdiff1d(self.shared, self.held), seed)[0]

    def held_out(self, seed: int) -> HeldOut | None:
        """Return the items to measure, if there are any."""
        if len(self.held) == 0:
            return None
        pairs, x_items, y_items = self._items(self.held, seed)
        return HeldOut(names=self.names, pairs=pairs, x_items=x_items, y_items=y_items, seed=seed)

    def _items(self, items: np.ndarray, seed: int) -> tuple[ItemPairs, np.ndarray, np.ndarray]:
        kept = [np.flatnonzero(np.isin(numbers, items)) for numbers in (self.x_items, self.y_items)]
        x_items, y_items = self.x_items[kept[0]], self.y_items[kept[1]]
        x, y = (rows[torch.from_numpy(index)] for rows, index in zip((self.x, self.y), kept, strict=True))
        return ItemPairs(x, y, x_items=x_items, y_items=y_items, seed=seed), x_items, y_items


def configured_data(config: TrainingConfig) -> ConfiguredData:
    """Read the source of a configuration; it raises what ``configured_run`` says of data."""
    return _read_vectors(config) if config.data.images is None else _read_pictures(config)


def _read_vectors(config: TrainingConfig) -> ConfiguredData:
    found = read_groups(*cast(tuple[str, ...], config.data.source), load_limit=_EVERYTHING)
    notes = [f"not used: {note}" for note in found.notes]
    names = _two_groups(config.data, list(found.groups), found.notes)
    groups = [found.groups[name] for name in names]
    for name, group in zip(names, groups, strict=True):
        Embeddings({name: group})  # finite, or an error that names the row
        _check_no_row_is_zero(name, group)
    outlines = [Group(vectors=np.ones((len(group), 1), np.float32), items=group.items) for group in groups]
    codes = Embeddings(dict(zip(names, outlines, strict=True))).item_codes(*names)
    if codes.reason is not None:
        raise DegenerateError(
            f"nothing pairs: {codes.reason}; give both groups item ids, or the same number of rows in one order."
        )
    shared = np.intersect1d(codes.x, codes.y)
    for name, items in zip(names, (codes.x, codes.y), strict=True):
        alone = int((~np.isin(items, shared)).sum())
        if alone:
            notes.append(f"not used: {alone} rows of {name}, since their items have no row in the other group.")
    x, y = (torch.from_numpy(np.require(group.vectors[:], requirements="W")) for group in groups)
    return ConfiguredData(
        names=names,
        x=x,
        y=y,
        x_items=codes.x,
        y_items=codes.y,
        shared=shared,
        held=_held_out_items(shared, config),
        notes=tuple(notes),
    )


def _read_pictures(config: TrainingConfig) -> ConfiguredData:
    table, data = config.model, config.data
    inputs = hugging_face_inputs(cast(str, table.path)) if table.tower == "hugging-face" else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pictures that are left out: the notes say it
        pictures = read_images_and_captions(
            cast(str, data.images),
            cast(str, data.captions),
            size=cast(int, table.size) if inputs is None else inputs.picture_size,
            image_key=data.image_key or "image",
            caption_key=data.caption_key,
        )
    notes = [f"not used: picture {reason}." for reason in pictures.skipped]
    items = np.arange(len(pictures))
    held = _held_out_items(items, config)
    captions = [caption for several in pictures.captions for caption in several]
    y_items = np.repeat(items, [len(several) for several in pictures.captions])
    words, encode = None, None if inputs is None else inputs.encode
    if encode is None:
        training = [caption for caption, item in zip(captions, ~np.isin(y_items, held), strict=True) if item]
        words = WordTokeniser.from_captions(training, length=table.text_length)
        cut = words.count_cut(captions)
        if cut:
            notes.append(f"{cut} of {len(captions)} captions are cut to {words.length} words (model.text_length).")
        encode = words.encode
    return ConfiguredData(
        names=("image", "text"),
        x=pictures.pixels,
        y=encode(captions),
        x_items=items,
        y_items=y_items,
        shared=items,
        held=held,
        notes=tuple(notes),
        words=words,
        inputs=inputs,
    )


def _check_no_row_is_zero(name: str, group: Group) -> None:
    """Tell before the run what its first measurement would: a linear tower keeps a row of zeros, of no direction."""
    zero = np.flatnonzero(~group.vectors[:].any(axis=1))
    if len(zero):
        raise ValueError(
            f"{name} must have rows of a length above zero, but row {zero[0]} is all zeros; drop such rows or embed "
            f"them again (crossgap doctor lists them)."
        )


def _two_groups(table: DataTable, known: Sequence[str], unused: Sequence[str]) -> tuple[str, str]:
    if table.groups is not None:
        for name in table.groups:
            if name not in known:
                raise ValueError(f"data.groups names {name!r}, which data.source does not hold; {nearest(name, known)}")
        return table.groups
    if len(known) == 1:
        told = f" ({'; '.join(note.rstrip('.') for note in unused)})" if unused else ""
        raise ValueError(
            f"data.source must hold two groups, but it holds only {known[0]!r}{told}; add the other one: source = "
            f"['image=img.npy', 'text=txt.npy'], or for several captions an item rows of (n, d) with 'text@items'."
        )
    if len(known) > 2:
        raise ValueError(
            f"data.source holds {len(known)} groups ({', '.join(known)}), but a run trains on two; name them in "
            f"data.groups."
        )
    return known[0], known[1]


def _held_out_items(items: np.ndarray, config: TrainingConfig) -> np.ndarray:
    """Draw the items that are measured and not trained on."""
    wanted = config.data.held_out
    seed = config.run.seed if config.data.seed is None else config.data.seed
    if wanted == 0:
        return items[:0]
    count = round(wanted * len(items)) if isinstance(wanted, float) else wanted
    if count < 2 or len(items) - count < 2:
        raise ValueError(
            f"data.held_out = {wanted} leaves {max(len(items) - count, 0)} of {len(items)} items to train on and "
            f"{min(count, len(items))} to measure, but each needs at least 2; change it."
        )
    return np.sort(np.random.default_rng(seed).choice(items, count, replace=False))


@torch.no_grad()
def encoded(model: DualEncoder, encode: Callable[[Any], Tensor], rows: Tensor) -> Tensor:
    """Encode rows in evaluation mode, and leave each part of the model in the mode that it was in."""
    modes = [(part, part.training) for part in model.modules()]
    model.eval()
    try:
        return torch.cat([encode(_placed(part, model)) for part in rows.split(_BATCH)])
    finally:
        for part, mode in modes:
            part.training = mode


def _placed(rows: Tensor, model: DualEncoder) -> Tensor:
    """Move rows to the model's device, and those in floating point to its type."""
    first = next(model.parameters())
    return rows.to(first.device, first.dtype if rows.is_floating_point() else rows.dtype)
