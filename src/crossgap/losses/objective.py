"""The weighted sum of losses as one module, in open_clip's order of arguments and over one or many processes."""

import functools
import inspect
import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from crossgap.losses.alignment_uniformity import cross_uniformity_loss, uniformity_loss
from crossgap.losses.blocks import takes_fused
from crossgap.losses.clip import clip_loss
from crossgap.losses.fused_terms import fused_terms
from crossgap.losses.gathering import gather_rows, own_rows, process_count
from crossgap.losses.inputs import check_batch

__all__ = ["ContrastiveLoss", "Gathering"]

Gathering = Literal["local", "all", "detached", "none"]

# losses that one pass over the pairs of a batch gives together: the terms of fused_terms of which each is the mean
_SHARED = {
    clip_loss: ("clip",),
    uniformity_loss: ("uniformity_x", "uniformity_y"),
    cross_uniformity_loss: ("cross_uniformity",),
}


class ContrastiveLoss(nn.Module):
    """Weighted sum of losses of a batch, exact over any number of processes.

    Formula::

        L = sum_k weight_k loss_k(x, y, logit_scale)

    How to read it: as its terms. It drops into a training loop that calls ``loss(image_features, text_features,
    logit_scale)``, as open_clip's does. What happens to the rows of W processes with b rows each is ``gather``:

    ============  =====================================  ==============================================================
    ``gather``    value on each process                  gradient after the mean over processes
    ============  =====================================  ==============================================================
    "local"       mean over its own rows against all     that of one process on all W b rows; least work
    "all"         whole loss                             the same; each process does all the work
    "detached"    whole loss                             of the towers: 1/W of it; of the logit scale: all of it
    "none"        loss of its own b rows alone           another objective: b - 1 negatives instead of W b - 1
    ============  =====================================  ==============================================================

    Parameters
    ----------
    terms
        Weight of each loss. Keys are functions ``loss(x, y, logit_scale, *, ...)`` of this room or of yours; bind
        options with ``functools.partial``. The weights stay open to change: ``objective.weights[name] = 0.5``. A term
        of weight 0 is not computed.
    gather
        As in the table. "detached" is what open_clip does by default. Without a distributed run all are the same.
    group
        Process group of ``torch.distributed``; the default group without it.
    check
        Verify shapes over processes, unit length and the scale; switch it off inside a training step that is known to
        be right.

    Raises
    ------
    TypeError
        If ``terms`` is not a mapping from functions to numbers, or if a keyword of a call belongs to no term.
    ValueError
        If there is no term, a weight is not finite or, set later, of no term, ``gather`` is none of the four, or
        processes have unequal batches.

    Notes
    -----
    In mode "local", a term that has a parameter ``rows`` adds up the rows of its own process, and its value is their
    mean. The mean of these values over processes is the value of the whole batch. A term without it (a log of a mean,
    a Hopfield store) is no mean over rows: every process computes it on all rows, and has its whole value. Terms that
    draw random numbers must draw the same on every process: give each a generator of the same seed.

    "detached" is 1/W only of what goes through the rows: a step of plain gradient descent is W times shorter, which
    Adam hides, but the logit scale learns at full rate.

    From 512 rows on the terms ``clip_loss``, ``uniformity_loss`` and ``cross_uniformity_loss`` come from one fused pass
    over the batch, which is faster than one for each; the value is the same. A term with an option of its own, bound or
    given with the batch, keeps its own pass.

    References
    ----------
    Ilharco et al., OpenCLIP, https://github.com/mlfoundations/open_clip: "local" is its ``--local-loss`` together with
    ``--gather-with-grad``, "all" the latter alone.

    Examples
    --------
    Two terms at weights 1 and 0.5: 2 + 0.5 * 4.

    >>> import torch
    >>> def spread(x, y, logit_scale):
    ...     return logit_scale * (x * y).sum(dim=-1).mean()
    >>> def distance(x, y, logit_scale):
    ...     return (x - y).square().sum(dim=-1).mean() + 4
    >>> objective = ContrastiveLoss({spread: 1.0, distance: 0.5})
    >>> rows = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> float(objective(rows, rows, 2.0))
    4.0
    >>> {name: float(term) for name, term in objective(rows, rows, 2.0, output_dict=True).items()}
    {'spread': 2.0, 'distance': 2.0}
    """

    weights: dict[str, float]

    def __init__(
        self,
        terms: Mapping[Callable[..., Tensor], float],
        *,
        gather: Gathering = "local",
        group: Any = None,
        check: bool = True,
    ):
        super().__init__()
        if not isinstance(terms, Mapping):
            raise TypeError(
                f"terms must be a mapping from loss functions to weights, but it is a {type(terms).__name__}; "
                f"for example {{clip_loss: 1.0}}."
            )
        if not terms:
            raise ValueError(
                "terms is empty, so there is nothing to minimise; give a loss, for example clip_loss: 1.0."
            )
        if gather not in get_args(Gathering):
            raise ValueError(f"gather is {gather!r}, but it is one of {', '.join(get_args(Gathering))}; choose one.")
        self.gather, self.group, self.check = gather, group, check
        self.weights, self._losses, self._options_of = {}, {}, {}
        for loss, weight in terms.items():
            name = self._free_name(loss)
            _check_weight(name, weight)
            self.weights[name] = float(weight)
            self._losses[name] = loss
            self._options_of[name] = frozenset(list(inspect.signature(loss).parameters)[3:])

    def forward(
        self,
        image_features: Tensor,
        text_features: Tensor,
        logit_scale: Any,
        logit_bias: Any = None,
        output_dict: bool = False,
        *,
        check: bool | None = None,
        **batch: Any,
    ) -> Any:
        """Return the weighted sum, or with ``output_dict`` the weighted terms by name, which add up to it.

        Parameters
        ----------
        image_features, text_features
            Rows of this process (b, d), row i of one matched with row i of the other.
        logit_scale
            1 / temperature: a number or a tensor of one. Models that store its logarithm (Hugging Face's CLIP) need
            ``model.logit_scale.exp()``.
        logit_bias
            Goes to the terms that have a parameter of this name (SigLIP).
        output_dict
            Return a dict of scalars instead of their sum.
        check
            In place of the ``check`` that the module was made with.
        **batch
            Further data of the batch, such as ``items``: each goes to the terms that have a parameter of its name. A
            tensor of more than one number counts as rows of this process and is gathered as they are.
        """
        for name in batch:
            if not self.takes(name):
                raise TypeError(
                    f"{name} must be a parameter of a term, but {', '.join(self.weights)} has none of this name; leave "
                    f"it out."
                )
        x, y, rows, extra = image_features, text_features, None, dict(batch)
        check = self.check if check is None else check
        if self.gather != "none" and process_count(self.group) > 1:
            x, y = self._gathered(x, check), self._gathered(y, check)
            for name, value in batch.items():
                if _is_rows(value, alone=len(image_features) == 1):
                    extra[name] = self._gathered(value, check)
            if self.gather == "local":
                rows = own_rows(len(image_features), group=self.group)
        extra["check"] = check
        if logit_bias is not None:
            extra["logit_bias"] = logit_bias
        terms = self._terms(x, y, logit_scale, rows, extra)
        return terms if output_dict else functools.reduce(torch.add, terms.values())

    def takes(self, name: str) -> bool:
        """Say whether a call may give this keyword: whether some term has a parameter of its name."""
        return name != "rows" and any(name in options for options in self._options_of.values())

    def extra_repr(self) -> str:
        """Return what ``repr`` shows: the weighted terms and the way of gathering."""
        terms = " + ".join(f"{weight:g} {name}{_bound(self._losses[name])}" for name, weight in self.weights.items())
        return f"{terms}, gather={self.gather!r}"

    def _terms(self, x: Tensor, y: Tensor, scale: Any, rows: slice | None, extra: dict[str, Any]) -> dict[str, Tensor]:
        """Return the weighted terms; ``rows`` are those that this process adds up, where a term allows it."""
        unknown = self.weights.keys() - self._losses.keys()
        if unknown:
            raise ValueError(
                f"weights hold {min(unknown)!r}, but the terms are {', '.join(self._losses)}; use one of these names."
            )
        given = {**extra, "rows": rows}
        values = self._from_one_pass(x, y, scale, given)
        for name, loss in self._losses.items():
            if name in values:
                continue
            if self.weights[name] == 0:
                values[name] = x.new_zeros(())
                continue
            options = {key: value for key, value in given.items() if key in self._options_of[name]}
            values[name] = self.weights[name] * loss(x, y, scale, **options)
        return {name: values[name] for name in self._losses}

    def _from_one_pass(self, x: Tensor, y: Tensor, scale: Any, given: dict[str, Any]) -> dict[str, Tensor]:
        """Return the weighted terms that one fused pass over the batch gives together, if there are two or more.

        A term whose options are given with the batch (its own rows in mode "local", items, a sharpness) goes alone.
        """
        names = {
            loss: name
            for name, loss in self._losses.items()
            if loss in _SHARED
            and self.weights[name] != 0
            and all(given.get(option) is None for option in self._options_of[name] - {"check"})
        }
        if len(names) < 2:
            return {}
        pair = (x, y)
        x, y, scale = check_batch(x, y, scale, check=given["check"])
        if not takes_fused(None, x):
            return {}
        with torch.autocast(x.device.type, enabled=False):
            found = fused_terms(
                (x, y),
                scale,
                given=pair,
                clip=clip_loss in names,
                uniformity=uniformity_loss in names,
                cross_uniformity=cross_uniformity_loss in names,
            )
        values = {}
        for loss, name in names.items():
            parts = torch.stack([found[part] for part in _SHARED[loss]])
            values[name] = self.weights[name] * parts.mean()
        return values

    def _gathered(self, rows: Tensor, check: bool) -> Tensor:
        return gather_rows(rows, gradient=self.gather != "detached", group=self.group, check=check)

    def _free_name(self, loss: Any) -> str:
        if not callable(loss):
            raise TypeError(
                f"a key of terms must be a loss function, but one is a {type(loss).__name__}; for example clip_loss."
            )
        function = loss.func if isinstance(loss, functools.partial) else loss
        name = getattr(function, "__name__", type(function).__name__)
        names = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(2)))
        return next(free for free in names if free not in self.weights)


def _bound(loss: Any) -> str:
    """Return the options that are bound to a loss, in brackets."""
    if not isinstance(loss, functools.partial) or not loss.keywords:
        return ""
    return "(" + ", ".join(f"{name}={value!r}" for name, value in sorted(loss.keywords.items())) + ")"


def _is_rows(value: Any, *, alone: bool) -> bool:
    """Say whether something is rows of the batch; a tensor of one number is so only where the batch is one row."""
    return isinstance(value, Tensor) and value.ndim > 0 and (value.numel() > 1 or alone)


def _check_weight(name: str, weight: Any) -> None:
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        raise TypeError(f"the weight of {name} must be a number, but it is a {type(weight).__name__}; give a float.")
    if not math.isfinite(weight):
        raise ValueError(f"the weight of {name} is {weight}, but a finite number was expected; give a float.")
