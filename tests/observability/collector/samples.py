"""Webhooks as they arrive, from `tests/samples/webhooks`, with the headers of their senders."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from headgate.clock import format_timestamp
from observability.collector.model import Delivery, Hints, Translated, Translation
from observability.collector.senders import SENDERS, translate
from observability.collector.verify import Scheme
from observability.events import DeliveryEvent
from tests.testing.collector_server import SECRETS
from tests.testing.delivery import at, deployed
from tests.testing.webhooks import prove

ROOT = Path(__file__).resolve().parents[2] / "samples" / "webhooks"
JSON = {"content-type": "application/json"}
_GITHUB = {
    "push_main": "push",
    "pull_request_merged": "pull_request",
    "pull_request_opened": "pull_request",
    "deployment": "deployment",
    "deployment_status_success": "deployment_status",
    "workflow_run_completed": "workflow_run",
    "ping": "ping",
}
_BITBUCKET = {
    "repo_push": "repo:push",
    "pullrequest_fulfilled": "pullrequest:fulfilled",
    "pullrequest_created": "pullrequest:created",
    "commit_status_updated": "repo:commit_status_updated",
}

TOKEN = SECRETS["HEADGATE_COLLECTOR_TOKEN"]
BEARER = {"authorization": f"Bearer {TOKEN}"}
GITLAB = {"x_gitlab_token": SECRETS["HEADGATE_GITLAB_WEBHOOK_TOKEN"]}
EVENT = deployed("5 09:00", "c9", release="r9")


def sample(name: str) -> Any:
    """The body `SENDER/NAME`."""
    return json.loads((ROOT / f"{name}.json").read_text(encoding="utf-8"))


def changed(body: Any, **changes: Any) -> Any:
    """A copy with other values; `__` in a key goes one level down."""
    copy = deepcopy(body)
    for key, value in changes.items():
        *path, last = key.split("__")
        target = copy
        for part in path:
            target = target[int(part) if part.isdigit() else part]
        target[last] = value
    return copy


def headers(name: str) -> Mapping[str, str]:
    """What the sender of a sample sets besides its proof."""
    sender, _, kind = name.partition("/")
    if sender == "github":
        return {**JSON, "x-github-event": _GITHUB[kind]}
    return {**JSON, "x-event-key": _BITBUCKET[kind]} if sender == "bitbucket" else JSON


def told(name: str, hints: Hints = Hints(), **changes: Any) -> Translation:  # noqa: B008 - a frozen value
    """What a sample tells."""
    delivery = Delivery(
        body=changed(sample(name), **changes), headers=headers(name), hints=hints, received_at=at("9 00:00")
    )
    return translate(SENDERS[name.partition("/")[0]], delivery)


def events(result: object) -> tuple[DeliveryEvent, ...]:
    assert isinstance(result, Translated), result
    return result.events


def only(result: object) -> DeliveryEvent:
    (event,) = events(result)
    return event


def line(event: DeliveryEvent) -> tuple[Any, ...]:
    return (
        event.kind.value,
        format_timestamp(event.occurred_at),
        event.service,
        event.environment,
        event.outcome,
        event.commit and event.commit[:7],
    )


def body_of(name: str) -> bytes:
    return json.dumps(sample(name)).encode()


def proof(name: str, body: bytes) -> dict[str, str]:
    scheme, variable = {
        "gitlab": (Scheme.GITLAB_TOKEN, "HEADGATE_GITLAB_WEBHOOK_TOKEN"),
        "github": (Scheme.GITHUB, "HEADGATE_GITHUB_WEBHOOK_SECRET"),
        "bitbucket": (Scheme.BITBUCKET, "HEADGATE_BITBUCKET_WEBHOOK_SECRET"),
        "pagerduty": (Scheme.PAGERDUTY, "HEADGATE_PAGERDUTY_WEBHOOK_SECRET"),
    }.get(name.partition("/")[0], (Scheme.BEARER, "HEADGATE_COLLECTOR_TOKEN"))
    return prove(scheme, SECRETS[variable], body, datetime.now(UTC))
