"""The DuckDB side of a step: read the files of earlier steps, run SQL files, write Parquet."""

from __future__ import annotations

from pathlib import Path

import duckdb

SQL = Path(__file__).parent / "sql"

# A raw file with another shape is an error, not a guess.
_RAW = {
    "users.jsonl": """
        user_id: 'BIGINT', changed_at: 'VARCHAR', first_name: 'VARCHAR', last_name: 'VARCHAR', email: 'VARCHAR',
        phone: 'VARCHAR', city: 'VARCHAR', country: 'VARCHAR', loyalty_tier: 'VARCHAR'
    """,
    "carts.jsonl": """
        cart_id: 'VARCHAR', user_id: 'BIGINT', created_at: 'VARCHAR', status: 'VARCHAR',
        contact: 'STRUCT(email VARCHAR, phone VARCHAR)',
        items: 'STRUCT(sku VARCHAR, quantity INTEGER, unit_price_eur DOUBLE, discount_percent INTEGER)[]'
    """,
    "products.csv": "sku: 'VARCHAR', name: 'VARCHAR', category: 'VARCHAR', price_eur: 'DOUBLE', active: 'BOOLEAN'",
}


def connect() -> duckdb.DuckDBPyConnection:
    """An empty in-memory database; one thread, so that the Parquet files come out the same in every run."""
    connection = duckdb.connect(":memory:")
    connection.execute("SET threads = 1")
    connection.execute((SQL / "masking.sql").read_text(encoding="utf-8"))
    return connection


def read_raw(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Make raw_users, raw_carts and raw_products readable."""
    for name, columns in _RAW.items():
        reader = "read_csv" if name.endswith(".csv") else "read_json"
        form = "header = true" if name.endswith(".csv") else "format = 'newline_delimited'"
        connection.execute(
            f"CREATE VIEW raw_{Path(name).stem} AS FROM {reader}('{folder / name}', {form}, columns = {{{columns}}})"
        )


def read_tables(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Make every Parquet file of `folder` readable under its name."""
    for file in sorted(folder.glob("*.parquet")):
        connection.execute(f"CREATE VIEW {file.stem} AS FROM read_parquet('{file}')")


def create(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    """Make `table` from the query in `sql/<table>.sql`."""
    query = (SQL / f"{table}.sql").read_text(encoding="utf-8")
    connection.execute(f"CREATE TABLE {table} AS {query}")


def export(connection: duckdb.DuckDBPyConnection, table: str, file: Path) -> int:
    """Write `table` to a Parquet file, in the order of its columns; return the number of rows."""
    file.parent.mkdir(parents=True, exist_ok=True)
    connection.execute(f"COPY (FROM {table} ORDER BY ALL) TO '{file}' (FORMAT parquet, COMPRESSION zstd)")
    (rows,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone() or (0,)
    return int(rows)
