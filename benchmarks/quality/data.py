"""The data of the benchmark: orders and customers, the same rows for the same number of rows and seed."""

from __future__ import annotations

from pathlib import Path

import duckdb

SEED = 20240501
CUSTOMERS_PER_ORDER = 0.1

_ORDERS = """
SELECT
  i + 1 AS order_id,
  (hash(i, {seed}, 1) % {customers} + 1)::BIGINT AS customer_id,
  (hash(i, {seed}, 2) % 5000)::INTEGER AS product_id,
  (hash(i, {seed}, 3) % 250)::SMALLINT AS store_id,
  TIMESTAMP '2024-01-01' + INTERVAL (i * 86400 * 180 // {rows}) SECOND AS ordered_at,
  TIMESTAMP '2024-01-01' + INTERVAL (i * 86400 * 180 // {rows} + 3600 + hash(i, {seed}, 4) % 1200000) SECOND AS shipped_at,
  (hash(i, {seed}, 5) % 9 + 1)::INTEGER AS quantity,
  ((hash(i, {seed}, 6) % 49900 + 100) / 100)::DECIMAL(10, 2) AS unit_price,
  ((hash(i, {seed}, 7) % 40) / 100)::DOUBLE AS discount,
  round((hash(i, {seed}, 5) % 9 + 1) * (hash(i, {seed}, 6) % 49900 + 100) / 100 * (1 - (hash(i, {seed}, 7) % 40) / 100), 2)
    AS total,
  ['placed', 'paid', 'packed', 'shipped', 'delivered', 'returned'][1 + (hash(i, {seed}, 8) % 6)::INTEGER] AS status,
  ['EUR', 'USD', 'GBP', 'CHF'][1 + (hash(i, {seed}, 9) % 4)::INTEGER] AS currency,
  ['DE', 'FR', 'IT', 'ES', 'NL', 'PL', 'CH', 'AT', 'GB', 'US'][1 + (hash(i, {seed}, 10) % 10)::INTEGER] AS country,
  CASE WHEN hash(i, {seed}, 11) % 50 > 0
    THEN 'user' || (hash(i, {seed}, 1) % {customers} + 1) || '@example.' || ['com', 'org'][1 + (hash(i, {seed}, 12) % 2)::INTEGER]
  END AS email,
  'SKU-' || lpad((hash(i, {seed}, 2) % 5000)::VARCHAR, 6, '0') AS sku,
  md5((i * 2654435761 + {seed})::VARCHAR)[:20] AS reference
FROM range({rows}) AS t(i)
"""

_CUSTOMERS = """
SELECT i + 1 AS customer_id, 'Customer ' || i AS name, (hash(i, {seed}, 20) % 3)::TINYINT AS tier
FROM range({customers}) AS t(i)
"""


def make(folder: Path, rows: int) -> tuple[Path, Path]:
    """Write `orders` and `customers` of `rows` orders as Parquet below `folder`, unless they are there already."""
    place = folder / f"orders-{rows}"
    orders, customers = place / "orders.parquet", place / "customers.parquet"
    place.mkdir(parents=True, exist_ok=True)
    values = {"rows": rows, "customers": max(10, int(rows * CUSTOMERS_PER_ORDER)), "seed": SEED}
    with duckdb.connect() as connection:
        for path, query in ((orders, _ORDERS), (customers, _CUSTOMERS)):
            if not path.exists():
                partial = path.with_suffix(".partial")
                connection.execute(
                    f"COPY ({query.format(**values)}) TO '{partial}' (FORMAT parquet, COMPRESSION snappy)"
                )
                partial.replace(path)
    return orders, customers
