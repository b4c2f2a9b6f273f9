"""One name for what several tools call differently: services and environments. Pure.

An incident finds its deployment by the name of the service, so what a pager calls `Recommender API` has to be what the
forge calls `shop/recommender`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from types import MappingProxyType

from observability.events import DeliveryEvent

Lists = Mapping[str, Sequence[str]]
_NONE: Lists = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """For each name of ours the names (or patterns with `*`, `?`, `[...]`) that senders use."""

    services: Lists = field(default_factory=lambda: _NONE)
    environments: Lists = field(default_factory=lambda: _NONE)

    def rename(self, event: DeliveryEvent) -> DeliveryEvent:
        """The event under our names. A name that is listed as it is wins over patterns, then the first that fits."""
        service, environment = _ours(self.services, event.service), _ours(self.environments, event.environment)
        if (service, environment) == (event.service, event.environment):
            return event
        return replace(event, service=service, environment=environment)


def _ours(lists: Lists, name: str | None) -> str | None:
    if name is None or not lists or name in lists:
        return name
    exact = (ours for ours, theirs in lists.items() if name in theirs)
    fitting = (ours for ours, theirs in lists.items() if any(fnmatchcase(name, pattern) for pattern in theirs))
    return next(exact, None) or next(fitting, None) or name
