"""The shop's pipelines: raw files -> masked staging -> star schema, in DuckDB."""
