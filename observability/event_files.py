"""Files of events: JSON lines (or one JSON array) of CDEvents, CloudEvents, short records and full records. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from headgate.errors import ConfigError
from observability.cdevents import is_unused, parse_event
from observability.events import DeliveryEvent
from observability.short_records import Defaults, is_short, parse_short


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one line gave. `where` is file and line; `skipped` says why there are no events."""

    where: str
    events: tuple[DeliveryEvent, ...]
    skipped: str | None = None


def read_events(lines: Iterable[bytes], name: str, defaults: Defaults | None = None) -> Iterator[Line]:
    """What each line of a file says; empty lines are nothing.

    A file whose first character is `[` is one JSON array. Raises `ConfigError` with file and line (or place in the
    array) at the first thing that is wrong.
    """
    rest, first = iter(lines), True
    for number, line in enumerate(rest, start=1):
        text = _text(line, f"{name}:{number}")
        if number == 1:
            text = text.removeprefix("\ufeff")
        if not text.strip():
            continue
        if first and text.lstrip().startswith("["):
            yield from _array(text, rest, name, number, defaults)
            return
        first = False
        yield parse_line(_json(text, f"{name}:{number}"), f"{name}:{number}", defaults)


def parse_line(payload: object, where: str, defaults: Defaults | None = None) -> Line:
    """What one JSON value says. Raises `ConfigError`."""
    if is_short(payload) and isinstance(payload, dict):
        parsed = parse_short(payload, where, defaults)
        return Line(where=where, events=parsed.events, skipped=parsed.skipped)
    if is_unused(payload):
        return Line(where=where, events=(), skipped="a CDEvent from which nothing is computed")
    return Line(where=where, events=(parse_event(payload, where),))


def _array(first: str, rest: Iterable[bytes], name: str, number: int, defaults: Defaults | None) -> Iterator[Line]:
    others = (_text(line, f"{name}:{at}") for at, line in enumerate(rest, start=number + 1))
    items = _json("".join(chain([first], others)), name)
    for place, item in enumerate(items if isinstance(items, list) else [items], start=1):
        yield parse_line(item, f"{name}[{place}]", defaults)


def _text(line: bytes, where: str) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError("not UTF-8", where=where, next_step="Save the file as UTF-8.") from error


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"not JSON: {error}", where=where, next_step="Correct it; every line is one JSON object."
        ) from error


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")
