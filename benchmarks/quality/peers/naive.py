"""All 29 checks as one literal DuckDB query, as somebody in a hurry writes it. Arguments: orders, customers, suite."""

import json
import sys

import duckdb

QUERY = r"""
WITH t AS (SELECT *, lag(order_id) OVER () AS before FROM read_parquet($orders))
SELECT
  count(*) >= 1,
  count(*) FILTER (order_id IS NULL) = 0,
  count(*) FILTER (customer_id IS NULL) = 0,
  count(*) FILTER (ordered_at IS NULL) = 0,
  count(email) / count(*) >= 0.95,
  count(*) FILTER (NOT quantity BETWEEN 1 AND 9) = 0,
  count(*) FILTER (NOT discount BETWEEN 0 AND 0.5) = 0,
  count(*) FILTER (total BETWEEN 0 AND 5000) / count(total) >= 0.999,
  count(*) FILTER (NOT ordered_at BETWEEN '2024-01-01' AND '2024-12-31') = 0,
  count(*) FILTER (status NOT IN ('placed', 'paid', 'packed', 'shipped', 'delivered', 'returned')) = 0,
  count(*) FILTER (currency NOT IN ('EUR', 'USD', 'GBP', 'CHF')) = 0,
  count(*) FILTER (regexp_matches(email, '^[^@\s]+@[^@\s]+\.[a-z]+$')) / count(email) >= 0.99,
  count(*) FILTER (NOT regexp_matches(sku, '^SKU-[0-9]{6}$')) = 0,
  count(*) FILTER (length(country) <> 2) = 0,
  count(*) FILTER (length(reference) <> 20) = 0,
  count(*) FILTER (NOT shipped_at > ordered_at) = 0,
  avg(total) BETWEEN 100 AND 3000,
  stddev_samp(total) BETWEEN 1 AND 5000,
  sum(quantity) >= 1,
  max(discount) BETWEEN 0 AND 0.9,
  count(DISTINCT order_id) = count(order_id),
  count(DISTINCT reference) = count(reference),
  count(DISTINCT (customer_id, ordered_at, sku)) = count(*),
  count(*) FILTER (order_id < before) = 0,
  count(DISTINCT customer_id) >= 1,
  list_sort(list(DISTINCT status)) = ['delivered', 'packed', 'paid', 'placed', 'returned', 'shipped'],
  quantile_disc(total, [0.05, 0.5, 0.95])[2] BETWEEN 100 AND 3000,
  median(total) BETWEEN 100 AND 3000,
  count(*) FILTER (customer_id NOT IN (SELECT customer_id FROM read_parquet($customers))) = 0
FROM t
"""
row = duckdb.execute(QUERY, {"orders": sys.argv[1], "customers": sys.argv[2]}).fetchone()
print(json.dumps({"checks": len(row), "passed": sum(map(bool, row)), "raised": 0}))
