"""What `git log` prints for a range, as commits. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from headgate.clock import parse_timestamp
from observability.commits import Commit, read_message

# NUL is the one character that neither a message nor a quoted path can hold.
FORMAT = "%x00%H%x00%cI%x00%B%x00"
MAX_PATHS = 200
"""A commit that touches more files is kept without its paths: it concerns every service."""

_ESCAPE = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
_LETTERS = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def parse_log(text: str) -> tuple[Commit, ...]:
    """The commits of `git log --name-only --format=FORMAT`, in its order.

    The time is the committer's. A `(cherry picked from commit ...)` line and `This reverts commit ...` are read.
    Raises `ValueError` for text of another form.
    """
    parts = text.split("\0")
    if len(parts) % 4 != 1 or parts[0].strip():
        raise ValueError("not the form that was asked for")
    return tuple(_commit(*parts[place : place + 4]) for place in range(1, len(parts), 4))


def _commit(sha: str, committed: str, message: str, files: str) -> Commit:
    said = read_message(message)
    paths = tuple(_paths(files))
    return Commit(
        sha=sha,
        at=parse_timestamp(committed),
        original=said.get("original"),
        reverts=said.get("reverts"),
        paths=paths if len(paths) <= MAX_PATHS else (),
    )


def _paths(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        if line:
            yield unquote(line) if line.startswith('"') else line


def unquote(text: str) -> str:
    """A path as it is, from Git's quotes for names with unusual characters (core.quotePath)."""
    inner = text.removeprefix('"').removesuffix('"').encode()

    def plain(match: re.Match[bytes]) -> bytes:
        escaped = match[1]
        return bytes([int(escaped, 8) & 0xFF]) if len(escaped) == 3 else _LETTERS.get(escaped, escaped)

    return _ESCAPE.sub(plain, inner).decode(errors="replace")
