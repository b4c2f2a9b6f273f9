"""The port: a batch of rows somewhere that can be asked for metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gates.quality.metrics import Metric, Schema, Values


class Batch(Protocol):
    """One table (or files that are one table) in an engine. A context manager: leaving it frees what it holds.

    What cannot be opened or read raises `ConfigError` (wrong name, unreadable file) or `TransportError` (server gone).
    """

    name: str
    """The engine, as shown in reports as the source of measurements: `duckdb`, `postgres`."""

    ordered: bool
    """Whether rows have a position that can be reported (files do, tables of a database do not)."""

    queries: list[str]
    """Every query sent so far, in order: what `quality explain` shows and tests count."""

    def schema(self) -> Schema:
        """The columns, read once."""
        ...

    def compute(self, metrics: Sequence[Metric]) -> Values:
        """A value or `Failed` for every one of `metrics`; one bad metric does not take the others with it.

        `Rows` cost nothing where there are none: they may be asked for beside their number, and are then fetched
        together, in as few queries more as the engine can.
        """
        ...

    def explain(self, metrics: Sequence[Metric]) -> tuple[str, ...]:
        """The queries that `compute` would send first, without sending them."""
        ...

    def close(self) -> None: ...
