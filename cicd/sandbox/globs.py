"""Globs of CI files. Pure."""

from __future__ import annotations

import re


def glob_pattern(glob: str) -> re.Pattern[str]:
    """`**` crosses folders, `*` and `?` do not; a folder stands for all that is in it."""
    parts = re.split(r"(\*\*/?|\*|\?)", glob.rstrip("/"))
    table = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(table.get(part, re.escape(part)) for part in parts) + "(?:/.*)?")
