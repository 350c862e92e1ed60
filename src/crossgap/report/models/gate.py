"""A condition on a comparison, for CI: parsed, never executed.

    centroid_distance < 0.5 and low(change(recall_at_k("image", "text", k=1))) > -0.02

A quantity stands by its name, with groups and options where there are several; alone it means the model under test.
``baseline(...)`` is the first model's value, ``change(...)`` the model less the baseline, ``low(...)`` and
``high(...)`` the ends of an interval, ``similarity(...)`` a similarity of both models' spaces.
"""

import ast
import difflib
import math
import operator
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from crossgap.report.collect import MEASURED
from crossgap.report.models.differences import written
from crossgap.report.models.model_comparison import Gate, ModelComparison
from crossgap.report.models.similarities import SIMILARITIES
from crossgap.report.quantities import QUANTITIES
from crossgap.results import Measurement, told

__all__ = ["check_gate", "parsed_gate"]

_EXAMPLE = "centroid_distance < 0.5"
_COMPARISONS = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_ARITHMETIC = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
_FORMS = ("low", "high", "change", "baseline", "similarity")
_LONGEST = 2000  # characters
_DEEPEST = 100  # levels
_LARGEST = 1e300


def check_gate(comparison: ModelComparison, expression: str) -> tuple[Gate, ...]:
    """Test each model but the first.

    Parameters
    ----------
    comparison
        The models; the first is the baseline.
    expression
        Comparisons of quantities and numbers, joined by ``and``, ``or``, ``not``.

    Raises
    ------
    ValueError
        If the expression is none, names an unknown quantity, or one that has no value or several.

    Notes
    -----
    All parts are looked up, also those that ``and`` or ``or`` would not need: a name that is wrong is always found.
    """
    tree = parsed_gate(expression)
    gates = []
    for model in list(comparison.models)[1:]:
        reading = _Reading(comparison, model)
        passed = reading.truth(tree)
        numbers = tuple(dict.fromkeys(reading.numbers))
        gates.append(Gate(expression=expression, model=model, passed=passed, numbers=numbers))
    return tuple(gates)


