"""Simulated users: requests that follow the same Services, weights and selectors as real ones would.

All numbers are integers and nothing is random: shares and error ratios are accumulated, so a weight of 25 gets every
fourth request and an error ratio of 0.1 gives one error in ten.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cicd.sandbox.kubernetes.cluster import Cluster
from cicd.sandbox.kubernetes.pod_status import Process, is_ready
from cicd.sandbox.kubernetes.pods import PodController
from cicd.sandbox.kubernetes.rollout_values import POD_TEMPLATE_HASH
from cicd.sandbox.kubernetes.workloads import Registry

Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Requests that one version has answered; `last_s` is the clock's monotonic time of the newest one."""

    image: str
    ok: int = 0
    bad: int = 0
    last_s: float = 0.0

    @property
    def total(self) -> int:
        return self.ok + self.bad


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One group of pods with its share of a stream (shares need not sum to 1: they are relative)."""

    share: float
    pods: tuple[Key, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One source of requests. `users` False: checks against a preview, which users never see."""

    namespace: str
    name: str
    users: bool
    arms: tuple[Arm, ...]


@dataclass(slots=True)
class _Debt:
    """Fractions not yet paid out in whole requests."""

    requests: float = 0.0
    arms: dict[int, float] = field(default_factory=dict)
    errors: dict[Key, float] = field(default_factory=dict)
    turn: int = 0


class Traffic:
    """Sends requests to every rollout's ready pods and keeps the record of who answered.

    `rate` and `preview_rate` are requests per second for each rollout; both may be changed while it runs. Preview
    requests are checks against the preview Service of a blue-green rollout while it differs from the active one; they
    count in the pods' metrics and in `checks`, not in `answered`.
    """

    def __init__(
        self, cluster: Cluster, pods: PodController, registry: Registry, *, rate: float = 200, preview_rate: float = 50
    ) -> None:
        self.rate = rate
        self.preview_rate = preview_rate
        self._cluster, self._pods, self._registry = cluster, pods, registry
        self._lock = threading.Lock()
        self._debts: dict[tuple[str, str, bool], _Debt] = {}
        self._users: dict[Key, dict[str, Answered]] = {}
        self._checks: dict[Key, dict[str, Answered]] = {}
        self._unanswered: dict[Key, int] = {}
        self._streams: tuple[Stream, ...] = ()
        self._streams_version = -1
        self._last_s: float | None = None

    def tick(self) -> bool:
        """Send what is due since the last tick; False when there is nobody to send to."""
        now = self._cluster.clock.monotonic()
        elapsed = 0.0 if self._last_s is None else max(now - self._last_s, 0.0)
        self._last_s = now
        if self._streams_version != self._cluster.resource_version:
            self._streams_version = self._cluster.resource_version
            self._streams = plan_streams(self._cluster)
        with self._lock:
            for stream in self._streams:
                self._send(stream, elapsed, now)
        return bool(self._streams)

    def answered(self, name: str, namespace: str = "shop") -> dict[str, Answered]:
        """Requests of users by pod template hash, since the start."""
        with self._lock:
            return dict(self._users.get((namespace, name), {}))

    def checks(self, name: str, namespace: str = "shop") -> dict[str, Answered]:
        """Requests against the preview by pod template hash, since the start."""
        with self._lock:
            return dict(self._checks.get((namespace, name), {}))

    def unanswered(self, name: str, namespace: str = "shop") -> int:
        """Requests of users for which no pod was ready."""
        with self._lock:
            return self._unanswered.get((namespace, name), 0)

    def _send(self, stream: Stream, elapsed: float, now: float) -> None:
        debt = self._debts.setdefault((stream.namespace, stream.name, stream.users), _Debt())
        debt.requests += elapsed * (self.rate if stream.users else self.preview_rate)
        number = int(debt.requests)
        debt.requests -= number
        arms = [(index, arm, self._serving(arm)) for index, arm in enumerate(stream.arms)]
        alive = [(index, arm, pods) for index, arm, pods in arms if pods and arm.share > 0]
        if not alive:
            if stream.users:
                key = (stream.namespace, stream.name)
                self._unanswered[key] = self._unanswered.get(key, 0) + number
            return
        parts = _split(number, {index: arm.share for index, arm, _ in alive}, debt.arms)
        for index, _, pods in alive:
            for offset, (key, process) in enumerate(pods):
                portion = _portion(parts[index], len(pods), (offset + debt.turn) % len(pods))
                self._answer(stream, key, process, portion, debt, now)
        debt.turn += 1

    def _serving(self, arm: Arm) -> list[tuple[Key, Process]]:
        found = [(key, self._pods.process(*key)) for key in arm.pods]
        return [
            (key, process)
            for key, process in found
            if process is not None and process.is_serving(self._registry.behaviour(process.image))
        ]

    def _answer(self, stream: Stream, key: Key, process: Process, number: int, debt: _Debt, now: float) -> None:
        behaviour = self._registry.behaviour(process.image)
        if number == 0 or behaviour is None:
            return
        owed = debt.errors.get(key, 0.5) + number * behaviour.error_ratio
        bad = min(int(owed), number)
        debt.errors[key] = owed - bad
        process.counters.add(ok=number - bad, bad=bad, latency_s=behaviour.latency_s)
        ledger = (self._users if stream.users else self._checks).setdefault((stream.namespace, stream.name), {})
        before = ledger.get(process.pod_hash, Answered(image=process.image))
        ledger[process.pod_hash] = replace(before, ok=before.ok + number - bad, bad=before.bad + bad, last_s=now)


