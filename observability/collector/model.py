"""What a translator is given and what it answers. Pure.

A translator is a function of one webhook: its headers, its parsed body, what the address it was sent to says, and the
time of arrival. It answers with the events that the webhook tells, or says why there are none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from observability.events import DeliveryEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What the query of the webhook's address says, where the sender's own words would not do.

    `service` and `environment` take the place of what the sender calls them. `branch` is the branch from which
    production is built (default: the repository's own default branch). `status` names the build status of a commit
    that reports a deployment (Bitbucket).
    """

    service: str | None = None
    environment: str | None = None
    branch: str | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One webhook. Names of `headers` are lower case; `body` is parsed JSON."""

    body: Any
    received_at: datetime
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    hints: Hints = Hints()


@dataclass(frozen=True, slots=True, kw_only=True)
class Translated:
    """What a webhook tells; at least one event."""

    events: tuple[DeliveryEvent, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """Understood, and nothing to record: it tells of nothing that is measured, or of something that has not ended."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Not understood: the sender (or the address it was given) has to be corrected."""

    reason: str


Translation = Translated | Ignored | Refused
Translator = Callable[[Delivery], Translation]
