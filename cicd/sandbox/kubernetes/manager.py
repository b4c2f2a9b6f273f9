"""The loop that runs the controllers: it sleeps until something changes or falls due."""

from __future__ import annotations

import logging
import threading
from datetime import datetime

from cicd.sandbox.kubernetes.cluster import Cluster, Object
from cicd.sandbox.kubernetes.controller import RolloutController
from cicd.sandbox.kubernetes.endpoints import reconcile_endpoints
from cicd.sandbox.kubernetes.pods import PodController
from cicd.sandbox.kubernetes.traffic import Traffic
from headgate.errors import UnreachableError

log = logging.getLogger(__name__)

REACTS_TO = frozenset({"Rollout", "ReplicaSet", "Pod", "Service"})
REACTION_S = 0.03
"""Delay before a pass: short, but long enough that a poller sees a new spec with its old status."""
TICK_S = 0.1
"""How often requests are sent while there are pods, and the longest that a due time can be missed."""


class ControllerManager:
    """One thread for all controllers. `step()` may be called instead of `start()` by whoever owns the clock."""

    def __init__(self, cluster: Cluster, pods: PodController, traffic: Traffic) -> None:
        self._cluster, self._pods, self._traffic = cluster, pods, traffic
        self._rollouts = RolloutController(cluster)
        self._wake_at: datetime | None = None
        self._wake_s: float | None = None
        self._changed = threading.Event()
        self._changed.set()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._unsubscribe = cluster.subscribe(self._notice)

    def _notice(self, _: str, obj: Object) -> None:
        if obj["kind"] in REACTS_TO:
            self._changed.set()

    def step(self) -> None:
        """One pass of every controller."""
        self._changed.clear()
        self._wake_at = self._rollouts.reconcile_all()
        self._wake_s = self._pods.reconcile_all()
        reconcile_endpoints(self._cluster)

    def is_due(self) -> bool:
        """Whether something changed or a deadline has come."""
        clock = self._cluster.clock
        if self._changed.is_set() or (self._wake_at is not None and clock.now() > self._wake_at):
            return True
        return self._wake_s is not None and clock.monotonic() >= self._wake_s

    def settle(self, limit: int = 200) -> None:
        """Step until nothing is due; for those who drive the clock themselves."""
        for _ in range(limit):
            if not self.is_due():
                return
            self.step()

    def start(self) -> None:
        if self._thread is None:
            self._ending.clear()
            self._thread = threading.Thread(target=self._run, name="sandbox-kubernetes-controllers", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread; may be called twice."""
        self._ending.set()
        self._changed.set()
        self._unsubscribe()
        if self._thread is not None:
            self._thread.join(timeout=10)
            if self._thread.is_alive():
                raise UnreachableError("the controllers of the sandbox did not stop", next_step="End the process.")
            self._thread = None

    def _run(self) -> None:
        while not self._ending.is_set():
            busy = self._traffic.tick()
            idle = not busy and self._wake_at is None and self._wake_s is None
            self._changed.wait(1.0 if idle else TICK_S)
            if self._ending.is_set() or not self.is_due():
                continue
            self._ending.wait(REACTION_S)
            try:
                self.step()
            except Exception:  # a bad object must not end the loop for all others
                log.exception("a controller pass of the sandbox failed")
