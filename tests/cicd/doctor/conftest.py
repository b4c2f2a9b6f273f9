"""A real PostgreSQL for the event store."""

from __future__ import annotations

from tests.testing.postgres import postgres

__all__ = ["postgres"]