def parsed_gate(expression: str, *, metrics: Sequence[str] | None = None) -> ast.expr:
    """Read an expression, before the work that it will be asked of.

    Parameters
    ----------
    expression
        As in ``check_gate``.
    metrics
        The quantities that will be measured; None for the usual ones.

    Raises
    ------
    ValueError
        If it is no expression of the allowed form, or asks for what will not be measured.
    """
    if len(expression) > _LONGEST:
        raise ValueError(f"a gate must have at most {_LONGEST} characters, but it has {len(expression)}; shorten it.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's own, of an expression that will be refused below
            tree = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ValueError(f"a gate must be a comparison such as {_EXAMPLE!r}, but it is {expression!r}.") from None
    if _depth(tree) > _DEEPEST:
        raise ValueError(f"a gate must nest at most {_DEEPEST} levels, but this one nests deeper; write it flat.")
    _check_truth(tree, expression)
    names = list(_names(tree))
    if not names:
        raise ValueError(f"a gate must ask for a quantity, as {_EXAMPLE!r} does, but {expression!r} asks for none.")
    for name, known in names:
        _check_name(name, known, metrics)
    return tree


def _depth(tree: ast.AST) -> int:
    level, depth = [tree], 0
    while level and depth <= _DEEPEST:
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        depth += 1
    return depth


def _names(node: ast.AST, known: Sequence[str] = MEASURED) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield each quantity that is asked for, and the names that may stand in its place."""
    match node:
        case ast.Call(func=ast.Name(id=name), args=[inner]) if name in _FORMS:
            yield from _names(inner, SIMILARITIES if name == "similarity" else known)
        case ast.Call(func=ast.Name(id=name)) | ast.Name(id=name):
            yield name, known
        case _:
            for child in ast.iter_child_nodes(node):
                yield from _names(child, known)


def _check_name(name: str, known: Sequence[str], metrics: Sequence[str] | None) -> None:
    if name not in known:
        where = "similarity" if known is SIMILARITIES else "quantity"
        if known is MEASURED and name in SIMILARITIES:
            raise ValueError(f"{name!r} is a similarity of two models; write similarity({name}(...)).")
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        raise ValueError(
            f"{name!r} is no {where} that is compared; choose from {', '.join(close or known)}."
            if close or known is SIMILARITIES
            else f"{name!r} is no {where} that is compared; crossgap explain lists them."
        )
    if name == "precision_recall":
        raise ValueError(f"{name!r} is a curve; ask for a number, such as threshold_at_precision(...).")
    usual = name not in QUANTITIES or QUANTITIES[name].by_default
    if known is MEASURED and not (usual if metrics is None else name in metrics):
        raise ValueError(f"the gate asks for {name!r}, which will not be measured; name it in --metrics.")


def _check_truth(node: ast.expr, expression: str) -> None:
    match node:
        case ast.BoolOp(values=values):
            for value in values:
                _check_truth(value, expression)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            _check_truth(operand, expression)
        case ast.Compare(left=left, ops=ops, comparators=right) if all(type(op) in _COMPARISONS for op in ops):
            for value in (left, *right):
                _check_number(value)
        case _:
            raise ValueError(
                f"a gate must compare numbers, as {_EXAMPLE!r} does, but {ast.unparse(node)!r} in {expression!r} "
                f"compares nothing."
            )


def _check_number(node: ast.expr) -> None:
    match node:
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float() as value) if abs(value) <= _LARGEST:
            return
        case ast.Name():
            return
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            return _check_number(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            _check_number(left)
            return _check_number(right)
        case ast.Call(
            func=ast.Name(id="low" | "high" | "change" | "baseline" | "similarity" as form), args=[inner], keywords=[]
        ):
            return _check_quantity(inner, outer=form)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name not in _FORMS and all(
            isinstance(value, ast.Constant) for value in (*args, *(keyword.value for keyword in keywords))
        ):
            return
    raise ValueError(
        f"{ast.unparse(node)!r} is no number of a gate; write a number, a quantity such as "
        f'recall_at_k("image", "text", k=1), or change(...), baseline(...), similarity(...), low(...), high(...).'
    )


def _check_quantity(node: ast.expr, outer: str) -> None:
    """Refuse what is no quantity, or change(...) and the like where low and high alone may hold it."""
    match node:
        case ast.Call(func=ast.Name(id="change" | "baseline" | "similarity")) if outer in ("low", "high"):
            return _check_number(node)
        case ast.Name(id=name) | ast.Call(func=ast.Name(id=name)) if name not in _FORMS:
            return _check_number(node)
    example = 'similarity(cka("image"))' if outer == "similarity" else f"{outer}(centroid_distance)"
    raise ValueError(
        f"{outer}(...) takes one quantity, but {ast.unparse(node)!r} is none; write for example {example}."
    )


class _Reading:
    """One model's numbers, looked up as the expression asks for them, and which were."""

    def __init__(self, comparison: ModelComparison, model: str) -> None:
        self.comparison = comparison
        self.model = model
        self.numbers: list[str] = []

    def truth(self, node: ast.expr) -> bool:
        match node:
            case ast.BoolOp(op=op, values=values):
                found = [self.truth(value) for value in values]
                return all(found) if isinstance(op, ast.And) else any(found)
            case ast.UnaryOp(operand=operand):
                return not self.truth(operand)
            case ast.Compare(left=left, ops=ops, comparators=right):
                numbers = [self.number(value) for value in (left, *right)]
                return all(
                    _COMPARISONS[type(op)](a, b) for op, a, b in zip(ops, numbers[:-1], numbers[1:], strict=True)
                )
        raise ValueError(f"{ast.unparse(node)!r} compares nothing.")

    def number(self, node: ast.expr) -> float:
        try:
            found = self._number(node)
        except (ZeroDivisionError, OverflowError):
            found = math.nan
        if not math.isfinite(found):
            raise ValueError(f"{ast.unparse(node)!r} divides by zero, or is too large, on these models.")
        return found

    def _number(self, node: ast.expr) -> float:
        match node:
            case ast.Constant(value=value):
                return float(value)  # type: ignore[arg-type]
            case ast.UnaryOp(op=op, operand=operand):
                value = self.number(operand)
                return -value if isinstance(op, ast.USub) else value
            case ast.BinOp(left=left, op=op, right=right):
                return float(_ARITHMETIC[type(op)](self.number(left), self.number(right)))
            case ast.Call(func=ast.Name(id="low" | "high" as end), args=[inner]):
                found = self.measurement(inner)
                if found.interval is None:
                    raise ValueError(f"{ast.unparse(inner)} has no interval{self._why_none(found)}.")
                return found.interval[0 if end == "low" else 1]
        return cast(float, self.measurement(node).value)  # _one refuses those without

    def _why_none(self, found: Measurement) -> str:
        if not self.comparison.settings.get("bootstrap"):
            return "; compare with --bootstrap 200"
        reason = found.options.get("no_interval")
        return "" if reason is None else f": {reason}"

    def measurement(self, node: ast.expr) -> Measurement:
        baseline = self.comparison.baseline
        match node:
            case ast.Call(func=ast.Name(id="change"), args=[inner]):
                self._one(inner, self.comparison.measurements[baseline], baseline)  # which says why there is none
                self._one(inner, self.comparison.measurements[self.model], self.model)
                found = self._one(inner, self.comparison.differences.get(self.model, ()), self.model, "change of ")
            case ast.Call(func=ast.Name(id="baseline"), args=[inner]):
                found = self._one(inner, self.comparison.measurements[baseline], baseline)
            case ast.Call(func=ast.Name(id="similarity"), args=[inner]):
                found = self._one(inner, tuple(self._similarities()), f"{baseline} and {self.model}", "similarity ")
            case ast.Name() | ast.Call():
                found = self._one(node, self.comparison.measurements[self.model], self.model)
            case _:
                raise ValueError(f"{ast.unparse(node)!r} is no quantity.")
        self.numbers.append(f"{ast.unparse(node)} = {told(found)}")
        return found

    def _similarities(self) -> Iterator[Measurement]:
        if not self.comparison.settings.get("paired", True):
            raise ValueError("a similarity needs the same items in each model, but these are compared as different.")
        both = [self.comparison.baseline, self.model]
        return (found for found in self.comparison.similarities if list(found.options["models"]) == both)

    def _one(self, node: ast.expr, there: Sequence[Measurement], whose: str, what: str = "") -> Measurement:
        name, groups, options = _asked(node)
        there = [measurement for measurement in there if measurement.name == name]
        found = [measurement for measurement in there if measurement.matches(name, groups, options)]
        if not there:
            raise ValueError(f"{what}{name} was not measured of {whose}.")
        if not found:
            raise ValueError(f"{what}{ast.unparse(node)} is not among what was measured: {_choices(there)}.")
        if len(found) > 1:
            raise ValueError(f"{what}{ast.unparse(node)} may be several numbers; write one of {_choices(found)}.")
        if found[0].value is None:
            raise ValueError(f"{ast.unparse(node)} has no value for {whose}: {str(found[0].reason).rstrip('.')}.")
        return found[0]


def _asked(node: ast.expr) -> tuple[str, tuple[str, ...], Mapping[str, object]]:
    match node:
        case ast.Name(id=name):
            return name, (), {}
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords):
            groups = tuple(str(arg.value) for arg in args if isinstance(arg, ast.Constant))
            options = {
                str(keyword.arg): keyword.value.value for keyword in keywords if isinstance(keyword.value, ast.Constant)
            }
            return name, groups, options
    raise ValueError(f"{ast.unparse(node)!r} is no quantity.")


def _choices(there: Sequence[Measurement]) -> str:
    listed = list(dict.fromkeys(map(written, there)))
    return ", ".join(listed[:6]) + (f" and {len(listed) - 6} more" if len(listed) > 6 else "")
