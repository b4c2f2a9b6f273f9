"""The node agent and the router's front as servers of the stack: supervised, and ended with it.

stack.servers.start(agent_server(stack)); stack.kill("agent"); stack.revive("agent")
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import httpx

from tests.live.agent import NODE
from tests.live.node import is_schedulable
from tests.live.processes import Server
from tests.live.stack import Stack

ROOT = Path(__file__).parents[2]


def agent_server(stack: Stack, *, node: str = NODE) -> Server:
    """The node agent; it is up when the scheduler may use its node. Its Prometheus targets are in `<node>.json`."""
    name = "agent" if node == NODE else f"agent-{node}"
    folder, targets = stack.folder / name, stack.prometheus_targets / f"{node}.json"
    argv = (
        *(sys.executable, "-m", "tests.live.agent", "--node", node),
        *("--kubeconfig", str(stack.kubeconfig), "--folder", str(folder), "--targets", str(targets)),
    )

    def ready() -> bool:
        try:
            answer = stack.cluster.http.get(f"/api/v1/nodes/{node}")
        except httpx.TransportError:
            return False
        return answer.status_code == 200 and is_schedulable(answer.json())

    return Server(name=name, argv=argv, env=_environment(stack), ready=ready)


def front_server(stack: Stack, *, namespace: str, port: int) -> Server:
    """The router of a namespace over HTTP on `port`; see `tests.live.front`."""
    argv = (
        *(sys.executable, "-m", "tests.live.front", "--namespace", namespace, "--port", str(port)),
        *("--kubeconfig", str(stack.kubeconfig)),
    )

    def ready() -> bool:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True

    return Server(name=f"router-{namespace}", argv=argv, env=_environment(stack), ready=ready)


def _environment(stack: Stack) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": str(stack.folder / "home"),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }
