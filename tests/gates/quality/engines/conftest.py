"""The servers that a worker's tests share."""

from __future__ import annotations

from tests.testing.mariadb import mariadb
from tests.testing.postgres import postgres

__all__ = ["mariadb", "postgres"]
