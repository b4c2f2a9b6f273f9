"""Label and field selectors, parsed and matched. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Test = Callable[[Mapping[str, Any]], bool]


def parse_labels(text: str) -> Test:
    """A labelSelector: `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b)`, `a`, `!a`, joined by commas.

    Raises `ValueError` for anything else.
    """
    tests = [_label(part.strip()) for part in re.split(r",(?![^()]*\))", text) if part.strip()]
    return lambda labels: all(test(labels) for test in tests)


def _label(part: str) -> Test:
    if match := re.fullmatch(r"([\w./-]+)\s*(==|=|!=)\s*([\w.-]*)", part):
        key, sign, value = match.groups()
        if sign == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if match := re.fullmatch(r"([\w./-]+)\s+(in|notin)\s+\(([^()]*)\)", part):
        name, word, values = match[1], match[2], {item.strip() for item in match[3].split(",")}
        if word == "in":
            return lambda labels: labels.get(name) in values
        return lambda labels: labels.get(name) not in values
    if match := re.fullmatch(r"(!?)([\w./-]+)", part):
        absent, label = bool(match[1]), match[2]
        return lambda labels: (label in labels) != absent
    raise ValueError(f"unable to parse requirement: {part!r}")


def parse_fields(text: str) -> Test:
    """A fieldSelector: `metadata.name=x`, `status.phase!=Running`, joined by commas. Raises `ValueError`."""
    tests: list[Test] = []
    for part in filter(None, (item.strip() for item in text.split(","))):
        match = re.fullmatch(r"([\w.]+)(==|=|!=)(.*)", part)
        if match is None:
            raise ValueError(f"invalid field selector: {part!r}")
        tests.append(_field(match[1].split("."), match[3], equal=match[2] != "!="))
    return lambda obj: all(test(obj) for test in tests)


def _field(path: list[str], value: str, *, equal: bool) -> Test:
    def test(obj: Mapping[str, Any]) -> bool:
        found: Any = obj
        for key in path:
            found = found.get(key) if isinstance(found, Mapping) else None
        return (("" if found is None else str(found)) == value) == equal

    return test
