"""What a condition says about a result. Pure, bounded, and closed: what has no clear answer is an error, never true.

Stricter than Argo Rollouts on purpose. There NaN is "not above the limit" and `all` is true of an empty result; here
both are errors, as are a division by zero and a comparison of text with a number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import assert_never

from deployments.analysis.conditions.syntax import (
    Binary,
    Call,
    Choice,
    Closure,
    ConditionError,
    Expression,
    Items,
    Literal,
    Name,
    Part,
    Unary,
)

Value = object
"""None, a truth value, a number, text, a list of values, or a mapping from text to values."""

MAX_STEPS = 100_000


def holds(condition: Expression, result: Value) -> bool:
    """Whether the condition is true of `result`. Raises `ConditionError` when it has no answer, or one that is no truth value."""
    try:
        answer = _Run(result).value(condition)
    except (ArithmeticError, ValueError, RecursionError) as error:
        raise ConditionError(f"it cannot be computed: {error}") from error
    if not isinstance(answer, bool):
        raise ConditionError(f"the condition gives {_show(answer)}, not true or false")
    return answer


class _Run:
    """One evaluation; `_items` are the values of `#`, innermost last."""

    def __init__(self, result: Value) -> None:
        self._result = result
        self._items: list[Value] = []
        self._steps = 0

    def value(self, expression: Expression) -> Value:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise ConditionError("the condition takes too many steps for this result")
        match expression:
            case Literal(found):
                return found
            case Name(name):
                return self._result if name == "result" else self._items[-1]
            case Items(items):
                return [self.value(item) for item in items]
            case Part(of, key):
                return _part(self.value(of), self.value(key))
            case Unary(operator, operand):
                return _unary(operator, self.value(operand))
            case Binary(operator, left, right):
                return self._binary(operator, left, right)
            case Choice(condition, yes, no):
                return self.value(yes if _truth(self.value(condition)) else no)
            case Call(function, arguments):
                return self._call(function, arguments)
            case Closure(body):
                return self.value(body)
            case _:
                assert_never(expression)

    def _binary(self, operator: str, left: Expression, right: Expression) -> Value:
        first = self.value(left)
        if operator == "and":
            return _truth(first) and _truth(self.value(right))
        if operator == "or":
            return _truth(first) or _truth(self.value(right))
        if operator == "??":
            return self.value(right) if first is None else first
        return _BINARY[operator](first, self.value(right))

    def _call(self, function: str, arguments: tuple[Expression, ...]) -> Value:
        if function in {"default", "isNil"}:
            return self._lenient(function, arguments)
        first = self.value(arguments[0])
        if len(arguments) == 2 and isinstance(arguments[1], Closure):
            return _EACH[function](list(self._each(first, arguments[1])))
        if function == "count":
            return sum(_truth(item) for item in _list(first))
        return _FUNCTIONS[function](first, *[self.value(argument) for argument in arguments[1:]])

    def _lenient(self, function: str, arguments: tuple[Expression, ...]) -> Value:
        """`default` and `isNil` ask whether something is there: what is not there is nil for them alone."""
        try:
            found = self.value(arguments[0])
        except _MissingError:
            found = None
        if function == "isNil":
            return found is None
        return self.value(arguments[1]) if found is None else found

    def _each(self, items: Value, closure: Closure) -> Iterator[tuple[Value, Value]]:
        for item in _list(items):
            self._items.append(item)
            yield item, self.value(closure.body)
            self._items.pop()


class _MissingError(ConditionError):
    """The result has no such part."""


def _part(of: Value, key: Value) -> Value:
    if isinstance(of, Mapping):
        if key not in of:
            raise _MissingError(f"the result has no {key!r}")
        found: Value = of[key]
        return found
    if isinstance(of, list | tuple):
        index = _integer(key)
        if not -len(of) <= index < len(of):
            raise _MissingError(f"the result has {len(of)} values, none at [{index}]")
        return of[index]
    raise _MissingError(f"{_show(of)} has no parts")


def _unary(operator: str, value: Value) -> Value:
    if operator == "not":
        return not _truth(value)
    return -_number(value) if operator == "-" else _number(value)


def _truth(value: Value) -> bool:
    if not isinstance(value, bool):
        raise ConditionError(f"{_show(value)} is not true or false")
    return value


def _number(value: Value) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConditionError(f"{_show(value)} is not a number")
    return value


def _finite(value: Value) -> float:
    number = _number(value)
    if math.isnan(number):
        raise ConditionError("NaN cannot be compared or counted with")
    return number


def _integer(value: Value) -> int:
    number = _number(value)
    if not isinstance(number, int):
        raise ConditionError(f"{_show(value)} is not a whole number")
    return number


def _list(value: Value) -> list[Value]:
    if not isinstance(value, list | tuple):
        raise ConditionError(f"{_show(value)} is not a list")
    return list(value)


def _equal(left: Value, right: Value) -> bool:
    if isinstance(left, int | float) and isinstance(right, int | float):
        if isinstance(left, bool) is not isinstance(right, bool):
            raise ConditionError(f"{_show(left)} and {_show(right)} cannot be compared")
        return _finite(left) == _finite(right) if not isinstance(left, bool) else left == right
    if left is None or right is None or type(left) is type(right):
        return left == right
    raise ConditionError(f"{_show(left)} and {_show(right)} cannot be compared")


def _in(left: Value, right: Value) -> bool:
    if isinstance(right, Mapping):
        return left in right
    return any(_same(left, item) for item in _list(right))


def _same(left: Value, right: Value) -> bool:
    try:
        return _equal(left, right)
    except ConditionError:
        return False


def _ordered(compare: Callable[[float, float], bool]) -> Callable[[Value, Value], bool]:
    return lambda left, right: compare(_finite(left), _finite(right))


def _text(ask: Callable[[str, str], bool]) -> Callable[[Value, Value], bool]:
    def both(left: Value, right: Value) -> bool:
        if not isinstance(left, str) or not isinstance(right, str):
            raise ConditionError(f"{_show(left)} and {_show(right)} are not both text")
        return ask(left, right)

    return both


def _arithmetic(compute: Callable[[float, float], float]) -> Callable[[Value, Value], Value]:
    def both(left: Value, right: Value) -> Value:
        try:
            answer = compute(_finite(left), _finite(right))
        except (ArithmeticError, ValueError) as error:
            raise ConditionError(f"{_show(left)} and {_show(right)} cannot be computed with: {error}") from error
        if isinstance(answer, complex) or not isinstance(answer, int | float):
            raise ConditionError("a power gave no real number")
        return answer

    return both


def _power(left: float, right: float) -> float:
    return math.pow(left, right)


_BINARY: dict[str, Callable[[Value, Value], Value]] = {
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": _ordered(lambda left, right: left < right),
    "<=": _ordered(lambda left, right: left <= right),
    ">": _ordered(lambda left, right: left > right),
    ">=": _ordered(lambda left, right: left >= right),
    "in": _in,
    "not in": lambda left, right: not _in(left, right),
    "contains": _text(lambda left, right: right in left),
    "startsWith": _text(str.startswith),
    "endsWith": _text(str.endswith),
    "+": _arithmetic(lambda left, right: left + right),
    "-": _arithmetic(lambda left, right: left - right),
    "*": _arithmetic(lambda left, right: left * right),
    "/": _arithmetic(lambda left, right: left / right),
    "%": _arithmetic(math.fmod),
    "**": _arithmetic(_power),
}


def _as_float(value: Value) -> float:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError as error:
            raise ConditionError(f"{value!r} is not a number") from error
    return float(_number(value))


def _as_int(value: Value) -> int:
    number = _as_float(value)
    if not math.isfinite(number):
        raise ConditionError(f"{number} is not a whole number")
    return int(number)


def _length(value: Value) -> int:
    if not isinstance(value, str | list | tuple | Mapping):
        raise ConditionError(f"{_show(value)} has no length")
    return len(value)


def _numbers(values: tuple[Value, ...]) -> list[float]:
    flat = [part for value in values for part in (value if isinstance(value, list | tuple) else (value,))]
    if not flat:
        raise ConditionError("nothing to compute with: the list is empty")
    return [_finite(value) for value in flat]


def _rounded(value: Value, how: Callable[[float], float]) -> float:
    number = _finite(value)
    return how(number) if math.isfinite(number) else number


def _some(pairs: list[tuple[Value, Value]]) -> list[tuple[Value, Value]]:
    """Nothing would be true of every value of an empty list: that is how missing data passes."""
    if not pairs:
        raise ConditionError("the list is empty: nothing can be said about all of its values")
    return pairs


_FUNCTIONS: dict[str, Callable[..., Value]] = {
    "abs": lambda value: abs(_finite(value)),
    "asFloat": _as_float,
    "asInt": _as_int,
    "ceil": lambda value: _rounded(value, math.ceil),
    "float": _as_float,
    "floor": lambda value: _rounded(value, math.floor),
    "int": _as_int,
    "isInf": lambda value: math.isinf(_number(value)),
    "isNaN": lambda value: math.isnan(_number(value)),
    "len": _length,
    "max": lambda *values: max(_numbers(values)),
    "mean": lambda *values: math.fsum(found := _numbers(values)) / len(found),
    "min": lambda *values: min(_numbers(values)),
    "round": lambda value: _rounded(value, round),
    "sum": lambda values: math.fsum(_numbers((values,))),
}
_EACH: dict[str, Callable[[list[tuple[Value, Value]]], Value]] = {
    "all": lambda pairs: all(_truth(answer) for _, answer in _some(pairs)),
    "any": lambda pairs: any(_truth(answer) for _, answer in pairs),
    "none": lambda pairs: not any(_truth(answer) for _, answer in _some(pairs)),
    "one": lambda pairs: sum(_truth(answer) for _, answer in pairs) == 1,
    "count": lambda pairs: sum(_truth(answer) for _, answer in pairs),
    "filter": lambda pairs: [item for item, answer in pairs if _truth(answer)],
    "map": lambda pairs: [answer for _, answer in pairs],
    "sum": lambda pairs: math.fsum(_numbers(tuple(answer for _, answer in pairs))),
}


def _show(value: Value) -> str:
    text = "nil" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
