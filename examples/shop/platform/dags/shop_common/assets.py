"""The data sets that one DAG makes and the next one waits for."""

from __future__ import annotations

from airflow.sdk import Asset

RAW = Asset("shop://raw")
CURATED = Asset("shop://curated")
