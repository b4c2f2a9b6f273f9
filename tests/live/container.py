"""One start of a container: a local process, watched and probed by a thread of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.live.pods import PROBE_PERIOD_S, View

_LISTENS = re.compile(rb" on port (\d+)\b")
STARTING_STEP_S = 0.02
RUNNING_STEP_S = 0.1
PROBE_TIMEOUT_S = 1.0
PROBE_FAILURES = 3
"""A ready container is not ready any more after so many failed probes in a row."""
TERM_S = 3.0
"""Patience between SIGTERM and SIGKILL at most, whatever the pod's own grace period."""


class Container:
    """Starts at once. `changed` is called whenever `view` has become another.

    The process chooses its own free port (PORT=0) and tells it in its first line, so no two ever want the same one.
    """

    def __init__(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        *,
        log: Path,
        probe: str,
        restarts: int = 0,
        last: View | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._argv = [*argv, str(os.getpid())]
        self._environment = {**_base_environment(), **environment, "HOST": "127.0.0.1", "PORT": "0"}
        self._log, self._probe, self._changed = log, probe, changed
        self._view = View(restarts=restarts, last=last)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._drain_s = self._grace_s = 0.0
        self._failures = 0
        self._next_probe = 0.0
        self._thread = threading.Thread(target=self._run, name=f"container {log.stem}", daemon=True)
        self._thread.start()

    @property
    def view(self) -> View:
        with self._lock:
            return self._view

    def stop(self, *, drain_s: float, grace_s: float) -> None:
        """Not ready from now on; SIGTERM after `drain_s`, SIGKILL `grace_s` (at most 3 s) later. Returns at once."""
        self._drain_s, self._grace_s = drain_s, min(grace_s, TERM_S)
        self._set(stopping=True, ready=False)
        self._stop.set()

    def join(self, timeout_s: float) -> bool:
        """Whether the process is gone within `timeout_s`."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _set(self, **changes: object) -> None:
        with self._lock:
            before, self._view = self._view, dataclasses.replace(self._view, **changes)  # type: ignore[arg-type]
        if before != self._view:
            self._changed()

    def _run(self) -> None:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._log.open("wb") as log:
                # Started by this thread, which lives as long: Linux ends a process with the thread that started it.
                process = subprocess.Popen(
                    self._argv,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    process_group=0,
                )
        except OSError as error:
            self._log.write_text(f"{error}\n", encoding="utf-8")
            self._set(exit_code=127, finished=datetime.now(UTC))
            return
        try:
            self._attend(process)
        finally:
            code = _end(process, self._grace_s)
            self._set(exit_code=128 - code if code < 0 else code, finished=datetime.now(UTC), ready=False)

    def _attend(self, process: subprocess.Popen[bytes]) -> None:
        """Until the process has ended by itself, or is to end."""
        while process.poll() is None:
            if self._stop.wait(RUNNING_STEP_S if self._view.ready else STARTING_STEP_S):
                _wait(process, self._drain_s)
                return
            if self._view.port is None:
                self._look_for_port()
            elif time.monotonic() >= self._next_probe:
                self._ask()

    def _look_for_port(self) -> None:
        found = _LISTENS.search(self._log.read_bytes()[:4096])
        if found:
            self._set(port=int(found[1]), started=datetime.now(UTC))

    def _ask(self) -> None:
        port = self._view.port
        assert port is not None
        if _answers(port, self._probe):
            self._failures = 0
            self._next_probe = time.monotonic() + PROBE_PERIOD_S
            if not self._stop.is_set():
                self._set(ready=True)
            return
        self._failures += 1
        self._next_probe = time.monotonic() + PROBE_PERIOD_S / 5
        if self._failures >= PROBE_FAILURES:
            self._set(ready=False)


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PROBE_TIMEOUT_S)
    try:
        connection.request("GET", path)
        return 200 <= connection.getresponse().status < 400
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _base_environment() -> dict[str, str]:
    """A container does not see the node's environment."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "PYTHONUNBUFFERED": "1", "LANG": "C.UTF-8"}


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


def _end(process: subprocess.Popen[bytes], grace_s: float) -> int:
    """End what is left of the process group and return the exit status."""
    for sig, patience_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5.0)):
        if process.poll() is not None:
            break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sig)
        _wait(process, patience_s)
    return process.returncode if process.returncode is not None else -signal.SIGKILL
