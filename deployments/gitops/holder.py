"""Who holds a lock: enough to tell, on the same machine, that the holder is gone before its lock expires."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A process: `name` for people, `machine` a boot of a kernel and a process namespace, `started` its start time.

    `machine` empty means that nothing can be said about the process from elsewhere, so only expiry frees its lock.
    """

    name: str
    machine: str
    pid: int
    started: str

    def __str__(self) -> str:
        return f"{self.name} {self.machine or '-'} {self.pid} {self.started or '-'}"


def this_process() -> Holder:
    """The running process."""
    pid = os.getpid()
    user = os.environ.get("GITLAB_USER_LOGIN") or os.environ.get("BUILD_TAG") or os.environ.get("USER") or "unknown"
    name = "".join(char if char.isalnum() or char in "@._-" else "-" for char in f"{user}@{socket.gethostname()}")
    return Holder(name=name, machine=_machine(), pid=pid, started=_started(pid))


def parse_holder(text: str) -> Holder | None:
    """The reverse of `str(holder)`; None for anything else."""
    parts = text.split(" ")
    if len(parts) != 4 or not parts[2].isdigit():
        return None
    name, machine, pid, started = parts
    return Holder(
        name=name, machine="" if machine == "-" else machine, pid=int(pid), started="" if started == "-" else started
    )


def is_gone(holder: Holder) -> bool:
    """Whether the process has certainly ended: same boot, same process namespace, and no such process any more.

    False when it cannot be known (another machine or container, or a system without /proc).
    """
    if not holder.machine or holder.machine != _machine():
        return False
    return _started(holder.pid) != holder.started


def is_running(holder: Holder) -> bool:
    """Whether the process certainly runs: same boot, same process namespace, and there it is. False when unknown."""
    return bool(holder.machine) and holder.machine == _machine() and _started(holder.pid) == holder.started


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Start time of a process in clock ticks since boot; empty when there is none (or only its zombie)."""
    try:
        line = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = line.rpartition(")")[2].split()
    return "" if not fields or fields[0] in {"Z", "X"} else fields[19]
