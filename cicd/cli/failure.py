"""How an error leaves the process: one paragraph on stderr and the documented exit code, never a traceback."""

from __future__ import annotations

import errno
import os

import click

from headgate.errors import HeadgateError
from headgate.exit_codes import ExitCode
from headgate.secrets import mask

# Module of each optional dependency -> the extra that brings it; the base install stays small.
EXTRAS: dict[str, str] = {
    "gitlab": "gitlab",
    "jenkinsapi": "jenkins",
    "kubernetes": "kubernetes",
    "google": "gcs",
    "boto3": "s3",
    "botocore": "s3",
    "google.cloud": "bigquery",
    "great_expectations": "quality",
    "pandas": "quality",
    "pyarrow": "quality",
    "duckdb": "quality",
    "sqlglot": "quality",
    "psycopg": "postgres",
    "pymysql": "mysql",
    "pyspark": "spark",
    "trino": "trino",
    "snowflake": "snowflake",
    "starlette": "serve",
    "uvicorn": "serve",
    "jinja2": "serve",
    "prometheus_client": "serve",
    "opentelemetry": "otel",
}


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def report(error: Exception) -> int:
    """Print `error` for a person and return its exit code.

    With HEADGATE_DEBUG=1 the traceback (masked) is printed as well.
    """
    if os.environ.get("HEADGATE_DEBUG") == "1":
        import traceback

        click.echo(mask("".join(traceback.format_exception(error))), err=True)
    extra = _extra(error.name or "") if isinstance(error, ModuleNotFoundError) else None
    if extra is not None:
        click.echo(
            f"headgate: error: {error}, which this command needs. Install it with `pip install 'headgate[{extra}]'`, "
            "or everything with `pip install 'headgate[all]'`.",
            err=True,
        )
        return ExitCode.USAGE
    if isinstance(error, HeadgateError):
        click.echo(f"headgate: error: {mask(str(error))}", err=True)
        return error.exit_code
    if isinstance(error, OSError) and error.errno in _FULL:
        where = mask(str(error.filename or "output"))
        click.echo(f"headgate: error: {where}: {error.strerror}. Make room, and run the same command again.", err=True)
        return ExitCode.UNDECIDED
    text = mask(f"{type(error).__name__}: {error}")
    click.echo(
        f"headgate: unexpected error: {text}. This is a defect in Headgate; run again with HEADGATE_DEBUG=1 and report what it prints.",
        err=True,
    )
    return ExitCode.UNEXPECTED


def _extra(module: str) -> str | None:
    """The extra that brings `module`, by the longest part of its name that is known."""
    while module and module not in EXTRAS:
        module = module.rpartition(".")[0]
    return EXTRAS.get(module)
