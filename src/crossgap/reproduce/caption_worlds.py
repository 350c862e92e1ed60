"""Pictures, sounds and captions of frozen towers, split by item, in the space of heads trained on the pairs."""

import os
import re
import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from crossgap.close import estimate_noise
from crossgap.data.embeddings import Embeddings, Group
from crossgap.errors import DegenerateError, FormatError
from crossgap.geometry.rows import unit_rows
from crossgap.losses.clip import clip_loss
from crossgap.losses.temperature import LogitScale
from crossgap.measure import centroid_distance, retrieval_ranks
from crossgap.reproduce.linear_heads import Loss, Recipe, World, train_heads
from crossgap.train.dual_encoder import DualEncoder
from crossgap.train.optimisers import adamw
from crossgap.train.pairs import PairedTensors
from crossgap.train.run import TrainingRun
from crossgap.train.towers import linear_tower

__all__ = ["CaptionWorld", "Features", "embedded", "read_features", "space_facts", "split_items", "world_of"]

TEXT = "text"
_HEADS = Loss(function=clip_loss, logit_scale=100.0, recipe=Recipe(learning_rate=3e-3, epochs=15))


@dataclass(frozen=True, kw_only=True, eq=False)
class Features:
    """Features of frozen towers: for each group its rows and what each is of; and the captions of the texts.

    Parameters
    ----------
    rows
        (n, a) by group; the length a may differ between groups.
    items
        What each row is of, by group.
    captions
        The caption of each row of the group "text".
    """

    rows: Mapping[str, np.ndarray]
    items: Mapping[str, np.ndarray]
    captions: Sequence[str]


@dataclass(frozen=True, kw_only=True, eq=False)
class CaptionWorld:
    """One split: all that a captioner may see, and the rows that it is tested on.

    Parameters
    ----------
    train
        Groups with items; the group "text" with its captions. None is of a test item.
    test
        Rows of test items in each group.
    references
        The captions of each item, in either part.
    same_captions
        How many captions of other items were left out of ``train`` because a test item has the same words.
    """

    train: Embeddings
    test: Embeddings
    references: Mapping[str, tuple[str, ...]]
    same_captions: int

    def references_of(self, group: str) -> list[tuple[str, ...]]:
        """Return the captions of each test row of a group."""
        return [self.references[item] for item in _items(self.test, group)]


def read_features(path: str | os.PathLike[str]) -> Features:
    """Read an .npz that holds, for "text" and further groups, ``<group>`` (n, a) and ``<group>_item`` (n,).

    How to read it: ``text_caption`` has the captions. ``experiments/captioning/make_features.py`` writes such files.

    Raises
    ------
    FormatError
        If the file is no .npz, an array is missing or of another length, or there is no group beside the texts.
    OSError
        If there is no such file.
    """
    name = os.fspath(path)
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {}
            for member in archive.namelist():
                with archive.open(member) as file:
                    arrays[member.removesuffix(".npy")] = np.lib.format.read_array(file, allow_pickle=False)
    except (zipfile.BadZipFile, EOFError, ValueError) as error:
        raise FormatError(f"{name!r} cannot be read as .npz ({error}); give the file as it was saved.") from error
    groups = [key for key, array in arrays.items() if array.ndim == 2 and array.dtype.kind == "f"]
    groups = [key for key in groups if f"{key}_item" in arrays]
    if TEXT not in groups or len(groups) < 2 or "text_caption" not in arrays:
        raise FormatError(
            f"{name!r} must hold text, text_item and text_caption, and a further group with its items, but it holds "
            f"{', '.join(arrays) or 'nothing'}; make it by experiments/captioning/make_features.py."
        )
    for key in groups:
        for facts in [f"{key}_item", *(["text_caption"] if key == TEXT else [])]:
            if len(arrays[facts]) != len(arrays[key]):
                raise FormatError(
                    f"{name!r} must hold an entry of {facts} for each row of {key}, but there are {len(arrays[facts])} "
                    f"for {len(arrays[key])}; make the file again."
                )
    return Features(
        rows={key: arrays[key].astype(np.float32) for key in groups},
        items={key: arrays[f"{key}_item"].astype(str) for key in groups},
        captions=arrays["text_caption"].astype(str).tolist(),
    )


