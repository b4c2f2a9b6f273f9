"""Runs of a batch job, from a JSON document: duration, rows, rejected rows, freshness, per version. Pure.

The document is a list of runs, or has one under `runs`, or is one run a line. A run says its `version` (the identity of
the arm, or its role: canary, stable, ...), when it ended (`t`: seconds since 1970, or `at`: RFC 3339), and its numbers.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from headgate.clock import parse_timestamp
from headgate.errors import ServerFaultError

MAX_RUNS = 100_000
_STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\[(-?\d+)\]|\[['\"]([^'\"\]]+)['\"]\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRun:
    """One run. `numbers` are its numeric fields, NaN and infinities included."""

    version: str
    at: datetime
    numbers: Mapping[str, float]


def parse_document(text: str, *, where: str) -> object:
    """The document, JSON or JSON lines. Raises `ServerFaultError` for anything else."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2:
            raise _unreadable(f"not JSON: {error}", where) from error
        try:
            return [json.loads(line) for line in lines]
        except (ValueError, RecursionError):
            raise _unreadable(f"neither JSON nor JSON lines: {error}", where) from error


def parse_runs(document: object, *, where: str) -> tuple[BatchRun, ...]:
    """The runs, oldest first. Raises `ServerFaultError` that names the first one that is not a run."""
    found = document.get("runs") if isinstance(document, Mapping) else document
    if not isinstance(found, list):
        raise _unreadable("no list of runs", where)
    if len(found) > MAX_RUNS:
        raise _unreadable(f"{len(found)} runs are too many (at most {MAX_RUNS})", where)
    return tuple(sorted((_run(item, number, where) for number, item in enumerate(found, 1)), key=lambda run: run.at))


def _run(item: object, number: int, where: str) -> BatchRun:
    if not isinstance(item, dict):
        raise _unreadable(f"run {number} is not an object", where)
    version = item.get("version")
    if not isinstance(version, str) or not version:
        raise _unreadable(f"run {number} has no version", where)
    numbers = {
        name: float(value)
        for name, value in item.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e308
    }
    numbers |= {name: math.nan for name, value in item.items() if isinstance(value, float) and not math.isfinite(value)}
    return BatchRun(version=version, at=_moment(item, number, where), numbers=numbers)


def _moment(item: Mapping[str, object], number: int, where: str) -> datetime:
    t, at = item.get("t"), item.get("at")
    try:
        if isinstance(at, str):
            return parse_timestamp(at)
        if isinstance(t, int | float) and not isinstance(t, bool):
            return datetime.fromtimestamp(t, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise _unreadable(f"run {number}: {error}", where) from error
    raise _unreadable(f"run {number} does not say when it was: give t or at", where)


def same_hour_and_weekday(runs: Iterable[BatchRun], of: datetime) -> tuple[BatchRun, ...]:
    """Earlier runs in whose weekday and hour (an hour before or after counts too) `of` lies, newest first."""
    week = timedelta(days=7)
    half = timedelta(hours=1)
    near = [run for run in runs if run.at < of - half and min((of - run.at) % week, (run.at - of) % week) <= half]
    return tuple(sorted(near, key=lambda run: run.at, reverse=True))


def find(document: object, path: str) -> object:
    """The value at a path such as `$.data.items[0].ok` (also in braces, as Argo Rollouts writes it); a path that leads
    nowhere gives an empty list, which passes nowhere. Raises `ValueError` for a path of another form."""
    value = document
    for step in _steps(path):
        fits = isinstance(value, list) if isinstance(step, int) else isinstance(value, Mapping)
        try:
            value = value[step] if fits else []  # type: ignore[index]
        except (KeyError, IndexError):
            return []
        if not fits:
            return []
    return value


def _steps(path: str) -> list[str | int]:
    text = path.strip()
    text = text[1:-1].strip() if text.startswith("{") and text.endswith("}") else text
    if not text.startswith("$"):
        raise ValueError(f"the path {path!r} does not begin with $")
    steps: list[str | int] = []
    at = 1
    while at < len(text):
        found = _STEP.match(text, at)
        if not found:
            raise ValueError(f"the path {path!r} is not understood at {text[at:]!r}: use .name, [0] or ['name']")
        steps.append(int(found[2]) if found[2] else found[1] or found[3])
        at = found.end()
    return steps


def _unreadable(what: str, where: str) -> ServerFaultError:
    return ServerFaultError(what, where=where, next_step="Write the runs as in docs/analysis.md.")
