"""The data quality gate: Great Expectations 1.x suites, unchanged, on the data that a change produces."""
