"""The group that stays while the others are moved onto it: who it is, and the steps of both kinds."""

import numpy as np

from crossgap.close.affine_step import AffineStep
from crossgap.close.closer import LinearCloser

__all__ = ["OntoTarget", "target_group"]


def target_group(target: str | None, groups: tuple[str, ...]) -> str:
    """Return the group that stays: ``target``, or the one that appears first.

    Raises
    ------
    ValueError
        If there is no such group.
    """
    if target is None:
        return groups[0]
    if target not in groups:
        raise ValueError(f"target must be one of the groups {', '.join(groups)}, but it is {target!r}.")
    return target


class OntoTarget(LinearCloser):
    """A closer that moves each group but ``target_`` by one matrix and one offset; the target has an offset at most."""

    renormalise: bool
    target_: str
    matrices_: dict[str, np.ndarray]
    offsets_: dict[str, np.ndarray]

    _least_groups = 2

    def steps(self, group: str) -> tuple[AffineStep, ...]:
        """Return the map of the group; a target that stays has the step that changes nothing."""
        moves = group in self.offsets_
        return (
            AffineStep(
                matrix=self.matrices_.get(group),
                offset=self.offsets_.get(group),
                renormalise=self.renormalise and moves,
            ),
        )
