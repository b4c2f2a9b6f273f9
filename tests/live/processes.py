"""The supervisor: starts servers, waits until they answer, and ends exactly what it started."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from headgate.errors import HeadgateError, RemoteTimeoutError
from tests.live import keeper

POLL_S = 0.05
ORDERLY_S = 5.0
"""How long a server may take to end on SIGTERM before it is killed; kube-apiserver takes a minute while it is watched."""
LOG_TAIL = 25
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A program to run, and how to see that it is up.

    `env` is its whole environment. `ready` is asked until it says True; it may raise `OSError` while nothing listens.
    """

    name: str
    argv: tuple[str, ...]
    ready: Callable[[], bool]
    env: Mapping[str, str] = field(default_factory=dict)
    patience_s: float = 60.0


class Supervisor:
    """Children of this object, each a session of its own with a log file in `logs`.

    A keeper process holds the list of them and ends them when this process is gone without having called `stop()`,
    by SIGKILL too; `belongings` are folders that it then removes.
    """

    def __init__(self, logs: Path, say: Say, *, belongings: tuple[Path, ...] = ()) -> None:
        self._logs, self._say = logs, say
        logs.mkdir(parents=True, exist_ok=True)
        self._servers: dict[str, Server] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", keeper.__file__], stdin=subprocess.PIPE, start_new_session=True, text=True
        )
        for folder in belongings:
            self._tell(f"folder {folder}")

    def start(self, *servers: Server) -> None:
        """Start them all, then wait for each. One that does not come up is started once more.

        Raises `RemoteTimeoutError` with the end of its log when the second time fails as well.
        """
        for server in servers:
            self._servers[server.name] = server
            self._spawn(server)
        for server in servers:
            if not self._wait(server):
                self._say(
                    f"{server.name} did not come up; starting it once more. Its log ends:\n{self.log_tail(server.name)}"
                )
                self.kill(server.name)
                self._spawn(server)
                if not self._wait(server):
                    raise self._failure(server)

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Send the signal and wait until the server and its children are gone."""
        child = self._running.pop(name)
        child.send_signal(number)
        try:
            child.wait(ORDERLY_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        keeper.end([child.pid], patience_s=0)
        self._tell(f"- {child.pid}")

    def revive(self, name: str) -> None:
        """Start a killed server again, as it was, and wait for it."""
        self.start(self._servers[name])

    def restart(self, name: str) -> None:
        """End the server in an orderly way, and start it again."""
        self.kill(name, signal.SIGTERM)
        self.revive(name)

    def pids(self) -> dict[str, int]:
        """Process ids of the servers that run; it is the id of their session, too."""
        return {name: child.pid for name, child in self._running.items() if child.poll() is None}

    def fallen(self) -> dict[str, int]:
        """Servers that ended though nobody asked them to: name -> exit status (negative: the signal)."""
        return {name: child.returncode for name, child in self._running.items() if child.poll() is not None}

    def log(self, name: str) -> Path:
        """The file with the server's output."""
        return self._logs / f"{name}.log"

    def log_tail(self, name: str) -> str:
        """The last lines of its output."""
        lines = self.log(name).read_text("utf-8", "replace").splitlines()
        return "\n".join(f"  {line[:400]}" for line in lines[-LOG_TAIL:])

    def stop(self) -> None:
        """End all of them. May be called twice."""
        children = list(self._running.values())
        self._running.clear()
        assert self._keeper.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._keeper.stdin.close()
        self._keeper.wait()
        keeper.end(child.pid for child in children)  # nothing to do unless somebody ended the keeper
        for child in children:
            child.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _spawn(self, server: Server) -> None:
        with self.log(server.name).open("ab") as log:
            child = subprocess.Popen(
                server.argv,
                env=dict(server.env),
                cwd=self._logs.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running[server.name] = child
        self._tell(f"+ {child.pid}")

    def _wait(self, server: Server) -> bool:
        child = self._running[server.name]
        deadline = time.monotonic() + server.patience_s
        while time.monotonic() < deadline and child.poll() is None:
            with contextlib.suppress(OSError):  # while nothing listens
                if server.ready():
                    return True
            time.sleep(POLL_S)
        return False

    def _failure(self, server: Server) -> HeadgateError:
        status = self._running[server.name].poll()
        ended = "runs but does not answer" if status is None else f"ended with status {status}"
        return RemoteTimeoutError(
            f"{server.name} {ended} after two starts of up to {server.patience_s:g} s. Its log ends:\n"
            f"{self.log_tail(server.name)}\n",
            where=str(self.log(server.name)),
            next_step="The log says why; HEADGATE_LIVE_KEEP=1 keeps the work folder.",
        )

    def _tell(self, line: str) -> None:
        assert self._keeper.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # somebody ended the keeper: `stop()` does its work
            self._keeper.stdin.write(line + "\n")
            self._keeper.stdin.flush()
