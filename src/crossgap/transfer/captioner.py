"""A fitted captioner: the preparation of rows and the decoder behind it, as one object and one folder."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from crossgap.geometry.rows import materialise, unit_rows
from crossgap.transfer.caption import Caption
from crossgap.transfer.captioner_file import read_captioner, write_captioner
from crossgap.transfer.decoding import Decoding
from crossgap.transfer.preparation import Preparation

__all__ = ["Captioner", "MeanLikeness"]

_LIKE = 0.5  # share of the expected cosine of means below which rows seem to be of another space
_LEAST_EXPECTED = 0.5  # below it the means say too little


@dataclass(frozen=True, kw_only=True)
class MeanLikeness:
    """How like the mean of given rows is to the mean of the same group that was learned.

    Formula::

        cosine      cos(mean of the n unit rows, m_g)
        expected    |m_g| / sqrt(|m_g|^2 + (1 - |m_g|^2) / n)      for rows drawn as those that were learned from

    How to read it: rows of another model have a cosine near 0 and may have the right dimension all the same. The rows
    seem foreign where the cosine is below half of what is expected; where less than 0.5 is expected (few rows, or a
    mean near 0) nothing can be said.

    Parameters
    ----------
    cosine, expected
        As above.
    rows
        How many rows the mean is of.
    """

    cosine: float
    expected: float
    rows: int

    @property
    def is_foreign(self) -> bool:
        """Whether the rows seem to be of another space."""
        return self.expected >= _LEAST_EXPECTED and self.cosine < _LIKE * self.expected


class Captioner:
    """Captions of rows of any group that the preparation knows.

    Formula::

        caption = decoder(preparation.rows(x, group))

    How to read it: the decoder was trained on one group (text); the preparation brings rows of another group where the
    decoder takes them.

    Parameters
    ----------
    preparation
        A fitted ``Preparation``.
    decoder
        ``NearestCaption``, ``TransformerDecoder`` or ``ClipCap``.
    facts
        Whatever is worth knowing about the fit, as JSON.
    means
        Mean of the unit rows by group, by which rows of another space are noticed; those that the preparation takes
        away by default.

    Raises
    ------
    ValueError
        If the decoder takes rows of another dimension than the preparation gives.

    Examples
    --------
    >>> from crossgap.data import Embeddings
    >>> from crossgap.transfer.nearest_caption import NearestCaption
    >>> texts, pictures = np.array([[0.6, 0.8], [-0.6, 0.8]]), np.array([[0.6, -0.8], [-0.6, -0.8]])
    >>> preparation = Preparation.fit(Embeddings.from_arrays(text=texts, image=pictures), arm="C2_1")
    >>> captioner = Captioner(preparation, NearestCaption(preparation.rows(texts, "text"), ["a dog", "a cat"]))
    >>> [found.text for found in captioner.caption(pictures, group="image")]
    ['a dog', 'a cat']

    One row, or pictures themselves with a function that embeds them:

    >>> captioner.caption(pictures[1], group="image")[0].text
    'a cat'
    >>> files = {"dog.png": pictures[0], "cat.png": pictures[1]}
    >>> def encode(names):
    ...     return np.stack([files[name] for name in names])
    >>> [found.text for found in captioner.caption(["cat.png"], group="image", encode=encode)]
    ['a cat']
    """

    def __init__(
        self,
        preparation: Preparation,
        decoder: Any,
        facts: Mapping[str, Any] | None = None,
        *,
        means: Mapping[str, Any] | None = None,
    ) -> None:
        if decoder.dimension != preparation.dimension:
            raise ValueError(
                f"decoder must take rows of {preparation.dimension} dimensions, as the preparation gives them, but it "
                f"takes {decoder.dimension}; fit both on the same space."
            )
        self.preparation, self.decoder, self.facts = preparation, decoder, dict(facts or {})
        known = preparation.corruption.means_ if means is None and preparation.closer is None else means or {}
        self.means = {name: np.asarray(mean, dtype=np.float32) for name, mean in known.items()}

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups whose rows it can caption without being told more."""
        return self.preparation.groups

    @property
    def dimension(self) -> int:
        """The length d of every row."""
        return self.preparation.dimension

    def caption(
        self,
        items: Any,
        *,
        group: str,
        decoding: Decoding | None = None,
        encode: Callable[[Sequence[Any]], Any] | None = None,
        batch_size: int = 256,
        first: int = 0,
    ) -> list[Caption]:
        """Return a caption for each row; one row (d,) is a batch of one.

        Parameters
        ----------
        items
            Rows (n, d) or (d,) of the group; with ``encode`` a sequence of anything.
        group
            Whose rows they are: its mean is taken away.
        decoding
            Greedy by default.
        encode
            ``encode(batch of items) -> rows (n, d)``: whatever turns pictures, sounds or clips into rows of this space.
            It is given at most ``batch_size`` items at a time.
        batch_size
            Rows that are captioned at a time.
        first
            Number of the first row, for the draws of "nucleus": rows 100 to 199 of a file, given alone with
            ``first=100``, get the captions that they get among all.

        Raises
        ------
        ValueError
            If there is no mean for the group, the dimension is another one, or a row is not finite; or ``encode`` gives
            another number of rows than of items.
        """
        decoding = Decoding() if decoding is None else decoding
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, but it is {batch_size}; 256 suits most.")
        if encode is None:
            items = np.asarray(materialise(items) if hasattr(items, "shape") else items)
            items = items[None] if items.ndim == 1 and len(items) == self.dimension else items
        found: list[Caption] = []
        for start in range(0, len(items), batch_size):
            part = items[start : start + batch_size]
            rows = part if encode is None else _encoded(encode, part)
            prepared = torch.from_numpy(self.preparation.rows(rows, group))
            numbers = range(first + start, first + start + len(prepared))
            found.extend(self.decoder.generate(prepared.to(self._device), decoding, numbers=numbers))
        return found

    def mean_likeness(self, rows: Any, group: str) -> MeanLikeness | None:
        """Compare the mean of rows with the learned mean of their group; None where there is none, or no row."""
        mean = self.means.get(group)
        if mean is None or not len(rows):
            return None
        unit = np.asarray(unit_rows(materialise(rows), name=group), dtype=np.float64)
        own, length = unit.mean(axis=0), float(np.linalg.norm(mean))
        below = float(np.linalg.norm(own)) * length
        spread = max(1 - length**2, 0.0) / len(unit)
        return MeanLikeness(
            cosine=float(own @ mean) / below if below > 0 else 0.0,
            expected=length / math.sqrt(length**2 + spread) if length > 0 else 0.0,
            rows=len(unit),
        )

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the captioner into a folder; the same captioner gives the same bytes.

        ``captioner.json`` comes last and holds a digest of every other file, so a folder that was not finished, or was
        changed, is noticed. An older captioner in the folder is replaced; other files there stay. Low-rank changes of a
        ``ClipCap`` are saved as part of the matrices (``merged``), so that no peft is needed to read them.

        Raises
        ------
        TypeError
            If the decoder is none of ``crossgap.transfer``, or the facts are no JSON.
        OSError
            If the folder cannot be written.
        """
        return write_captioner(folder, self.preparation, self.decoder, facts=self.facts, means=self.means)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "Captioner":
        """Return the captioner of a folder.

        Raises
        ------
        FormatError
            If the folder holds no captioner, a damaged or unfinished one, or one of a newer crossgap.
        OSError
            If there is no such folder or it cannot be read.
        """
        preparation, decoder, record = read_captioner(folder)
        return cls(preparation, decoder, record["facts"], means=record["means"])

    @property
    def _device(self) -> torch.device:
        first = next(iter(self.decoder.parameters()), None) if isinstance(self.decoder, nn.Module) else None
        return torch.device("cpu") if first is None else first.device


def _encoded(encode: Callable[[Sequence[Any]], Any], items: Sequence[Any]) -> np.ndarray:
    rows = np.asarray(materialise(encode(items)))
    if rows.ndim != 2 or len(rows) != len(items):
        raise ValueError(
            f"encode must give one row for each of {len(items)} items, but what it gave has shape {tuple(rows.shape)}; "
            f"return an array (n, d)."
        )
    return rows
