"""Expressions of `rules: if` in `.gitlab-ci.yml`. Pure.

Grammar (https://docs.gitlab.com/ci/jobs/job_rules/#cicd-variable-expressions): variables, quoted strings, null,
/patterns/, the operators == != =~ !~, && before ||, parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<op>==|!=|=~|!~|&&|\|\||\(|\))
    | \$\{?(?P<variable>[A-Za-z_][A-Za-z0-9_]*)\}?
    | "(?P<double>[^"]*)" | '(?P<single>[^']*)'
    | /(?P<pattern>(?:\\.|[^/\\])*)/(?P<flags>[a-z]*)
    | (?P<null>null)\b
    )""",
    re.VERBOSE,
)


class ExpressionError(ValueError):
    """The expression is not valid; the message quotes it."""


class _Pattern:
    def __init__(self, source: str, flags: str) -> None:
        self.regex = re.compile(source, re.IGNORECASE if "i" in flags else 0)


_Value = str | _Pattern | None


def evaluate_expression(text: str, variables: Mapping[str, str]) -> bool:
    """Whether the expression holds. A variable alone holds when it is defined and not empty.

    Raises `ExpressionError` for text outside of the grammar.
    """
    parser = _Parser(text, variables)
    result = parser.either()
    if parser.peek() is not None:
        raise ExpressionError(f"invalid expression: {text}")
    return result


class _Parser:
    def __init__(self, text: str, variables: Mapping[str, str]) -> None:
        self._text = text
        self._variables = variables
        self._tokens = self._split(text)
        self._at = 0

    def _split(self, text: str) -> list[tuple[str, _Value]]:
        tokens: list[tuple[str, _Value]] = []
        position = 0
        stripped = text.rstrip()
        while position < len(stripped):
            match = _TOKEN.match(stripped, position)
            if match is None:
                raise ExpressionError(f"invalid expression: {text}")
            tokens.append(self._token(match))
            position = match.end()
        return tokens

    def _token(self, match: re.Match[str]) -> tuple[str, _Value]:
        if match["op"] is not None:
            return match["op"], None
        if match["pattern"] is not None:
            return "value", self._pattern(match["pattern"], match["flags"])
        if match["variable"] is not None:
            return "value", self._variables.get(match["variable"])
        if match["null"] is not None:
            return "value", None
        return "value", match["double"] if match["double"] is not None else match["single"]

    def _pattern(self, source: str, flags: str) -> _Pattern:
        try:
            return _Pattern(source.replace("\\/", "/"), flags)
        except re.error as error:
            raise ExpressionError(f"invalid pattern in expression: {self._text}") from error

    def peek(self) -> str | None:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else None

    def _take(self, kind: str) -> _Value:
        if self.peek() != kind:
            raise ExpressionError(f"invalid expression: {self._text}")
        self._at += 1
        return self._tokens[self._at - 1][1]

    def either(self) -> bool:
        result = self._both()
        while self.peek() == "||":
            self._take("||")
            result = self._both() or result
        return result

    def _both(self) -> bool:
        result = self._term()
        while self.peek() == "&&":
            self._take("&&")
            result = self._term() and result
        return result

    def _term(self) -> bool:
        if self.peek() == "(":
            self._take("(")
            result = self.either()
            self._take(")")
            return result
        left = self._take("value")
        operator = self.peek()
        if operator not in ("==", "!=", "=~", "!~"):
            return bool(left)
        self._take(operator)
        right = self._take("value")
        if operator in ("==", "!="):
            return (left == right) is (operator == "==")
        return self._matches(left, right) is (operator == "=~")

    def _matches(self, left: _Value, right: _Value) -> bool:
        if isinstance(right, str):  # a variable that holds /a pattern/
            parts = re.fullmatch(r"/(.*)/([a-z]*)", right, re.DOTALL)
            right = self._pattern(parts[1], parts[2]) if parts else None
        if not isinstance(right, _Pattern) or isinstance(left, _Pattern):
            return False
        return right.regex.search(left or "") is not None
