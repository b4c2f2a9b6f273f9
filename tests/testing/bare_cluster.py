"""The sandbox's Kubernetes API without controllers: objects stay as they were put."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from cicd.sandbox.kubernetes.api import KubernetesApi, User
from cicd.sandbox.kubernetes.cluster import Cluster, Object, Ref
from cicd.sandbox.kubernetes.pods import PodController
from cicd.sandbox.kubernetes.workloads import Registry
from cicd.sandbox.server import AppServer
from deployments.cluster.api import ClusterApi
from headgate.clock import Clock
from headgate.http import RetryPolicy
from tests.testing.stepped_clock import SteppedClock

Api = TypeVar("Api", bound=ClusterApi)
ARGO = ("argoproj.io", "v1alpha1")


@dataclass(frozen=True, slots=True, kw_only=True)
class BareCluster:
    """`store` is the server's side, `api` a client's."""

    store: Cluster
    server: AppServer
    folder: Path
    closing: contextlib.ExitStack

    def kubeconfig(self, token: str = "right-token") -> Path:
        file = self.folder / f"{token}.yaml"
        file.write_text(
            f"""apiVersion: v1
kind: Config
current-context: here
clusters: [{{name: here, cluster: {{server: {self.server.url}}}}}]
users: [{{name: me, user: {{token: {token}}}}}]
contexts: [{{name: here, context: {{cluster: here, user: me}}}}]
"""
        )
        return file

    def api(self, token: str = "right-token", *, clock: Clock | None = None) -> ClusterApi:
        return self.owned(
            ClusterApi(kubeconfig=str(self.kubeconfig(token)), timeout_s=60, clock=clock, retry=RetryPolicy(attempts=1))
        )

    def owned(self, api: Api) -> Api:
        """A client that is closed at the end."""
        self.closing.callback(api.close)
        return api

    def put(self, kind: str, namespace: str, name: str, **content: Any) -> Object:
        metadata = {"name": name, "namespace": namespace}
        return self.store.create({"apiVersion": "/".join(ARGO), "kind": kind, "metadata": metadata, **content})

    def get(self, kind: str, namespace: str, name: str) -> Object:
        found = self.store.get(Ref(*ARGO, kind, namespace, name))
        assert found is not None
        return found

    def change(self, kind: str, namespace: str, name: str, **status: Any) -> None:
        """Merge into the status, as a controller would."""

        def write(live: Object) -> None:
            live["status"] = (live.get("status") or {}) | status

        self.store.update(Ref(*ARGO, kind, namespace, name), write)


@contextlib.contextmanager
def bare_cluster(folder: Path, users: Mapping[str, User] | None = None) -> Iterator[BareCluster]:
    """Up while the block runs. The token `right-token` may do everything, `reader-token` may look."""
    store = Cluster(SteppedClock())
    for name in ("argocd", "shop"):
        store.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    known = {
        "right-token": User(name="me"),
        "reader-token": User(name="reader", verbs=frozenset({"get", "list", "watch"})),
    }
    pods = PodController(store, Registry(), start_s=0.1)
    app = KubernetesApi(store, pods, known | dict(users or {})).app()
    with AppServer(app, name="bare") as server, contextlib.ExitStack() as closing:
        yield BareCluster(store=store, server=server, folder=folder, closing=closing)
