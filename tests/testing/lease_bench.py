"""Lease locks on a cluster, for the contract of locks and tests beyond it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deployments.cluster.api import ClusterApi, ObjectRef
from deployments.cluster.lease import LeaseLock
from deployments.gitops.holder import Holder
from headgate.http import RetryPolicy
from tests.testing.stepped_clock import SteppedClock


class LeaseBench:
    """The Lease `name` in `namespace` of the cluster of a kubeconfig."""

    def __init__(self, kubeconfig: Path, *, namespace: str, name: str) -> None:
        self.clock = SteppedClock()
        self.ref = ObjectRef(
            group="coordination.k8s.io", version="v1", resource="leases", namespace=namespace, name=name
        )
        self._kubeconfig = kubeconfig
        self._opened: list[ClusterApi] = []

    def cluster(self) -> ClusterApi:
        made = ClusterApi(
            kubeconfig=str(self._kubeconfig), timeout_s=60, clock=self.clock, retry=RetryPolicy(attempts=1)
        )
        self._opened.append(made)
        return made

    def lock(self, holder: Holder, *, gone: bool = False, cluster: ClusterApi | None = None) -> LeaseLock:
        return LeaseLock(
            cluster or self.cluster(),
            namespace=self.ref.namespace,
            name=self.ref.name,
            clock=self.clock,
            holder=holder,
            gone=lambda _: gone,
            running=lambda _: False,
        )

    def lease(self) -> dict[str, Any]:
        return self.cluster().get(self.ref)

    def put(self, spec: Mapping[str, Any]) -> None:
        """The Lease as somebody else has made it."""
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self.ref.name, "namespace": self.ref.namespace},
            "spec": dict(spec),
        }
        self.cluster().create(self.ref, body)

    def close(self) -> None:
        for cluster in self._opened:
            cluster.close()
