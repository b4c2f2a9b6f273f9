"""Where the configuration is, and what holds without one. Light: nothing is read."""

from __future__ import annotations

from pathlib import Path

FILE_NAME = "headgate.yaml"
STORE = "sqlite:///.headgate/events.db"
"""The event store, where none is configured."""


def find(start: Path) -> Path | None:
    """The nearest `headgate.yaml` in `start` or above it, within the Git repository that `start` is in.

    It names commands to run, so a file above the repository (a shared parent folder) is never picked up.
    """
    for folder in _upwards(start):
        candidate = folder / FILE_NAME
        if candidate.is_file():
            return candidate
    return None


def repository_root(start: Path) -> Path:
    """The work tree's top folder; `start` itself outside of any repository."""
    last = _upwards(start)[-1]
    return last if (last / ".git").exists() else start.absolute()


def _upwards(start: Path) -> tuple[Path, ...]:
    folders: list[Path] = []
    for folder in (start.absolute(), *start.absolute().parents):
        folders.append(folder)
        if (folder / ".git").exists():
            return tuple(folders)
    return (start.absolute(),)
