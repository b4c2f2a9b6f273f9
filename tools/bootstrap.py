"""Make `.venv` from a locked requirements file; needs Python 3.11+ and nothing else.

Usage: ``python3 tools/bootstrap.py demo|dev``. Installs with uv (itself locked) and falls back on pip where uv
cannot work, for instance behind a package index that only pip's configuration knows.
Done work is remembered in ``.venv/.<set>`` by the hash of what it came from, so a second call costs nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
MINIMUM = (3, 11)
CANDIDATES = ("python3.13", "python3.12", "python3.11", "python3")


def say(text: str) -> None:
    print(f"setup: {text}", file=sys.stderr, flush=True)


def usable_interpreter() -> str | None:
    """The running interpreter if it is new enough, else the first on PATH that is."""
    if sys.version_info >= MINIMUM:
        return sys.executable
    probe = f"import sys; sys.exit(sys.version_info < {MINIMUM!r})"
    for name in CANDIDATES:
        path = shutil.which(name)
        if path and subprocess.run([path, "-c", probe], check=False).returncode == 0:
            return path
    return None


def run(*command: str | Path) -> bool:
    return subprocess.run([str(part) for part in command], cwd=ROOT, check=False).returncode == 0


def install(requirements: Path) -> bool:
    bootstrap = ROOT / "requirements" / "bootstrap.txt"
    if run(PYTHON, "-m", "pip", "install", "-q", "--require-hashes", "-r", bootstrap) and run(
        PYTHON,
        "-m",
        "uv",
        "pip",
        "install",
        "-q",
        "--python",
        PYTHON,
        "--require-hashes",
        "--compile-bytecode",
        "-r",
        requirements,
    ):
        return True
    say("uv could not install; trying again with pip, which takes about a minute")
    return run(PYTHON, "-m", "pip", "install", "-q", "--require-hashes", "-r", requirements)


def is_done(stamp: Path, digest: str) -> bool:
    return stamp.is_file() and stamp.read_text() == digest and PYTHON.exists()


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Two set-ups in one checkout wait for each other; the lock is the checkout's folder and ends with the process."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def main(name: str) -> int:
    requirements = ROOT / "requirements" / f"{name}.txt"
    stamp = VENV / f".{name}"
    sources = (requirements, ROOT / "requirements" / "bootstrap.txt", ROOT / "pyproject.toml", Path(__file__))
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()
    if is_done(stamp, digest):
        return 0
    with alone():
        return 0 if is_done(stamp, digest) else set_up(name, requirements, stamp, digest)


def set_up(name: str, requirements: Path, stamp: Path, digest: str) -> int:
    interpreter = usable_interpreter()
    if interpreter is None:
        say(
            f"Headgate needs Python {MINIMUM[0]}.{MINIMUM[1]} or newer; found {sys.version.split()[0]}. Install one, then run the same command again."
        )
        return 2
    started = time.monotonic()
    if not PYTHON.exists():
        say(f"creating .venv with {interpreter}")
        if not run(interpreter, "-m", "venv", "--clear", VENV):
            say("could not create .venv; on Debian and Ubuntu install the package python3-venv")
            return 2
    say(f"installing requirements/{name}.txt")
    if not install(requirements):
        say("installation failed; see the lines above. Nothing outside .venv was changed; run the same command again.")
        return 2
    if not run(PYTHON, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--editable", ROOT):
        return 2
    stamp.write_text(digest)
    say(f"ready in {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
