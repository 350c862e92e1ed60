"""A condition on a comparison, for CI: parsed, never executed.

    centroid_distance < 0.5 and low(change(recall_at_k("image", "text", k=1))) > -0.02

A quantity stands by its name, with groups and options where there are several; alone it means the model under test.
``baseline(...)`` is the first model's value, ``change(...)`` the model less the baseline, ``low(...)`` and
``high(...)`` the ends of an interval, ``similarity(...)`` a similarity of both models' spaces.
"""

import ast
import operator
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from crossgap.report.models.model_comparison import ModelComparison
from crossgap.results import Measurement, told

__all__ = ["Gate", "check_gate"]

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
_LONGEST = 2000  # characters


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Whether a model passed, and the numbers that decided."""

    model: str
    passed: bool
    numbers: tuple[str, ...]


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
    """
    tree = parsed_gate(expression)
    gates = []
    for model in list(comparison.models)[1:]:
        reading = _Reading(comparison, model)
        passed = reading.truth(tree)
        gates.append(Gate(model=model, passed=passed, numbers=tuple(dict.fromkeys(reading.numbers))))
    return tuple(gates)


def parsed_gate(expression: str) -> ast.expr:
    """Read an expression, before the work that it will be asked of.

    Raises
    ------
    ValueError
        If it is no expression of the allowed form.
    """
    if len(expression) > _LONGEST:
        raise ValueError(f"a gate must have at most {_LONGEST} characters, but it has {len(expression)}; shorten it.")
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ValueError(f"a gate must be a comparison such as {_EXAMPLE!r}, but it is {expression!r}.") from None
    _check_truth(tree, expression)
    return tree


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
        case ast.Constant(value=int() | float()) | ast.Name():
            return
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            return _check_number(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            _check_number(left)
            return _check_number(right)
        case ast.Call(
            func=ast.Name(id="low" | "high" | "change" | "baseline" | "similarity"), args=[inner], keywords=[]
        ):
            return _check_number(inner)
        case ast.Call(func=ast.Name(), args=args, keywords=keywords) if all(
            isinstance(value, ast.Constant) for value in (*args, *(keyword.value for keyword in keywords))
        ):
            return
    raise ValueError(
        f"{ast.unparse(node)!r} is no number of a gate; write a number, a quantity such as "
        f'recall_at_k("image", "text", k=1), or change(...), baseline(...), similarity(...), low(...), high(...).'
    )


class _Reading:
    """One model's numbers, looked up as the expression asks for them, and which were."""

    def __init__(self, comparison: ModelComparison, model: str) -> None:
        self.comparison = comparison
        self.model = model
        self.numbers: list[str] = []

    def truth(self, node: ast.expr) -> bool:
        match node:
            case ast.BoolOp(op=ast.And(), values=values):
                return all(self.truth(value) for value in values)
            case ast.BoolOp(values=values):
                return any(self.truth(value) for value in values)
            case ast.UnaryOp(operand=operand):
                return not self.truth(operand)
            case ast.Compare(left=left, ops=ops, comparators=right):
                numbers = [self.number(value) for value in (left, *right)]
                return all(
                    _COMPARISONS[type(op)](a, b) for op, a, b in zip(ops, numbers[:-1], numbers[1:], strict=True)
                )
        raise ValueError(f"{ast.unparse(node)!r} compares nothing.")

    def number(self, node: ast.expr) -> float:
        match node:
            case ast.Constant(value=value):
                return float(value)  # type: ignore[arg-type]
            case ast.UnaryOp(op=op, operand=operand):
                value = self.number(operand)
                return -value if isinstance(op, ast.USub) else value
            case ast.BinOp(left=left, op=op, right=right):
                try:
                    return float(_ARITHMETIC[type(op)](self.number(left), self.number(right)))
                except ZeroDivisionError:
                    raise ValueError(f"{ast.unparse(node)!r} divides by zero on these models.") from None
            case ast.Call(func=ast.Name(id="low" | "high" as end), args=[inner]):
                found = self.measurement(inner)
                if found.interval is None:
                    raise ValueError(f"{ast.unparse(inner)} has no interval; compare with --bootstrap 200.")
                return found.interval[0 if end == "low" else 1]
        return cast(float, self.measurement(node).value)  # _one refuses those without

    def measurement(self, node: ast.expr) -> Measurement:
        match node:
            case ast.Call(func=ast.Name(id="change"), args=[inner]):
                found = self._one(inner, self.comparison.differences.get(self.model, ()))
            case ast.Call(func=ast.Name(id="baseline"), args=[inner]):
                found = self._one(inner, self.comparison.measurements[self.comparison.baseline])
            case ast.Call(func=ast.Name(id="similarity"), args=[inner]):
                found = self._one(inner, tuple(self._similarities()))
            case ast.Name() | ast.Call():
                found = self._one(node, self.comparison.measurements[self.model])
            case _:
                raise ValueError(f"{ast.unparse(node)!r} is no quantity; low and high take one quantity.")
        self.numbers.append(f"{ast.unparse(node)} = {told(found)}")
        return found

    def _similarities(self) -> Iterator[Measurement]:
        both = [self.comparison.baseline, self.model]
        return (found for found in self.comparison.similarities if list(found.options["models"]) == both)

    def _one(self, node: ast.expr, there: tuple[Measurement, ...]) -> Measurement:
        name, groups, options = _asked(node)
        found = [measurement for measurement in there if measurement.matches(name, groups, options)]
        if not found:
            if not any(measurement.name == name for measurement in there):
                raise ValueError(_unknown(name, there))
            raise ValueError(f"{ast.unparse(node)} is not among what was measured: {_choices(name, there)}.")
        if len(found) > 1:
            raise ValueError(f"{ast.unparse(node)} may be several numbers; write one of {_choices(name, found)}.")
        if found[0].value is None:
            raise ValueError(f"{ast.unparse(node)} has no value for {self.model}: {found[0].reason}.")
        return found[0]


def _asked(node: ast.expr) -> tuple[str, tuple[str, ...], dict[str, object]]:
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


def _unknown(name: str, there: tuple[Measurement, ...]) -> str:
    import difflib

    names = list(dict.fromkeys(measurement.name for measurement in there))
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"{name!r} was not measured; choose from {', '.join(close or names)}."


def _choices(name: str, there: tuple[Measurement, ...] | list[Measurement]) -> str:
    told_options = ("k", "quantile", "coordinates", "C", "result", "asked", "neighbours")
    shown = []
    for found in there:
        if found.name != name:
            continue
        words = [f'"{group}"' for group in found.groups]
        words += [f"{key}={found.options[key]!r}" for key in told_options if key in found.options]
        shown.append(f"{name}({', '.join(words)})")
    listed = list(dict.fromkeys(shown))
    return ", ".join(listed[:6]) + (f" and {len(listed) - 6} more" if len(listed) > 6 else "")
