"""Sync windows of a project: when syncs are allowed and when they are denied. Pure; time is an argument."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, Literal

_FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_ITEM = re.compile(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?")
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_LONGEST = timedelta(days=31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One sync window: it opens when the cron `schedule` fires (UTC) and closes after `duration`."""

    kind: Literal["allow", "deny"]
    schedule: str
    duration: str
    manual_sync: bool = False
    applications: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()

    def applies_to(self, app: str, namespace: str) -> bool:
        """Whether the application or its destination namespace matches one of the patterns."""
        by_name = any(fnmatchcase(app, pattern) for pattern in self.applications)
        return by_name or any(fnmatchcase(namespace, pattern) for pattern in self.namespaces)

    def is_open(self, now: datetime) -> bool:
        """Whether the schedule fired within the last `duration`."""
        length = parse_duration(self.duration)
        minute = now.replace(second=0, microsecond=0)
        while now - minute < length:
            if cron_fires(self.schedule, minute):
                return True
            minute -= timedelta(minutes=1)
        return False

    def presented(self) -> dict[str, Any]:
        """As `GET …/syncwindows` shows it."""
        return {
            "kind": self.kind,
            "schedule": self.schedule,
            "duration": self.duration,
            "manualSync": self.manual_sync,
        }


def parse_window(value: Mapping[str, Any]) -> Window:
    """A window from a project's spec. Raises `ValueError` with what is wrong."""
    kind = value.get("kind")
    if kind not in {"allow", "deny"}:
        raise ValueError(f"kind '{kind}' mismatch: can only be allow or deny")
    window = Window(
        kind="allow" if kind == "allow" else "deny",
        schedule=str(value.get("schedule") or ""),
        duration=str(value.get("duration") or ""),
        manual_sync=bool(value.get("manualSync")),
        applications=tuple(map(str, value.get("applications") or ())),
        namespaces=tuple(map(str, value.get("namespaces") or ())),
    )
    parse_duration(window.duration)
    cron_fires(window.schedule, datetime(2026, 1, 1))  # noqa: DTZ001 - only to see whether the schedule can be read
    return window


def may_sync(windows: Iterable[Window], now: datetime, *, manual: bool) -> bool:
    """Argo CD's rule: open denials win, manual syncs pass only where all of them permit it; with allow windows one
    of them must be open (or, for manual syncs, all of them permit it)."""
    known = list(windows)
    denials = [window for window in known if window.kind == "deny" and window.is_open(now)]
    if denials:
        return manual and all(window.manual_sync for window in denials)
    allowances = [window for window in known if window.kind == "allow"]
    if not allowances or any(window.is_open(now) for window in allowances):
        return True
    return manual and all(window.manual_sync for window in allowances)


def parse_duration(text: str) -> timedelta:
    """Go's duration in hours, minutes and seconds ("1h30m"), at most 31 days. Raises `ValueError`."""
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        raise ValueError(f"cannot parse duration '{text}'")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    length = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if not timedelta() < length <= _LONGEST:
        raise ValueError(f"duration '{text}' is out of range")
    return length


def cron_fires(schedule: str, moment: datetime) -> bool:
    """Whether a five-field cron schedule fires in this minute. Raises `ValueError` for one that cannot be read."""
    fields = schedule.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(f"cannot parse schedule '{schedule}': expected exactly 5 fields")
    actual = (moment.minute, moment.hour, moment.day, moment.month, moment.isoweekday() % 7)
    allowed = [_cron_field(field, *limits) for field, limits in zip(fields, _FIELDS, strict=True)]
    minute, hour, month = (actual[i] in allowed[i] for i in (0, 1, 3))
    day, weekday = actual[2] in allowed[2], actual[4] in allowed[4] or (actual[4] == 0 and 7 in allowed[4])
    # cron(5): with both day fields restricted, either of them is enough.
    either = fields[2] != "*" and fields[4] != "*"
    return minute and hour and month and ((day or weekday) if either else (day and weekday))


def _cron_field(field: str, low: int, high: int) -> frozenset[int]:
    values: set[int] = set()
    for item in field.split(","):
        match = _ITEM.fullmatch(item)
        if match is None:
            raise ValueError(f"cannot parse schedule field '{field}'")
        start = int(match[1]) if match[1] else low
        end = int(match[2]) if match[2] else (start if match[1] and not match[3] else high)
        step = int(match[3]) if match[3] else 1
        if not (low <= start <= end <= high and step > 0):
            raise ValueError(f"schedule field '{field}' is out of range")
        values |= set(range(start, end + 1, step))
    return frozenset(values)
