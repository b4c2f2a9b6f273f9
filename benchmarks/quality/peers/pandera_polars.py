"""pandera on polars: lazy, checks over columns and over the frame. Arguments: orders, customers, suite (not read)."""

import json
import sys
from datetime import datetime

import pandera.polars as pa
import polars as pl

orders, customers = sys.argv[1:3]


def whole(name, expression):
    """A check of one value of the whole frame."""
    return pa.Check(lambda data, e=expression: data.lazyframe.select(e.alias("ok")), name=name)


YEAR = (datetime.fromisoformat("2024-01-01"), datetime.fromisoformat("2024-12-31"))
STATUS = ["placed", "paid", "packed", "shipped", "delivered", "returned"]
known = pl.scan_parquet(customers)


def referenced(data):
    return data.lazyframe.join(known, on="customer_id", how="anti").select((pl.len() == 0).alias("ok"))


schema = pa.DataFrameSchema(
    {
        "order_id": pa.Column(nullable=False, unique=True, checks=[whole("sorted", pl.col("order_id").is_sorted())]),
        "customer_id": pa.Column(nullable=False, checks=[whole("distinct", pl.col("customer_id").n_unique() >= 1)]),
        "ordered_at": pa.Column(nullable=False, checks=[pa.Check.in_range(*YEAR)]),
        "quantity": pa.Column(checks=[pa.Check.in_range(1, 9), whole("sum", pl.col("quantity").sum() >= 1)]),
        "discount": pa.Column(checks=[pa.Check.in_range(0, 0.5), whole("max", pl.col("discount").max() <= 0.9)]),
        "total": pa.Column(
            checks=[
                whole("mostly", pl.col("total").is_between(0, 5000).mean() >= 0.999),
                whole("mean", pl.col("total").mean().is_between(100, 3000)),
                whole("std", pl.col("total").std().is_between(1, 5000)),
                whole("q05", pl.col("total").quantile(0.05).is_between(1, 500)),
                whole("q50", pl.col("total").quantile(0.5).is_between(100, 3000)),
                whole("q95", pl.col("total").quantile(0.95).is_between(1000, 5000)),
                whole("median", pl.col("total").median().is_between(100, 3000)),
            ]
        ),
        "status": pa.Column(checks=[pa.Check.isin(STATUS), whole("set", pl.col("status").n_unique() == len(STATUS))]),
        "currency": pa.Column(checks=[pa.Check.isin(["EUR", "USD", "GBP", "CHF"])]),
        "country": pa.Column(checks=[pa.Check.str_length(2, 2)]),
        "email": pa.Column(
            nullable=True,
            checks=[
                whole("present", pl.col("email").is_not_null().mean() >= 0.95),
                whole("form", pl.col("email").drop_nulls().str.contains(r"^[^@\s]+@[^@\s]+\.[a-z]+$").mean() >= 0.99),
            ],
        ),
        "sku": pa.Column(checks=[pa.Check.str_matches(r"^SKU-[0-9]{6}$")]),
        "reference": pa.Column(unique=True, checks=[pa.Check.str_length(20, 20)]),
    },
    checks=[
        whole("rows", pl.len() >= 1),
        pa.Check(lambda data: data.lazyframe.select(pl.col("shipped_at") > pl.col("ordered_at")), name="pair"),
        pa.Check(referenced, name="customers"),
    ],
    unique=["customer_id", "ordered_at", "sku"],
)
count = 29
try:
    schema.validate(pl.read_parquet(orders), lazy=True)
    failures = 0
except pa.errors.SchemaErrors as error:
    failures = len(error.schema_errors)
    if "-v" in sys.argv:
        print(str(error)[:3000], file=sys.stderr)
print(json.dumps({"checks": count, "passed": count - failures, "raised": 0}))
