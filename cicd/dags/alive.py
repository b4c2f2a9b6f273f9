"""Whether the process that holds a lock is known to be dead, so that nobody waits for the lock of a killed run.

A process is named by the machine's boot, its process-id namespace (containers share a boot but not ids), its id and its
start time (ids are used again). Only where all of that can be read, which is on Linux, is anything ever called dead.
"""

from __future__ import annotations

import os
from pathlib import Path


def describe_process() -> str | None:
    """This process, for others to find dead one day; None where that cannot be told."""
    place, started = _place(), _started(os.getpid())
    return f"{place}/{os.getpid()}/{started}" if place and started else None


def is_dead(process: str | None) -> bool:
    """Whether the process that `describe_process` named ran in our process-id namespace and surely runs no more."""
    if process is None:
        return False
    place, _, rest = process.partition("/")
    pid, _, started = rest.partition("/")
    if place != _place() or not pid.isdigit() or not started:
        return False
    return _started(int(pid)) != started


def _place() -> str | None:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}:{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return None


def _started(pid: int) -> str | None:
    """Start time of a running process in clock ticks since boot; None when there is none, or only its remains."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].decode("ascii")  # the name may hold anything
    except OSError:
        return None
    fields = text.split()
    return None if len(fields) < 20 or fields[0] in {"Z", "X"} else fields[19]
