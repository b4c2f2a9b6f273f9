"""Watch streams: one JSON object a line, from a resource version on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from cicd.sandbox.kubernetes.api_errors import expired
from cicd.sandbox.kubernetes.api_resources import Resource
from cicd.sandbox.kubernetes.cluster import Cluster, ExpiredError

IDLE_S = 0.5
"""How often a quiet stream looks whether it has to end."""


async def watch(
    cluster: Cluster,
    resource: Resource,
    namespace: str | None,
    chosen: Callable[[Mapping[str, Any]], bool],
    *,
    since: int | None,
    timeout_s: float,
) -> AsyncIterator[bytes]:
    """Lines of `{"type", "object"}`. `since` None starts with what exists now; a version too old ends with a 410."""
    changed = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wake(*_: object) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(changed.set)

    unsubscribe = cluster.subscribe(wake)
    try:
        if since is None:
            with cluster.locked():
                since = cluster.resource_version
                existing = cluster.list(resource.group, resource.kind, namespace)
            for obj in existing:
                if chosen(obj):
                    yield _line("ADDED", obj)
        end = loop.time() + timeout_s
        while loop.time() < end:
            changed.clear()
            try:
                changes = cluster.changes_since(since)
            except ExpiredError as error:
                yield _line("ERROR", expired(error.what).body)
                return
            for change in changes:
                since = change.version
                if _concerns(resource, namespace, change.object) and chosen(change.object):
                    yield _line(change.type, change.object)
            await _wait(changed, min(IDLE_S, max(end - loop.time(), 0.0)))
    finally:
        unsubscribe()


async def _wait(changed: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(changed.wait(), seconds)
    except TimeoutError:
        return


def _concerns(resource: Resource, namespace: str | None, obj: Mapping[str, Any]) -> bool:
    same = (obj["apiVersion"].rpartition("/")[0], obj["kind"]) == (resource.group, resource.kind)
    return same and (namespace is None or obj["metadata"].get("namespace") == namespace)


def _line(kind: str, obj: Mapping[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"
