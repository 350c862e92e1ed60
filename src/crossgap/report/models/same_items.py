"""Whether several sources hold the same items, and their rows brought into one order where they do."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from crossgap.data.embeddings import Embeddings, Group

__all__ = ["SameItems", "same_items"]


@dataclass(frozen=True, kw_only=True, eq=False)
class SameItems:
    """Sources after alignment: row i of a group is the same item in each model, if ``aligned``; and what was done."""

    models: Mapping[str, Embeddings]
    aligned: bool
    notes: tuple[str, ...]


def same_items(models: Mapping[str, Embeddings], *, different: bool = False) -> SameItems:
    """Bring the rows of several models into one order, and leave out what not all of them hold.

    Rows with ids are matched by id; several rows of one id by their texts where these agree, else the second with the
    second. Rows without ids are matched by their place where all models have the same number of them, and that is said;
    ``different`` says that they are not the same. Where one group cannot be matched nothing is, and the models are
    compared as different samples.
    """
    groups = list(next(iter(models.values())))
    if different:
        return SameItems(models=models, aligned=False, notes=("models hold different items, as was said.",))
    kept: dict[str, dict[str, np.ndarray]] = {label: {} for label in models}
    notes: list[str] = []
    for name in groups:
        rows = _matched_rows({label: found[name] for label, found in models.items()})
        if isinstance(rows, str):
            note = (
                f"{name}: {rows}, so the models are compared as samples of different items, without paired differences."
            )
            return SameItems(models=models, aligned=False, notes=(note,))
        for label, index in rows.items():
            kept[label][name] = index
            left = len(models[label][name]) - len(index)
            if left:
                notes.append(
                    f"{label}, {name}: {left} of {len(models[label][name])} rows left out, whose items other models "
                    f"lack."
                )
        if all(found[name].items is None for found in models.values()):
            notes.append(f"{name}: no item ids, so row i was taken to be the same item in each model.")
    aligned = {
        label: Embeddings({name: _taken(found[name], kept[label][name]) for name in groups})
        for label, found in models.items()
    }
    for name in groups:
        notes += _doubts(name, {label: found[name] for label, found in aligned.items()})
    return SameItems(models=_with_ids_of_the_first(aligned), aligned=True, notes=tuple(notes))


def _doubts(name: str, groups: Mapping[str, Group]) -> Iterator[str]:
    """Say what the match of rows rests on, and where their texts speak against it."""
    first, *others = groups.items()
    items = first[1].items
    texts = [None if group.text is None else list(group.text) for group in groups.values()]
    by_text = texts[0] is not None and all(one == texts[0] for one in texts)
    if items is not None and len(np.unique(items)) < len(items) and not by_text:
        yield f"{name}: several rows of one item; the second row of an item was matched with its second, and so on."
    for label, group in others:
        if first[1].text is None or group.text is None:
            continue
        differ = sum(one != other for one, other in zip(first[1].text, group.text, strict=True))
        if differ:
            yield (
                f"{name}: {differ} of {len(group)} matched rows have another text in {label} than in {first[0]}; bring "
                f"the rows of an item into one order, if they are meant to be the same."
            )


def _with_ids_of_the_first(models: Mapping[str, Embeddings]) -> dict[str, Embeddings]:
    """Give matched rows one id in all models: ids of another type sort in another order, and draw other items."""
    first = next(iter(models.values()))
    return {
        label: Embeddings({name: replace(group, items=first[name].items) for name, group in found.items()})
        for label, found in models.items()
    }


def _matched_rows(groups: Mapping[str, Group]) -> dict[str, np.ndarray] | str:
    """Return the rows of each model in one order, or why there are none."""
    with_ids = [label for label, group in groups.items() if group.items is not None]
    if not with_ids:
        sizes = {len(group) for group in groups.values()}
        if len(sizes) > 1:
            return f"there are no item ids, and the numbers of rows differ ({', '.join(map(str, sorted(sizes)))})"
        return {label: np.arange(len(group)) for label, group in groups.items()}
    if len(with_ids) < len(groups):
        without = next(label for label in groups if label not in with_ids)
        return f"{with_ids[0]} has item ids and {without} has none"
    found = _common_rows({label: _keys(group, by_text=False) for label, group in groups.items()})
    if all(group.text is not None for group in groups.values()):
        by_text = _common_rows({label: _keys(group, by_text=True) for label, group in groups.items()})
        if len(by_text[with_ids[0]]) >= len(found[with_ids[0]]):
            found = by_text
    return found if len(found[with_ids[0]]) else "the models share no item id"


def _common_rows(keyed: Mapping[str, Mapping[Any, int]]) -> dict[str, np.ndarray]:
    """Return by model the rows whose keys all models have, in the order of the first."""
    first, *others = keyed.values()
    common = [key for key in first if all(key in other for other in others)]
    return {label: np.array([keys[key] for key in common], dtype=int) for label, keys in keyed.items()}


def _keys(group: Group, *, by_text: bool) -> dict[tuple[str, str | None, int], int]:
    """Return the row of each id, of its text where that is to tell rows apart, and of how often both came before."""
    items = np.asarray(group.items).astype(str).tolist()
    texts = group.text if by_text and group.text is not None else [None] * len(items)
    seen: dict[tuple[str, str | None], int] = {}
    keys: dict[tuple[str, str | None, int], int] = {}
    for row, key in enumerate(zip(items, texts, strict=True)):
        keys[*key, seen.setdefault(key, 0)] = row
        seen[key] += 1
    return keys


def _taken(group: Group, index: np.ndarray) -> Group:
    return group if len(index) == len(group) and np.array_equal(index, np.arange(len(index))) else group.take(index)
