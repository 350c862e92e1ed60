"""C8: replace each row by the rows of a memory that are most like it."""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from crossgap.close.affine_step import bring_to_length_one
from crossgap.close.closer import Calibration, Closer, is_whole_number
from crossgap.close.softmax_mean import softmax_mean
from crossgap.geometry.matches import join_items
from crossgap.geometry.rows import unit_rows

__all__ = ["MemoryProjection"]

_WEIGHTS = ("memory", "partners")


class MemoryProjection(Closer):
    """Project rows onto a memory of rows of one group, as DeCap does with images and a memory of texts.

    Formula::

        p = norm( sum_j w_j m_j ),   w = softmax(x . k_j / T)     over all j, or over the nearest ones

        weights_from="memory"     k_j = m_j: the rows of the memory themselves
        weights_from="partners"   k_j = the partner of m_j in the group of x (kernel regression from pairs)

    How to read it: the moved rows lie in the cone of the memory, so the gap to it nearly vanishes by construction; that
    says nothing about quality. What they lose is in ``projection_loss``: 0 where centred rows keep their direction, 1
    where nothing of it is left. ``neighbours=1`` is the nearest row of the memory, ``temperature=inf`` with
    ``neighbours=k`` the barycentre of the k nearest. Order among the moved rows is not kept (they contract).

    Parameters
    ----------
    memory
        The group whose rows are the memory. None: the only group, or ``text`` where there are several. Its own rows
        stay as they are where there are several groups; with one group all rows that are given are projected.
    temperature
        T, above 0; the released code takes 1/100. Infinity weighs all rows the same.
    neighbours
        Only so many rows of highest cosine count; None: all. With a small memory 100 is usual.
    weights_from
        "memory" compares across the gap and needs no pairs; "partners" compares within the group of x and needs items
        that pair it with the memory.
    renormalise
        Bring the moved rows to length 1 again.

    Attributes
    ----------
    memory_
        The unit rows of the memory (m, d) in float32.
    memory_group_
        Its name.
    keys_, partners_
        For "partners": by group the unit rows (p, d) in float32 that are compared with, and the rows of ``memory_``
        that they stand for (p,). Empty otherwise.

    Raises
    ------
    ValueError
        If ``memory`` is no group, a parameter is out of range, or more neighbours are asked for than rows are there.
    DegenerateError
        If a group has fewer than two rows, or "partners" is asked for and nothing pairs.

    Notes
    -----
    The memory is in the file: m d float32 numbers (500,000 captions of 512 numbers are 1 GB), and as much again for
    each other group with "partners". Cost: 4 n m d flops, in blocks; so an index of a million rows on a memory of
    10,000 takes minutes. Not linear: no ONNX, JSON or FAISS form. More than one other group: each is projected.

    References
    ----------
    Li et al., *DeCap: Decoding CLIP Latents for Zero-Shot Captioning via Text-Only Training*, ICLR 2023.

    Examples
    --------
    The image is nearest to the first of two texts, and becomes that text.

    >>> X = np.array([[0.9, 0.1, 1.0], [0.1, 0.9, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    >>> groups = ["image", "image", "text", "text"]
    >>> closer = MemoryProjection(neighbours=1).fit(X, groups=groups)
    >>> closer.transform(X, groups=groups).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """

    memory_: np.ndarray
    memory_group_: str
    keys_: dict[str, np.ndarray]
    partners_: dict[str, np.ndarray]

    def __init__(
        self,
        *,
        memory: str | None = None,
        temperature: float = 0.01,
        neighbours: int | None = None,
        weights_from: str = "memory",
        renormalise: bool = True,
    ):
        self.memory = memory
        self.temperature = temperature
        self.neighbours = neighbours
        self.weights_from = weights_from
        self.renormalise = renormalise

    def projection_loss(self, X: Any, *, groups: Any = None) -> dict[str, float]:
        """Return how much of each projected group's direction is lost, as the mean over its rows.

        Formula::

            1 - cos(x - mean x, p - mean p)     means over the rows of the group that are given, x and p unit rows

        How to read it: range [0, 2]; 0 nothing is lost, 1 what is left has nothing to do with the row.
        """
        check_is_fitted(self)
        calibration = self._calibration(X, groups, None, reset=False)
        lost = {}
        for name, rows in calibration.rows.items():
            if name == self.memory_group_ and len(self.groups_) > 1:
                continue
            projected = unit_rows(self.move(rows, name), name=name)
            before = unit_rows(rows - rows.mean(axis=0), name=f"centred {name}")
            after = unit_rows(projected - projected.mean(axis=0), name=f"centred projected {name}")
            lost[name] = 1.0 - float(np.mean(np.vecdot(before, after)))
        return lost

    def _learn(self, calibration: Calibration) -> None:
        self._check(calibration)
        name = self._memory_group(calibration)
        memory = calibration.rows[name]
        keys: dict[str, np.ndarray] = {}
        partners: dict[str, np.ndarray] = {}
        if self.weights_from == "partners":
            for other in calibration.groups:
                if other == name:
                    continue
                keys[other] = calibration.pairs(other, name)[0].astype(np.float32)
                items = calibration.items or {}
                partners[other] = join_items(items[other], items[name])[1]
        smallest = min([len(memory), *map(len, keys.values())])
        if self.neighbours is not None and self.neighbours > smallest:
            raise ValueError(
                f"neighbours must be at most the {smallest} rows of the memory, but it is {self.neighbours}; give a "
                f"larger memory, or fewer neighbours."
            )
        self.memory_group_ = name
        self.memory_ = memory.astype(np.float32)
        self.keys_, self.partners_ = keys, partners

    def _check(self, calibration: Calibration) -> None:
        if not self.temperature > 0:
            raise ValueError(f"temperature must be above 0, but it is {self.temperature}; 0.01 is usual.")
        if self.neighbours is not None and not (is_whole_number(self.neighbours) and self.neighbours >= 1):
            raise ValueError(f"neighbours must be at least 1, but it is {self.neighbours!r}; None takes all rows.")
        if self.weights_from not in _WEIGHTS:
            raise ValueError(
                f"weights_from must be one of {', '.join(map(repr, _WEIGHTS))}, but it is {self.weights_from!r}; "
                f"choose one."
            )
        if self.weights_from == "partners" and len(calibration.rows) < 2:
            raise ValueError(
                "weights_from='partners' needs a group beside the memory whose rows pair with it, but there is one "
                "group; say the group of each row with groups=."
            )

    def _memory_group(self, calibration: Calibration) -> str:
        names = calibration.groups
        wanted = self.memory if self.memory is not None else names[0] if len(names) == 1 else "text"
        if wanted not in names:
            given = "" if self.memory is not None else " unless it is named"
            raise ValueError(
                f"memory must be one of the groups {', '.join(names)}, but it is {wanted!r}{given}; pass memory=."
            )
        return wanted

    def _move(self, rows: np.ndarray, group: str) -> np.ndarray:
        if group == self.memory_group_ and len(self.groups_) > 1:
            return rows.copy()
        keys, values = self.memory_, self.memory_
        if group in self.keys_:
            keys, values = self.keys_[group], self.memory_[self.partners_[group]]
        nearest = None if self.neighbours is None else int(self.neighbours)
        moved = softmax_mean(rows, keys, values, temperature=self.temperature, neighbours=nearest)
        if self.renormalise:
            bring_to_length_one(moved, name=group)
        return moved