def split_items(
    features: Features, *, seed: int, number: int, test: int, validation: int
) -> tuple[frozenset[str], frozenset[str]]:
    """Return the items of test split ``number`` and those that validate, which are in no test split.

    How to read it: one order of the items with a row in the first group beside the texts is drawn from the seed. Test
    split s is its part number s, so splits share no item; the last ``validation`` items choose settings.

    Parameters
    ----------
    features
        Where the items are from.
    seed
        Of the order.
    number
        Of the split, from 0.
    test, validation
        Numbers of items.

    Raises
    ------
    ValueError
        If there are too few items for that split.
    """
    first = next(group for group in features.rows if group != TEXT)
    items = np.unique(features.items[first])
    if number < 0 or (number + 1) * test + validation > len(items):
        raise ValueError(
            f"there must be items for {number + 1} test splits of {test} and {validation} to validate, but there are "
            f"{len(items)}; take fewer splits or smaller ones."
        )
    order = np.random.default_rng(seed).permutation(items).tolist()
    return frozenset(order[number * test : (number + 1) * test]), frozenset(order[len(order) - validation :])


def embedded(features: Features, training: Collection[str], *, d: int, seed: int, loss: Loss = _HEADS) -> Embeddings:
    """Train linear heads on the pairs of some items with the CLIP loss, and return all rows through them.

    How to read it: the first group beside the texts and the texts get a dual encoder of their own; of each further
    group a head is trained against the text head as it then is. An epoch draws one caption of each item.

    Parameters
    ----------
    features
        Of frozen towers.
    training
        Items whose pairs are trained on.
    d
        Dimension of the shared space.
    seed
        Of the heads and their training.
    loss
        What is minimised, and how.

    Returns
    -------
    Unit rows of all groups, with items, and the captions of the texts.

    Raises
    ------
    DegenerateError
        If a group has fewer than two training rows.

    Notes
    -----
    Features are divided by the standard deviation of all entries of the training rows, one number for each tower.
    """
    scaled, chosen = {}, {}
    for group, rows in features.rows.items():
        chosen[group] = np.flatnonzero(np.isin(features.items[group], list(training)))
        if len(chosen[group]) < 2:
            raise DegenerateError(f"{group} must have at least two training rows, but it has {len(chosen[group])}.")
        scaled[group] = torch.from_numpy(rows / rows[chosen[group]].std())
    first, *others = (group for group in features.rows if group != TEXT)
    y = scaled[TEXT][torch.from_numpy(_candidates(features, chosen, first))]
    y = y[:, 0] if y.shape[1] == 1 else y
    x = scaled[first][chosen[first]]
    model = train_heads(World(x=x, y=y, x_test=x[:1], y_test=y[:1]), loss, d=d, seed=seed)
    with torch.no_grad():
        found = {TEXT: model.encode_y(scaled[TEXT]), first: model.encode_x(scaled[first])}
        for group in others:
            partners = found[TEXT][torch.from_numpy(_candidates(features, chosen, group)[:, 0])]
            with torch.enable_grad():
                tower = _further_head(scaled[group][chosen[group]], partners, loss, d=d, seed=seed)
            found[group] = tower.encode_x(scaled[group])
    captions = {TEXT: features.captions}
    return Embeddings(
        {
            group: Group(vectors=found[group].numpy(), items=features.items[group], text=captions.get(group))
            for group in features.rows
        }
    )


def _candidates(features: Features, chosen: Mapping[str, np.ndarray], group: str) -> np.ndarray:
    """Return for each training row of a group the rows (c,) of its item's captions, as many as all have."""
    rows: dict[str, list[int]] = {}
    for row in chosen[TEXT].tolist():
        rows.setdefault(str(features.items[TEXT][row]), []).append(row)
    items = [str(item) for item in features.items[group][chosen[group]]]
    silent = [item for item in items if item not in rows]
    if silent:
        raise DegenerateError(f"each training item must have a caption, but {silent[0]!r} of {group} has none.")
    least = min(len(rows[item]) for item in items)
    return np.array([rows[item][:least] for item in items])


def _further_head(x: torch.Tensor, y: torch.Tensor, loss: Loss, *, d: int, seed: int) -> DualEncoder:
    generator = torch.Generator().manual_seed(seed)
    scale = LogitScale(loss.logit_scale, learnable=False, highest=max(100.0, loss.logit_scale))
    model = DualEncoder(linear_tower(x.shape[1], d, generator=generator), nn.Identity(), scale)
    run = TrainingRun(
        model,
        loss.function,
        PairedTensors(x, y),
        optimiser=adamw(
            model,
            learning_rate=loss.recipe.learning_rate,
            weight_decay=loss.recipe.weight_decay,
            betas=loss.recipe.betas,
        ),
        batch_size=min(loss.recipe.batch_size, len(x)),
        epochs=loss.recipe.epochs,
        seed=seed,
    )
    for _ in run:
        pass
    return model.eval()


