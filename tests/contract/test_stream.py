"""The watch stream against its recording: the application as it is, then every change, in the recorded order."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from queue import Queue
from typing import Any

import httpx
import pytest

from tests.contract.normalise import Names, differences, normal
from tests.contract.recording import streamed
from tests.contract.replay import image_of, recorded_names
from tests.contract.states import State, missing_in_order
from tests.contract.steps import act, refresh, sync
from tests.contract.stories import CHAINS
from tests.contract.world import World

STORY = CHAINS["windows, rights and the stream"][0]
REVISION = "ba65ed6e27e6493fbd8cfc3572422c9cf4b15a46"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as world:
        STORY.setup(world)
        yield world


def _read(world: World, lines: Queue[str]) -> None:
    headers = {"Authorization": f"Bearer {world.argo.token('admin')}"}
    url = f"{world.argo.url}/api/v1/stream/applications?name=reco&projects=default"
    with httpx.stream("GET", url, headers=headers, timeout=60) as response:
        lines.put(f"{response.status_code} {response.headers['content-type']}")
        for line in response.iter_lines():
            lines.put(line)
    lines.put("")


def _collect(world: World) -> list[dict[str, Any]]:
    """What the stream says during one sync; it is cut at the end, as a load balancer would."""
    lines: Queue[str] = Queue()
    reader = threading.Thread(target=_read, args=(world, lines), daemon=True)
    reader.start()
    assert lines.get(timeout=60) == "200 application/json"
    first = lines.get(timeout=60)
    world.push("reco", "a422c6d40cc6f297b90e7173e3a6672419bd3d13")
    refresh("reco")(world)
    world.push("reco", REVISION)
    sync("reco", REVISION)(world)
    world.advance(2)
    world.argo.cut_streams()
    events = [json.loads(first)]
    while line := lines.get(timeout=60):
        events.append(json.loads(line))
    reader.join(timeout=60)
    assert not reader.is_alive()
    return events


def _summary(application: Mapping[str, Any]) -> dict[str, Any]:
    status = application["status"]
    return {
        "operation": application.get("operation"),
        "sync": status["sync"],
        "operationState": status.get("operationState") or {},
    }


def _state(summary: Mapping[str, Any]) -> State:
    """Operation and sync of one event."""
    operation = summary["operationState"]
    return (
        ("pending", summary["operation"] is not None),
        ("phase", operation.get("phase")),
        ("deployed", (operation.get("syncResult") or {}).get("revision")),
        ("sync", summary["sync"]["status"]),
        ("compared with", summary["sync"]["revision"]),
    )


def test_stream(world: World) -> None:
    recorded = streamed(STORY.name)
    names = Names()
    events = _collect(world)
    names.commits = {real: name for name, real in world.commits.items()}
    for item in world.cluster.list("apps", "ReplicaSet"):
        names.learn(image_of(item), item["metadata"]["labels"]["rollouts-pod-template-hash"])
    first = [normal(recorded[0], recorded_names()), normal(events[0], names)]
    found = [text for text in differences(*first) if ".metadata.generation" not in text]
    assert found == []
    assert all(list(event) == ["result"] for event in events)
    assert {event["result"]["type"] for event in events[1:]} == {"MODIFIED"}
    wanted = [_state(normal(item["summary"], recorded_names())) for item in recorded[1:]]
    came = [_state(normal(_summary(event["result"]["application"]), names)) for event in events[1:]]
    # The recording began its sync before the comparison with the commit before it had come through; here after it.
    early = wanted.pop(0)
    assert dict(early)["pending"]
    assert missing_in_order(wanted, came) is None, came


def test_a_stream_shows_only_what_was_asked_for(world: World) -> None:
    headers = {"Authorization": f"Bearer {world.argo.token('reader')}"}
    url = f"{world.argo.url}/api/v1/stream/applications?name=win&fields=result.application.metadata.name,result.type"
    with httpx.stream("GET", url, headers=headers, timeout=60) as response:
        lines = response.iter_lines()
        assert json.loads(next(lines)) == {"result": {"type": "ADDED", "application": {"metadata": {"name": "win"}}}}
        act("reco", "abort")(world)
        world.advance(1)
        world.argo.cut_streams()
        assert list(lines) == []


def test_a_stream_needs_a_token(world: World) -> None:
    answer = httpx.get(f"{world.argo.url}/api/v1/stream/applications?name=reco", timeout=60)
    assert answer.status_code == 401
    assert answer.json()["error"]["grpc_code"] == 16
