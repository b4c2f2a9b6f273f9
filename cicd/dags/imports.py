"""The import statements of a Python file, without parsing the rest of it, which takes ten times as long. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_QUOTED = re.compile(
    rb'"""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""'
    rb"|'''[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'''"
    rb'|"[^"\\\n]*(?:\\.[^"\\\n]*)*"'
    rb"|'[^'\\\n]*(?:\\.[^'\\\n]*)*'"
    rb"|\#[^\n]*",
    re.DOTALL,
)
_JOINED = re.compile(rb"\\\r?\n")
# Keywords can stand nowhere else once strings and comments are gone, so whatever looks like an import is one.
_HEAD = re.compile(rb"(?:^|[;:])[ \t\f]*((?:from\b[^\n;]*?\bimport|import))\Z", re.MULTILINE)
_REST = re.compile(rb"(?!\w)[ \t\f]*(?:\([^)]*\)|[^\n;]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One imported thing: `import a.b` is module `a.b` without name; `from ..a import b` is level 2, `a`, `b`."""

    level: int
    module: str
    name: str | None


def imports_of(text: bytes) -> frozenset[Import]:
    """Everything that the file imports, wherever the statement stands.

    Of a file that is no Python what looks like an import statement counts.
    """
    if b"import" not in text:
        return frozenset()
    code = _QUOTED.sub(_blank, text)
    if b"\\" in code:
        code = _JOINED.sub(b" ", code)
    return frozenset().union(*(_parsed(statement) for statement in _statements(code)))


def _statements(code: bytes) -> Iterator[bytes]:
    """Looks at what stands around the word only: searching the whole text for statements takes far longer."""
    at = 0
    while (at := code.find(b"import", at)) >= 0:
        at += len(b"import")
        head = _HEAD.search(code, code.rfind(b"\n", 0, at) + 1, at)
        rest = _REST.match(code, at) if head else None
        if head and rest:
            yield head[1] + rest[0]
            at = rest.end()


def _blank(match: re.Match[bytes]) -> bytes:
    return b"" if match[0].startswith(b"#") else b"''"


@lru_cache(maxsize=4096)
def _parsed(statement: bytes) -> frozenset[Import]:
    try:
        tree = ast.parse(statement.decode("utf-8", "replace").strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()
    found: set[Import] = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            found |= {Import(level=0, module=alias.name, name=None) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {Import(level=node.level, module=node.module or "", name=alias.name) for alias in node.names}
    return frozenset(found)
