"""A PostgreSQL server of the test run's own; import the fixture `postgres` where it is needed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.testing.private_server import NotAvailableError, PrivateServer, find_program, free_port

USER = "headgate"
PASSWORD = "correct horse/battery@staple"  # characters that a URL must escape
PASSWORD_IN_URL = "correct%20horse%2Fbattery%40staple"


class Postgres:
    """A running server. `url(database)` is what a user would write; `database()` makes an empty one."""

    def __init__(self) -> None:
        self.initdb = find_program("initdb")
        self.server = PrivateServer("postgres")
        self.port = 0
        try:
            self._initialise()
            self.start()
        except BaseException:
            self.close()
            raise

    def _initialise(self) -> None:
        password = self.server.own(_write(self.server, "password", PASSWORD))
        options = ["--no-sync", "--encoding=UTF8", "--locale=C", f"--username={USER}", "--auth=scram-sha-256"]
        self.server.run([self.initdb, *options, f"--pwfile={password}", "-D", self.server.folder / "data"])

    def start(self) -> None:
        """Start, or start again after `kill`, on a new port."""
        self.port = free_port()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.server.folder,
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "dynamic_shared_memory_type": "mmap",
            "shared_buffers": "32MB",
            "max_connections": 40,
        }
        program = self.initdb.with_name("postgres")
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self.server.start([program, "-D", self.server.folder / "data", *options], self._ready)

    def _ready(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{USER}:{PASSWORD_IN_URL}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(self.url(database), autocommit=True, connect_timeout=60)

    @contextmanager
    def database(self) -> Iterator[str]:
        """The name of an empty database, dropped afterwards (with everybody who is still connected)."""
        name = f"test_{secrets.token_hex(6)}"
        with self.connect() as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        yield name
        with self.connect() as connection:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))

    def kill(self) -> None:
        self.server.kill()

    def close(self) -> None:
        self.server.close()


def _write(server: PrivateServer, name: str, text: str) -> Any:
    path = server.folder / name
    path.write_text(text)
    return path


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for the worker's whole run; make a `database()` for each test or module."""
    try:
        server = Postgres()
    except NotAvailableError as error:
        pytest.skip(f"PostgreSQL: {error}")
    yield server
    server.close()
