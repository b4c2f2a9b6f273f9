"""How an error leaves the process: one paragraph on stderr and the documented exit code, never a traceback."""

from __future__ import annotations

import os

import click

from headgate.errors import HeadgateError
from headgate.exit_codes import ExitCode
from headgate.secrets import mask


def report(error: Exception) -> int:
    """Print `error` for a person and return its exit code.

    With HEADGATE_DEBUG=1 the traceback (masked) is printed as well.
    """
    if os.environ.get("HEADGATE_DEBUG") == "1":
        import traceback

        click.echo(mask("".join(traceback.format_exception(error))), err=True)
    if isinstance(error, HeadgateError):
        click.echo(f"headgate: error: {mask(str(error))}", err=True)
        return error.exit_code
    text = mask(f"{type(error).__name__}: {error}")
    click.echo(
        f"headgate: unexpected error: {text}. This is a defect in Headgate; run again with HEADGATE_DEBUG=1 and report what it prints.",
        err=True,
    )
    return ExitCode.UNEXPECTED
