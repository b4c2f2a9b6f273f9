"""A script of a CI job as a subprocess: its output masked line by line into a file, its whole process group ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

_PATIENCE_S = 5.0  # between SIGTERM and SIGKILL


class ShellRun:
    """One run; `cancel` may be called from any thread, also before `execute`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self.cancelled = False
        self.timed_out = False

    def execute(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        output: Path,
        hide: Sequence[str],
        mask: str,
        timeout_s: float,
    ) -> int | None:
        """Run to the end and return the exit status, negative for a signal; None when cancelled before it began.

        Standard output and error are appended to `output`, with the texts in `hide` replaced by `mask`.
        """
        with self._lock:
            if self.cancelled:
                return None
            self._process = process = subprocess.Popen(
                list(argv),
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        reader = threading.Thread(target=_copy, args=(process, output, tuple(hide), mask), daemon=True)
        reader.start()
        try:
            process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.timed_out = True
            self._end(process)
        _signal(process, signal.SIGKILL)  # what the script left in the background goes with it
        reader.join(timeout=_PATIENCE_S)
        if process.stdout is not None and not reader.is_alive():
            process.stdout.close()
        return process.returncode

    def cancel(self) -> None:
        """End the process group: SIGTERM, and SIGKILL after five seconds."""
        with self._lock:
            self.cancelled = True
            process = self._process
        if process is not None and process.poll() is None:
            _signal(process, signal.SIGTERM)
            killer = threading.Timer(_PATIENCE_S, _signal, (process, signal.SIGKILL))
            killer.daemon = True
            killer.start()

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        for sig in (signal.SIGTERM, signal.SIGKILL):
            _signal(process, sig)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=_PATIENCE_S)
                return


def _signal(process: subprocess.Popen[bytes], sig: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, sig)


def _copy(process: subprocess.Popen[bytes], output: Path, hide: Sequence[str], mask: str) -> None:
    if process.stdout is None:
        return
    with output.open("ab") as file:
        for line in process.stdout:
            text = line.decode("utf-8", "replace")
            for secret in hide:
                text = text.replace(secret, mask)
            file.write(text.encode())
            file.flush()
