"""Metrics as SQLGlot expressions, in two stages: engine-neutral nodes first, an engine's own functions last.

Whoever writes conditions uses the functions here (`matches`, `text_length`, `as_number`...) where engines differ, and
plain SQLGlot nodes elsewhere. Names and texts are always nodes too (`column`, `literal`): no text of a suite or of a
table ever becomes SQL by pasting.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, ClassVar, cast

from sqlglot import exp

from gates.quality.metrics import Aggregate, Quantiles

_PREFIX = "HEADGATE_"

Lowering = Callable[..., exp.Expression]


class UntranslatableError(ValueError):
    """An engine has no exact form of what was asked; an approximation is never sent instead."""


def column(name: str) -> exp.Column:
    """A column by its exact name, whatever characters are in it."""
    return exp.column(exp.to_identifier(name, quoted=True))


def literal(value: Any) -> exp.Expression:
    """A value of Python as an expression of the same type; what has none (an object, a list) raises `TypeError`."""
    match value:
        case None:
            return exp.null()
        case bool():
            return exp.Boolean(this=value)
        case float() if not math.isfinite(value):
            return exp.cast(exp.Literal.string(str(value)), "double")
        case float():
            return _signed(exp.cast(exp.Literal.number(repr(abs(value))), "double"), negative=value < 0)
        case int() | Decimal():
            return _signed(exp.Literal.number(format(abs(value), "f" if isinstance(value, Decimal) else "")), value < 0)
        case str():
            return exp.Literal.string(value)
        case datetime():
            kind = "timestamp" if value.tzinfo is None else "timestamptz"
            return exp.cast(exp.Literal.string(value.isoformat(sep=" ")), kind)
        case date():
            return exp.cast(exp.Literal.string(value.isoformat()), "date")
        case time():
            return exp.cast(exp.Literal.string(value.isoformat()), "time")
        case _:
            raise TypeError(f"{value!r} ({type(value).__name__}) has no form in SQL")


def _signed(number: exp.Expression, negative: bool) -> exp.Expression:
    return exp.Neg(this=number) if negative else number


def _node(name: str, *arguments: exp.Expression) -> exp.Anonymous:
    return exp.Anonymous(this=_PREFIX + name, expressions=list(arguments))


def matches(text: exp.Expression, pattern: str) -> exp.Expression:
    """Whether `pattern` is found anywhere in `text`: a regular expression in the engine's own dialect."""
    return _node("MATCHES", text, literal(pattern))


def like(text: exp.Expression, pattern: str) -> exp.Expression:
    """Whether the whole of `text` is like `pattern` (`%`, `_`), case and escapes as the engine has them."""
    return _node("LIKE", text, literal(pattern))


def text_length(text: exp.Expression) -> exp.Expression:
    """Characters (not bytes) of `text`."""
    return _node("LENGTH", text)


def as_text(value: exp.Expression) -> exp.Expression:
    """The value written out."""
    return _node("TEXT", value)


def as_number(value: exp.Expression) -> exp.Expression:
    """The value as a 64-bit float, NULL where it is not one."""
    return _node("NUMBER", value)


def as_date(value: exp.Expression) -> exp.Expression:
    """The value as a date, NULL where it is not one."""
    return _node("DATE", value)


def as_timestamp(value: exp.Expression) -> exp.Expression:
    """The value as a timestamp without zone, NULL where it is not one."""
    return _node("TIMESTAMP", value)


def epoch(value: exp.Expression) -> exp.Expression:
    """Seconds since 1970-01-01 UTC of a date or timestamp, as a 64-bit float."""
    return _node("EPOCH", value)


def is_nan(value: exp.Expression) -> exp.Expression:
    """Whether a float is NaN; for floats only."""
    return _node("IS_NAN", value)


def is_json(text: exp.Expression) -> exp.Expression:
    """Whether `text` is well-formed JSON."""
    return _node("IS_JSON", text)


def parses_as(text: exp.Expression, form: str) -> exp.Expression:
    """Whether `text` is a time in the `strftime` form given."""
    return _node("PARSES_AS", text, literal(form))


def both(*conditions: exp.Expression | None) -> exp.Expression | None:
    """All of the conditions that are not None; None if none is."""
    given = [condition for condition in conditions if condition is not None]
    return cast("exp.Expression", exp.and_(*given)) if given else None


def named(value: exp.Expression, name: str) -> exp.Alias:
    """`value AS name`, for names of ours; a copy."""
    return exp.Alias(this=value.copy(), alias=exp.to_identifier(name))


def not_null(value: exp.Expression) -> exp.Expression:
    return exp.Is(this=exp.paren(value.copy(), copy=False), expression=exp.null()).not_()


def _plain_cast(kind: str) -> Lowering:
    return lambda value: exp.TryCast(this=value, to=exp.DataType.build(kind))


