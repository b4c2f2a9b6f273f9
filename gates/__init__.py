"""May it pass: verdicts, unit tests, data quality, DAG integrity, policy, reports."""
