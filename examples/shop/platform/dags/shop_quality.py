"""When the star schema was rebuilt: check it with the same suites as the merge request did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG
from shop_common.assets import CURATED
from shop_common.steps import command

with DAG(
    dag_id="shop_quality",
    description="Great Expectations suites on the curated tables",
    schedule=[CURATED],
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    tags=["shop", "quality"],
    default_args={"owner": "data-quality", "retries": 1, "retry_delay": timedelta(minutes=5)},
):
    command("quality_checks", "headgate gate run quality")
