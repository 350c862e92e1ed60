"""Named attributes of prepared rows: several may hold at once."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from crossgap.errors import FormatError
from crossgap.train.initialisation import initialised
from crossgap.train.transformer import check_sizes

__all__ = ["AttributeHead", "attribute_loss"]


def attribute_loss(logits: Tensor, labels: Tensor) -> Tensor:
    r"""Mean binary cross-entropy over rows and attributes.

    .. math:: L = -\frac{1}{n A} \sum_{i a} y_{ia} \log \sigma(z_{ia}) + (1 - y_{ia}) \log (1 - \sigma(z_{ia}))

    How to read it: in nats; 0 where each attribute is certain and right, ln 2 where nothing is known.

    Parameters
    ----------
    logits
        (n, A).
    labels
        (n, A), 1 where the attribute holds and 0 where it does not; anything between is a share.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> import torch
    >>> round(float(attribute_loss(torch.zeros(2, 3), torch.ones(2, 3))), 4)  # ln 2
    0.6931
    """
    if logits.shape != labels.shape:
        raise ValueError(
            f"labels must have the shape of logits, {tuple(logits.shape)}, but it is {tuple(labels.shape)}; give one "
            f"number for each row and attribute."
        )
    return nn.functional.binary_cross_entropy_with_logits(logits.float(), labels.float())


class AttributeHead(nn.Module):
    r"""A network of one hidden layer that says for each attribute how likely it holds.

    .. math:: p(a \mid e) = \sigma\big( W_2 \, \mathrm{ReLU}(W_1 e + b_1) + b_2 \big)_a

    How to read it: the cheapest decoder of all, for what can be named beforehand: tags, classes, properties. Trained on
    prepared rows of one modality it tells the attributes of any other. Each attribute is judged by itself.

    Parameters
    ----------
    attributes
        Their names, in the order of the columns of the labels.
    dimension
        Length d of the prepared rows.
    hidden
        Width of the hidden layer.
    seed
        Of the first weights.

    Raises
    ------
    ValueError
        If a size is no whole number of at least 1, there is no attribute, or a name is given twice.
    TypeError
        If a name is no string.

    Notes
    -----
    Trained by ``TrainingRun`` with ``attribute_loss``; ``forward(rows, labels)`` gives what it takes. Cost: 2 hidden
    (d + A) flops a row.

    References
    ----------
    The analogue in seconds of Zhang et al., ICLR 2024, arXiv 2401.08567, table 2: 24 attributes, 64 dimensions, hidden
    256.

    Examples
    --------
    >>> import torch
    >>> from crossgap.train import PairedTensors, TrainingRun, adamw
    >>> rows, labels = torch.eye(4), torch.tensor([[1, 0], [1, 1], [0, 1], [0, 0]])
    >>> head = AttributeHead(["red", "round"], dimension=4, hidden=16)
    >>> run = TrainingRun(head, attribute_loss, PairedTensors(rows, labels), batch_size=4, epochs=60,
    ...                   optimiser=adamw(head, learning_rate=0.05, weight_decay=0.0))
    >>> losses = [step.loss for step in run]
    >>> head.attributes_of(rows)
    [('red',), ('red', 'round'), ('round',), ()]
    """

    def __init__(self, attributes: Sequence[str], *, dimension: int, hidden: int = 256, seed: int = 0) -> None:
        if isinstance(attributes, str) or not all(isinstance(name, str) for name in attributes):
            raise TypeError(f"attributes must be a list of names, but it is {attributes!r}; give for example ['red'].")
        self._check_names(attributes)
        check_sizes(dimension=dimension, hidden=hidden)
        super().__init__()
        self.attributes, self.dimension, self.hidden = tuple(attributes), dimension, hidden
        sizes = (dimension, hidden, len(attributes))
        self.network = initialised(lambda: _network(*sizes), generator=torch.Generator().manual_seed(seed))

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], files: Mapping[str, bytes]) -> "AttributeHead":
        """Build the head that ``settings`` describe; its weights are loaded by the caller, and it needs no files.

        Raises
        ------
        FormatError
            If the settings are not those of such a head.
        """
        try:
            return cls(settings["attributes"], dimension=settings["dimension"], hidden=settings["hidden"])
        except (KeyError, TypeError, ValueError) as error:
            reason = str(error).rstrip(".")
            raise FormatError(f"the settings are not those of attributes ({reason}); copy the folder again.") from None

    @property
    def settings(self) -> dict[str, Any]:
        """What it can be built from, beside its weights, as JSON."""
        return {"attributes": list(self.attributes), "dimension": self.dimension, "hidden": self.hidden}

    def files(self) -> dict[str, bytes]:
        """Return the files that it needs beside its weights and settings: none."""
        return {}

    def forward(self, rows: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits (B, A) of prepared rows (B, d), and the labels in their type.

        Raises
        ------
        ValueError
            If the rows are not (B, d), or the labels not (B, A).
        """
        self._check(rows)
        if labels.shape != (len(rows), len(self.attributes)):
            raise ValueError(
                f"labels must have shape ({len(rows)}, {len(self.attributes)}), a number for each row and attribute, "
                f"but it is {tuple(labels.shape)}; make a column for each of: {', '.join(self.attributes[:5])}."
            )
        logits = self.network(rows)
        return logits, labels.to(logits.dtype)

    def probabilities(self, rows: Any) -> Tensor:
        """Return how likely each attribute holds, (n, A) in [0, 1], for prepared rows (n, d).

        Raises
        ------
        ValueError
            If the rows are not (n, d) or not finite.
        """
        rows = (rows if isinstance(rows, Tensor) else torch.tensor(rows)).to(next(self.parameters()))
        self._check(rows)
        if not bool(torch.isfinite(rows).all()):
            raise ValueError("rows must hold finite numbers, but they hold NaN or infinity; leave such rows out.")
        with torch.inference_mode():
            return self.network(rows).sigmoid()

    def attributes_of(self, rows: Any, *, threshold: float = 0.5) -> list[tuple[str, ...]]:
        """Return the names of the attributes that hold with more than ``threshold``, for each prepared row (n, d).

        Raises
        ------
        ValueError
            If ``threshold`` is outside of [0, 1]; otherwise as ``probabilities``.
        """
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold must lie in [0, 1], but it is {threshold}; 0.5 is usual.")
        holds = (self.probabilities(rows) > threshold).tolist()
        return [tuple(name for name, held in zip(self.attributes, row, strict=True) if held) for row in holds]

    def _check(self, rows: Tensor) -> None:
        if rows.ndim != 2 or rows.shape[1] != self.dimension:
            raise ValueError(
                f"rows must have shape (n, {self.dimension}), as what the head was made for, but it is "
                f"{tuple(rows.shape)}; give prepared rows of the same space."
            )

    @staticmethod
    def _check_names(attributes: Sequence[str]) -> None:
        if not attributes:
            raise ValueError("attributes must have a name at least, but there is none; name what the labels say.")
        twice = [name for number, name in enumerate(attributes) if name in attributes[:number]]
        if twice:
            raise ValueError(f"attributes must differ, but {twice[0]!r} is given twice; rename one.")


def _network(dimension: int, hidden: int, attributes: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(dimension, hidden), nn.ReLU(), nn.Linear(hidden, attributes))
