"""Deliveries in processes of their own, which can be killed or raced. They start from a server that has done the imports."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

from cicd.dags.alive import describe_process
from cicd.dags.delivery import deliver
from cicd.dags.target import open_target
from headgate.clock import SystemClock
from headgate.errors import HeadgateError
from tests.testing.dag_stores import bundle, loader, quiet

_MODULES = [
    "cicd.dags.stores.gcs",
    "cicd.dags.stores.s3",
    "cicd.dags.stores.local",
    "botocore.session",
    "tests.testing.dag_processes",
]
_FILE_EVENTS = frozenset(
    {"open", "os.rename", "os.utime", "os.remove", "os.mkdir", "os.rmdir", "os.scandir", "fcntl.flock", "os.truncate"}
)


def context() -> ForkServerContext:
    """Where processes come from; the modules are imported once."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(_MODULES)
    return found


class Run:
    """One delivery of `files` to `url` in its own process. It waits for `go`.

    With `die_at` it kills itself with SIGKILL just before that operation on files below the target (from 0).
    """

    def __init__(
        self,
        url: str,
        files: Mapping[str, bytes],
        *,
        name: str,
        environ: Mapping[str, str],
        workers: int = 8,
        die_at: int | None = None,
    ) -> None:
        self._ours, theirs = multiprocessing.Pipe()
        self._process: ForkServerProcess = context().Process(
            target=_deliver, args=(theirs, url, dict(files), name, dict(environ), workers, die_at), daemon=True
        )
        self._process.start()
        theirs.close()
        self._ours.recv()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def go(self) -> None:
        self._ours.send(None)

    def ended(self, timeout_s: float = 60.0) -> str:
        """`done`, the class and exit code of an error, or `killed`."""
        try:
            text = str(self._ours.recv()) if self._ours.poll(timeout_s) else "no answer"
        except (EOFError, ConnectionResetError):
            text = "killed"
        self._process.join(timeout_s)
        self._ours.close()
        return text


def _deliver(
    pipe: Connection[Any, Any],
    url: str,
    files: dict[str, bytes],
    name: str,
    environ: dict[str, str],
    workers: int,
    die_at: int | None,
) -> None:
    os.environ.update(environ)
    target = open_target(url)
    mine = bundle(target.store, run=name, prefix=target.prefix, workers=workers, process=describe_process())
    pipe.send("ready")
    pipe.recv()
    if die_at is not None:
        _die_at(die_at, url.removeprefix("file://").rpartition("/")[0])
    try:
        deliver(mine, loader(files), clock=SystemClock(), progress=quiet)
    except HeadgateError as error:
        pipe.send(f"{type(error).__name__} {error.exit_code:d}")
    else:
        pipe.send("done")
    target.close()


def _die_at(point: int, folder: str) -> None:
    seen = 0

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal seen
        if event not in _FILE_EVENTS or not (event == "fcntl.flock" or str(args[0]).startswith(folder)):
            return
        if seen == point:
            os.kill(os.getpid(), signal.SIGKILL)
        seen += 1

    sys.addaudithook(hook)
