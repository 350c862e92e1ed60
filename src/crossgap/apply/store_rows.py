"""Rows of a store: which of the closer's groups each belongs to, and a block of them moved."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from crossgap.apply.likely_group import likely_group
from crossgap.apply.store_record import StoreTask
from crossgap.apply.vector_mover import VectorMover
from crossgap.close.closer import Closer

__all__ = ["GroupNames", "count_groups", "gives_unit_rows", "move_rows", "store_mover"]

KEPT = ""  # the name, for the mover, of rows that are copied as they are


class GroupNames:
    """From what a store says of a row to the group of the closer, or None for a row that is kept as it is."""

    def __init__(self, task: StoreTask) -> None:
        self._known = task.closer.groups_
        self._aliases: Mapping[str, str] = task.aliases
        self._keep_others = task.keep_others
        for own in (*task.aliases.values(), *((task.group,) if task.group is not None else ())):
            if own not in self._known:
                raise ValueError(
                    f"there is no group {own!r} in the closer, which was fitted on {', '.join(self._known)}; name one "
                    f"of those."
                )

    def find(self, name: object, role: object = None) -> str | None:
        """Return the closer's group of a row of this modality and role: ``modality/role``, or the modality without one.

        Only that name is looked for, as it is for files; aliases go before the closer's own names.

        Raises
        ------
        LookupError
            If the closer has no such group, with its name.
        """
        said = _group_name(name, role)
        own = self._aliases.get(said, said)
        if own in self._known:
            return own
        if self._keep_others:
            return None
        raise LookupError(said)


def _group_name(name: object, role: object) -> str:
    """Return the name of the group of this modality and role; nothing where there is no modality."""
    if name is None:
        return ""
    return str(name) if role in (None, "") else f"{name}/{role}"


def count_groups(
    counts: Mapping[tuple[object, object], int], names: GroupNames, task: StoreTask, *, where: str
) -> tuple[dict[str, int], int]:
    """Return rows of each of the closer's groups and rows that are kept, from counts by modality and role.

    Raises
    ------
    ValueError
        If rows are of a group that the closer does not know, none is of one that it knows, or an alias names no row.
    """
    known = ", ".join(task.closer.groups_)
    there = list(dict.fromkeys(_group_name(name, role) for name, role in counts))
    for alias, own in task.aliases.items():
        if alias not in there and counts:
            raise ValueError(
                f"{where}: there is no group {alias!r} to treat as {own!r}; it holds {', '.join(filter(None, there))}."
            )
    found: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    kept = 0
    for (name, role), count in counts.items():
        try:
            own = names.find(name, role)
        except LookupError as error:
            unknown[str(error.args[0])] += count
            continue
        if own is None:
            kept += count
        else:
            found[own] += count
    if unknown:
        name, count = unknown.most_common(1)[0]
        what, mend = f"without {task.group_field!r}", "say"
        if name:
            what = f"of the group {name!r}"
            mend = f"say which group they are, for example --as {name}={likely_group(name, task.closer)} (aliases=),"
        raise ValueError(
            f"{where}: {count} rows are {what}, but the closer knows {known}, so nothing was written; {mend} where "
            f"groups are named with --group-field (group_field=), the group of all rows with --group (group=), or let "
            f"them pass unchanged with --keep-others (keep_others=True)."
        )
    if kept and not found:
        raise ValueError(
            f"{where}: no row is of a group that the closer knows ({known}), so nothing would be moved; say which "
            f"group is which with --as (aliases=)."
        )
    return {own: found[own] for own in task.closer.groups_ if own in found}, kept


def move_rows(
    mover: VectorMover, rows: np.ndarray, groups: Sequence[str | None], *, where: str, first: int = 0
) -> tuple[np.ndarray, int]:
    """Return a block of rows (n, d) moved, each as its group asks, in its own type, and how many were all zeros.

    Rows of group None are copied. ``where`` names the block in messages, and ``first`` is the number of its first row.
    """
    names = list(dict.fromkeys(groups))
    late = [name or "others" for name in names if (name or KEPT) not in mover.groups]
    if late:
        raise ValueError(
            f"{where}: rows of {late[0]!r}, which had none before, were added while the closer was applied; run the "
            f"same command again."
        )
    place = {name: number for number, name in enumerate(names)}
    number = np.array([place[name] for name in groups], np.intp) if len(names) > 1 else None
    moved, zeros = mover.move(rows, [name or KEPT for name in names], number, first=first, where=where)
    return moved, len(zeros)


def store_mover(closer: Closer, groups: Mapping[str, int], kept: int, *, where: str) -> VectorMover:
    """Return what moves the rows of these groups, and copies those that are kept.

    Raises
    ------
    ValueError
        If there are no rows, or rows of these groups would be of several dimensions once they are moved.
    """
    if not groups and not kept:
        raise ValueError(f"{where} holds no rows, so there is nothing to move; check the name.")
    return VectorMover(closer, {**{name: name for name in groups}, **({KEPT: None} if kept else {})})


def gives_unit_rows(closer: Closer) -> bool:
    """Say whether moved rows have length 1, by moving a few."""
    rows = np.random.default_rng(0).normal(size=(4, closer.n_features_in_))
    lengths = np.concatenate(
        [np.sqrt(np.vecdot(moved, moved)) for moved in (closer.move(rows, g) for g in closer.groups_)]
    )
    return bool(np.abs(lengths - 1).max() < 1e-5)
