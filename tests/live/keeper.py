"""Ends what the supervisor started when the supervisor is no more, however it went: also by SIGKILL.

Run as a program in a session of its own. Its standard input is a pipe that only the supervisor holds: `+<session>` and
`-<session>` say which sessions are the supervisor's, `folder <path>` which folder goes with them; the end of the pipe
ends them. The same `end` is what the supervisor uses itself.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

PATIENCE_S = 1.5
"""What they write is thrown away, so there is little to be tidy about."""


def members(sessions: Iterable[int]) -> dict[int, int]:
    """Living processes of the sessions: process id -> session. Zombies are not counted."""
    wanted = frozenset(sessions)
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                # The name in parentheses may hold anything: read what follows the last one.
                state, _, _, session = (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[:4]
                if state not in "ZX" and int(session) in wanted:
                    found[int(entry.name)] = int(session)
    return found


def end(sessions: Iterable[int], patience_s: float = PATIENCE_S) -> None:
    """Terminate the leaders, wait, and kill what is left, children that made a process group of their own included."""
    wanted = frozenset(sessions)
    _signal(wanted & members(wanted).keys(), signal.SIGTERM)
    deadline = time.monotonic() + patience_s
    while (alive := members(wanted)) and time.monotonic() < deadline:
        time.sleep(0.02)
        # A child whose leader has gone is nobody's any more.
        _signal((pid for pid, session in alive.items() if session not in alive), signal.SIGKILL)
    while alive := members(wanted):
        _signal(alive, signal.SIGKILL)
        time.sleep(0.02)


def _signal(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def main() -> None:
    """Listen until the pipe is closed, then end and remove."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sessions: set[int] = set()
    folders: list[str] = []
    for line in sys.stdin:
        word, _, rest = line.rstrip("\n").partition(" ")
        match word:
            case "+":
                sessions.add(int(rest))
            case "-":
                sessions.discard(int(rest))
            case "folder":
                folders.append(rest)
    end(sessions)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
