"""What the stack is furnished with: users, Argo CD's accounts and their rights, its settings. Values only."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.live.commands import RECONCILE_S
from tests.live.layout import Layout

Object = dict[str, Any]
ARGOCD_NAMESPACE = "argocd"
PART_OF = {"app.kubernetes.io/part-of": "argocd"}

ADMIN_PASSWORD = "right-password"
_ADMIN_PASSWORD_BCRYPT = "$2a$06$ln5mpzbJspncCiGf7R4P3O.LVyLmgH2pN3uBPAWgdV.Vs/M61hTN."

ARGOCD_POLICIES: Mapping[str, tuple[str, ...]] = {
    # The least that Headgate needs, as docs/releases.md says.
    "headgate": ("get", "sync", "action/argoproj.io/Rollout/*"),
    "reader": ("get",),
    "nobody": (),
}
"""Argo CD's local accounts with what they may do to applications; `admin` may do everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody the Kubernetes API knows by a token. Without groups, rights come from bindings alone."""

    name: str
    token: str
    groups: tuple[str, ...] = ()


def users() -> dict[str, User]:
    """`system` is what the servers run as; `admin` what tests set up with; the others have what they are bound to."""
    rights = {"system": ("system:masters",), "admin": ("system:masters",), "headgate": (), "reader": (), "nobody": ()}
    return {name: User(name=name, token=secrets.token_urlsafe(24), groups=groups) for name, groups in rights.items()}


def tokens_csv(known: Mapping[str, User]) -> str:
    """The API server's token file."""
    return "".join(f'{user.token},{user.name},{user.name},"{",".join(user.groups)}"\n' for user in known.values())


def kubeconfig(layout: Layout, user: User, namespace: str) -> Object:
    """A kubeconfig for one user."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "live",
        "clusters": [
            {
                "name": "live",
                "cluster": {"server": layout.url("kube-apiserver"), "certificate-authority": str(layout.ca)},
            }
        ],
        "users": [{"name": user.name, "user": {"token": user.token}}],
        "contexts": [{"name": "live", "context": {"cluster": "live", "user": user.name, "namespace": namespace}}],
    }


def namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def policy_csv() -> str:
    """Argo CD's RBAC policy for the accounts."""
    lines = []
    for account, actions in ARGOCD_POLICIES.items():
        lines += [f"p, role:{account}, applications, {action}, */*, allow" for action in actions]
        lines += [f"g, {account}, role:{account}"] if actions else []
    return "\n".join(lines) + "\n"


def argocd_objects(upstream: list[Object]) -> list[Object]:
    """Argo CD's own settings objects (`upstream`, as its manifests have them) with ours put in, and its project."""
    data = {
        "argocd-cm": {
            "timeout.reconciliation": f"{RECONCILE_S}s",
            "timeout.reconciliation.jitter": "0s",
            **{f"accounts.{account}": "apiKey" for account in ARGOCD_POLICIES},
        },
        "argocd-rbac-cm": {"policy.csv": policy_csv()},
        "argocd-secret": {
            "admin.password": _ADMIN_PASSWORD_BCRYPT,
            "admin.passwordMtime": "2025-01-01T00:00:00Z",
            "server.secretkey": secrets.token_urlsafe(32),
        },
    }
    objects = []
    for found in upstream:
        name = found["metadata"]["name"]
        field = "stringData" if found["kind"] == "Secret" else "data"
        metadata = found["metadata"] | {"namespace": ARGOCD_NAMESPACE}
        objects.append(found | {"metadata": metadata, field: found.get(field, {}) | data.pop(name, {})})
    if data:
        raise ValueError(f"Argo CD's manifests have no {', '.join(data)}")
    return [*objects, project("default")]


def project(name: str) -> Object:
    """A project that allows everything."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": name, "namespace": ARGOCD_NAMESPACE},
        "spec": {
            "sourceRepos": ["*"],
            "destinations": [{"namespace": "*", "server": "*"}],
            "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
        },
    }


def prometheus_config(layout: Layout) -> Object:
    """Scrape what the files in `layout.targets` name, every second."""
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [
            {
                "job_name": "pods",
                "file_sd_configs": [{"files": [str(layout.targets / "*.json")], "refresh_interval": "5s"}],
            }
        ],
    }
