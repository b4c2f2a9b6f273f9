"""Read a Great Expectations 1.x suite (JSON) into frozen values. Pure; unknown types and keys are kept or ignored."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from json.decoder import JSONDecodeError, JSONDecoder
from types import MappingProxyType
from typing import Any, Never

from gates.verdict import Severity
from headgate.errors import ConfigError

MAX_SUITE_BYTES = 16 * 1024 * 1024
_WHITESPACE = re.compile(r"[ \t\n\r]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One entry of a suite.

    `index` is its position, counted from 0, and its identity in results. `name` is stable and unique within the
    suite: type and domain, `#2` and so on for repetitions. `severity` is critical where the suite says nothing.
    `line` counts from 1. `raw` is the entry as written, for engines that want all of it.
    """

    index: int
    name: str
    type: str
    kwargs: Mapping[str, Any]
    severity: Severity
    line: int
    raw: Mapping[str, Any]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it is about, in order; empty for expectations on the whole table."""
        return _columns(self.kwargs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A suite: `path` relative to the repository root, and its expectations in order (possibly none)."""

    name: str
    path: str
    expectations: tuple[Expectation, ...]
    suite_parameters: Mapping[str, Any]


def parse_suite(data: bytes, path: str) -> Suite:
    """The suite in `data`. Raises `ConfigError` with file and line when it is not a GX 1.x suite."""
    if len(data) > MAX_SUITE_BYTES:
        _refuse("the suite is larger than 16 MiB", path, "Name a Great Expectations suite.")
    try:
        text = data.decode("utf-8-sig")
        document = json.loads(text)
    except UnicodeDecodeError as error:
        _refuse(f"the suite is not UTF-8 text ({error.reason} at byte {error.start})", path, "Save it as UTF-8.")
    except JSONDecodeError as error:
        _refuse(
            f"the suite is not JSON: {error.msg} at column {error.colno}",
            f"{path}:{error.lineno}",
            "Correct the file, or write it again with Great Expectations.",
        )
    except RecursionError:
        _refuse("the suite is nested too deeply", path, "Name a Great Expectations suite.")
    if not isinstance(document, dict):
        _refuse("the suite is not a JSON object", f"{path}:1", "Name a Great Expectations suite.")
    return _suite(document, _entry_lines(text), path)


def _suite(document: Mapping[str, Any], lines: list[int], path: str) -> Suite:
    if "expectation_suite_name" in document:
        _refuse(
            "this is a suite of Great Expectations 0.x (it has expectation_suite_name)",
            f"{path}:1",
            "Save it again with Great Expectations 1.x: name, and type instead of expectation_type.",
        )
    entries = document.get("expectations")
    if not isinstance(entries, list):
        _refuse("the suite has no list `expectations`", f"{path}:1", "Name a Great Expectations 1.x suite.")
    parameters = document.get("suite_parameters")
    name = document.get("name")
    return Suite(
        name=name if isinstance(name, str) and name else path,
        path=path,
        expectations=tuple(_expectations(entries, lines, path)),
        suite_parameters=MappingProxyType(parameters if isinstance(parameters, dict) else {}),
    )


def _expectations(entries: list[Any], lines: list[int], path: str) -> Iterator[Expectation]:
    seen: dict[str, int] = {}
    for index, entry in enumerate(entries):
        line = lines[index] if index < len(lines) else 1
        where = f"{path}:{line}"
        if not isinstance(entry, dict):
            _refuse(f"expectation {index + 1} is not a JSON object", where, "Correct the suite.")
        kind, kwargs = entry.get("type"), entry.get("kwargs", {})
        if not isinstance(kind, str) or not kind:
            _refuse(f"expectation {index + 1} has no type", where, "Give it a type such as expect_column_to_exist.")
        if not isinstance(kwargs, dict):
            _refuse(f"kwargs of expectation {index + 1} is not a JSON object", where, "Correct the suite.")
        columns = ", ".join(_columns(kwargs))
        name = f"{kind}({columns})" if columns else kind
        seen[name] = seen.get(name, 0) + 1
        yield Expectation(
            index=index,
            name=name if seen[name] == 1 else f"{name} #{seen[name]}",
            type=kind,
            kwargs=MappingProxyType(kwargs),
            severity=_severity(entry.get("severity"), where),
            line=line,
            raw=MappingProxyType(entry),
        )


def _severity(value: object, where: str) -> Severity:
    if value is None:
        return Severity.CRITICAL
    try:
        return Severity(value)  # type: ignore[arg-type]  # anything but one of the three words raises
    except ValueError:
        _refuse(f"{value!r} is not a severity", where, "Use critical, warning or info.")


def _columns(kwargs: Mapping[str, Any]) -> tuple[str, ...]:
    for keys in (("column",), ("column_A", "column_B")):
        if all(isinstance(kwargs.get(key), str) for key in keys):
            return tuple(kwargs[key] for key in keys)
    listed = kwargs.get("column_list")
    return tuple(str(column) for column in listed) if isinstance(listed, list) else ()


def _entry_lines(text: str) -> list[int]:
    """The line on which each element of the top-level array `expectations` begins, counted from 1.

    The text is known to be JSON; the decoder is led by hand because it keeps no positions.
    """
    decoder = JSONDecoder()
    at = _skip(text, 0) + 1
    starts: list[int] = []
    while text[at := _skip(text, at)] != "}":
        key, at = decoder.raw_decode(text, at)
        at = _skip(text, _skip(text, at) + 1)
        if key == "expectations" and text[at] == "[":
            starts, at = _element_starts(decoder, text, at + 1)
        else:
            _, at = decoder.raw_decode(text, at)
        at = _skip(text, at)
        at += text[at] == ","
    return [text.count("\n", 0, start) + 1 for start in starts]


def _element_starts(decoder: JSONDecoder, text: str, at: int) -> tuple[list[int], int]:
    starts = []
    while text[at := _skip(text, at)] != "]":
        starts.append(at)
        _, at = decoder.raw_decode(text, at)
        at = _skip(text, at)
        at += text[at] == ","
    return starts, at + 1


def _skip(text: str, at: int) -> int:
    """The first position from `at` on that is not JSON white space."""
    found = _WHITESPACE.match(text, at)
    return found.end() if found else at


def _refuse(what: str, where: str, next_step: str) -> Never:
    raise ConfigError(what, where=where, next_step=next_step)
