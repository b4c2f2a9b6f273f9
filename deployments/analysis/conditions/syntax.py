"""The grammar of conditions: the part of expr-lang that analysis templates use. Pure.

Language: https://expr-lang.org/docs/language-definition (functions: Argo Rollouts, utils/evaluate). Not taken over, and
refused by name: `matches` (a pattern can be made to run for ever), pipes, variables, ranges, closures with names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

MAX_LENGTH = 2000
MAX_DEPTH = 40


class ConditionError(Exception):
    """A condition that cannot be read, or that has no answer for a value. Its text is one sentence."""


@dataclass(frozen=True, slots=True)
class Literal:
    value: float | int | str | bool | None


@dataclass(frozen=True, slots=True)
class Name:
    """`result`, or `#` inside a closure."""

    name: str


@dataclass(frozen=True, slots=True)
class Items:
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """`of[key]` and `of.key`."""

    of: Expression
    key: Expression


@dataclass(frozen=True, slots=True)
class Unary:
    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary:
    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Choice:
    condition: Expression
    yes: Expression
    no: Expression


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Closure:
    """`{# > 1}`: evaluated once for each item, which is `#`."""

    body: Expression


Expression = Literal | Name | Items | Part | Unary | Binary | Choice | Call | Closure

FUNCTIONS: dict[str, tuple[int, int]] = {
    "abs": (1, 1),
    "all": (2, 2),
    "any": (2, 2),
    "asFloat": (1, 1),
    "asInt": (1, 1),
    "ceil": (1, 1),
    "count": (1, 2),
    "default": (2, 2),
    "filter": (2, 2),
    "float": (1, 1),
    "floor": (1, 1),
    "int": (1, 1),
    "isInf": (1, 1),
    "isNaN": (1, 1),
    "isNil": (1, 1),
    "len": (1, 1),
    "map": (2, 2),
    "max": (1, 20),
    "mean": (1, 20),
    "min": (1, 20),
    "none": (2, 2),
    "one": (2, 2),
    "round": (1, 1),
    "sum": (1, 2),
}
"""Function -> least and greatest number of arguments."""

CLOSURES = frozenset({"all", "any", "count", "filter", "map", "none", "one", "sum"})

# Operator -> how tightly it binds; from expr-lang's parser/operator/operator.go.
_BINDING = {
    "or": 10,
    "and": 15,
    "==": 20,
    "!=": 20,
    "<": 20,
    ">": 20,
    ">=": 20,
    "<=": 20,
    "in": 20,
    "not in": 20,
    "contains": 20,
    "startsWith": 20,
    "endsWith": 20,
    "+": 30,
    "-": 30,
    "*": 60,
    "/": 60,
    "%": 60,
    "**": 100,
    "??": 500,
}
_UNARY_BINDING = {"not": 50, "-": 90, "+": 90}
_SAME = {"||": "or", "&&": "and", "!": "not", "^": "**"}
_WORDS = frozenset({"or", "and", "not", "in", "contains", "startsWith", "endsWith"})
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "nil": None}


class _Kind(StrEnum):
    NUMBER = "number"
    TEXT = "text"
    WORD = "word"
    SIGN = "sign"
    END = "end"


_TOKEN = re.compile(
    r"""\s*(?:(?P<number>(?:\d[\d_]*\.\d+|\.\d+|\d[\d_]*)(?:[eE][+-]?\d+)?)(?![\w.])"""
    r"""|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"""
    r"""|(?P<sign>\|\||&&|==|!=|>=|<=|\*\*|\?\?|\?\.|[-+*/%^!<>()\[\]{},.?:\#]))""",
    re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "'": "'", "\\": "\\"}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: _Kind
    text: str
    at: int


def parse_condition(text: str) -> Expression:
    """The condition as a tree. Raises `ConditionError` that names the place for anything that is not one."""
    if len(text) > MAX_LENGTH:
        raise ConditionError(f"a condition of {len(text)} characters is too long (at most {MAX_LENGTH})")
    return _Parser(text).whole()


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise ConditionError(f"{text[at : at + 20].strip()!r} at character {at + 1} is not understood")
        found.append(_Token(_Kind(match.lastgroup), match[match.lastgroup], match.start(match.lastgroup)))
        at = match.end()
    return [*found, _Token(_Kind.END, "the end", len(text))]


class _Parser:
    """A precedence climber over the tokens."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0
        self._depth = 0
        self._closures = 0

    def whole(self) -> Expression:
        expression = self._expression(0)
        if self._next.kind is not _Kind.END:
            raise self._unexpected()
        return expression

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _unexpected(self, wanted: str = "") -> ConditionError:
        token = self._next
        where = f"{token.text!r} at character {token.at + 1}" if token.kind is not _Kind.END else "the end"
        return ConditionError(f"{where} was not expected{f', {wanted} was' if wanted else ''}")

    def _take(self) -> _Token:
        token = self._next
        self._at += 1
        return token

    def _sign(self, text: str) -> bool:
        if self._next.kind is _Kind.SIGN and self._next.text == text:
            self._at += 1
            return True
        return False

    def _need(self, text: str) -> None:
        if not self._sign(text):
            raise self._unexpected(repr(text))

    def _operator(self) -> str | None:
        token = self._next
        if token.kind not in {_Kind.SIGN, _Kind.WORD}:
            return None
        operator = _SAME.get(token.text, token.text)
        if operator == "not":
            after = self._tokens[self._at + 1]
            return "not in" if (after.kind, after.text) == (_Kind.WORD, "in") else None
        if token.text == "matches":
            raise ConditionError("'matches' is not supported: compare with ==, in, contains, startsWith or endsWith")
        return operator if operator in _BINDING else None

    def _expression(self, least: int) -> Expression:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ConditionError(f"it is nested more than {MAX_DEPTH} deep")
        left = self._unary()
        while (operator := self._operator()) is not None and _BINDING[operator] >= least:
            self._at += 2 if operator == "not in" else 1
            # `**` groups to the right, everything else to the left.
            right = self._expression(_BINDING[operator] + (operator != "**"))
            left = Binary(operator, left, right)
        if least == 0 and self._sign("?"):
            yes = self._expression(0)
            self._need(":")
            left = Choice(left, yes, self._expression(0))
        self._depth -= 1
        return left

    def _unary(self) -> Expression:
        token = self._next
        operator = _SAME.get(token.text, token.text)
        if token.kind in {_Kind.SIGN, _Kind.WORD} and operator in _UNARY_BINDING:
            self._at += 1
            return Unary(operator, self._expression(_UNARY_BINDING[operator]))
        return self._parts(self._primary())

    def _parts(self, of: Expression) -> Expression:
        for _ in range(MAX_DEPTH):
            if self._sign("["):
                key = self._expression(0)
                self._need("]")
                of = Part(of, key)
            elif self._sign("."):
                if self._next.kind is not _Kind.WORD:
                    raise self._unexpected("a name")
                of = Part(of, Literal(self._take().text))
            else:
                return of
        raise ConditionError(f"it reaches more than {MAX_DEPTH} levels into the result")

    def _primary(self) -> Expression:
        token = self._next
        match token.kind:
            case _Kind.NUMBER:
                return Literal(_number(self._take().text))
            case _Kind.TEXT:
                return Literal(re.sub(r"\\(.)", _unescape, self._take().text[1:-1], flags=re.DOTALL))
            case _Kind.WORD if token.text not in _WORDS:
                return self._word()
            case _:
                return self._bracketed()

    def _word(self) -> Expression:
        word = self._take().text
        if word in _CONSTANTS:
            return Literal(_CONSTANTS[word])
        if self._sign("("):
            return self._call(word)
        if word != "result":
            raise ConditionError(f"{word!r} is not known: a condition looks at `result`")
        return Name("result")

    def _call(self, function: str) -> Expression:
        if function not in FUNCTIONS:
            raise ConditionError(f"the function {function!r} is not supported; these are: {', '.join(FUNCTIONS)}")
        arguments = self._list(")", closures=function in CLOSURES)
        least, most = FUNCTIONS[function]
        if not least <= len(arguments) <= most:
            raise ConditionError(f"{function} takes {least if least == most else f'{least} to {most}'} arguments")
        return Call(function, arguments)

    def _list(self, end: str, *, closures: bool = False) -> tuple[Expression, ...]:
        items: list[Expression] = []
        while not self._sign(end):
            if items:
                self._need(",")
                if self._sign(end):
                    break
            items.append(self._closure() if closures and items else self._expression(0))
        return tuple(items)

    def _closure(self) -> Expression:
        braces = self._sign("{")
        self._closures += 1
        body = self._expression(0)
        self._closures -= 1
        if braces:
            self._need("}")
        return Closure(body)

    def _bracketed(self) -> Expression:
        if self._sign("("):
            inside = self._expression(0)
            self._need(")")
            return inside
        if self._sign("["):
            return Items(self._list("]"))
        if self._closures and self._sign("#"):
            return Name("#")
        if self._closures and self._sign("."):
            return Part(Name("#"), Literal(self._take().text))
        raise self._unexpected("a value")


def _number(text: str) -> float | int:
    plain = text.replace("_", "")
    return int(plain) if plain.isdigit() else float(plain)


def _unescape(found: re.Match[str]) -> str:
    if found[1] not in _ESCAPES:
        raise ConditionError(f"the escape {found[0]} is not supported")
    return _ESCAPES[found[1]]