def _untranslatable(what: str) -> Lowering:
    def refuse(*_: exp.Expression) -> exp.Expression:
        raise UntranslatableError(f"this engine has no exact form of {what}")

    return refuse


PLAIN: Mapping[str, Lowering] = {
    "MATCHES": lambda text, pattern: exp.RegexpLike(this=text, expression=pattern),
    "LIKE": lambda text, pattern: exp.Like(this=text, expression=pattern),
    "LENGTH": lambda text: exp.Length(this=text),
    "TEXT": lambda value: exp.cast(value, "text"),
    "NUMBER": _plain_cast("double"),
    "DATE": _plain_cast("date"),
    "TIMESTAMP": _plain_cast("timestamp"),
    "EPOCH": lambda value: exp.cast(exp.Extract(this=exp.var("EPOCH"), expression=value), "double"),
    "IS_NAN": lambda value: exp.IsNan(this=value),
    "IS_JSON": _untranslatable("a test for well-formed JSON"),
    "PARSES_AS": _untranslatable("a test for the form of a time"),
}


class Dialect:
    """How one engine says things. Engines subclass it and change what differs.

    `lowerings` gives an engine's form of the nodes of this module; what is not in it has the plain form.
    """

    name: str = ""
    """SQLGlot's name of the dialect."""

    lowerings: ClassVar[Mapping[str, Lowering]] = {}

    def render(self, query: exp.Expression) -> str:
        """The text to send; raises `UntranslatableError` for a node that the engine has no exact form of."""
        return self.lower(query).sql(dialect=self.name)

    def lower(self, query: exp.Expression) -> exp.Expression:
        return query.transform(self._lower_node)

    def _lower_node(self, node: exp.Expression) -> exp.Expression:
        if not (isinstance(node, exp.Anonymous) and isinstance(node.this, str) and node.this.startswith(_PREFIX)):
            return node
        name = node.this.removeprefix(_PREFIX)
        arguments = [argument.transform(self._lower_node, copy=False) for argument in node.expressions]
        return (self.lowerings.get(name) or PLAIN[name])(*arguments)

    def count(self, condition: exp.Expression | None) -> exp.Expression:
        """The aggregate that counts rows for which `condition` is true."""
        if condition is None:
            return exp.Count(this=exp.Star())
        return exp.Count(this=exp.Case().when(condition, exp.Literal.number(1)))

    def aggregate(self, metric: Aggregate) -> exp.Expression:
        """The aggregate of `metric`, its `where` inside."""
        argument = within(metric.argument, metric.where)
        match metric.function:
            case "min":
                return exp.Min(this=argument)
            case "max":
                return exp.Max(this=argument)
            case "sum":
                return self.sum(argument)
            case "mean":
                return self.mean(argument)
            case "stddev":
                return exp.StddevSamp(this=argument)
            case "variance":
                return exp.Variance(this=argument)

    def sum(self, argument: exp.Expression) -> exp.Expression:
        """A sum in which integers do not overflow."""
        return exp.Sum(this=argument)

    def mean(self, argument: exp.Expression) -> exp.Expression:
        return exp.Avg(this=argument)

    def quantiles(self, metric: Quantiles, source: exp.Expression) -> exp.Select | None:  # noqa: ARG002 - for engines
        """A query of one row with the quantiles of `metric` as columns, in order; None: by ranks (see `planner`)."""
        return None


def within(argument: exp.Expression, where: exp.Expression | None) -> exp.Expression:
    """`argument` in rows of `where`, NULL in others."""
    return argument.copy() if where is None else exp.Case().when(where, argument)


def quantile_positions(probabilities: Sequence[float], count: int, method: str) -> tuple[tuple[int, int, float], ...]:
    """Of each probability: the rank below, the rank above (from 1) and the share of the latter, in `count` values."""
    return tuple(_position(float(p), count, method) for p in probabilities)


def _position(probability: float, count: int, method: str) -> tuple[int, int, float]:
    if method == "nearest":
        rank = round((count - 1) * probability) + 1  # in floats, halves to even: as numpy does
        return rank, rank, 0.0
    exact = Decimal(repr(probability))
    if method == "discrete":
        rank = max(1, math.ceil(exact * count))
        return rank, rank, 0.0
    place = exact * (count - 1)
    below = math.floor(place)
    return below + 1, min(below + 2, count), float(place - below)


def interpolate(low: Any, high: Any, share: float) -> Any:
    """The value at `share` (0 to 1) of the way from `low` to `high`: numbers as floats, times as times."""
    if share == 0 and not isinstance(low, (int, float, Decimal)):
        return low
    if isinstance(low, (int, float, Decimal)) and not isinstance(low, bool):
        return float(low) + (float(high) - float(low)) * share if low != high else float(low)
    step = high - low
    return low + (timedelta(seconds=step.total_seconds() * share) if isinstance(step, timedelta) else step * share)
