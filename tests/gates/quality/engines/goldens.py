"""The SQL for engines that do not run here, kept in `tests/samples/quality_sql` to be read and compared.

`python -m tests.gates.quality.engines.goldens` writes the files anew; look at the difference before committing it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlglot import exp

from gates.quality.engines.base import Answer
from gates.quality.engines.bigquery import BigQueryBatch
from gates.quality.engines.database import DatabaseBatch
from gates.quality.engines.open import Limits
from gates.quality.engines.snowflake import SnowflakeBatch
from gates.quality.engines.trino import TrinoBatch
from gates.quality.metrics import Duplicated, Kind, Metric, Orphans, OtherCount, Query, Rows
from gates.quality.sql import column, is_json, literal, matches, not_null
from tests.gates.quality.engines.contract import CASES, HOSTILE_NAMES, HOSTILE_VALUES, ORDERS, count, n, s, t, than

FOLDER = Path(__file__).parents[3] / "samples" / "quality_sql"
NAMES = ("shop", "public", "orders")
HOSTILE_TABLE = ('p"`', "d'; drop table victims; --", "t]\n\\")

_BIGQUERY = {
    Kind.INTEGER: "INTEGER",
    Kind.DECIMAL: "NUMERIC",
    Kind.FLOAT: "FLOAT",
    Kind.STRING: "STRING",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.DATE: "DATE",
    Kind.TIMESTAMP: "DATETIME",
}
_TRINO = {
    Kind.INTEGER: "bigint",
    Kind.DECIMAL: "decimal(12,2)",
    Kind.FLOAT: "double",
    Kind.STRING: "varchar",
    Kind.BOOLEAN: "boolean",
    Kind.DATE: "date",
    Kind.TIMESTAMP: "timestamp(6)",
}
_SNOWFLAKE = {
    Kind.INTEGER: "NUMBER(38,0)",
    Kind.DECIMAL: "NUMBER(12,2)",
    Kind.FLOAT: "FLOAT",
    Kind.STRING: "VARCHAR(16777216)",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.DATE: "DATE",
    Kind.TIMESTAMP: "TIMESTAMP_NTZ(9)",
}


class Described:
    """A connection that knows the columns of the table and answers nothing else."""

    def __init__(self, natives: dict[Kind, str], columns: Sequence[tuple[str, Kind]] = ORDERS.columns) -> None:
        self._rows = [(name, natives[kind]) for name, kind in columns]

    def execute(self, sql: str) -> Answer:
        assert sql.startswith("DESCRIBE"), sql
        return Answer(columns=("name", "type"), rows=self._rows)

    def columns(self, table: Sequence[str]) -> Any:
        from google.cloud.bigquery import SchemaField

        return [SchemaField(name, native) for name, native in self._rows]

    def close(self) -> None:
        """Nothing is open."""


def batches(
    parts: tuple[str, ...] = NAMES, columns: Sequence[tuple[str, Kind]] = ORDERS.columns
) -> Iterator[DatabaseBatch]:
    """One batch for each of the engines, on a table of the name in `parts`."""
    made: Any = lambda natives: Described(natives, columns)  # noqa: E731 - the batches want their own connection types
    yield BigQueryBatch(made(_BIGQUERY), parts, Limits(), where="bigquery")
    yield TrinoBatch(made(_TRINO), parts, where="trino")
    yield SnowflakeBatch(made(_SNOWFLAKE), parts, where="snowflake")


def cases() -> Iterator[tuple[str, Metric]]:
    """Everything that is asked, by name."""
    yield from ((name, metric) for name, metric, _ in CASES)
    lost = Orphans(keys=(n, s), other="customers", other_keys=("k", "v"))
    yield "json", count(is_json(t))
    yield "rows of a condition", Rows(of=than(exp.GT, n, 1), columns=("id", "n"), limit=20)
    yield "rows repeated", Rows(of=Duplicated(keys=(n, column("f"))), columns=("id",), where=not_null(s))
    yield "orphans", lost
    yield "orphans of another schema", Orphans(keys=(n,), other="other.customers", other_keys=("k",))
    yield "rows orphaned", Rows(of=lost, columns=("id",))
    yield "rows of another", OtherCount(other="customers")
    yield "a query", Query(sql="SELECT id FROM {batch} WHERE n > 1", where=than(exp.LT, n, 7))
    for at, value in enumerate(HOSTILE_VALUES):
        yield f"hostile value {at}", count(than(exp.EQ, s, value))
        yield f"hostile pattern {at}", count(matches(s, value))
    for at, name in enumerate(HOSTILE_NAMES):
        yield f"hostile name {at}", count(exp.EQ(this=column(name), expression=literal(at)))


def golden(batch: DatabaseBatch) -> str:
    """The file of one engine."""
    parts = [f"-- {name}\n{';'.join(batch.explain([metric]))};\n" for name, metric in cases()]
    return "\n".join(parts)


def write() -> None:
    for batch in batches():
        (FOLDER / f"{batch.name}.sql").write_bytes(golden(batch).encode())


if __name__ == "__main__":
    write()
