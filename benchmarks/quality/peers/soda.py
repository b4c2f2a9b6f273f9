"""Soda Core's contracts on DuckDB. Arguments: orders, customers, suite (not read: a contract says the same)."""

import json
import logging
import sys
import tempfile
from pathlib import Path

import duckdb
from soda_core.contracts.api.verify_api import verify_contract_locally

orders, customers = sys.argv[1:3]
logging.disable(logging.CRITICAL)

CONTRACT = r"""
dataset: bench/main/orders
columns:
  - name: order_id
    checks:
      - missing:
      - duplicate:
  - name: customer_id
    checks:
      - missing:
      - invalid:
          valid_reference_data: {dataset: bench/main/customers, column: customer_id}
      - metric: {expression: count(DISTINCT customer_id), threshold: {must_be_greater_than_or_equal: 1}}
  - name: ordered_at
    checks:
      - missing:
      - failed_rows: {qualifier: span, expression: "NOT ordered_at BETWEEN '2024-01-01' AND '2024-12-31'"}
      - failed_rows: {qualifier: pair, expression: NOT shipped_at > ordered_at}
  - name: shipped_at
  - name: quantity
    checks:
      - invalid: {valid_min: 1, valid_max: 9}
      - aggregate: {function: sum, threshold: {must_be_greater_than_or_equal: 1}}
  - name: discount
    checks:
      - invalid: {valid_min: 0, valid_max: 0.5}
      - aggregate: {function: max, threshold: {must_be_less_than_or_equal: 0.9}}
  - name: total
    checks:
      - invalid: {valid_min: 0, valid_max: 5000, threshold: {metric: percent, must_be_less_than_or_equal: 0.1}}
      - aggregate: {function: avg, threshold: {must_be_between: {greater_than_or_equal: 100, less_than_or_equal: 3000}}}
      - metric: {qualifier: sd, expression: stddev_samp(total), threshold: {must_be_less_than_or_equal: 5000}}
      - metric: {qualifier: q05, expression: "quantile_disc(total, 0.05)", threshold: {must_be_less_than_or_equal: 500}}
      - metric: {qualifier: q50, expression: "quantile_disc(total, 0.5)", threshold: {must_be_less_than_or_equal: 3000}}
      - metric: {qualifier: q95, expression: "quantile_disc(total, 0.95)", threshold: {must_be_less_than_or_equal: 5000}}
      - metric: {qualifier: median, expression: median(total), threshold: {must_be_less_than_or_equal: 3000}}
  - name: status
    checks:
      - invalid: {valid_values: [placed, paid, packed, shipped, delivered, returned]}
      - metric: {expression: count(DISTINCT status), threshold: {must_be: 6}}
  - name: currency
    checks:
      - invalid: {valid_values: [EUR, USD, GBP, CHF]}
  - name: country
    checks:
      - invalid: {valid_length: 2}
  - name: email
    checks:
      - missing: {threshold: {metric: percent, must_be_less_than_or_equal: 5}}
      - invalid:
          valid_format: {name: address, regex: '^[^@\s]+@[^@\s]+\.[a-z]+$'}
          threshold: {metric: percent, must_be_less_than_or_equal: 1}
  - name: sku
    checks:
      - invalid:
          valid_format: {name: sku, regex: '^SKU-[0-9]{6}$'}
  - name: reference
    checks:
      - duplicate:
      - invalid: {valid_length: 20}
checks:
  - row_count: {threshold: {must_be_greater_than_or_equal: 1}}
  - duplicate: {columns: [customer_id, ordered_at, sku]}
  - failed_rows:
      qualifier: order
      query: SELECT * FROM (SELECT order_id, lag(order_id) OVER () AS before FROM main.orders) WHERE order_id < before
"""

with tempfile.TemporaryDirectory() as folder:
    place = Path(folder)
    with duckdb.connect(str(place / "bench.duckdb")) as connection:
        connection.execute(f"CREATE VIEW orders AS SELECT * FROM read_parquet('{orders}')")
        connection.execute(f"CREATE VIEW customers AS SELECT * FROM read_parquet('{customers}')")
    (place / "source.yml").write_text(
        f"type: duckdb\nname: bench\nconnection:\n  database: {place / 'bench.duckdb'}\n  schema: main\n"
    )
    (place / "contract.yml").write_text(CONTRACT)
    result = verify_contract_locally(str(place / "source.yml"), contract_file_path=str(place / "contract.yml"))
    outcomes = [
        check.outcome.name for contract in result.contract_verification_results for check in contract.check_results
    ]
    raised = sum(name not in ("PASSED", "FAILED") for name in outcomes)
    if "-v" in sys.argv:
        print(result.get_errors_str(), file=sys.stderr)
    print(json.dumps({"checks": len(outcomes), "passed": outcomes.count("PASSED"), "raised": raised}))
