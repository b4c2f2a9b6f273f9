"""Show the shape of a value and not the value: reports are read by more people than the data may be."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

_LONGEST = 40
_WORD = re.compile(r"\w+")


def masked(value: Any) -> str:
    """The shape of `value`: nulls and booleans as they are, digits of numbers and words of texts as `*`.

    Sign, decimal point, separators and the length of numbers stay, of a text its first letter and its punctuation:
    `-12.50` is `-**.**`, `alice@example.com` is `a***@***.***`. A word is always three stars, whatever its length.
    """
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, int | float):
        return re.sub(r"\d", "*", str(value))
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {masked(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "(" + ", ".join(masked(item) for item in value) + ")"
    return _shape(str(value))


def _shape(text: str) -> str:
    if not text.strip():
        return f"blank text of length {len(text)}"
    if re.fullmatch(r"[\d.,:+ TZ-]+", text):  # numbers, dates and times written as text
        return re.sub(r"\d", "*", text)[:_LONGEST]
    words = iter(_WORD.finditer(text))
    first = next(words, None)
    starred = _WORD.sub("***", text)
    # One letter of a short word would be most of it.
    if first is not None and first.start() == 0 and len(first.group()) > 3 and text[0].isalpha():
        starred = text[0] + starred
    return starred if len(starred) <= _LONGEST else f"{starred[:_LONGEST]}… ({len(text)} characters)"


def shown(value: Any, columns: Collection[str], reveal: Collection[str]) -> str:
    """`value` as a report may show it: as it is when all of its `columns` are in `reveal`, else masked."""
    if columns and set(columns) <= set(reveal):
        text = "null" if value is None else " ".join(str(value).split())
        return text if len(text) <= 3 * _LONGEST else f"{text[: 3 * _LONGEST]}…"
    return masked(value)
