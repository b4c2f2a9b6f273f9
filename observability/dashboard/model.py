"""What the templates are given."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from observability.failures import Incident


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One metric: its value, a chart, and lines about what is behind it and about the window before."""

    name: str
    value: str
    known: bool
    chart: Markup
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One deployment in the table beside the time line."""

    when: str
    name: str
    state: str
    note: str
    recovery: str
    change: str | None
    url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    name: str
    environment: str
    tiles: tuple[Tile, ...]
    timeline: Markup
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a gate did not pass: how often in the window, and the latest change that met it (name, and link if any)."""

    text: str
    count: int
    change: str | None
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One gate over the window; `reasons` are those of its failures, the most frequent first."""

    name: str
    passed: int
    failed: int
    undecided: int
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """The evidence of one metric: in short, and drawn."""

    text: str
    drawn: Markup


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One event on a change's path."""

    when: str
    after: str
    title: str
    state: str
    details: tuple[tuple[str, str], ...]
    url: str | None
    figures: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeView:
    """One change, from its first event to its last. `link` is where its page is, `anchor` its id on a single page."""

    key: str
    title: str
    state: str
    summary: str
    when: str
    link: str
    anchor: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    title: str
    window: str
    days: int
    zone: str
    services: tuple[Service, ...]
    gates: tuple[Gate, ...]
    changes: tuple[ChangeView, ...]
    unattributed: tuple[Incident, ...]
    events: int
