"""Metric analysis: sources of counters, and the pure threshold judge over interval counts."""
