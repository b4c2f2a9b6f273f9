"""The recorded stories: calls with their answers, and the states seen by polling, on one time line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).parent.parent / "samples" / "argo"


TAIL_S = 0.01
"""The story ends just after its last line, so that what was seen last still belongs to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One recorded call. `at` is when it was sent, seconds since the story began; `note` says what it is for."""

    at: float
    note: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    status: int
    content_type: str
    answer: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A state that polling found changed at `at`; `kind` is application or rollout."""

    at: float
    kind: str
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A call (None before the first) and what was seen until the next one is sent at `until`."""

    call: Recorded | None
    seen: tuple[Seen, ...]
    start: float
    until: float


def load(story: str) -> list[Segment]:
    """The story cut at its calls. A call counts from when it was sent: what was seen meanwhile is its effect."""
    lines = [json.loads(line) for line in (SAMPLES / f"{story}.jsonl").read_text().splitlines()]
    items: list[Recorded | Seen] = []
    for line in lines:
        if "observed" in line:
            items.append(Seen(at=line["t"], kind=line["observed"], value=line["value"]))
        elif "request" in line and "body" in line["response"]:
            items.append(_call(line))
    items.sort(key=lambda item: item.at)
    end = max(line["t"] for line in lines) + TAIL_S
    return list(_segments(items, end))


def streamed(story: str) -> list[Any]:
    """The lines of the story's Argo CD watch stream."""
    lines = [json.loads(line) for line in (SAMPLES / f"{story}.jsonl").read_text().splitlines()]
    return [line["stream"] for line in lines if "stream" in line]


def _call(line: Mapping[str, Any]) -> Recorded:
    request, response = line["request"], line["response"]
    return Recorded(
        at=line["t"] - response.get("took_s", 0),
        note=line.get("note") or "",
        method=request["method"],
        path=request["path"],
        headers=request["headers"],
        body=request["body"],
        status=response["status"],
        content_type=response["content_type"],
        answer=response["body"],
    )


def _segments(items: list[Recorded | Seen], end: float) -> list[Segment]:
    segments: list[Segment] = []
    call: Recorded | None = None
    seen: list[Seen] = []
    start = items[0].at

    def close(until: float) -> None:
        if call is not None or seen:
            segments.append(Segment(call=call, seen=tuple(seen), start=start, until=until))

    for item in items:
        if isinstance(item, Seen):
            seen.append(item)
            continue
        close(item.at)
        call, seen, start = item, [], item.at
    close(end)
    return segments
