"""Setting up the cluster: objects applied on the server's side, over plain HTTP."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import yaml

from headgate.errors import RemoteStateError, RemoteTimeoutError

Object = dict[str, Any]
FIELD_MANAGER = "headgate-live"
POLL_S = 0.1


class Cluster:
    """The Kubernetes API as one user."""

    def __init__(self, url: str, ca: Path, token: str) -> None:
        self.http = httpx.Client(
            base_url=url,
            verify=ssl.create_default_context(cafile=str(ca)),
            headers={"Authorization": f"Bearer {token}"},
            timeout=20,
            trust_env=False,
        )
        self._plurals: dict[tuple[str, str], str] = {}

    def apply(self, *objects: Object) -> None:
        """Create the objects or make them as given. Raises `RemoteStateError` when one is refused."""
        for obj in objects:
            response = self.http.patch(
                self.path(obj),
                params={"fieldManager": FIELD_MANAGER, "force": "true"},
                headers={"Content-Type": "application/apply-patch+yaml"},
                content=json.dumps(obj),  # JSON is YAML
            )
            if response.status_code not in {200, 201}:
                raise RemoteStateError(
                    f"the API server refused {obj['kind']} {obj['metadata']['name']}: {response.text[:500]}",
                    where=str(self.http.base_url),
                )

    def get(self, obj: Object) -> Object | None:
        """The object of that kind and name as it is now; None when there is none."""
        response = self.http.get(self.path(obj))
        if response.status_code == 404:
            return None
        response.raise_for_status()
        found: Object = response.json()
        return found

    def patch(self, obj: Object, change: Object) -> None:
        """Merge a change into it."""
        headers = {"Content-Type": "application/merge-patch+json"}
        self.http.patch(self.path(obj), content=json.dumps(change), headers=headers).raise_for_status()

    def delete(self, obj: Object) -> None:
        """Delete it; one that is gone is no error."""
        response = self.http.delete(self.path(obj))
        if response.status_code != 404:
            response.raise_for_status()

    def path(self, obj: Object) -> str:
        """The URL path of an object, by its kind, namespace and name."""
        base, plural = self._resource(obj["apiVersion"], obj["kind"])
        place = obj["metadata"].get("namespace")
        inside = f"/namespaces/{place}" if place else ""
        return f"{base}{inside}/{plural}/{obj['metadata']['name']}"

    def establish(self, files: Iterable[Path], timeout_s: float = 30) -> None:
        """Apply CustomResourceDefinitions and wait until the API serves them. Raises `RemoteTimeoutError`."""
        definitions = [obj for file in files for obj in load_yaml(file) if obj]
        self.apply(*definitions)
        deadline = time.monotonic() + timeout_s
        for definition in definitions:
            while not _established(self.get(definition) or {}):
                if time.monotonic() > deadline:
                    raise RemoteTimeoutError(f"{definition['metadata']['name']} is not established", where="CRD")
                time.sleep(POLL_S)

    def close(self) -> None:
        self.http.close()

    def _resource(self, api_version: str, kind: str) -> tuple[str, str]:
        base = f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"
        if (base, kind) not in self._plurals:
            response = self.http.get(base)
            response.raise_for_status()
            for resource in response.json()["resources"]:
                if "/" not in resource["name"]:
                    self._plurals[base, resource["kind"]] = resource["name"]
        if (base, kind) not in self._plurals:
            raise RemoteStateError(f"the API server serves no {kind} in {api_version}", where=str(self.http.base_url))
        return base, self._plurals[base, kind]


def load_yaml(file: Path) -> list[Object]:
    """The objects of a file. The definitions have a megabyte: libyaml reads them ten times faster, where it is there."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return list(yaml.load_all(file.read_text("utf-8"), Loader=loader))


def _established(definition: Object) -> bool:
    conditions = definition.get("status", {}).get("conditions") or []
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)
