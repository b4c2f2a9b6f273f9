"""A sample of the rows, taken once: the same rows for every query of a run, and in every run on the same data."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from gates.quality.engines.duck_connection import DuckConnection
from gates.quality.engines.duck_data import POSITION, ROWS, Data, from_table
from gates.quality.planner import BATCH

_OF = 1_000_000
_STORE = "headgate_sampled"


def sampled(connection: DuckConnection, data: Data, share: float) -> Data:
    """`share` of the rows of the batch in place of the batch, beside the spill files; positions are those in all rows."""
    store = exp.Literal.string(str(connection.folder / "sampled.duckdb")).sql("duckdb")
    connection.execute(f"ATTACH {store} AS {_STORE}")
    table = f"{_STORE}.main.rows"
    chosen = f"% {_OF} < {round(share * _OF)}"
    if data.addressed:
        query = f"SELECT * FROM {ROWS} WHERE hash({POSITION}::BIGINT) {chosen}"
    else:
        query = f"SELECT * FROM {BATCH} USING SAMPLE {share * 100:.9f} PERCENT (bernoulli, 7)"
    connection.execute(f"CREATE TABLE {table} AS {query}")
    for view in (BATCH, ROWS):
        connection.execute(f"DROP VIEW IF EXISTS {view}")
    if not data.addressed:
        return from_table(connection, table, positioned=False)
    found = from_table(connection, f"(SELECT * EXCLUDE ({POSITION}) FROM {table})", positioned=False)
    connection.execute(f"CREATE VIEW {ROWS} AS SELECT * FROM {table}")
    return replace(found, positioned=data.positioned, addressed=True)
