"""Build the warehouse: `python -m pipelines.build [--step STEP] [--data FOLDER]`, from the root of the repository.

ingest      -> data/raw/*           the shop's files (generated here)
standardise -> data/standardised/*  types and spelling; restricted, still with personal data
mask        -> data/staging/*       without personal data in clear
star_schema -> data/curated/*       dim_customer (SCD2), dim_product, dim_date, fact_sales
"""

from __future__ import annotations

import argparse
from pathlib import Path

from duckdb import DuckDBPyConnection

from data.generate import generate
from pipelines.warehouse import connect, create, export, read_raw, read_tables

ROOT = Path(__file__).resolve().parent.parent
STEPS = ("ingest", "standardise", "mask", "star_schema")

_RAW = ("users.jsonl", "products.csv", "carts.jsonl")
_STANDARD = ("std_users", "std_products", "std_carts", "std_cart_items")
_STAGING = ("stg_users", "stg_carts")
_CURATED = ("dim_customer", "dim_product", "dim_date", "fact_sales")  # dimensions first: facts refer to them


def build(data: Path, steps: tuple[str, ...] = STEPS) -> dict[str, int]:
    """Run `steps` below `data`, in order; return the number of rows of each table made."""
    rows: dict[str, int] = {}
    for step in steps:
        rows |= _DO[step](data)
    return rows


def ingest(data: Path) -> dict[str, int]:
    if not all((data / "raw" / name).exists() for name in _RAW):
        generate(data / "raw")
    return {}


def standardise(data: Path) -> dict[str, int]:
    connection = connect()
    read_raw(connection, data / "raw")
    return _make(connection, _STANDARD, data / "standardised")


def mask(data: Path) -> dict[str, int]:
    connection = connect()
    read_tables(connection, data / "standardised")
    return _make(connection, _STAGING, data / "staging")


def star_schema(data: Path) -> dict[str, int]:
    connection = connect()
    read_tables(connection, data / "standardised")
    read_tables(connection, data / "staging")
    return _make(connection, _CURATED, data / "curated")


def _make(connection: DuckDBPyConnection, tables: tuple[str, ...], folder: Path) -> dict[str, int]:
    for table in tables:
        create(connection, table)
    return {table: export(connection, table, folder / f"{table}.parquet") for table in tables}


_DO = {"ingest": ingest, "standardise": standardise, "mask": mask, "star_schema": star_schema}


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the shop's warehouse.")
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="folder with raw/ (default: data)")
    parser.add_argument("--step", choices=STEPS, help="one step alone (default: all)")
    arguments = parser.parse_args()
    for table, rows in build(arguments.data, (arguments.step,) if arguments.step else STEPS).items():
        print(f"{table:<16} {rows:>6} rows")


if __name__ == "__main__":
    main()
