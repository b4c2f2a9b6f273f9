"""The little of Groovy that a declarative pipeline needs: words, literals, argument lists, blocks. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

Value = str | int | bool | tuple[str, ...] | None

_SPACE = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/|;)*", re.DOTALL)
_TOKENS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("text", re.compile(r"'''(?P<body>(?:\\.|[^\\])*?)'''", re.DOTALL)),
    ("gstring", re.compile(r'"""(?P<body>(?:\\.|[^\\])*?)"""', re.DOTALL)),
    ("text", re.compile(r"'(?P<body>(?:\\.|[^\\'\n])*)'")),
    ("gstring", re.compile(r'"(?P<body>(?:\\.|[^\\"\n])*)"')),
    ("number", re.compile(r"\d+")),
    ("word", re.compile(r"[A-Za-z_]\w*")),
    ("symbol", re.compile(r"[{}()\[\]:,=]")),
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\n": ""}


class JenkinsfileError(ValueError):
    """What is wrong, with its line."""

    def __init__(self, what: str, line: int) -> None:
        super().__init__(f"WorkflowScript: {line}: {what}")
        self.line = line


class Cursor:
    """Reads a Jenkinsfile from front to back."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._skip()

    def error(self, what: str) -> JenkinsfileError:
        return JenkinsfileError(what, self._text.count("\n", 0, self._at) + 1)

    def end(self) -> None:
        if self._at < len(self._text):
            raise self.error("nothing may follow the pipeline block")

    def _skip(self) -> None:
        match = _SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _match(self) -> tuple[str, re.Match[str]]:
        for kind, pattern in _TOKENS:
            match = pattern.match(self._text, self._at)
            if match:
                return kind, match
        raise self.error(
            "unexpected end of the file" if self._at >= len(self._text) else f"unexpected {self._text[self._at]!r}"
        )

    def _take(self, kind: str, what: str) -> str:
        found, match = self._match()
        if found != kind:
            raise self.error(f"expected {what}, found {match.group()!r}")
        self._at = match.end()
        self._skip()
        return match.group()

    def at(self, symbol: str) -> bool:
        return self._text.startswith(symbol, self._at)

    def at_word(self, word: str) -> bool:
        return re.compile(rf"{word}\b").match(self._text, self._at) is not None

    def word(self) -> str:
        return self._take("word", "a name")

    def keyword(self, wanted: str) -> None:
        if not self.at_word(wanted):
            raise self.error(f"expected {wanted!r}")
        self.word()

    def symbol(self, wanted: str) -> None:
        if not self.at(wanted):
            raise self.error(f"expected {wanted!r}")
        self._at += len(wanted)
        self._skip()

    def block(self, item: Callable[[], object]) -> None:
        """`{ item item ... }`"""
        self.symbol("{")
        while not self.at("}"):
            item()
        self.symbol("}")

    def value(self) -> Value:
        """A literal. A string in double quotes may not hold `$`: Groovy would put values into shell scripts unquoted."""
        if self.at("["):
            return self._list()
        kind, match = self._match()
        if kind == "symbol":
            raise self.error(f"expected a value, found {match.group()!r}")
        if kind == "gstring" and re.search(r"(?<!\\)\$", match["body"]):
            raise self.error(
                "interpolation in double quotes is not supported; use single quotes, parameters are environment variables"
            )
        self._at = match.end()
        self._skip()
        if kind in ("text", "gstring"):
            return _unescape(match["body"])
        if kind == "number":
            return int(match.group())
        if match.group() in ("true", "false"):
            return match.group() == "true"
        raise self.error(f"expected a literal, found {match.group()!r}")

    def _list(self) -> tuple[str, ...]:
        self.symbol("[")
        found: list[str] = []
        while not self.at("]"):
            found.append(str(self.value()))
            if not self.at("]"):
                self.symbol(",")
        self.symbol("]")
        return tuple(found)

    def arguments(self) -> dict[str, Value]:
        """`(a: 1, b: 2)`, `('x')`, or the same without parentheses; a positional argument has the key ``""``."""
        closed = self.at("(")
        if closed:
            self.symbol("(")
        found: dict[str, Value] = {}
        while not (closed and self.at(")")):
            name = re.compile(r"(\w+)\s*:").match(self._text, self._at)
            if name:
                self.word()
                self.symbol(":")
            found[name[1] if name else ""] = self.value()
            if not self.at(","):
                break
            self.symbol(",")
        if closed:
            self.symbol(")")
        return found

    def skip_parentheses(self) -> None:
        """Pass over `( ... )`, whatever is in it."""
        self.symbol("(")
        depth = 1
        while depth:
            _, match = self._match()
            depth += {"(": 1, ")": -1}.get(match.group(), 0)
            self._at = match.end()
            self._skip()


def _unescape(body: str) -> str:
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), body, flags=re.DOTALL)
