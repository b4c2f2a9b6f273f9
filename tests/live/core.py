"""The platform in core mode: `headgate` without Argo CD's server, with a Lease as lock, and with the documented rights."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from tests.live.platform import ROOT, Platform
from tests.live.settings import ARGOCD_NAMESPACE
from tests.live.stack import Stack

Object = dict[str, Any]
PAGE = ROOT / "docs" / "core-mode.md"
RBAC = "rbac.authorization.k8s.io"


def documented_roles(service: str, app: str, namespace: str) -> list[Object]:
    """The Roles of the page, for this service, application and namespace."""
    (text,) = re.findall(r"```yaml\n(apiVersion: rbac.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)
    roles: list[Object] = list(yaml.safe_load_all(text))
    names = {"recommender": service, "recommender-prod": app, "headgate.recommender.prod": f"headgate.{service}.prod"}
    for role in roles:
        in_argocd = role["metadata"]["namespace"] == ARGOCD_NAMESPACE
        role["metadata"] |= {"namespace": ARGOCD_NAMESPACE if in_argocd else namespace, "name": f"headgate-{app}"}
        for rule in role["rules"]:
            if "resourceNames" in rule:
                rule["resourceNames"] = [names[name] for name in rule["resourceNames"]]
    return roles


def grant(stack: Stack, user: str, roles: list[Object]) -> None:
    """Give a user of the cluster these Roles, and no others of these names."""
    for role in roles:
        metadata = role["metadata"] | {"name": f"{role['metadata']['name']}-{user}"}
        binding = {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": metadata["name"]},
            "subjects": [{"apiGroup": RBAC, "kind": "User", "name": user}],
        }
        stack.cluster.apply(role | {"metadata": metadata}, binding)


def without_server(shop: Platform, service: str = "recommender") -> None:
    """Rewrite headgate.yaml for core mode, and take the Argo CD token away."""
    config = yaml.safe_load(shop.config.read_text("utf-8"))
    settings = config["deploy"]["environments"]["prod"]["services"][service]
    settings["argocd"] = {"mode": "core", "app": shop.app(service), "project": shop.namespace}
    settings["lock"] = "lease"
    shop.config.write_text(yaml.safe_dump(config), "utf-8")
    shop.environ.pop("HEADGATE_ARGOCD_TOKEN", None)
    grant(shop.stack, "headgate", documented_roles(service, shop.app(service), shop.namespace))


def lease(shop: Platform, service: str = "recommender") -> Object | None:
    """The lock of a service."""
    metadata = {"name": f"headgate.{service}.prod", "namespace": shop.namespace}
    return shop.stack.cluster.get({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata})


def kubeconfig(shop: Platform, user: str) -> dict[str, str]:
    """The environment in which `user` asks the cluster."""
    file: Path = shop.stack.kubeconfig_of(user)
    return {"KUBECONFIG": str(file)}
