"""Subprocesses: argument lists only, always with a timeout, and never a surviving child."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headgate.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """What a process left: its exit status (negative: killed by that signal), its output, and whether time ran out."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str
    timed_out: bool = False


def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
) -> Completed:
    """Run `argv` (no shell) in a process group of its own and collect its output as UTF-8 with replacement.

    When `timeout_s` passes, or on Ctrl-C, the whole group is terminated (SIGTERM, after two seconds SIGKILL).
    `env` replaces the environment. Raises `ConfigError` when the program does not exist; never raises for its status.
    """
    try:
        process = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(env) if env is not None else None,
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        raise ConfigError(
            f"cannot run {argv[0]!r}: {error.strerror or error}",
            next_step="Install it, or correct the command and its folder.",
        ) from error
    timed_out = False
    try:
        stdout, stderr = process.communicate(stdin, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        timed_out = True
        stdout, stderr = _terminate(process)
    except BaseException:
        _terminate(process)
        raise
    return Completed(argv=tuple(argv), returncode=process.returncode, stdout=stdout, stderr=stderr, timed_out=timed_out)


def _terminate(process: subprocess.Popen[str]) -> tuple[str, str]:
    """End the whole process group and return what it had printed."""
    for sig, patience_s in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sig)
        try:
            return process.communicate(timeout=patience_s)
        except subprocess.TimeoutExpired:
            continue
    return "", ""
