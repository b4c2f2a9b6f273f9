"""Every hour: land the carts, users and products of the shop as raw files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG
from shop_common.assets import RAW
from shop_common.steps import pipeline_step

with DAG(
    dag_id="shop_ingest",
    description="Land raw carts, users and products",
    schedule="@hourly",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["shop", "ingest"],
    default_args={"owner": "data-platform", "retries": 3, "retry_delay": timedelta(minutes=2)},
):
    pipeline_step("ingest", outlets=(RAW,))
