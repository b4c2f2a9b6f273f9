"""Conditions put together: SQLGlot's own functions with one type, so that nothing has to be cast elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from sqlglot import exp


def every(*conditions: exp.Expression) -> exp.Expression:
    """All of them hold. There must be one."""
    return cast("exp.Expression", exp.and_(*conditions))


def some(*conditions: exp.Expression) -> exp.Expression:
    """At least one of them holds. There must be one."""
    return cast("exp.Expression", exp.or_(*conditions))


def negated(condition: exp.Expression) -> exp.Expression:
    """It does not hold; neither true nor false where the condition is neither."""
    return cast("exp.Expression", exp.not_(condition))


def surely(condition: exp.Expression) -> exp.Expression:
    """It holds, and does not where it is neither true nor false."""
    if isinstance(condition, exp.Boolean):
        return condition
    return exp.Coalesce(this=condition, expressions=[exp.false()])


def compared(sign: type[exp.Binary], left: exp.Expression, right: exp.Expression) -> exp.Expression:
    """`left sign right`."""
    return cast("exp.Expression", sign(this=left, expression=right))


def one_of(value: exp.Expression, members: Iterable[exp.Expression]) -> exp.Expression:
    """`value` is equal to one of `members`; never where there is none."""
    listed = list(members)
    return exp.In(this=value, expressions=listed) if listed else exp.false()


def as_bit(truth: exp.Expression) -> exp.Expression:
    """A truth value as 1 or 0, NULL where it is neither."""
    case = exp.Case().when(truth, exp.Literal.number(1))
    return case.when(negated(truth), exp.Literal.number(0))
