"""Frozen values as plain lists and back, for values that are kept in a store as JSON. Pure.

Dataclasses (with slots, and with nothing to do after `__init__`) become lists of their fields in order, times
microseconds since 1970, enums their values. There are no names in the result: who keeps it must know when the classes
have changed, and then make it anew (`observability.projection` does).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from observability.columns import from_microseconds, to_microseconds

Convert = Callable[[Any], Any]
Pair = tuple[Convert, Convert]


@cache
def codec(hint: Any) -> Pair | None:
    """Encoder and decoder of a type; None for one that JSON keeps as it is."""
    if get_origin(hint) in (Union, UnionType):
        (inner,) = (part for part in get_args(hint) if part is not NoneType)
        return codec(inner)  # None is never given to either
    if hint is datetime:
        return to_microseconds, from_microseconds
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return str, {member.value: member for member in hint}.__getitem__
    if get_origin(hint) is tuple:
        return _of_tuple(codec(get_args(hint)[0]))
    return _of_dataclass(hint) if is_dataclass(hint) else None


def _of_tuple(inner: Pair | None) -> Pair:
    if inner is None:
        return list, tuple
    encode, decode = inner
    return (lambda items: [encode(item) for item in items]), (lambda items: tuple(map(decode, items)) if items else ())


def _of_dataclass(kind: Any) -> Pair:
    hints = get_type_hints(kind)
    names = tuple(field.name for field in fields(kind))
    inner = [(at, name, pair) for at, name in enumerate(names) if (pair := codec(hints[name])) is not None]
    encoders = [(at, pair[0]) for at, _, pair in inner]
    decoders = [(at, pair[1]) for at, _, pair in inner]

    def encode(value: Any) -> list[Any]:
        parts = [getattr(value, name) for name in names]
        for at, convert in encoders:
            if parts[at] is not None:
                parts[at] = convert(parts[at])
        return parts

    # Filling the slots takes a third of the time of `__init__`, which goes through the lock of a frozen class for each.
    fill = tuple(getattr(kind, name).__set__ for name in names)

    def decode(parts: list[Any]) -> Any:
        for at, convert in decoders:
            if parts[at] is not None:
                parts[at] = convert(parts[at])
        made = object.__new__(kind)
        for put, part in zip(fill, parts, strict=True):
            put(made, part)
        return made

    return encode, decode
