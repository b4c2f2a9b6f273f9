"""The platform in core mode: `headgate` without Argo CD's server, with a Lease as lock, and with the documented rights."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import yaml

from deployments.cluster.rights import Right
from tests.live.platform import ROOT, Platform
from tests.live.settings import ARGOCD_NAMESPACE
from tests.live.stack import Stack

Object = dict[str, Any]
PAGE = ROOT / "docs" / "releases.md"
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


def without(roles: Iterable[Object], right: Right) -> list[Object]:
    """The Roles less one right."""
    left = copy.deepcopy(list(roles))
    for role in left:
        for rule in role["rules"]:
            place = role["metadata"]["namespace"], rule["resources"], rule.get("resourceNames", [""])
            if place == (right.namespace, [right.plural], [right.name]):
                rule["verbs"] = [verb for verb in rule["verbs"] if verb != right.verb]
        role["rules"] = [rule for rule in role["rules"] if rule["verbs"]]
    return left


def doctor(shop: Platform, service: str = "recommender") -> tuple[int, dict[str, Object]]:
    """`headgate doctor` on what concerns this service alone: exit code, and the leaves of its servers by name."""
    config = yaml.safe_load(shop.config.read_text("utf-8"))
    services = config["deploy"]["environments"]["prod"]["services"]
    config["deploy"] = {"environments": {"prod": {"services": {service: services[service]}}}}
    kept = {key: config[key] for key in ("version", "project", "deploy", "analysis")}
    file = shop.config.with_name("doctor.yaml")
    file.write_text(yaml.safe_dump(kept), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "cicd", "--config", str(file), "doctor", "-o", "json"],
        env=shop.environ,
        cwd=shop.config.parent,
        capture_output=True,
        text=True,
        timeout=60,
    )
    leaves = {leaf["check"]: leaf for leaf in json.loads(done.stdout)["checks"]}
    return done.returncode, {name: leaf for name, leaf in leaves.items() if f" prod/{service}" in name}
