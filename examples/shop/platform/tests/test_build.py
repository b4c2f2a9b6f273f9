"""The whole build: every table, the same bytes each time."""

from __future__ import annotations

from pipelines.build import build


def test_build_makes_every_table(tmp_path):
    rows = build(tmp_path)
    assert {"stg_carts", "dim_customer", "dim_product", "dim_date", "fact_sales"} <= set(rows)
    assert all(count > 0 for count in rows.values())


def test_build_is_deterministic(tmp_path):
    build(tmp_path / "one")
    build(tmp_path / "two")
    for file in sorted((tmp_path / "one").rglob("*.*")):
        assert file.read_bytes() == (tmp_path / "two" / file.relative_to(tmp_path / "one")).read_bytes(), file.name
