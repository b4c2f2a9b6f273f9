"""A database server of a test's own: unprivileged, on loopback, in a folder that goes away with it."""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_SYSTEM = "/usr/local/sbin:/usr/sbin:/sbin:/usr/lib/postgresql/*/bin"
_PR_SET_PDEATHSIG = 1
READY_S = 60.0
STOP_S = 20.0


class NotAvailableError(Exception):
    """The server cannot be run here; the text names what is missing. Tests skip with it."""


def find_program(*names: str) -> Path:
    """The first program of `names` that is installed, also where Debian keeps it off PATH."""
    folders = [Path(part) for part in os.environ.get("PATH", os.defpath).split(os.pathsep) if part]
    for pattern in _SYSTEM.split(":"):
        folders += sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)
    for name in names:
        for folder in folders:
            if os.access(folder / name, os.X_OK):
                return (folder / name).resolve()
    raise NotAvailableError(f"{' or '.join(names)} is not installed; run: python tools/servers.py")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PrivateServer:
    """A folder, and the processes that run in it as somebody who is not root."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.folder = Path(tempfile.mkdtemp(prefix=f"headgate-{name}-"))
        self.log = self.folder / "log"
        self._identity: dict[str, int | list[int]] = {}
        if os.geteuid() == 0:  # both servers refuse to run as root
            nobody = pwd.getpwnam("nobody")
            self._identity = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None

    def own(self, path: Path) -> Path:
        """Give `path` to the user that the server runs as."""
        if self._identity:
            shutil.chown(path, "nobody")
        return path

    def run(self, argv: Sequence[str | Path], *, stdin: str = "", timeout_s: float = READY_S) -> None:
        """Run a program to its end; it must succeed."""
        done = subprocess.run(
            [str(part) for part in argv],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            cwd=self.folder,
            env=self._environment(),
            **self._identity,  # type: ignore[call-overload]  # user, group and extra_groups
        )
        if done.returncode != 0:
            raise RuntimeError(f"{self.name}: {argv[0]} ended with {done.returncode}: {done.stderr or done.stdout}")

    def start(self, argv: Sequence[str | Path], ready: Callable[[], bool]) -> None:
        """Start the server and wait until `ready`; its output goes to `log`."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(part) for part in argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self._environment(),
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - one call into the kernel, no Python state is touched
                **self._identity,  # type: ignore[call-overload]  # user, group and extra_groups
            )
        deadline = time.monotonic() + READY_S
        while not ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{self.name} did not start: {self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """As if the machine had lost it: no goodbye to clients."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_S)
            self._process = None

    def stop(self) -> None:
        """End the server without waiting for its clients; its folder stays."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # PostgreSQL: immediate; MariaDB: the usual shutdown
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.folder), "LC_ALL": "C", "TZ": "UTC"}


def _end_with_parent() -> None:
    """A killed test run must leave no server behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)
