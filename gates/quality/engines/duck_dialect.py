"""DuckDB's own words: kinds of columns by its type names, and its functions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from sqlglot import exp

from gates.quality.metrics import Kind, Quantiles
from gates.quality.sql import Dialect, Lowering, both, named, not_null

_KINDS = {
    "BOOLEAN": Kind.BOOLEAN,
    "DATE": Kind.DATE,
    "FLOAT": Kind.FLOAT,
    "DOUBLE": Kind.FLOAT,
    "VARCHAR": Kind.STRING,
    "BLOB": Kind.BINARY,
    "INTERVAL": Kind.INTERVAL,
    "TIMESTAMP WITH TIME ZONE": Kind.TIMESTAMP_TZ,
    '"NULL"': Kind.NULL,
    "NULL": Kind.NULL,
}
_KIND_PATTERNS = (
    (re.compile(r".*\]$|STRUCT|MAP|UNION|VARIANT|JSON"), Kind.NESTED),
    (re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$|BIGNUM|VARINT"), Kind.INTEGER),
    (re.compile(r"DECIMAL"), Kind.DECIMAL),
    (re.compile(r"TIMESTAMP"), Kind.TIMESTAMP),
    (re.compile(r"TIME"), Kind.TIME),
    (re.compile(r"ENUM"), Kind.STRING),
)


def kind_of(native: str) -> Kind:
    """The kind of a type by DuckDB's name of it."""
    if native in _KINDS:
        return _KINDS[native]
    return next((kind for pattern, kind in _KIND_PATTERNS if pattern.match(native)), Kind.OTHER)


def _function(name: str) -> Lowering:
    return lambda *arguments: exp.Anonymous(this=name, expressions=list(arguments))


class DuckDialect(Dialect):
    """DuckDB's own functions."""

    name = "duckdb"
    lowerings: ClassVar[Mapping[str, Lowering]] = {
        "MATCHES": _function("regexp_matches"),
        "LENGTH": _function("length"),
        "EPOCH": _function("epoch"),
        "IS_NAN": _function("isnan"),
        "IS_JSON": _function("json_valid"),
        "PARSES_AS": lambda text, form: not_null(exp.Anonymous(this="try_strptime", expressions=[text, form])),
    }

    def quantiles(self, metric: Quantiles, source: exp.Expression) -> exp.Select | None:
        if metric.method == "nearest":
            return None
        name = "quantile_disc" if metric.method == "discrete" else "quantile_cont"
        points = exp.Array(expressions=[exp.Literal.number(repr(float(p))) for p in metric.probabilities])
        value = exp.Anonymous(this=name, expressions=[metric.argument.copy(), points])
        values = exp.select(named(value, "q")).from_(source.copy())
        present = both(metric.where, not_null(metric.argument))
        picked = [
            exp.Bracket(this=exp.column("q"), expressions=[exp.Literal.number(index)], offset=1, safe=True)
            for index in range(1, len(metric.probabilities) + 1)
        ]
        return exp.select(*picked).from_(values.where(present).subquery("t"))
