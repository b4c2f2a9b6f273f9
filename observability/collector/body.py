"""The body of a webhook as JSON, within bounds. Pure."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any, NoReturn

MAX_DEPTH = 64
"""Payloads of the senders are at most about ten levels deep."""


class Flaw(StrEnum):
    """What is wrong with a body."""

    ENCODING = "encoding"
    NESTING = "too_deep"
    JSON = "malformed"


class BodyError(ValueError):
    """A body that cannot be read; `flaw` says in which way."""

    def __init__(self, flaw: Flaw, text: str) -> None:
        super().__init__(text)
        self.flaw = flaw


def parse_body(body: bytes) -> Any:
    """The JSON value of a body. Raises `BodyError`: not UTF-8, nested too deeply, not JSON (NaN and such are not)."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BodyError(Flaw.ENCODING, "the body is not UTF-8") from error
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise BodyError(Flaw.JSON, f"the body is not JSON: {str(error)[:100]}") from error
    if text.count("{") + text.count("[") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise _too_deep()
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _too_deep() -> BodyError:
    return BodyError(Flaw.NESTING, f"the body is nested more than {MAX_DEPTH} levels deep")


def _depth(value: Any) -> int:
    """How deep a value is nested, by levels: a walk that cannot itself go too deep."""
    depth, level = 0, [value]
    while level and depth <= MAX_DEPTH:
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        level = [item for item in inner if isinstance(item, dict | list)]
        depth += 1
    return depth
