"""Install the servers that tests start for themselves, where that can be done: Debian, as root.

Usage: ``python tools/servers.py``. Nothing to do where they are there already. Never fails and never starts a service:
tests run the servers' programs in folders of their own, and where a program is missing they are skipped and say so.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

PROGRAMS = {
    "postgresql": ("/usr/lib/postgresql/*/bin/initdb", "initdb"),
    "mariadb-server-core": ("/usr/sbin/mariadbd", "mariadbd"),
    "prometheus": ("/usr/bin/prometheus", "prometheus"),
}
"""Debian package -> where its program is, and its name on PATH elsewhere."""
POLICY = Path("/usr/sbin/policy-rc.d")
TIMEOUT_S = 300


def say(text: str) -> None:
    print(f"setup: {text}", file=sys.stderr, flush=True)


def missing(root: Path = Path("/"), path: str | None = None) -> list[str]:
    """The packages whose program is neither where Debian puts it, below `root`, nor on `path` (PATH, where None)."""
    return [
        package
        for package, (place, name) in PROGRAMS.items()
        if not any(root.glob(place[1:])) and shutil.which(name, path=path) is None
    ]


def decide(packages: Sequence[str], *, can_install: bool) -> tuple[bool, str]:
    """Whether to install `packages`, and what to say about it; nothing is to be said where nothing is missing."""
    if not packages:
        return False, ""
    names = " and ".join(packages)
    if not can_install:
        return False, f"tests on {names} will be skipped: install them to run these too"
    return True, f"installing {names} for the tests; no service is started"


def may_install() -> bool:
    """Whether this is Debian or one of its kin, and root."""
    return shutil.which("apt-get") is not None and hasattr(os, "geteuid") and os.geteuid() == 0


@contextlib.contextmanager
def no_services(policy: Path = POLICY) -> Iterator[None]:
    """Debian's own way to keep packages from starting what they bring: a policy that forbids it (status 101)."""
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink(missing_ok=True)


def apt_get(*arguments: str) -> str:
    """Run apt-get without questions. Returns "" or the end of what it said when it failed."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            ["apt-get", "-qq", "-oDpkg::Use-Pty=0", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else " ".join((done.stderr or done.stdout).split()[-30:]) or "it failed"


def install(packages: Sequence[str], policy: Path = POLICY) -> str:
    """Install, with fresh package lists if the present ones do not do. Returns "" or why not."""
    arguments = ("install", "-y", "--no-install-recommends", *packages)
    with no_services(policy):
        if not apt_get(*arguments):
            return ""
        return apt_get("update") or apt_get(*arguments)


def main() -> int:
    packages = missing()
    wanted, text = decide(packages, can_install=may_install())
    if text:
        say(text)
    why = install(packages) if wanted else ""
    if why:
        say(f"not installed, tests on them will be skipped: {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
