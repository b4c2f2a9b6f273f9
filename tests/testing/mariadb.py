"""A MariaDB server of the test run's own; import the fixture `mariadb` where it is needed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymysql
import pytest

from tests.testing.private_server import NotAvailableError, PrivateServer, find_program, free_port

USER = "headgate"
PASSWORD = "correct horse/battery@staple"  # characters that a URL must escape
PASSWORD_IN_URL = "correct%20horse%2Fbattery%40staple"
_SYSTEM_TABLES = ("mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql")


class MariaDb:
    """A running server. `url(database)` is what a user would write; `database()` makes an empty one."""

    def __init__(self) -> None:
        self.program = find_program("mariadbd")
        self.share = self._share()
        self.server = PrivateServer("mariadb")
        self.port = 0
        try:
            self._initialise()
            self.start()
        except BaseException:
            self.close()
            raise

    def _share(self) -> Path:
        for folder in (Path("/usr/share/mysql"), Path("/usr/share/mariadb"), self.program.parent.parent / "share"):
            if all((folder / name).is_file() for name in _SYSTEM_TABLES):
                return folder
        raise NotAvailableError(f"the folder with {_SYSTEM_TABLES[0]} was not found beside {self.program}")

    def _initialise(self) -> None:
        """What mariadb-install-db does; that script needs programs of another package."""
        data = self.server.folder / "data"
        data.mkdir()
        self.server.own(data)
        tables = "\n".join((self.share / name).read_text(encoding="utf-8") for name in _SYSTEM_TABLES)
        user = f"create user '{USER}'@'%' identified by '{PASSWORD}';\ngrant all on *.* to '{USER}'@'%';"
        # One statement a line: that is how this mode reads.
        script = f"create database mysql;\nuse mysql;\n{tables}\nflush privileges;\n{user}\n"
        self.server.run([*self._command(), "--bootstrap"], stdin=script)

    def _command(self) -> list[str | Path]:
        folder = self.server.folder
        return [
            self.program,
            "--no-defaults",
            f"--datadir={folder / 'data'}",
            f"--lc-messages-dir={self.share}",
            "--lc-messages=en_US",
            f"--socket={folder / 'socket'}",
            f"--pid-file={folder / 'pid'}",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-flush-method=nosync",
            "--innodb-log-file-size=8M",
            "--innodb-buffer-pool-size=64M",
            "--character-set-server=utf8mb4",
            "--default-time-zone=+00:00",
            "--skip-name-resolve",
        ]

    def start(self) -> None:
        """Start, or start again after `kill`, on a new port."""
        self.port = free_port()
        options = ["--bind-address=127.0.0.1", f"--port={self.port}"]
        self.server.start([*self._command(), *options], self._ready)

    def _ready(self) -> bool:
        try:
            self.connect().close()
        except pymysql.err.OperationalError:
            return False
        return True

    def url(self, database: str = "mysql") -> str:
        return f"mysql://{USER}:{PASSWORD_IN_URL}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "mysql") -> pymysql.connections.Connection[Any]:
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=PASSWORD,
            database=database,
            autocommit=True,
            connect_timeout=60,
            charset="utf8mb4",
        )

    @contextmanager
    def database(self) -> Iterator[str]:
        """The name of an empty database, dropped afterwards."""
        name = f"test_{secrets.token_hex(6)}"
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"create database {name}")
        yield name
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"drop database if exists {name}")

    def kill(self) -> None:
        self.server.kill()

    def close(self) -> None:
        self.server.close()


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """One server for the worker's whole run; make a `database()` for each test or module."""
    try:
        server = MariaDb()
    except NotAvailableError as error:
        pytest.skip(f"MariaDB: {error}")
    yield server
    server.close()
