"""Times in conditions for engines that do not compare times with a zone to times without one. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlglot import exp

from gates.quality.metrics import Kind

_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)


def aligned(query: exp.Expression, kind: Callable[[exp.Expression], Kind | None]) -> exp.Expression:
    """`query` with every literal time in the type of the column that it is compared with; times are in UTC."""

    def align(node: Any) -> Any:
        match node:
            case exp.Between():
                return _all(node, node.this, [node.args["low"], node.args["high"]], kind)
            case exp.In():
                return _all(node, node.this, node.expressions, kind)
            case exp.Binary() if isinstance(node, _COMPARISONS):
                _all(node, node.this, [node.expression], kind)
                return _all(node, node.expression, [node.this], kind)
            case _:
                return node

    changed: exp.Expression = query.transform(align)
    return changed


def _all(node: Any, column: Any, literals: list[Any], kind: Callable[[exp.Expression], Kind | None]) -> Any:
    wanted = {Kind.TIMESTAMP: "timestamp", Kind.TIMESTAMP_TZ: "timestamptz"}.get(kind(column) or Kind.NULL)
    for literal in literals if wanted else ():
        bare = literal.unnest()
        if isinstance(bare, exp.Cast) and bare.to.is_type("timestamp", "timestamptz") and bare.this.is_string:
            bare.replace(moment(bare.this.this, wanted or ""))
    return node


def moment(text: str, kind: str) -> exp.Expression:
    """The time in `text` as a literal of `kind` (`timestamp`: without zone, in UTC; `timestamptz`)."""
    found = datetime.fromisoformat(text)
    found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    shown = found.replace(tzinfo=None) if kind == "timestamp" else found
    return exp.cast(exp.Literal.string(shown.isoformat(sep=" ")), kind)
