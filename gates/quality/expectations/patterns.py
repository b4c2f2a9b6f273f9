"""Regular expressions and LIKE patterns as conditions on text.

For files the meaning of a pattern is Python's, and the engine's syntax is RE2's: a pattern is translated from what
Python's own parser makes of it, so that `\\d`, `\\w`, `\\s`, `$` and `.` mean what they mean there. What RE2 has no exact
form of (look-around, back-references, `\\b` beside letters outside ASCII) is not planned, never approximated. For
databases a pattern is in the engine's own dialect, as it is for Great Expectations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from sqlglot import exp

from gates.quality.expectations.context import Context, give_up, refuse
from gates.quality.sql import like, literal, matches

# Python's own parser of patterns; `re` says nothing of its types.
code: Any = import_module("re._constants")
_parser: Any = import_module("re._parser")

MAX_REPEAT = 1000
"""RE2 counts no further."""
_RE2_ONLY = re.compile(r"\\[pPz]")
"""Unknown to Python, but pandas hands such a pattern to RE2 as it is."""
_DIGIT = r"\p{Nd}"
_WORD = r"\p{L}\p{N}_"
_SPACE = r"\t-\r\x1c-\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
_ASCII = {"digit": "0-9", "word": "0-9A-Za-z_", "space": r"\t-\r\x20"}
_UNICODE = {"digit": _DIGIT, "word": _WORD, "space": _SPACE}


class Untranslatable(Exception):  # noqa: N818 - a reason, caught in this module only
    """No exact form in RE2."""


def pattern_condition(context: Context, text: exp.Expression, pattern: str) -> exp.Expression:
    """Whether `pattern` is found anywhere in `text`. Not judged if it is no regular expression."""
    if not context.pandas:
        return matches(text.copy(), pattern)
    try:
        return matches(text.copy(), to_re2(pattern))
    except re.error as error:
        if _RE2_ONLY.search(pattern):
            return matches(text.copy(), pattern)
        refuse(f"Invalid regular expression: {error}: {pattern}")
    except (Untranslatable, RecursionError, OverflowError) as error:
        give_up(f"the regular expression {pattern!r} ({error})")


def like_condition(text: exp.Expression, pattern: str, escape: str | None) -> exp.Expression:
    """Whether all of `text` is like `pattern`, case as the engine has it."""
    if escape is None:
        return like(text.copy(), pattern)
    return exp.Escape(this=exp.Like(this=text.copy(), expression=literal(pattern)), expression=literal(escape))


def to_re2(pattern: str) -> str:
    """`pattern` in RE2's syntax, finding exactly what Python finds. Raises `re.error` and `Untranslatable`."""
    parsed = _parser.parse(pattern)
    flags = parsed.state.flags
    body = _Writer(flags).sequence(parsed.data, last=True)
    return f"(?i:{body})" if flags & re.IGNORECASE else body


class _Writer:
    """Writes what Python's parser made of a pattern. `last`: nothing follows in the whole pattern."""

    def __init__(self, flags: int) -> None:
        self._flags = flags
        self._classes = _ASCII if flags & re.ASCII else _UNICODE

    def sequence(self, items: Iterable[tuple[Any, Any]], *, last: bool) -> str:
        listed = list(items)
        return "".join(self._item(*item, last=last and index == len(listed) - 1) for index, item in enumerate(listed))

    def _item(self, kind: Any, value: Any, *, last: bool) -> str:
        if kind is code.LITERAL:
            return _char(value)
        if kind is code.NOT_LITERAL:
            return f"[^{_char(value)}]"
        if kind is code.ANY:
            return "(?s:.)" if self._flags & re.DOTALL else r"[^\n]"
        if kind is code.IN:
            return self._set(value)
        if kind is code.AT:
            return self._place(value, last)
        if kind is code.BRANCH:
            return "(?:" + "|".join(self.sequence(branch, last=last) for branch in value[1]) + ")"
        if kind is code.SUBPATTERN:
            return self._group(value, last)
        if kind in (code.MAX_REPEAT, code.MIN_REPEAT):
            return self._repeat(value, lazy=kind is code.MIN_REPEAT)
        raise Untranslatable(_name(kind))

    def _set(self, items: list[tuple[Any, Any]]) -> str:
        negated = items[0][0] is code.NEGATE
        inside = items[1:] if negated else items
        if len(inside) == 1 and inside[0][0] is code.CATEGORY and "_NOT_" in str(inside[0][1]):
            negated = not negated
            body = self._classes[_class_name(inside[0][1])]
        else:
            body = "".join(self._in_set(*item) for item in inside)
        return f"[{'^' if negated else ''}{body}]"

    def _in_set(self, kind: Any, value: Any) -> str:
        if kind is code.LITERAL:
            return _char(value)
        if kind is code.RANGE:
            return f"{_char(value[0])}-{_char(value[1])}"
        if kind is code.CATEGORY:
            return self._category(value)
        raise Untranslatable(_name(kind))

    def _category(self, value: Any) -> str:
        """A class of characters inside brackets. RE2 has no brackets within brackets: complements of some are missing."""
        name = _class_name(value)
        if "_NOT_" not in str(value):
            return self._classes[name]
        if self._classes is _UNICODE:
            raise Untranslatable("a class that excludes characters")
        return {"digit": r"\D", "word": r"\W", "space": r"\x{0}-\x08\x0e-\x1f\x21-\x{10ffff}"}[name]

    def _place(self, value: Any, last: bool) -> str:
        many = bool(self._flags & re.MULTILINE)
        if value is code.AT_BEGINNING:
            return "(?m:^)" if many else r"\A"
        if value is code.AT_BEGINNING_STRING:
            return r"\A"
        if value is code.AT_END_STRING:
            return r"\z"
        if value is code.AT_END and many:
            return "(?m:$)"
        if value is code.AT_END and last:
            # Python's `$` is also before a line feed that ends the text.
            return r"(?:\n?\z)"
        raise Untranslatable(_name(value))

    def _group(self, value: Any, last: bool) -> str:
        _, added, removed, body = value
        if added & ~re.IGNORECASE or removed & ~re.IGNORECASE:
            raise Untranslatable("flags within a group")
        flag = "i" if added & re.IGNORECASE else "-i" if removed & re.IGNORECASE else ""
        return f"(?{flag}:{self.sequence(body, last=last)})"

    def _repeat(self, value: Any, *, lazy: bool) -> str:
        low, high, body = value
        endless = high is code.MAXREPEAT
        if low > MAX_REPEAT or (not endless and high > MAX_REPEAT):
            raise Untranslatable(f"more than {MAX_REPEAT} repetitions")
        times = {(0, True): "*", (1, True): "+"}.get((low, endless)) or f"{{{low},{'' if endless else high}}}"
        return f"(?:{self.sequence(body, last=False)}){times}{'?' if lazy else ''}"


def _char(point: int) -> str:
    text = chr(point)
    if text.isascii() and text.isalnum():
        return text
    if 0xD800 <= point <= 0xDFFF:
        raise Untranslatable("half a surrogate pair")
    return f"\\x{{{point:x}}}"


def _class_name(value: Any) -> str:
    """`digit`, `word` or `space`."""
    return str(value).rpartition("_")[2].lower()


def _name(kind: Any) -> str:
    return str(kind).lower().replace("_", " ")
