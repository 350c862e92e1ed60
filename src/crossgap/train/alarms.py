"""Alarms of a run: which quantity says that the model collapses, since when, and what to do."""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Alarm", "CollapseAlarm", "StepRecord"]

_RECOVERING = 0.8  # of its excess over the bound: what a quantity on its way back keeps at most
_AT_CHANCE = "lower the learning rate or warm it up over more steps, and check that row i of both inputs shows one item"
_NOT_FINITE = "go back to the last checkpoint, lower the learning rate and clip the norm of the gradient"
_ONE_LINE = "go back to a checkpoint before it, lower the learning rate, or add uniformity_loss to the objective"
_OPPOSITE = (
    "start again with another seed, more dimensions or a lower learning rate, and without cross_uniformity_loss or "
    "with its weight ramped up, since a run seldom leaves this state by itself"
)


class StepRecord(Protocol):
    """What ``CollapseAlarm`` reads of the record of a step."""

    @property
    def step(self) -> int:
        """Number of the step."""
        ...

    @property
    def loss(self) -> float:
        """Value of the objective."""
        ...

    @property
    def terms(self) -> Mapping[str, float]:
        """Its terms by name."""
        ...

    @property
    def learning_rate(self) -> float:
        """Learning rate of the step."""
        ...


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """One quantity that has passed its bound.

    Parameters
    ----------
    step
        Step at which that was noticed.
    quantity
        Its name, as in the record of the step or in the curve.
    value
        What it was; None where that is not a finite number or has no value.
    bound
        What it should not have passed.
    remedy
        What to do, in words without a subject: "lower the learning rate".

    Examples
    --------
    >>> print(Alarm(step=300, quantity="centroid_distance", value=1.96, bound=1.5, remedy="start again"))
    step 300: centroid_distance is 1.96, past its bound of 1.5; start again.
    """

    step: int
    quantity: str
    value: float | None
    bound: float
    remedy: str

    def __str__(self) -> str:
        if self.value is None and math.isinf(self.bound):
            return f"step {self.step}: {self.quantity} is not a finite number; {self.remedy}."
        value = "without a value" if self.value is None else f"{self.value:.4g}"
        return f"step {self.step}: {self.quantity} is {value}, past its bound of {self.bound:.4g}; {self.remedy}."


