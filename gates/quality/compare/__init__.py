"""Data comparison: what a change does to a table, base against head, and why."""
