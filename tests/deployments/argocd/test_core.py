"""An application without Argo CD's server: what is written into it, what is waited for, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deployments.argocd.core import REFRESH, CoreArgoCd, sync_operation
from deployments.argocd.delivery import ArgoDelivery
from deployments.argocd.sansio import AppRef
from deployments.cluster.api import ClusterApi, Object, ObjectRef
from deployments.release.ports import Delivered, NotYet, Wanted
from headgate.errors import (
    AuthenticationError,
    ConflictError,
    NotFoundError,
    RemoteStateError,
    RemoteTimeoutError,
    ServerFaultError,
)
from tests.testing.bare_cluster import BareCluster, bare_cluster
from tests.testing.stepped_clock import SteppedClock

RECORDED = json.loads((Path(__file__).parents[2] / "samples" / "argocd" / "application_settled.json").read_text())[
    "body"
]
SYNCED = RECORDED["status"]["sync"]["revision"]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[BareCluster]:
    with bare_cluster(tmp_path) as made:
        made.put("Application", "argocd", "reco", spec=RECORDED["spec"], status=RECORDED["status"])
        yield made


class Acting(ClusterApi):
    """After each patch something happens in the cluster, as a controller would do it."""

    def __init__(self, cluster: BareCluster, happens: Callable[[dict[str, Any]], None]) -> None:
        super().__init__(kubeconfig=str(cluster.kubeconfig()), timeout_s=60)
        self.sent: list[dict[str, Any]] = []
        self._happens = happens
        cluster.owned(self)

    def patch(self, ref: ObjectRef, change: Any, *, subresource: str = "") -> Object:
        self.sent.append(change)
        found = super().patch(ref, change, subresource=subresource)
        self._happens(change)
        return found


def _argocd(api: ClusterApi, project: str = "default", name: str = "reco", namespace: str | None = None) -> CoreArgoCd:
    app = AppRef(name=name, project=project, namespace=namespace)
    return CoreArgoCd(api, app, clock=SteppedClock(), timeout_s=30)


def _app(cluster: BareCluster) -> Object:
    return cluster.get("Application", "argocd", "reco")


def test_application_is_read_as_from_the_server(cluster: BareCluster) -> None:
    found = _argocd(cluster.api()).application()
    assert (found.name, found.sync_status, found.sync_revision, found.health) == ("reco", "Synced", SYNCED, "Healthy")
    assert found.operation is not None
    assert found.operation.phase == "Succeeded"


def test_refresh_waits_until_the_controller_has_compared(cluster: BareCluster) -> None:
    def compare(change: dict[str, Any]) -> None:
        assert change == {"metadata": {"annotations": {REFRESH: "normal"}}}
        cluster.change("Application", "argocd", "reco", sync={"status": "OutOfSync", "revision": "f" * 40})
        cluster.api().patch(
            ObjectRef(
                group="argoproj.io", version="v1alpha1", resource="applications", namespace="argocd", name="reco"
            ),
            {"metadata": {"annotations": {REFRESH: None}}},
        )

    found = _argocd(Acting(cluster, compare)).application(refresh="normal")
    assert (found.sync_status, found.sync_revision) == ("OutOfSync", "f" * 40)


def test_refresh_that_nobody_answers_ends(cluster: BareCluster) -> None:
    with pytest.raises(RemoteTimeoutError, match=r"within 30 s.*argocd-application-controller"):
        _argocd(cluster.api()).application(refresh="normal")


def test_sync_is_the_operation_that_the_server_would_write(cluster: BareCluster) -> None:
    api = Acting(cluster, lambda change: None)
    _argocd(api).sync(revision="abc", nonce="rel-1/apply/x")
    after = _app(cluster)
    assert after["operation"] == {
        "initiatedBy": {"username": "headgate"},
        "info": [{"name": "headgate", "value": "rel-1/apply/x"}],
        "sync": {"revision": "abc"},
    }
    assert "operationState" not in after["status"], "leftovers would be merged into the operation"
    assert after["status"]["sync"] == RECORDED["status"]["sync"]
    (sent,) = api.sent
    assert sent["metadata"]["resourceVersion"]


def test_options_and_retries_of_the_application_apply() -> None:
    policy = {"syncOptions": ["ServerSideApply=true"], "retry": {"limit": 2}, "automated": {}}
    found = sync_operation({"spec": {"syncPolicy": policy}}, revision="abc", nonce="n")
    assert found["sync"] == {"revision": "abc", "syncOptions": ["ServerSideApply=true"]}
    assert found["retry"] == {"limit": 2}


def test_operation_of_somebody_else_is_not_overwritten(cluster: BareCluster) -> None:
    api = cluster.api()
    _argocd(api).sync(revision="abc", nonce="n1")
    with pytest.raises(ConflictError, match="another operation is already in progress"):
        _argocd(api).sync(revision="def", nonce="n2")
    assert _app(cluster)["operation"]["sync"] == {"revision": "abc"}


def test_sync_that_auto_sync_wins_is_not_sent(cluster: BareCluster) -> None:
    """Somebody sets an operation between our look and our patch: the patch is refused, the second look sees it."""

    class Slow(ClusterApi):
        def patch(self, ref: ObjectRef, change: Any, *, subresource: str = "") -> Object:
            if not _app(cluster).get("operation"):
                cluster.api().patch(ref, {"operation": {"sync": {"revision": "theirs"}}})
            return super().patch(ref, change, subresource=subresource)

    with pytest.raises(ConflictError, match="another operation"):
        _argocd(cluster.owned(Slow(kubeconfig=str(cluster.kubeconfig())))).sync(revision="ours", nonce="n")
    assert _app(cluster)["operation"] == {"sync": {"revision": "theirs"}}


def test_controller_that_keeps_writing_is_outlasted_for_a_while(cluster: BareCluster) -> None:
    class Busy(ClusterApi):
        left = 2

        def patch(self, ref: ObjectRef, change: Any, *, subresource: str = "") -> Object:
            if self.left:
                self.left -= 1
                cluster.change("Application", "argocd", "reco", reconciledAt=str(self.left))
            return super().patch(ref, change, subresource=subresource)

    busy = cluster.owned(Busy(kubeconfig=str(cluster.kubeconfig())))
    _argocd(busy).sync(revision="abc", nonce="n")
    assert _app(cluster)["operation"]["sync"] == {"revision": "abc"}
    busy.left = 99
    cluster.store.update(_stored(cluster), lambda app: app.pop("operation"))
    with pytest.raises(ConflictError, match="has been modified"):
        _argocd(busy).sync(revision="abc", nonce="n")
    assert busy.left > 90


def _stored(cluster: BareCluster) -> Any:
    from cicd.sandbox.kubernetes.cluster import Ref

    return Ref("argoproj.io", "v1alpha1", "Application", "argocd", "reco")


def test_sync_that_waits_for_a_window_is_ended_and_said(cluster: BareCluster) -> None:
    argocd = _argocd(cluster.api())
    argocd.sync(revision="abc", nonce="rel-1/apply/x")
    running = {
        "phase": "Running",
        "message": "Sync operation blocked by sync window",
        "startedAt": "2026-11-21T10:00:00Z",
    }
    cluster.change("Application", "argocd", "reco", operationState=running | {"operation": _app(cluster)["operation"]})
    with pytest.raises(RemoteStateError, match=r"blocked by sync window.*sync window of project default opens"):
        argocd.application()
    assert _app(cluster)["status"]["operationState"]["phase"] == "Terminating"


def test_window_that_somebody_elses_sync_waits_for_is_theirs(cluster: BareCluster) -> None:
    running = {
        "phase": "Running",
        "message": "Sync operation blocked by sync window",
        "startedAt": "2026-11-21T10:00:00Z",
    }
    cluster.change("Application", "argocd", "reco", operationState=running | {"operation": {"sync": {}}})
    assert _argocd(cluster.api()).application().operation is not None
    assert _app(cluster)["status"]["operationState"]["phase"] == "Running"


def test_wrong_names_and_missing_rights(cluster: BareCluster) -> None:
    with pytest.raises(NotFoundError, match=r"belongs to project 'default', not 'shop'.*argocd\.project"):
        _argocd(cluster.api(), project="shop").application()
    with pytest.raises(NotFoundError, match=r"no applications\.argoproj\.io 'x' in namespace 'argocd'.*argocd\.app"):
        _argocd(cluster.api(), name="x").application()
    with pytest.raises(NotFoundError, match="in namespace 'team'"):
        _argocd(cluster.api(), namespace="team").application()
    with pytest.raises(AuthenticationError, match=r"verbs: \[patch\]"):
        _argocd(cluster.api("reader-token")).sync(revision="abc", nonce="n")
    with pytest.raises(AuthenticationError, match="does not accept the credentials"):
        _argocd(cluster.api("wrong-token")).application()
    cluster.store.update(_stored(cluster), lambda app: app.update(spec="no spec"))
    with pytest.raises(ServerFaultError, match="spec"):
        _argocd(cluster.api()).application()


def test_delivery_works_on_it_by_the_same_wait_rule(cluster: BareCluster) -> None:
    def play(change: dict[str, Any]) -> None:
        """The controller: compares when asked, and runs an operation at once."""
        if "annotations" in change["metadata"]:
            cluster.store.update(_stored(cluster), lambda app: app["metadata"].pop("annotations"))
        if "operation" in change:
            cluster.store.update(_stored(cluster), _run)

    delivery = ArgoDelivery(_argocd(Acting(cluster, play)), fresh=lambda: "x")
    wanted = Wanted(revision="c" * 40, nonce="rel-1/apply", accepts=lambda revision: revision == "c" * 40)
    assert isinstance(delivery.advance(wanted), NotYet)
    assert delivery.advance(wanted) == Delivered(revision="c" * 40)
    assert delivery.holds(wanted.accepts)


def _run(app: Object) -> None:
    operation = app.pop("operation")
    revision = operation["sync"]["revision"]
    times = {"startedAt": "2026-11-21T10:00:00Z", "finishedAt": "2026-11-21T10:00:01Z"}
    app["status"]["operationState"] = {
        "operation": operation,
        "phase": "Succeeded",
        "syncResult": {"revision": revision},
    }
    app["status"]["operationState"] |= times
    app["status"]["sync"] = {"status": "Synced", "revision": revision}
