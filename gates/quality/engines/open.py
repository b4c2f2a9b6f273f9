"""From what a user names (a file, a glob, a URL) to the engine that answers about it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from gates.quality.engines.port import Batch
from headgate.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on what an engine may use. Seconds, mebibytes, bytes; None: the engine's own default.

    `max_bytes` is what one query may read where the engine can say so before it runs (BigQuery's dry run). `sample` is
    the share of the rows (above 0, below 1) that is looked at, the same ones by all queries.
    """

    connect_timeout_s: float = 10.0
    statement_timeout_s: float = 1800.0
    lock_timeout_s: float = 30.0
    memory_limit_mb: int | None = None
    temp_directory: Path | None = None
    threads: int | None = None
    max_bytes: int | None = None
    sample: float | None = None


SAMPLING = frozenset({"duckdb", "postgres"})
"""Engines that can give every query the same sample."""

Opener = Callable[[str, str | None, Limits], Batch]
"""`open_batch` of one engine: the URL (or path, glob), the table, the limits."""

ENGINES = ("duckdb", "postgres", "mysql", "sqlite", "spark", "bigquery", "trino", "snowflake")

SCHEMES = {
    "postgresql": "postgres",
    "postgres": "postgres",
    "mysql": "mysql",
    "mariadb": "mysql",
    "sqlite": "sqlite",
    "duckdb": "duckdb",
    "bigquery": "bigquery",
    "trino": "trino",
    "snowflake": "snowflake",
    "spark": "spark",
}
"""What a URL begins with -> the module of `gates.quality.engines` that opens it."""

FILE_ENGINES = ("duckdb", "spark")


def open_batch(
    data: str, *, table: str | None = None, engine: str | None = None, limits: Limits | None = None
) -> Batch:
    """The batch that `data` names: a path or glob of files, or the URL of a database with `table`.

    `table` may be qualified (`schema.table`); dots inside a name need double quotes (`"a.b"."c"`). `engine` chooses
    among engines for files (`duckdb`, the default, or `spark`); for URLs it follows from the scheme. A password may be
    in the URL or in HEADGATE_DATABASE_PASSWORD; neither is shown in errors.

    Raises `ConfigError` (unknown scheme, no such file or table, missing client library) or `TransportError`.
    """
    chosen = engine_of(data, engine)
    if limits is not None and limits.sample is not None and chosen not in SAMPLING:
        raise ConfigError(
            f"{chosen} cannot give every query the same sample",
            where="sample",
            next_step=f"Run it on all rows, or on a partition; {' and '.join(sorted(SAMPLING))} can sample.",
        )
    opener = cast("Opener", importlib.import_module(f"gates.quality.engines.{chosen}").open_batch)
    return opener(data, table, limits or Limits())


def file_of(data: str) -> Path:
    """The file that `duckdb:///PATH` or `sqlite:///PATH` names: three slashes and a relative path, four and an absolute.

    Three slashes before an absolute path are taken as meant where there is such a file, and no relative one.
    """
    rest = data.partition("://")[2].partition("?")[0]
    if not rest.startswith("/"):
        return Path(rest)
    relative, absolute = Path(rest[1:]), Path(rest)
    return absolute if absolute.is_file() and not relative.is_file() else relative


def engine_of(data: str, engine: str | None = None) -> str:
    """The name of the engine for `data`; see `open_batch`. Pure."""
    head, colon, _ = data.partition("://")
    scheme = head.lower().partition("+")[0] if colon else ""
    if scheme and scheme != "file":
        if scheme not in SCHEMES:
            raise ConfigError(
                f"no engine for {scheme}://",
                where="--data",
                next_step=f"Name files, or a URL with one of {', '.join(SCHEMES)}.",
            )
        by_scheme = SCHEMES[scheme]
        if engine is not None and engine != by_scheme:
            raise ConfigError(
                f"{scheme}:// is read by the engine {by_scheme}, not {engine}",
                where="--engine",
                next_step="Leave --engine out, or name files.",
            )
        return by_scheme
    if engine is not None and engine not in FILE_ENGINES:
        raise ConfigError(
            f"the engine {engine} does not read files",
            where="--engine",
            next_step=f"Use {' or '.join(FILE_ENGINES)}, or name the database by its URL.",
        )
    return engine or FILE_ENGINES[0]