def world_of(embeddings: Embeddings, test: Collection[str], *, without: Collection[str] = ()) -> CaptionWorld:
    """Split embeddings by item; captions of test items, and captions in their words, are in no training part.

    Parameters
    ----------
    embeddings
        With items in each group and captions in "text".
    test
        Items to test on.
    without
        Items that are in neither part.

    Raises
    ------
    ValueError
        If there is no group "text" beside another, or items or captions are missing.
    DegenerateError
        If a test item has no caption, or nothing is left to train on.

    Examples
    --------
    >>> rows = np.eye(3)
    >>> text = Group(vectors=rows, items=np.array(["a", "b", "c"]), text=["A dog.", "a dog", "a cat"])
    >>> image = Group(vectors=rows, items=np.array(["a", "b", "c"]))
    >>> world = world_of(Embeddings({"image": image, "text": text}), ["a"])
    >>> world.train["text"].text, len(world.train["image"]), world.same_captions
    (['a cat'], 2, 1)
    """
    if TEXT not in embeddings or len(embeddings) < 2:
        raise ValueError(f"there must be a group 'text' and a further one, but there are {', '.join(embeddings)}.")
    texts = embeddings[TEXT].text
    if texts is None or any(text is None for text in texts):
        raise ValueError("each row of the group 'text' must have its text, but some have none; store them with it.")
    captions = [str(text) for text in texts]
    references: dict[str, tuple[str, ...]] = {}
    for item, caption in zip(_items(embeddings, TEXT), captions, strict=True):
        references[item] = (*references.get(item, ()), caption)
    silent = sorted(set(test) - set(references))
    if silent:
        raise DegenerateError(f"each test item must have a caption, but {silent[0]!r} has none; leave it out.")
    words = {_words(caption) for item in test for caption in references[item]}
    left, held, same = {}, {}, 0
    for name in embeddings:
        items = np.array(_items(embeddings, name))
        tested = np.isin(items, list(test))
        kept = ~tested & ~np.isin(items, list(without))
        if name == TEXT:
            alike = np.array([_words(caption) in words for caption in captions])
            same = int((kept & alike).sum())
            kept &= ~alike
        if not kept.any():
            raise DegenerateError(f"nothing is left of {name} to train on; test fewer items.")
        left[name] = embeddings[name].take(np.flatnonzero(kept))
        if tested.any():
            held[name] = embeddings[name].take(np.flatnonzero(tested))
    return CaptionWorld(train=Embeddings(left), test=Embeddings(held), references=references, same_captions=same)


def _items(embeddings: Embeddings, group: str) -> list[str]:
    items = embeddings[group].items
    if items is None:
        raise ValueError(f"each row of {group} must have an item, but there are none; store the ids with the vectors.")
    return [str(item) for item in items]


def _words(caption: str) -> str:
    return " ".join(re.findall(r"\w+", caption.casefold()))


def space_facts(world: CaptionWorld, group: str) -> dict[str, float]:
    """Measure the space between a group and the texts: the gap, the noise, and how well partners find each other.

    Returns
    -------
    ``gap`` and ``length`` (of the mean text) of the training rows; the variance of the noise and the cosine of partners
    before and after collapse, from the test rows and their captions; ``recall_at_1`` and ``recall_at_10`` of test rows
    among the captions of all test items, where any own caption counts, after collapse; and ``caption_variance``, the
    noise between captions of one item, where items have several.
    """
    x, y = (unit_rows(np.asarray(world.train[name].vectors)) for name in (group, TEXT))
    means = {group: x.mean(axis=0), TEXT: y.mean(axis=0)}
    facts = {"gap": float(centroid_distance(x, y)), "length": float(np.linalg.norm(means[TEXT]))}
    pairs = world.test.pairs(group, TEXT)
    a, b = unit_rows(np.asarray(pairs.x)), unit_rows(np.asarray(pairs.y))
    facts["pair_variance"] = estimate_noise(a, partners=b).variance
    facts["matched_cosine"] = float(np.vecdot(a, b).mean())
    facts["collapsed_cosine"] = float(np.vecdot(unit_rows(a - means[group]), unit_rows(b - means[TEXT])).mean())
    shown = [item in set(_items(world.train, group)) for item in _items(world.train, TEXT)]
    _, counts = np.unique(np.array(_items(world.train, TEXT))[shown], return_counts=True)
    if (counts > 1).sum() >= 2:
        facts["caption_variance"] = estimate_noise(y[shown], np.array(_items(world.train, TEXT))[shown]).variance
    rows, captions = (unit_rows(np.asarray(world.test[name].vectors)) for name in (group, TEXT))
    ranks = retrieval_ranks(
        rows - means[group],
        captions - means[TEXT],
        query_items=np.array(_items(world.test, group)),
        gallery_items=np.array(_items(world.test, TEXT)),
    )
    for k in (1, 10):
        if k <= len(captions):
            facts[f"recall_at_{k}"] = float(ranks.recall_at_k(k))
    return facts
