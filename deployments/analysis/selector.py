"""Counter selectors: `name{label="value",label=~"regex"}` and nothing else. Pure.

Functions and sums are refused on purpose: counts must be raw counters, so that their differences are whole numbers
(`rate` and `increase` extrapolate) and every pod's restart can be seen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from headgate.errors import ConfigError

_NAME = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*")
_MATCHER = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*')
_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_ESCAPES = {"n": "\n", '"': '"', "\\": "\\"}


class Match(StrEnum):
    """How a label is compared; regular expressions must match the whole value."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


@dataclass(frozen=True, slots=True, kw_only=True)
class Matcher:
    """One condition on a label; a missing label counts as empty."""

    label: str
    match: Match
    value: str

    def accepts(self, labels: Mapping[str, str]) -> bool:
        found = labels.get(self.label, "")
        if self.match in {Match.EQUAL, Match.NOT_EQUAL}:
            return (found == self.value) is (self.match is Match.EQUAL)
        return (re.fullmatch(self.value, found) is not None) is (self.match is Match.REGEX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """A counter's name and the conditions on its labels."""

    name: str
    matchers: tuple[Matcher, ...] = ()

    def accepts(self, name: str, labels: Mapping[str, str]) -> bool:
        return name == self.name and all(matcher.accepts(labels) for matcher in self.matchers)

    def __str__(self) -> str:
        inside = ",".join(f'{m.label}{m.match}"{_escape(m.value)}"' for m in self.matchers)
        return f"{self.name}{{{inside}}}" if inside else self.name


def render(template: str, values: Mapping[str, str]) -> str:
    """`template` with `{{hash}}`, `{{role}}` and other placeholders filled in. Raises `ConfigError` for an unknown one."""

    def fill(found: re.Match[str]) -> str:
        if found.group(1) not in values:
            raise ConfigError(
                f"unknown placeholder {found.group(0)} in {template!r}",
                where="analysis",
                next_step=f"Use one of {', '.join('{{' + name + '}}' for name in sorted(values))}.",
            )
        return values[found.group(1)]

    return _PLACEHOLDER.sub(fill, template)


def parse_selector(text: str) -> Selector:
    """Parse a selector. Raises `ConfigError` for anything that is not one, such as `sum(...)` or a range."""
    name = _NAME.match(text)
    if not name:
        raise _refused(text, "it does not begin with the name of a counter")
    at, matchers = name.end(), []
    if at < len(text) and text[at] == "{":
        at += 1
        while not text.startswith("}", at):
            found = _MATCHER.match(text, at)
            if not found:
                raise _refused(text, f'expected label="value" at {text[at : at + 20]!r}')
            matchers.append(_matcher(text, *found.groups()))
            at = found.end()
            if text.startswith(",", at):
                at += 1
                at += len(text[at:]) - len(text[at:].lstrip())
            elif not text.startswith("}", at):
                raise _refused(text, f"expected , or }} at {text[at : at + 20]!r}")
        at += 1
    if text[at:].strip():
        raise _refused(text, f"{text[at:].strip()[:20]!r} is left over")
    return Selector(name=name.group(1), matchers=tuple(matchers))


def _matcher(text: str, label: str, operator: str, value: str) -> Matcher:
    value = re.sub(r"\\(.)", lambda found: _ESCAPES.get(found.group(1), found.group(0)), value)
    match = Match(operator)
    if match in {Match.REGEX, Match.NOT_REGEX}:
        try:
            re.compile(value)
        except re.error as error:
            raise _refused(text, f"{value!r} is not a regular expression: {error}") from error
    return Matcher(label=label, match=match, value=value)


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _refused(text: str, why: str) -> ConfigError:
    return ConfigError(
        f"{text!r} is not a counter selector: {why}",
        where="analysis",
        next_step='Write raw counters such as http_requests_total{status=~"5.."}; Headgate takes the differences itself.',
    )
