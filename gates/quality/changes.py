"""Which checks a change concerns. Pure. Whatever is not known for sure is run."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache


def concerned(paths: Sequence[str], own: Iterable[str], changed: Collection[str] | None) -> bool:
    """Whether a change of the files `changed` concerns what is made from `paths` (globs) and `own` (files, globs).

    Nothing known of the change (None), or no `paths` given: it does. All are relative to the root of the repository,
    with `/`. A path that names a folder stands for everything below it.
    """
    if changed is None or not paths:
        return True
    patterns = [_pattern(path) for path in (*paths, *own)]
    return any(pattern.fullmatch(file) for pattern in patterns for file in changed)


@lru_cache(maxsize=1024)
def _pattern(glob: str) -> re.Pattern[str]:
    """`*` and `?` stay within a name, `**` crosses folders, and what follows below a match belongs to it."""
    parts = [_segment(part) for part in glob.removeprefix("./").strip("/").split("/")]
    text = "/".join(parts).replace("**/", "(?:.*/)?").replace("/**", "(?:/.*)?").replace("**", ".*")
    return re.compile(f"{text}(?:/.*)?", re.DOTALL)


def _segment(part: str) -> str:
    if part == "**":
        return part
    found = re.split(r"(\*+|\?|\[!?[^\]]+\])", part)
    return "".join(_piece(piece) for piece in found)


def _piece(piece: str) -> str:
    if piece.startswith("*"):
        return "[^/]*"
    if piece == "?":
        return "[^/]"
    if piece.startswith("[") and piece.endswith("]") and len(piece) > 2:
        inner = piece[1:-1]
        negated, inner = ("^", inner[1:]) if inner.startswith("!") else ("", inner)
        return f"[{negated}{re.escape(inner).replace(chr(92) + '-', '-')}]"
    return re.escape(piece)
