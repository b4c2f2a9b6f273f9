"""The node agent: pods that are bound to its Node run as local processes.

    python -m tests.live.agent --kubeconfig FILE --folder DIR [--node NAME] [--targets FILE]

Started that way it stays in the foreground until SIGTERM or Ctrl-C. Its pods end with it, however it ends: the next
agent starts them again, with the same addresses, one restart more and counters from 0.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.live.container import Container
from tests.live.kube import Informer, Kube
from tests.live.node import Node
from tests.live.pods import (
    Key,
    Pod,
    View,
    address_annotations,
    covers,
    free_address,
    parse_pod,
    plan,
    pod_status,
    scrape_targets,
)
from tests.live.workloads import parse_image, unpack

STEP_S = 0.25
DRAIN_S = 0.5
"""A deleted pod answers for so long: the router has to hear of the deletion first (a preStop sleep, on a cluster)."""
RESEND_S = 2.0
NODE = "local"


class Agent:
    """`with Agent(kubeconfig, folder=...)`: registers the node and runs its pods until the end of the block.

    `folder` takes the programs and the logs of the pods, `targets` the file for Prometheus's file_sd (by default
    `folder/targets.json`). Start and stop may be called twice.
    """

    def __init__(self, kubeconfig: Path, *, folder: Path, node: str = NODE, targets: Path | None = None) -> None:
        self._kube = Kube(kubeconfig)
        self._folder, self.targets = folder, targets or folder / "targets.json"
        self.node = Node(self._kube, node)
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._pods = Informer(self._kube, "/api/v1/pods", {"fieldSelector": f"spec.nodeName={node}"}, self._wake.set)
        self._containers: dict[Key, Container] = {}
        self._addresses: dict[str, str] = {}
        self._sent: dict[str, tuple[float, Any]] = {}
        self._annotated: dict[str, int] = {}
        self._scraped: Any = None
        self._thread = threading.Thread(target=self._run, name="agent", daemon=True)
        self._started = False

    def start(self) -> None:
        if self._started:
            return
        self._started = True
        self._write_targets([], {})
        self.node.start()
        self._pods.start()
        self._thread.start()

    def wait_ready(self, timeout_s: float) -> bool:
        """Whether pods can be scheduled here within `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError):
                if self.node.ready():
                    return True
            time.sleep(0.2)
        return False

    def stop(self, *, remove_node: bool = False) -> None:
        """End all processes, say so in the pods' status, and end. With `remove_node` the Node object goes too."""
        if self._stopping.is_set() or not self._started:
            return
        self._stopping.set()
        self._wake.set()
        self._thread.join(30)
        self._pods.stop()
        with contextlib.suppress(httpx.HTTPError, OSError):
            self.node.stop(remove=remove_node)
        self._kube.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._wake.wait(STEP_S)
                self._wake.clear()
                # Before the first list there are no pods to be seen: nothing may be taken for an orphan.
                if self._pods.wait(0):
                    self._step()
        finally:
            self._end_all()

    def _step(self) -> None:
        pods = {pod.uid: pod for pod in map(parse_pod, self._pods.items())}
        known = _known(pods)
        steps = plan(pods.values(), self._views(), known, datetime.now(UTC))
        for key in steps.start:
            self._start(pods[key[0]], key)
        for key in steps.stop:
            pod = pods.get(key[0])
            self._containers[key].stop(drain_s=DRAIN_S if pod else 0.0, grace_s=pod.grace_s if pod else 0.0)
        for key in steps.forget:
            del self._containers[key]
        views = self._views()
        self._write_targets(pods.values(), views)
        for pod in pods.values():
            with contextlib.suppress(httpx.HTTPError, OSError):
                self._report(pod, views, known)
                if pod.uid in steps.remove:
                    self._kube.delete(_path(pod), uid=pod.uid, grace_s=0)
        for store in (self._addresses, self._sent, self._annotated):
            for uid in set(store) - set(pods):
                del store[uid]

    def _views(self) -> dict[Key, View]:
        return {key: container.view for key, container in self._containers.items()}

    def _start(self, pod: Pod, key: Key) -> None:
        spec = next(item for item in pod.containers if item.name == key[1])
        program = parse_image(spec.image)
        assert program is not None, "only known images are planned"
        before = self._containers.get(key)
        view = before.view if before is not None else None
        restarts = view.restarts + 1 if view is not None else spec.restarts + spec.ran
        repository = spec.image.partition(":")[0].replace("/", "_")
        self._containers[key] = Container(
            unpack(program, self._folder / "images" / repository),
            {**program.environment, **spec.environment},
            log=self._folder / "logs" / f"{pod.namespace}_{pod.name}_{spec.name}_{restarts}.log",
            probe=spec.probe,
            restarts=restarts,
            last=view,
            changed=self._wake.set,
        )

    def _report(self, pod: Pod, views: Mapping[Key, View], known: frozenset[str]) -> None:
        """Bring the pod's annotations and status up to date: the address first, so that a ready pod has one."""
        own = {name: view for (uid, name), view in views.items() if uid == pod.uid}
        if pod.finished and not own:
            return  # told by an agent before this one
        port = next((own[item.name].port for item in pod.containers if item.name in own), None)
        if port is not None and self._annotated.get(pod.uid) != port:
            self._kube.merge(_path(pod), {"metadata": {"annotations": address_annotations(port)}})
            self._annotated[pod.uid] = port
        status = pod_status(pod, own, known, self._address(pod), datetime.now(UTC))
        sent_at, sent = self._sent.get(pod.uid, (0.0, None))
        if covers(pod.status, status) or (status == sent and time.monotonic() < sent_at + RESEND_S):
            return
        self._kube.merge(f"{_path(pod)}/status", {"status": status})
        self._sent[pod.uid] = (time.monotonic(), status)

    def _address(self, pod: Pod) -> str:
        if pod.uid not in self._addresses:
            # All that is in use anywhere on the node, also by pods that an agent before this one has started.
            used = {str((raw.get("status") or {}).get("podIP")) for raw in self._pods.items()}
            self._addresses[pod.uid] = pod.status.get("podIP") or free_address({*used, *self._addresses.values()})
        return self._addresses[pod.uid]

    def _write_targets(self, pods: Any, views: Mapping[Key, View]) -> None:
        targets = scrape_targets(pods, views)
        if targets != self._scraped:
            self.targets.parent.mkdir(parents=True, exist_ok=True)
            scratch = self.targets.with_name(f".{self.targets.name}.new")
            scratch.write_text(json.dumps(targets, indent=1), encoding="utf-8")
            scratch.replace(self.targets)
            self._scraped = targets

    def _end_all(self) -> None:
        for container in self._containers.values():
            container.stop(drain_s=0.0, grace_s=2.0)
        for container in self._containers.values():
            container.join(10)
        self._write_targets([], {})
        pods = {pod.uid: pod for pod in map(parse_pod, self._pods.items())}
        with contextlib.suppress(httpx.HTTPError, OSError):
            for pod in pods.values():
                self._report(pod, self._views(), _known(pods))


def _known(pods: Mapping[str, Pod]) -> frozenset[str]:
    images = {item.image for pod in pods.values() for item in pod.containers}
    return frozenset(image for image in images if parse_image(image) is not None)


def _path(pod: Pod) -> str:
    return f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.live.agent", description="Runs pods as local processes.")
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="takes programs and logs of the pods")
    parser.add_argument("--node", default=NODE)
    parser.add_argument("--targets", type=Path, help="file_sd of Prometheus (default: targets.json in the folder)")
    options = parser.parse_args()
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    with Agent(options.kubeconfig, folder=options.folder, node=options.node, targets=options.targets) as agent:
        while not told.is_set() and not agent.wait_ready(0.5):
            pass
        print(f"node {options.node} is ready", flush=True)
        told.wait()


if __name__ == "__main__":
    main()
