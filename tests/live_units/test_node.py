"""The node that the agent registers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.live.node import TAINT, TOLERATION, is_schedulable, node, node_status

NOW = datetime(2026, 11, 21, 12, 0, 0, 250_000, tzinfo=UTC)


def registered(*taints: str, ready: str = "True") -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": ready}]
    return {"spec": {"taints": [{"key": key} for key in taints]}, "status": {"conditions": conditions}}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (registered(), True),
        (registered(TAINT["key"]), True),
        (registered("node.kubernetes.io/not-ready"), False),
        (registered("node.kubernetes.io/unreachable", TAINT["key"]), False),
        (registered(ready="Unknown"), False),
        (node("local"), False),
        ({**node("local"), "status": node_status(NOW)}, True),
    ],
)
def test_schedulable(found: dict[str, Any], expected: bool) -> None:
    assert is_schedulable(found) is expected


def test_pods_that_tolerate_the_taint_prefer_no_other_node() -> None:
    assert {"key": TAINT["key"], "operator": "Exists"} == TOLERATION
    assert node("local")["spec"]["taints"] == [TAINT]


def test_the_heartbeat_has_whole_seconds() -> None:
    assert {item["lastHeartbeatTime"] for item in node_status(NOW)["conditions"]} == {"2026-11-21T12:00:00Z"}
