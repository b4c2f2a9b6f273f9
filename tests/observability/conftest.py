"""The server that a worker's tests of the event log share."""

from __future__ import annotations

from tests.testing.postgres import postgres

__all__ = ["postgres"]
