"""Whether every event store can keep an event. Pure."""

from __future__ import annotations

from observability.events import DeliveryEvent

MOST = 500
"""Characters of names: they are in indexes, and PostgreSQL's entries have at most 2 704 bytes."""
_NAMES = ("source", "id", "subject", "service", "environment", "commit", "change", "release")
_SHARED = 650  # two names that share an index


def flaw_of(event: DeliveryEvent) -> str | None:
    """What is wrong with an event for a store; None for one that can be kept."""
    for name in _NAMES:
        value = getattr(event, name)
        if isinstance(value, str) and len(value) > MOST:
            return f"{name} has more than {MOST} characters"
    if len(event.source) + len(event.id) > _SHARED or len(event.service or "") + len(event.environment or "") > _SHARED:
        return f"source and id, service and environment, have at most {_SHARED} characters together"
    texts = [event.source, event.id, event.subject, event.outcome, *(getattr(event, name) or "" for name in _NAMES)]
    texts += [event.url or "", *event.data, *(value for value in event.data.values() if isinstance(value, str))]
    joined = "\n".join(texts)
    if "\0" in joined:
        return "a text has a NUL character"
    try:
        joined.encode()
    except UnicodeEncodeError:
        return "a text has half a surrogate pair"
    return None
