"""How a case is written: short records, as a user would write them, and what a report has to say.

`02T10` is 10:00 UTC on 2 March 2026, `02T10:30` half an hour later; other texts are times as they stand. The period is
2 to 16 March (14 days), the service `shop`, the environment `production`. Durations are hours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Record = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    records: Sequence[Record]
    n: int
    failed: int = 0
    rework: int = 0
    lead: Sequence[float] = ()
    recovery: Sequence[float] = ()
    out: Mapping[str, int] = field(default_factory=dict)  # left out of lead times, the baseline of one commit apart
    baseline: int = 1
    uncounted: Mapping[str, int] = field(default_factory=dict)
    unrecovered: Mapping[str, int] = field(default_factory=dict)
    unattributed: Sequence[str] = ()
    links: Sequence[str] | None = None  # methods of the changes, where a case is about them


def at(text: str) -> str:
    matched = re.fullmatch(r"(\d\d)T(\d\d)(:\d\d)?", text)
    return f"2026-03-{matched[1]}T{matched[2]}{matched[3] or ':00'}:00Z" if matched else text


def commit(text: str) -> Any:
    """`c1@02T08` with its time, `c1` without."""
    sha, given, when = text.partition("@")
    return {"sha": sha, "time": at(when)} if given else sha


def dep(name: str, when: str, *commits: Any, **more: Any) -> Record:
    record = {"type": "deployment", "id": name, "service": "shop", "environment": "production", "status": "success"}
    listed = [commit(item) if isinstance(item, str) else item for item in commits]
    return record | {"deployed_at": at(when)} | ({"commits": listed} if listed else {}) | more


def inc(name: str, start: str, end: str | None = None, **more: Any) -> Record:
    record = {"type": "incident", "id": name, "service": "shop", "environment": "production", "started_at": at(start)}
    return record | ({"resolved_at": at(end)} if end else {}) | more


def chg(name: str, merged: str, *commits: str, **more: Any) -> Record:
    record = {"type": "change", "id": name, "merged_at": at(merged), "commits": [commit(c) for c in commits]}
    return record | more


FIRST = dep("d1", "02T10", "c1@02T08")
SECOND = dep("d2", "03T10", "c2@03T08")
