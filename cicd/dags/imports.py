"""The import statements of a Python file, without parsing the rest of it, which takes ten times as long. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
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
_ENDED = re.compile(rb"import(?:[ \t\f]*\([^)]*\)|[^\n(]*(?<!\\)(?<!\\\r)\n)")
_COMMENT = ord("#")
_NAME = re.compile(rb"\w+")
_RELATIVE = re.compile(rb"from[\s\\]*\.")
_SKETCHED = 4096  # bytes
_REST = re.compile(rb"(?!\w)[ \t\f]*(?:\([^)]*\)|[^\n;]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One imported thing: `import a.b` is module `a.b` without name; `from ..a import b` is level 2, `a`, `b`."""

    level: int
    module: str
    name: str | None


@dataclass(frozen=True, slots=True)
class Sketch:
    """What can be told of a file at a glance: `lines` are those that have to do with importing; None when too many."""

    lines: bytes | None
    looks_like_dag: bool


def sketch_of(text: bytes) -> Sketch:
    return Sketch(_lines(text), might_contain_dag(text))


def may_import(sketch: Sketch, names: AbstractSet[bytes]) -> bool:
    """Whether the file may import relatively, or something below the packages and modules `names`.

    False is certain. Names that are not ASCII need not be among `names`: Python knows several ways to write them.
    """
    lines = sketch.lines
    if lines is None:
        return True
    return not lines.isascii() or _RELATIVE.search(lines) is not None or not names.isdisjoint(_NAME.findall(lines))


def might_contain_dag(text: bytes) -> bool:
    """Airflow's safe mode parses only files that contain both words (airflow.utils.file.might_contain_dag)."""
    if b"airflow" in text and (b"DAG" in text or b"dag" in text):
        return True
    lowered = text.lower()
    return b"dag" in lowered and b"airflow" in lowered


def _lines(text: bytes) -> bytes | None:
    """Every line with the word import, with those that it continues and that continue it.

    What a statement imports from stands between its first word and the end of such a line, whatever quotes there are.
    """
    found, size, at = [], 0, text.find(b"import")
    while at >= 0:
        start = text.rfind(b"\n", 0, at) + 1
        while start and _is_joined(text, start - 1):
            start = text.rfind(b"\n", 0, start - 1) + 1
        end = text.find(b"\n", at)
        while end >= 0 and _is_joined(text, end):
            end = text.find(b"\n", end + 1)
        end = len(text) if end < 0 else end
        size += end - start
        if size > _SKETCHED:
            return None
        found.append(text[start:end])
        at = text.find(b"import", end)
    return b"\n".join(found)


def _is_joined(text: bytes, newline: int) -> bool:
    """Whether the line that ends at `newline` goes on in the next one."""
    before = newline - 2 if text[newline - 1 : newline] == b"\r" else newline - 1
    return text[before : before + 1] == b"\\"


def imports_of(text: bytes) -> frozenset[Import]:
    """Everything that the file imports, wherever the statement stands.

    Of a file that is no Python what looks like an import statement counts.
    """
    last = text.rfind(b"import")
    if last < 0:
        return frozenset()
    code = _without_quotes(text, last)
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


def _without_quotes(text: bytes, last: int) -> bytes:
    """The code without strings and comments, as far as the end of the statement at `last`, where most files begin."""
    code, at, rest = bytearray(), 0, -1
    for quoted in _QUOTED.finditer(text):
        start, end = quoted.span()
        code += text[at:start]
        at = end
        if start > last:
            rest = len(code) - (start - last) if rest < 0 else rest
            if _ENDED.match(code, max(rest, 0)):
                return bytes(code)
        if text[start] != _COMMENT:
            code += b"''"
    return bytes(code + text[at:])


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
