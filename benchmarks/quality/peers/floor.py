"""The floor: a hash of the columns that the suite needs, in DuckDB. Arguments: orders, customers, suite."""

import sys

import duckdb

NEEDED = (
    "order_id, customer_id, ordered_at, shipped_at, quantity, discount, total, status, currency, country, email, sku, "
    "reference"
)
(value,) = duckdb.execute(f"SELECT bit_xor(hash({NEEDED})) FROM read_parquet(?)", [sys.argv[1]]).fetchone()
print('{"checks": 0, "passed": 0, "raised": 0}')