def _split(number: int, shares: Mapping[int, float], owed: dict[int, float]) -> dict[int, int]:
    """Whole requests for each arm; what is left over is owed to the arm until the next time."""
    total = sum(shares.values())
    for index in list(owed):
        if index not in shares:
            del owed[index]
    exact = {index: owed.get(index, 0.0) + number * share / total for index, share in shares.items()}
    parts = {index: max(int(value), 0) for index, value in exact.items()}
    rest = number - sum(parts.values())
    for index in sorted(exact, key=lambda item: (parts[item] - exact[item], item)):
        if rest <= 0:
            break
        parts[index] += 1
        rest -= 1
    for index, value in exact.items():
        owed[index] = value - parts[index]
    return parts


def _portion(number: int, pods: int, place: int) -> int:
    return number // pods + (1 if place < number % pods else 0)


def plan_streams(cluster: Cluster) -> tuple[Stream, ...]:
    """Who gets which share of each rollout's requests, as the cluster is now."""
    with cluster.locked():
        streams: list[Stream] = []
        for rollout in cluster.list("argoproj.io", "Rollout"):
            namespace = rollout["metadata"]["namespace"]
            labels = ((rollout["spec"].get("selector") or {}).get("matchLabels")) or {}
            pods = [pod for pod in cluster.list("", "Pod", namespace, labels) if is_ready(pod)]
            streams += _streams_of(cluster, rollout, namespace, pods)
        return tuple(streams)


def _streams_of(cluster: Cluster, rollout: Mapping[str, Any], namespace: str, pods: Sequence[Any]) -> list[Stream]:
    name, strategy = rollout["metadata"]["name"], rollout["spec"].get("strategy") or {}
    groups: dict[str, list[Key]] = {}
    for pod in pods:
        pod_hash = pod["metadata"]["labels"].get(POD_TEMPLATE_HASH, "")
        groups.setdefault(pod_hash, []).append((namespace, pod["metadata"]["name"]))
    blue_green = strategy.get("blueGreen")
    if blue_green:
        chosen = {
            item: _selected(cluster, namespace, blue_green.get(f"{item}Service")) for item in ("active", "preview")
        }
        active = Stream(namespace=namespace, name=name, users=True, arms=_arms(groups, {chosen["active"]: 1.0}))
        if chosen["preview"] in {None, chosen["active"]}:
            return [active]
        preview: dict[str | None, float] = {chosen["preview"]: 1.0}
        return [active, Stream(namespace=namespace, name=name, users=False, arms=_arms(groups, preview))]
    shares: dict[str | None, float] = {pod_hash: float(len(keys)) for pod_hash, keys in groups.items()}
    weights = ((rollout.get("status") or {}).get("canary") or {}).get("weights")
    if weights:
        shares = {}
        for arm in ("canary", "stable"):
            pod_hash = weights[arm]["podTemplateHash"]
            shares[pod_hash] = shares.get(pod_hash, 0.0) + weights[arm]["weight"]
    return [Stream(namespace=namespace, name=name, users=True, arms=_arms(groups, shares))]


def _selected(cluster: Cluster, namespace: str, service: str | None) -> str | None:
    found = [item for item in cluster.list("", "Service", namespace) if item["metadata"]["name"] == service]
    return (found[0]["spec"].get("selector") or {}).get(POD_TEMPLATE_HASH) if found else None


def _arms(groups: Mapping[str, list[Key]], shares: Mapping[str | None, float]) -> tuple[Arm, ...]:
    return tuple(
        Arm(share=share, pods=tuple(groups.get(pod_hash or "", ()))) for pod_hash, share in shares.items() if share > 0
    )
