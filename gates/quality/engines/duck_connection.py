"""A DuckDB inside the process, whose files of its own are gone when it is closed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer, get_ident
from typing import Any

import duckdb

from gates.quality.engines.base import Answer, QueryFailedError, sendable
from gates.quality.engines.open import Limits
from headgate.errors import RemoteTimeoutError, TransportError

ENGINE_SHARE = 0.55
"""DuckDB's share of a memory limit: the rest is for Python, and for sorting outside DuckDB."""


class DuckConnection:
    """A connection to an in-memory DuckDB whose spill files live in a folder of their own, removed on closing."""

    def __init__(self, limits: Limits) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="headgate-quality-", dir=limits.temp_directory)
        self.folder = Path(self._folder.name)
        settings: dict[str, Any] = {
            "temp_directory": self._folder.name,
            "autoinstall_known_extensions": False,
            "parquet_metadata_cache": True,
        }
        if limits.memory_limit_mb is not None:
            settings["memory_limit"] = f"{max(1, int(limits.memory_limit_mb * ENGINE_SHARE))}MiB"
        if limits.threads is not None:
            settings["threads"] = limits.threads
        self.limits = limits
        self.closing_error = ""
        self._kept = 0
        self._stopped = False
        self._cursors: dict[int, Any] = {}
        try:
            self.raw = duckdb.connect(":memory:", config=settings)
        except BaseException:
            self._folder.cleanup()
            raise

    def execute(self, sql: str) -> Answer:
        return self._answer(self.raw, sql)

    def beside(self, sql: str) -> Answer:
        """The same from another thread, while `execute` is under way. It does not see temporary tables."""
        thread = get_ident()
        if thread not in self._cursors:
            self._cursors[thread] = self.raw.cursor()
        return self._answer(self._cursors[thread], sql)

    def _answer(self, raw: Any, sql: str) -> Answer:
        with self._guarded(raw):
            try:
                return _answer(raw, sql)
            except duckdb.OutOfMemoryException:
                with self._one_thread(raw):
                    return _answer(raw, sql)

    @contextmanager
    def _one_thread(self, raw: Any) -> Iterator[None]:
        """A limit on memory is shared by the threads: where it is too small for all of them, one may do."""
        (threads,) = raw.execute("SELECT current_setting('threads')").fetchone()
        raw.execute("SET threads = 1")
        try:
            yield
        finally:
            raw.execute(f"SET threads = {int(threads)}")

    def interrupt(self) -> None:
        """End the queries that are running, from another thread, and those that would follow them."""
        self._stopped = True
        for raw in (self.raw, *self._cursors.values()):
            raw.interrupt()

    def array(self, sql: str) -> Any:
        """The only column of a query as a numpy array."""
        (values,) = self.arrays(sql)
        return values

    def arrays(self, sql: str) -> list[Any]:
        """The columns of a query as numpy arrays."""
        with self._guarded(self.raw):
            return list(self.raw.execute(sendable(sql)).fetchnumpy().values())

    def keep(self, values: Any, name: str) -> str:
        """A numpy array as a table of one column `name`; the table's own name is the answer."""
        self._kept += 1
        table = f"headgate_kept_{self._kept}"
        self.raw.register(f"{table}_values", {name: values})
        self.execute(f"CREATE TEMP TABLE {table} AS SELECT {name} FROM {table}_values")
        self.raw.unregister(f"{table}_values")
        return table

    @contextmanager
    def _guarded(self, raw: Any) -> Iterator[None]:
        seconds = self.limits.statement_timeout_s
        with _interrupting(raw.interrupt, seconds):
            try:
                if self._stopped:
                    raise duckdb.InterruptException
                yield
            except duckdb.InterruptException as exc:
                # Not a query's own failure: asking for its parts one by one would take as long again, each of them.
                raise RemoteTimeoutError(
                    f"DuckDB was not done within {seconds:g} s", next_step="Allow more time, or give it less data."
                ) from exc
            except duckdb.FatalException as exc:
                raise TransportError("DuckDB stopped", where="duckdb", next_step=_short(exc)) from exc
            except (duckdb.Error, UnicodeDecodeError, OverflowError) as exc:
                raise QueryFailedError(_short(exc)) from exc

    def close(self) -> None:
        try:
            for raw in (*self._cursors.values(), self.raw):
                raw.close()
        except duckdb.Error as error:
            # Still busy with a query that does not end when it is told to: its files go all the same.
            self.closing_error = _short(error)
        finally:
            self._folder.cleanup()


def _answer(raw: Any, sql: str) -> Answer:
    cursor = raw.execute(sendable(sql))
    return Answer(columns=tuple(item[0] for item in cursor.description or ()), rows=cursor.fetchall())


@contextmanager
def _interrupting(interrupt: Callable[[], None], seconds: float) -> Iterator[None]:
    timer = Timer(seconds, interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        # A thread that still holds the connection when Python ends makes its binding complain on stderr.
        timer.join()


def _short(error: Exception) -> str:
    """One line of what DuckDB says; it repeats the whole line of a CSV file that it cannot read: reports may not."""
    lines = str(error).partition("\n\n")[0].strip().splitlines()
    return " ".join(line.strip() for line in lines if not line.startswith("Original Line:"))
