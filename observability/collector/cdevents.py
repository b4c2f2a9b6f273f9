"""CDEvents in CloudEvents over HTTP: structured, binary and batched; and our own records. Pure.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from headgate.errors import ConfigError
from headgate.secrets import mask
from observability.collector.model import Delivery, Ignored, Refused, Translated, Translation
from observability.event_files import parse_line
from observability.events import DeliveryEvent

BATCH = "application/cloudevents-batch+json"
STRUCTURED = "application/cloudevents+json"
MOST = 1000


def is_cdevent(delivery: Delivery) -> bool:
    """Whether this is meant as a CDEvent: by its headers, its type, or its form."""
    body = delivery.body
    if "ce-type" in delivery.headers or media_type(delivery.headers) in (STRUCTURED, BATCH):
        return True
    return isinstance(body, Mapping) and ("context" in body or "specversion" in body)


def media_type(headers: Mapping[str, str]) -> str:
    """The media type of a body, without parameters, lower case."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def translate(delivery: Delivery) -> Translation:
    """The events of a CDEvent, a batch of them, a full record or a short one. All of a batch, or nothing."""
    told = _translate(delivery)
    hints = delivery.hints
    if not isinstance(told, Translated) or (hints.service is None and hints.environment is None):
        return told
    return Translated(
        events=tuple(
            replace(
                event,
                service=hints.service or event.service,
                environment=hints.environment or event.environment,
            )
            for event in told.events
        )
    )


def _translate(delivery: Delivery) -> Translation:
    if media_type(delivery.headers) == BATCH:
        return _batch(delivery.body)
    if isinstance(delivery.body, list):
        return Refused(reason=f"several events go as {BATCH}")
    if "ce-specversion" in delivery.headers and delivery.headers["ce-specversion"] != "1.0":
        return Refused(reason="ce-specversion is not 1.0")
    try:
        events = _events(delivery.body)
    except ConfigError as error:
        return Refused(reason=mask(str(error)))
    return Translated(events=events) if events else Ignored(reason="nothing is measured by this type of event")


def _batch(body: Any) -> Translation:
    if not isinstance(body, list):
        return Refused(reason="a batch is a JSON array")
    if len(body) > MOST:
        return Refused(reason=f"a batch has at most {MOST} events")
    events: list[DeliveryEvent] = []
    for number, item in enumerate(body, start=1):
        try:
            events += _events(item)
        except ConfigError as error:
            return Refused(reason=mask(f"event {number} of the batch: {error}"))
    return Translated(events=tuple(events)) if events else Ignored(reason="a batch without events that are measured")


def _events(payload: Any) -> tuple[DeliveryEvent, ...]:
    return parse_line(payload, "the event").events
