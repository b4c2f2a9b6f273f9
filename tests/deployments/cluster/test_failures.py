"""Error answers of the Kubernetes API, in the recorded words, and rights that are asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cicd.sandbox.kubernetes.api import User
from deployments.cluster.api import ClusterApi, ObjectRef
from deployments.cluster.failures import failure
from deployments.cluster.rights import Right, advice, is_allowed, missing_rights, review, role_rules
from headgate.errors import (
    AuthenticationError,
    ConfigError,
    ConflictError,
    HeadgateError,
    NotFoundError,
    RateLimitedError,
    RemoteTimeoutError,
    ServerFaultError,
    UnreachableError,
)
from headgate.http import Response, RetryPolicy
from tests.testing.bare_cluster import BareCluster, bare_cluster
from tests.testing.stepped_clock import SteppedClock

ROLLOUT = ObjectRef(group="argoproj.io", version="v1alpha1", resource="rollouts", namespace="shop", name="reco")
LEASE = ObjectRef(group="coordination.k8s.io", version="v1", resource="leases", namespace="shop", name="l")
ABORT = ROLLOUT.right("patch", "status")


def _answer(status: int, message: str | None, reason: str = "") -> Response:
    body: Any = "404 page not found\n"
    if message is not None:
        body = json.dumps({"kind": "Status", "status": "Failure", "message": message, "reason": reason, "code": status})
    return Response(status=status, headers={}, body=body.encode(), where="GET https://10.0.0.1/x")


@pytest.mark.parametrize(
    ("status", "message", "right", "kind", "says"),
    [
        (401, "Unauthorized", ABORT, AuthenticationError, r"does not accept the credentials.*kubeconfig"),
        (
            403,
            'rollouts.argoproj.io "reco" is forbidden: User "reader" cannot patch resource "rollouts/status"',
            ABORT,
            AuthenticationError,
            (
                r"refused to patch rollouts/status reco.*User \"reader\" cannot patch.*Add to a Role of the account, in "
                r"namespace shop: \{apiGroups: \[argoproj.io\], resources: \[rollouts/status\], resourceNames: \[reco\], "
                r"verbs: \[patch\]\}"
            ),
        ),
        (
            404,
            'rollouts.argoproj.io "reco" not found',
            ABORT,
            NotFoundError,
            r"no rollouts.*'reco'.*kubernetes\.rollout",
        ),
        (404, None, ABORT, NotFoundError, r"serves no rollouts\.argoproj\.io.*Argo Rollouts are installed"),
        (409, "the object has been modified", ABORT, ConflictError, r"has been modified"),
        (409, "already exists", LEASE.right("create"), ConflictError, r"could not create leases: already exists"),
        (400, "cannot be handled as a Lease", LEASE.right("update"), ConfigError, r"does not take this"),
        (422, 'Lease "Bad_Name" is invalid', LEASE.right("create"), ConfigError, r"Bad_Name.*names in headgate\.yaml"),
        (429, "too many requests", ABORT, RateLimitedError, r"429"),
        (500, "etcdserver: request timed out", ABORT, ServerFaultError, r"status 500.*etcdserver"),
        (503, None, ABORT, ServerFaultError, r"status 503"),
        (504, "Timeout: request did not complete", ABORT, RemoteTimeoutError, r"in time"),
        (302, "elsewhere", ABORT, ServerFaultError, r"redirects"),
    ],
)
def test_each_refusal_names_cause_and_remedy(
    status: int, message: str | None, right: Right, kind: type[HeadgateError], says: str
) -> None:
    error = failure(_answer(status, message), right)
    assert type(error) is kind
    assert error.next_step
    with pytest.raises(kind, match=says):
        raise error


def test_a_review_that_is_refused_is_about_the_credentials() -> None:
    asking = Right(verb="create", resource="selfsubjectaccessreviews", group="authorization.k8s.io", namespace="shop")
    error = failure(_answer(403, 'User "system:anonymous" cannot create resource'), asking)
    assert isinstance(error, AuthenticationError)
    assert "Put credentials into the kubeconfig" in str(error)


def test_rights_become_rules_and_reviews() -> None:
    assert review(ABORT)["spec"] == {
        "resourceAttributes": {
            "verb": "patch", "group": "argoproj.io", "resource": "rollouts", "subresource": "status",
            "namespace": "shop", "name": "reco",
        }
    }  # fmt: skip
    pods = Right(verb="list", resource="pods", namespace="shop")
    assert review(pods)["spec"] == {"resourceAttributes": {"verb": "list", "resource": "pods", "namespace": "shop"}}
    rights = [LEASE.right("get"), LEASE.right("create"), LEASE.right("update"), pods]
    assert role_rules(rights) == {
        "shop": [
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": ["l"], "verbs": ["get", "update"]},
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        ]
    }  # fmt: skip
    assert '{apiGroups: [""], resources: [pods], verbs: [list]}' in advice(rights)
    error = missing_rights([ABORT, pods], "https://10.0.0.1")
    assert "may not patch rollouts/status.argoproj.io reco in namespace shop, list pods in namespace shop" in str(error)


@pytest.mark.parametrize(
    ("answer", "allowed"),
    [
        ({"status": {"allowed": True}}, True),
        ({"status": {"allowed": False, "reason": "no"}}, False),
        ({"status": {"allowed": "true"}}, False),
        ({"status": {"denied": True}}, False),
        ({"status": None}, False),
        ({}, False),
        ([], False),
        (None, False),
    ],
)
def test_only_a_plain_yes_is_a_yes(answer: object, allowed: bool) -> None:
    assert is_allowed(answer) is allowed


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[BareCluster]:
    with bare_cluster(tmp_path) as made:
        yield made


def test_missing_rights_are_found_without_touching_anything(cluster: BareCluster) -> None:
    rights = (ROLLOUT.right("get"), ABORT, LEASE.right("create"))
    assert cluster.api().missing(rights) == ()
    assert cluster.api("reader-token").missing(rights) == (ABORT, LEASE.right("create"))
    with pytest.raises(AuthenticationError, match="does not accept"):
        cluster.api("wrong-token").missing(rights)
    assert cluster.store.list("coordination.k8s.io", "Lease") == []


def test_a_server_that_is_none_or_not_there(cluster: BareCluster, tmp_path: Path) -> None:
    file = tmp_path / "nobody.yaml"
    text = cluster.kubeconfig().read_text()
    file.write_text(text.replace(cluster.server.url, "http://127.0.0.1:9"))
    api = cluster.owned(ClusterApi(kubeconfig=str(file), retry=RetryPolicy(attempts=1)))
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:9"):
        api.get(ROLLOUT)
    file.write_text(text.replace(cluster.server.url, f"{cluster.server.url}/elsewhere"))
    other = cluster.owned(ClusterApi(kubeconfig=str(file)))
    with pytest.raises(NotFoundError, match="right cluster"):
        other.get(ROLLOUT)
    assert cluster.api().version() == "v1.36.3"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, r"no usable kubeconfig.*kubernetes\.kubeconfig"),
        ("{", "no usable kubeconfig"),
        ("apiVersion: v1\nkind: Config\n", "no usable kubeconfig"),
    ],
)
def test_kubeconfig_that_cannot_be_used(tmp_path: Path, text: str | None, says: str) -> None:
    file = tmp_path / "kubeconfig"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=says):
        ClusterApi(kubeconfig=str(file)).get(ROLLOUT)


def test_certificates_that_cannot_be_used_are_named(cluster: BareCluster, tmp_path: Path) -> None:
    wrong = tmp_path / "ca.crt"
    wrong.write_text("no certificate")
    file = tmp_path / "tls.yaml"
    secure = cluster.server.url.replace("http:", "https:")
    file.write_text(
        cluster.kubeconfig().read_text().replace(cluster.server.url, f"{secure}, certificate-authority: {wrong}")
    )
    with pytest.raises(ConfigError, match="certificates of the kubeconfig"):
        ClusterApi(kubeconfig=str(file)).get(ROLLOUT)


def test_names_cannot_leave_their_place_in_the_path() -> None:
    odd = ObjectRef(group="g", version="v1", resource="r", namespace="a/b", name="../c")
    assert odd.path == "/apis/g/v1/namespaces/a%2Fb/r/..%2Fc"


def test_what_was_allowed_before_is_waited_for_a_while(tmp_path: Path) -> None:
    """A restarted API server refuses everything until it has read its roles."""
    user = User(name="me")
    clock = SteppedClock()
    with bare_cluster(tmp_path, {"my-token": user}) as cluster:
        cluster.put("Rollout", "shop", "reco", spec={})
        api = cluster.api("my-token", clock=clock)
        assert api.missing([ABORT]) == ()
        api.get(ROLLOUT)
        object.__setattr__(user, "verbs", frozenset())
        for seconds in (0, 20):
            clock.advance(seconds)
            with pytest.raises(ServerFaultError, match="allowed before"):
                api.get(ROLLOUT)
            with pytest.raises(ServerFaultError, match="allowed before"):
                api.patch(ROLLOUT, {}, subresource="status")
        with pytest.raises(AuthenticationError, match="verbs"):  # never allowed: no reason to wait
            api.create(ROLLOUT, {})
        object.__setattr__(user, "verbs", None)
        api.get(ROLLOUT)
        object.__setattr__(user, "verbs", frozenset())
        clock.advance(29)
        with pytest.raises(ServerFaultError):
            api.get(ROLLOUT)
        clock.advance(31)
        with pytest.raises(AuthenticationError, match=r"verbs: \[get\]"):
            api.get(ROLLOUT)
