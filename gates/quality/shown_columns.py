"""A column of the quarantine as it may be seen, in DuckDB's SQL. Pure."""

from __future__ import annotations

from gates.quality.metrics import Column, Kind

LONGEST = 40
_OF_DIGITS = frozenset(
    {Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT, Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMP_TZ}
)


def shown_column(column: Column, revealed: bool) -> str:
    """The column of the table `t`. Masked ones are text: nulls and booleans as they are, digits and words as stars."""
    name = f"t.{identifier(column.name)}"
    if revealed or column.kind in {Kind.BOOLEAN, Kind.NULL}:
        return f"{name} AS {identifier(column.name)}"
    text = f"CAST({name} AS VARCHAR)"
    # Of these nothing but digits says anything, and a plain exchange costs a tenth of regular expressions.
    shape = f"translate({text}, '0123456789', '{'*' * 10}')" if column.kind in _OF_DIGITS else masked_text(text)
    return f"{shape} AS {identifier(column.name)}"


def masked_text(text: str) -> str:
    """The shape of a text: digits of numbers and times as stars, of anything else its words."""
    # RE2's \w and \d are ASCII only: a word in another script must not stay readable.
    number = rf"regexp_full_match({text}, '[\p{{N}}.,:+ TZ-]+')"
    masked = (
        rf"CASE WHEN {number} THEN regexp_replace({text}, '\p{{N}}', '*', 'g') "
        rf"ELSE regexp_replace({text}, '[^\p{{P}}\p{{Z}}\s]+', '***', 'g') END"
    )
    return f"left({masked}, {LONGEST})"


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def text_literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
