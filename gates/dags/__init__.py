"""The DAG gate, static tier: what can be said about Airflow DAG files without Airflow and without running them."""
