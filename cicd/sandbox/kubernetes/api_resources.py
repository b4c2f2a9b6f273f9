"""The kinds that the API serves, and the discovery documents made from them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cicd.sandbox.kubernetes.cluster import Ref

Object = dict[str, Any]
VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One row of the table. `custom`: served from a CRD, with CRD rules (no strategic merge, kinds inside lists)."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    status: bool = False
    custom: bool = False

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """How error messages name it: `leases.coordination.k8s.io`, `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind

    def ref(self, namespace: str, name: str) -> Ref:
        return Ref(self.group, self.version, self.kind, namespace if self.namespaced else "", name)


RESOURCES = (
    Resource(group="", version="v1", plural="pods", kind="Pod", status=True),
    Resource(group="", version="v1", plural="services", kind="Service", status=True),
    Resource(group="", version="v1", plural="endpoints", kind="Endpoints"),
    Resource(group="", version="v1", plural="configmaps", kind="ConfigMap"),
    Resource(group="", version="v1", plural="events", kind="Event"),
    Resource(group="", version="v1", plural="namespaces", kind="Namespace", namespaced=False, status=True),
    Resource(group="apps", version="v1", plural="replicasets", kind="ReplicaSet", status=True),
    Resource(group="argoproj.io", version="v1alpha1", plural="rollouts", kind="Rollout", status=True, custom=True),
    Resource(group="argoproj.io", version="v1alpha1", plural="applications", kind="Application", custom=True),
    Resource(group="argoproj.io", version="v1alpha1", plural="appprojects", kind="AppProject", custom=True),
    Resource(group="coordination.k8s.io", version="v1", plural="leases", kind="Lease"),
    Resource(group="discovery.k8s.io", version="v1", plural="endpointslices", kind="EndpointSlice"),
    Resource(group="networking.k8s.io", version="v1", plural="ingresses", kind="Ingress", status=True),
)
REVIEW_GROUP = "authorization.k8s.io"
REVIEW_PLURAL = "selfsubjectaccessreviews"

VERSION: Object = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.3",
    "gitCommit": "0" * 40,
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "go1.26.8",
    "compiler": "gc",
    "platform": "linux/amd64",
}


def find_resource(group: str, version: str, plural: str) -> Resource | None:
    return next(
        (item for item in RESOURCES if (item.group, item.version, item.plural) == (group, version, plural)), None
    )


def api_versions() -> Object:
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def api_groups() -> Object:
    versions = sorted({(item.group, item.version) for item in RESOURCES if item.group} | {(REVIEW_GROUP, "v1")})
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(*pair) for pair in versions]}


def api_group(group: str) -> Object | None:
    """`/apis/<group>`; None for a group that is not served."""
    found = [item for item in api_groups()["groups"] if item["name"] == group]
    return {"kind": "APIGroup", "apiVersion": "v1", **found[0]} if found else None


def _group(group: str, version: str) -> Object:
    served = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "versions": [served], "preferredVersion": served}


def api_resources(group: str, version: str) -> Object | None:
    """`/apis/<group>/<version>` or `/api/v1`; None when nothing is served there."""
    rows: list[Object] = []
    for item in RESOURCES:
        if (item.group, item.version) == (group, version):
            rows.append(_row(item.plural, item, VERBS))
            if item.status:
                rows.append(_row(f"{item.plural}/status", item, ["get", "patch", "update"]))
    if (group, version) == (REVIEW_GROUP, "v1"):
        review = Resource(group=group, version=version, plural=REVIEW_PLURAL, kind="SelfSubjectAccessReview")
        rows.append({**_row(REVIEW_PLURAL, review, ["create"]), "namespaced": False})
    if not rows:
        return None
    name = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": rows}


def _row(name: str, item: Resource, verbs: list[str]) -> Object:
    single = item.kind.lower() if "/" not in name else ""
    return {"name": name, "singularName": single, "namespaced": item.namespaced, "kind": item.kind, "verbs": verbs}
