"""Times as the senders write them. Pure. An offset is converted, never dropped; a time without one is refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BeforeValidator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORM = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})[T ](?P<time>\d{2}:\d{2}(:\d{2})?)(?P<part>\.\d+)? ?(?P<zone>UTC|Z|z|[+-]\d{2}:?\d{2})",
    re.ASCII,
)
_OLDEST = datetime(1971, 1, 1, tzinfo=UTC)


def parse_moment(text: str) -> datetime:
    """A moment in UTC from RFC 3339 and its relatives: `2026-08-12 15:23:28 UTC`, `2021-04-28 21:50:00 +0200`,
    nanoseconds (cut to microseconds). Raises `ValueError` for everything else."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text[:60]!r} is not a time with an offset, such as 2026-11-21T10:00:00Z")
    zone = match["zone"]
    offset = "+00:00" if zone.upper() in ("UTC", "Z") else f"{zone[:3]}:{zone[-2:]}"
    part = (match["part"] or "")[:7]
    try:
        return datetime.fromisoformat(f"{match['date']}T{match['time']}{part}{offset}").astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"the time {text[:60]!r} is out of range") from error


def from_milliseconds(value: int) -> datetime:
    """A moment from milliseconds since 1970. Raises `ValueError` for what is no time of our days."""
    try:
        moment = _EPOCH + timedelta(milliseconds=value)
    except OverflowError as error:
        raise ValueError("the time is out of range") from error
    if moment < _OLDEST:
        raise ValueError("the time is out of range")
    return moment


def _validate(value: object) -> datetime:
    if isinstance(value, str):
        return parse_moment(value)
    raise ValueError("a time is text with an offset, such as 2026-11-21T10:00:00Z")


def _validate_optional(value: object) -> datetime | None:
    return None if value in (None, "") else _validate(value)


Moment = Annotated[datetime, BeforeValidator(_validate)]
MaybeMoment = Annotated[datetime | None, BeforeValidator(_validate_optional)]
