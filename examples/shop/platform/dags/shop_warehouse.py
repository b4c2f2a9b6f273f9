"""When raw files arrived: standardise, mask, build the star schema."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG
from shop_common.assets import CURATED, RAW
from shop_common.steps import pipeline_step

with DAG(
    dag_id="shop_warehouse",
    description="Standardise, mask, build the star schema",
    schedule=[RAW],
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["shop", "warehouse"],
    default_args={"owner": "data-platform", "retries": 2, "retry_delay": timedelta(minutes=5)},
):
    standardise = pipeline_step("standardise")
    mask = pipeline_step("mask")
    star_schema = pipeline_step("star_schema", outlets=(CURATED,))

    standardise >> mask >> star_schema
