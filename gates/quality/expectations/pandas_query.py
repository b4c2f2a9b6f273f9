"""The expressions of `pandas.DataFrame.query` that have an exact form over the columns of a row. Pure.

Comparisons of a column with a value, `in` and `not in`, `and`, `or`, `not` (also `&`, `|`, `~`, which pandas gives the
same rank), chains (`0 < a <= 5`), `a.isnull()` and its kin, names in backticks. Everything else is not planned.
"""

from __future__ import annotations

import ast
import io
import tokenize
from typing import Any, Protocol

from sqlglot import exp

from gates.quality.expectations.context import NotPlannedError, refuse
from gates.quality.logic import every, negated, some

_SIGNS = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_TURNED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_WORDS = {"&": "and", "|": "or", "~": "not"}
_UNREADABLE = "a row condition for pandas that is more than comparisons of columns with values"


class Columns(Protocol):
    """What conditions on columns mean."""

    def compare(self, name: str, sign: str, value: Any) -> exp.Expression: ...

    def null(self, name: str) -> exp.Expression: ...

    def present(self, name: str) -> exp.Expression: ...

    def is_true(self, name: str) -> exp.Expression: ...


def read_query(text: str, columns: Columns) -> exp.Expression:
    """`text` as an expression. Not planned if it says more than is read here; not judged if it cannot be parsed."""
    plain, names = _without_backticks(text)
    try:
        parsed = ast.parse(_spelled_out(plain).strip(), mode="eval")
    except (SyntaxError, tokenize.TokenError, ValueError, RecursionError) as error:
        refuse(f"row_condition: {text!r} cannot be parsed ({error})")
    return _Reader(columns, names).read(parsed.body)


def _without_backticks(text: str) -> tuple[str, dict[str, str]]:
    """The text with a plain identifier for each name in backticks, and those names."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:
        refuse(f"row_condition: a backtick is not closed in {text!r}")
    names = {f"headgate_name_{index}": piece for index, piece in enumerate(pieces) if index % 2}
    return "".join(f" headgate_name_{index} " if index % 2 else piece for index, piece in enumerate(pieces)), names


def _spelled_out(text: str) -> str:
    """`&`, `|` and `~` as words: pandas gives them the rank of those."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return tokenize.untokenize(
        (tokenize.NAME, f" {_WORDS[token.string]} ") if token.string in _WORDS else (token.type, token.string)
        for token in tokens
    )


class _Reader:
    def __init__(self, columns: Columns, names: dict[str, str]) -> None:
        self._columns = columns
        self._names = names

    def read(self, node: ast.expr) -> exp.Expression:
        match node:
            case ast.BoolOp(op=ast.And(), values=values):
                return every(*map(self.read, values))
            case ast.BoolOp(op=ast.Or(), values=values):
                return some(*map(self.read, values))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return negated(exp.Coalesce(this=self.read(operand), expressions=[exp.false()]))
            case ast.Compare(left=left, ops=signs, comparators=operands):
                sides = [left, *operands]
                return every(*(self._compare(sides[i], sign, sides[i + 1]) for i, sign in enumerate(signs)))
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method), args=[], keywords=[]):
                return self._nullity(self._name(name), method)
            case ast.Name(id=name):
                return self._columns.is_true(self._name(name))
            case _:
                raise NotPlannedError(_UNREADABLE)

    def _name(self, name: str) -> str:
        return self._names.get(name, name)

    def _nullity(self, name: str, method: str) -> exp.Expression:
        if method in ("isnull", "isna"):
            return self._columns.null(name)
        if method in ("notnull", "notna"):
            return self._columns.present(name)
        raise NotPlannedError(_UNREADABLE)

    def _compare(self, left: ast.expr, sign: ast.cmpop, right: ast.expr) -> exp.Expression:
        if isinstance(sign, ast.In | ast.NotIn):
            if not (isinstance(left, ast.Name) and isinstance(right, ast.List | ast.Tuple)):
                raise NotPlannedError(_UNREADABLE)
            values = [_value(item) for item in right.elts]
            return self._columns.compare(self._name(left.id), "IN" if isinstance(sign, ast.In) else "NOT_IN", values)
        word = _SIGNS.get(type(sign))
        if word is None:
            raise NotPlannedError(_UNREADABLE)
        if isinstance(left, ast.Name):
            return self._columns.compare(self._name(left.id), word, _value(right))
        if isinstance(right, ast.Name):
            return self._columns.compare(self._name(right.id), _TURNED[word], _value(left))
        raise NotPlannedError(_UNREADABLE)


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=bool() | int() | float() | str() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.UnaryOp(op=ast.UAdd(), operand=ast.Constant(value=int() | float() as value)):
            return value
        case _:
            raise NotPlannedError(_UNREADABLE)