class CollapseAlarm:
    """Watches the records of steps and the curves of a run, and says once for each quantity that it has gone wrong.

    Formula::

        loss                   the mean of the last `patience` steps is above chance_loss - margin and does not fall
        loss                   or a step's loss is not finite (at once)
        effective_dimension/*  below least_dimension, or without a value: the rows of a group coincide
        participation_ratio/*  below least_dimension
        cross_uniformity       below least_cross_uniformity: the groups are opposite points
        centroid_distance      above most_distance: the same, under any loss

    How to read it: no alarm means that none of these lasted for ``patience`` steps after ``warm_up`` steps; it does not
    mean that the model is good. A run starts with its loss at ln B or above, and healthy runs were seen with a centroid
    distance of 1.7 at step 150 that was 0.3 at step 300; so nothing counts during warm-up, nor while the learning rate
    still rises above all values before, nor while a quantity is on its way back.

    Parameters
    ----------
    chance_loss
        Loss of a model that tells nothing apart: ln B for ``clip_loss`` on a batch of B pairs (of all processes), times
        its weight. None: only whether the loss is finite is watched.
    term
        Which term of the records to compare with ``chance_loss``; None: the loss itself. With terms of uniformity or
        alignment beside it, name the contrastive one.
    warm_up
        Steps that do not count.
    patience
        Steps for which a quantity must stay past its bound.
    margin
        How near to ``chance_loss`` counts as chance, in units of the loss.
    least_dimension, least_cross_uniformity, most_distance
        Bounds of the curve. The dimension is that of a group in space, so for d of 64 and more 3 to 5 is a fit bound
        too.

    Attributes
    ----------
    raised
        All alarms so far, in order.

    Raises
    ------
    ValueError
        If a number of steps or a bound is out of range.

    Notes
    -----
    A quantity that has been raised is silent until ``clear``. The loss counts as falling if the mean of the second half
    of the ``patience`` steps lies more than ``margin`` below that of the first. A curve may come every so many steps:
    the quantity must then be past its bound in every curve of at least ``patience`` steps. It is on its way back, and
    its stay starts anew, if it has lost a fifth of its excess over the bound since the stay began. The plain rule for
    cross-uniformity (below -4.5 for 100 steps) has no warm-up and no way back; it cries at runs that end well. At d = 8
    about half of the runs with ``cuaxu_loss`` that start from far cones end as opposite points; some with other losses
    do too, so the distance is watched for every loss.

    References
    ----------
    Fahim, Murphy, Fyshe, *It's Not a Modality Gap*, arXiv 2405.18570, for the losses; the rules are defined here.

    Examples
    --------
    >>> alarm = CollapseAlarm(warm_up=0, patience=100)
    >>> alarm.curve(0, {"centroid_distance": 1.9}), alarm.curve(50, {"centroid_distance": 1.9})
    ((), ())
    >>> print(*alarm.curve(100, {"centroid_distance": 1.9}))
    step 100: centroid_distance is 1.9, past its bound of 1.5; start again with another seed, more dimensions or ...
    >>> alarm.curve(200, {"centroid_distance": 1.9})  # said already
    ()
    """

    def __init__(
        self,
        *,
        chance_loss: float | None = None,
        term: str | None = None,
        warm_up: int = 200,
        patience: int = 100,
        margin: float = 0.05,
        least_dimension: float = 1.5,
        least_cross_uniformity: float = -4.5,
        most_distance: float = 1.5,
    ) -> None:
        for name, steps, least in (("warm_up", warm_up, 0), ("patience", patience, 2)):
            if steps < least:
                raise ValueError(f"{name} must be at least {least} steps, but it is {steps}; the default suits most.")
        for name, value in (
            ("chance_loss", 0.0 if chance_loss is None else chance_loss),
            ("margin", margin),
            ("least_dimension", least_dimension),
            ("least_cross_uniformity", least_cross_uniformity),
            ("most_distance", most_distance),
        ):
            if not math.isfinite(value):
                raise ValueError(f"{name} must be a finite number, but it is {value}; leave it out for the default.")
        self.raised: list[Alarm] = []
        self._chance = None if chance_loss is None else chance_loss - margin
        self._term, self._margin = term, margin
        self._warm_up, self._patience = warm_up, patience
        self._least_dimension = least_dimension
        self._least_cross_uniformity = least_cross_uniformity
        self._most_distance = most_distance
        self._losses: deque[float] = deque(maxlen=patience)
        self._highest_rate = -math.inf
        self._rises = False  # whether the learning rate of the last step lay above all before
        self._stays: dict[str, tuple[int, float]] = {}  # since when a quantity is past its bound, and by how much
        self._silent: set[str] = set()

    def step(self, record: StepRecord) -> tuple[Alarm, ...]:
        """Take the record of a step and return the alarms that it raises, at most one."""
        value = self._loss(record)
        self._rises = record.learning_rate > self._highest_rate
        self._highest_rate = max(self._highest_rate, record.learning_rate)
        if not (math.isfinite(record.loss) and math.isfinite(value)):
            self._losses.clear()
            return self._raise(record.step, "loss", None, math.inf, _NOT_FINITE)
        if not self._counts(record.step):
            self._losses.clear()
            return ()
        self._losses.append(value)
        if self._chance is None or len(self._losses) < self._patience:
            return ()
        half = self._patience // 2
        losses = list(self._losses)
        mean, falls = _mean(losses), _mean(losses[:half]) - _mean(losses[-half:]) > self._margin
        if mean < self._chance or falls:
            return ()
        return self._raise(record.step, self._term or "loss", mean, self._chance, _AT_CHANCE)

    def curve(self, step: int, values: Mapping[str, float]) -> tuple[Alarm, ...]:
        """Take the curve of a step, as ``gap_curve`` gives it, and return the alarms that it raises."""
        alarms: list[Alarm] = []
        for name in (*values, *getattr(values, "left_out", {})):
            rule = self._rule(name)
            if rule is None:
                continue
            bound, sign, remedy = rule
            value = values.get(name)
            if value is None and remedy is not _ONE_LINE:
                continue
            excess = math.inf if value is None else sign * (value - bound)
            if excess <= 0 or not self._counts(step):
                self._stays.pop(name, None)
                continue
            since, then = self._stays.setdefault(name, (step, excess))
            if step - since < self._patience:
                continue
            if excess < _RECOVERING * then:
                self._stays[name] = (step, excess)
                continue
            alarms.extend(self._raise(step, name, value, bound, remedy))
        return tuple(alarms)

    def clear(self, quantity: str | None = None) -> None:
        """Let a quantity (None: all) raise again, once it has been past its bound for long enough anew."""
        if quantity is not None and quantity not in self._silent:
            raised = ", ".join(sorted(self._silent)) or "none"
            raise ValueError(f"quantity must be one that was raised ({raised}), but it is {quantity!r}; or give None.")
        for name in [quantity] if quantity is not None else list(self._silent):
            self._silent.discard(name)
            self._stays.pop(name, None)
        if quantity in (None, "loss", self._term):
            self._losses.clear()

    def _rule(self, name: str) -> tuple[float, int, str] | None:
        """Bound of a quantity, which way is past it, and the remedy."""
        if name.partition("/")[0] in ("effective_dimension", "participation_ratio"):
            return self._least_dimension, -1, _ONE_LINE
        if name == "cross_uniformity":
            return self._least_cross_uniformity, -1, _OPPOSITE
        if name == "centroid_distance":
            return self._most_distance, 1, _OPPOSITE
        return None

    def _loss(self, record: StepRecord) -> float:
        if self._term is None:
            return record.loss
        if self._term not in record.terms:
            known = ", ".join(map(repr, record.terms)) or "none at all"
            raise ValueError(
                f"term must be one of the objective's terms ({known}), but it is {self._term!r}; name one of them."
            )
        return record.terms[self._term]

    def _counts(self, step: int) -> bool:
        return step >= self._warm_up and not self._rises

    def _raise(self, step: int, quantity: str, value: float | None, bound: float, remedy: str) -> tuple[Alarm, ...]:
        if quantity in self._silent:
            return ()
        self._silent.add(quantity)
        alarm = Alarm(step=step, quantity=quantity, value=value, bound=bound, remedy=remedy)
        self.raised.append(alarm)
        return (alarm,)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
