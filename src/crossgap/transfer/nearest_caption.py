"""The caption of a row is that of the nearest training caption: the baseline that writes nothing of its own."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from crossgap.errors import DegenerateError, FormatError
from crossgap.geometry.neighbours import nearest_rows
from crossgap.geometry.rows import materialise, unit_rows
from crossgap.train.transformer import check_sizes
from crossgap.transfer.caption import Caption
from crossgap.transfer.decoding import Decoding

__all__ = ["NearestCaption"]

_TEXTS = "texts.json"


class NearestCaption(nn.Module):
    r"""Return the training caption whose prepared row is nearest.

    .. math:: c(e) = t_{j}, \qquad j = \arg\max_j \; \cos(e, r_j), \quad \text{the lowest such } j

    How to read it: retrieval across the gap, with the same preparation as a decoder that is trained; what a decoder
    gains over it, it gains by writing. The score is the cosine, in [-1, 1].

    Parameters
    ----------
    rows
        Prepared rows (m, d) of the training captions, without noise: ``preparation.rows(text, "text")``.
    texts
        Their captions.

    Raises
    ------
    ValueError
        If the rows are not (m, d) or not finite, one is all zeros, or there is not one text a row.
    DegenerateError
        If there is no row.
    TypeError
        If a text is no string.

    Notes
    -----
    There is nothing to train. Cost: 2 n m d flops for n rows, in blocks. Saved like any module: the unit rows are the
    buffer ``rows`` in float32, the texts a file of JSON.

    References
    ----------
    Li et al., ICLR 2023 (DeCap), compare with it as retrieval of the nearest sentence.

    Examples
    --------
    >>> decoder = NearestCaption(np.eye(3), ["a dog", "a cat", "a bird"])
    >>> decoder.generate(np.array([[0.1, 0.9, 0.2]]))[0].text
    'a cat'
    >>> [caption.text for caption in decoder.nearest(np.array([[0.1, 0.9, 0.2]]), k=2)[0]]
    ['a cat', 'a bird']
    """

    rows: Tensor

    def __init__(self, rows: Any, texts: Sequence[str]) -> None:
        super().__init__()
        found = _array(rows)
        if found.ndim != 2:
            raise ValueError(f"rows must have shape (m, d), but it is {found.shape}; give one row for each text.")
        if len(found) != len(texts) or isinstance(texts, str):
            given = "one string" if isinstance(texts, str) else f"{len(texts)} texts"
            raise ValueError(f"there must be one text a row, but there are {len(found)} rows and {given}; align them.")
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise TypeError(
                    f"each text must be a string, but text {number} is a {type(text).__name__}; leave it out."
                )
        if not len(found):
            raise DegenerateError("there is no caption that could be nearest; give rows and their texts.")
        self.texts, self.dimension = tuple(texts), int(found.shape[1])
        unit = np.asarray(unit_rows(found, name="rows"), dtype=np.float32)
        self.register_buffer("rows", torch.from_numpy(np.ascontiguousarray(unit)))

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], files: Mapping[str, bytes]) -> "NearestCaption":
        """Build the decoder that ``settings`` and ``files()`` describe; its rows are loaded by the caller.

        Raises
        ------
        FormatError
            If the texts are missing or unreadable, or the settings are not those of such a decoder.
        """
        try:
            texts = json.loads(files[_TEXTS])
            check_sizes(dimension=settings["dimension"])
            placeholder = np.zeros((len(texts), settings["dimension"]), np.float32)
            placeholder[:, 0] = 1.0
            return cls(placeholder, texts)
        except (KeyError, TypeError, ValueError, RecursionError, MemoryError) as error:
            reason = str(error).rstrip(".")
            raise FormatError(f"{_TEXTS} and settings are not those of captions ({reason}); copy them again.") from None

    @property
    def settings(self) -> dict[str, Any]:
        """What it can be built from, beside ``files()`` and its rows, as JSON."""
        return {"dimension": self.dimension}

    def files(self) -> dict[str, bytes]:
        """Return the files that it needs beside its rows and settings: the texts."""
        return {_TEXTS: json.dumps(self.texts, indent=0).encode("ascii")}

    def generate(
        self, rows: Any, decoding: Decoding | None = None, *, numbers: Sequence[int] | None = None
    ) -> list[Caption]:
        """Return the nearest caption of each prepared row (n, d); its score is the cosine, and no token was made.

        Parameters
        ----------
        rows
            Prepared rows.
        decoding, numbers
            Taken as other decoders take them; they say nothing here.

        Raises
        ------
        ValueError
            If the rows are not (n, d) or not finite, or one is all zeros.
        """
        return [found[0] for found in self.nearest(rows, k=1)]

    def nearest(self, rows: Any, *, k: int) -> list[list[Caption]]:
        """Return the ``k`` nearest captions of each prepared row (n, d), the nearest first.

        Captions of the same text count each; ties go to the lower number.

        Raises
        ------
        ValueError
            If ``k`` is no whole number from 1 to the number of captions; otherwise as ``generate``.
        """
        if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= len(self.texts):
            raise ValueError(f"k must be a whole number from 1 to the {len(self.texts)} captions, but it is {k!r}.")
        queries = _array(rows)
        if queries.ndim != 2 or queries.shape[1] != self.dimension:
            raise ValueError(
                f"rows must have shape (n, {self.dimension}), as those of the captions, but it is {queries.shape}; "
                f"give prepared rows of the same space."
            )
        if not len(queries):
            return []
        found = nearest_rows(queries, self.rows.cpu().numpy(), k)
        return [
            [
                Caption(text=self.texts[number], score=max(-1.0, min(1.0, cosine)), tokens=0)
                for number, cosine in zip(numbers, cosines, strict=True)
            ]
            for numbers, cosines in zip(found.rows.tolist(), found.cosines.tolist(), strict=True)
        ]


def _array(rows: Any) -> np.ndarray:
    """Return rows as an array in float32."""
    rows = rows.detach().cpu().numpy() if isinstance(rows, Tensor) else rows
    return np.asarray(materialise(rows) if hasattr(rows, "shape") else rows, dtype=np.float32)
