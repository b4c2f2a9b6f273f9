"""Names and texts as they stand in SQL."""

from __future__ import annotations

from sqlglot import exp


def identifier(name: str) -> str:
    """A name as it stands in SQL, quoted whatever is in it."""
    return exp.to_identifier(name, quoted=True).sql("duckdb")


def literal(text: str) -> str:
    return exp.Literal.string(text).sql("duckdb")
