"""Projects: where sync windows live. They are AppProject objects of the cluster, as on a real server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cicd.sandbox.argocd.windows import Window, may_sync, parse_window
from cicd.sandbox.argocd.wire import APPLICATION_GROUP, CONTROL_NAMESPACE, invalid
from cicd.sandbox.kubernetes.cluster import Cluster, Object, Ref


def project_ref(name: str) -> Ref:
    """Where a project is kept."""
    return Ref(APPLICATION_GROUP, "v1alpha1", "AppProject", CONTROL_NAMESPACE, name)


class Projects:
    """The projects of one server; `default` allows everything."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        if cluster.get(project_ref("default")) is None:
            self.create("default", {"sourceRepos": ["*"], "destinations": [{"namespace": "*", "server": "*"}]})

    def exists(self, name: str) -> bool:
        return self._cluster.get(project_ref(name)) is not None

    def create(self, name: str, spec: Mapping[str, Any]) -> Object:
        """A new project; the same spec again is answered with what is there.

        Raises `ApiError` (code 3) for windows that cannot be read and for a name that is taken by another spec.
        """
        try:
            windows = [parse_window(item) for item in spec.get("syncWindows") or ()]
        except (ValueError, AttributeError) as error:
            raise invalid(f"invalid sync window: {error}") from error
        metadata = {"name": name, "namespace": CONTROL_NAMESPACE}
        shown = [{**{k: v for k, v in item.items() if v}, "timeZone": "UTC"} for item in spec.get("syncWindows") or ()]
        content = {**spec, "syncWindows": shown} if windows else dict(spec)
        manifest = {"apiVersion": f"{APPLICATION_GROUP}/v1alpha1", "kind": "AppProject", "metadata": metadata}
        with self._cluster.locked():
            existing = self._cluster.get(project_ref(name))
            if existing is None:
                return self._cluster.create({**manifest, "spec": content, "status": {}})
        if existing["spec"] != content:
            raise invalid("existing project spec is different, use upsert flag to force update")
        return existing

    def windows(self, app: Mapping[str, Any]) -> list[Window]:
        """The sync windows that apply to the application."""
        project = self._cluster.get(project_ref(str(app["spec"].get("project") or "default"))) or {}
        windows = [parse_window(item) for item in (project.get("spec") or {}).get("syncWindows") or ()]
        namespace = str(app["spec"]["destination"].get("namespace") or "")
        return [window for window in windows if window.applies_to(app["metadata"]["name"], namespace)]

    def may_sync(self, app: Mapping[str, Any], *, manual: bool) -> bool:
        """Whether the windows let the application be synced now."""
        return may_sync(self.windows(app), self._cluster.clock.now(), manual=manual)
