"""Files of a checkout, which spare asking Git for what it has written there already.

What is read may be anything: others write there, and Git itself changes line ends or puts large files in the place of
pointers. Whoever reads has to compare the hash.
"""

from __future__ import annotations

import os
import stat
import threading
from contextlib import suppress
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Not to wait for the other end of a pipe, and not to get a terminal.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_KEPT = 128  # folders that stay open
_MOST = 16 << 20  # bytes; what lies there may be a disk image in the place of a pointer to it


class WorkTree:
    """Regular files below `root`; no symbolic link is followed on the way. Thread-safe until `close`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders: dict[str, int] = {}
        self._mutex = threading.Lock()

    def read(self, path: str, size: int | None = None) -> bytes | None:
        """The content of a file, of that size if one is given; None when there is none, or a large one of any size."""
        folder, _, name = path.rpartition("/")
        try:
            kept = self._folders.get(folder)
            if kept is not None or (kept := self._keep(folder)) is not None:
                return _read(name, kept, size)
            opened = self._open(folder)
            try:
                return _read(name, opened, size)
            finally:
                os.close(opened)
        except (OSError, ValueError):  # also for a NUL in the name
            return None

    def close(self) -> None:
        with self._mutex:
            for descriptor in self._folders.values():
                with suppress(OSError):
                    os.close(descriptor)
            self._folders = {}

    def _keep(self, folder: str) -> int | None:
        """The descriptor of a folder that stays open; None when there are enough of them."""
        with self._mutex:
            if folder not in self._folders:
                if len(self._folders) >= _KEPT:
                    return None
                self._folders[folder] = self._open(folder)
            return self._folders[folder]

    def _open(self, folder: str) -> int:
        descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for part in folder.split("/") if folder else ():
            try:
                if part in {"", ".", ".."}:
                    raise ValueError("no plain path")
                below = os.open(part, _FOLDER, dir_fd=descriptor)
            finally:
                os.close(descriptor)
            descriptor = below
        return descriptor


def _read(name: str, folder: int, size: int | None) -> bytes | None:
    descriptor = os.open(name, _FILE, dir_fd=folder)
    try:
        found = os.fstat(descriptor)
        fits = found.st_size <= _MOST if size is None else found.st_size == size
        if not fits or not stat.S_ISREG(found.st_mode):
            return None
        data = os.read(descriptor, found.st_size)
        while len(data) < found.st_size:
            more = os.read(descriptor, found.st_size - len(data))
            if not more:
                return None
            data += more
        return data
    finally:
        os.close(descriptor)
