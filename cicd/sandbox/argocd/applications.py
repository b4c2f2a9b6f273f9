"""The application service: who may do what, and what is refused, in the order and the words of the real server."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from cicd.sandbox.argocd.accounts import Caller
from cicd.sandbox.argocd.autosync import automated
from cicd.sandbox.argocd.compare import Key
from cicd.sandbox.argocd.controller import TERMINATING, Controller, application_ref, request_operation
from cicd.sandbox.argocd.health import resource_health
from cicd.sandbox.argocd.livecache import LiveCache
from cicd.sandbox.argocd.projects import Projects
from cicd.sandbox.argocd.sources import SourceError, Sources
from cicd.sandbox.argocd.tree import tree_objects
from cicd.sandbox.argocd.wire import (
    APPLICATION_GROUP,
    CONTROL_NAMESPACE,
    ApiError,
    Code,
    application_not_found,
    denied,
    invalid,
    precondition,
    present,
    with_health,
)
from cicd.sandbox.kubernetes.cluster import Cluster, Object, Ref, merge_patch, ref_of

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


class Applications:
    """Reads and writes Application objects on behalf of a caller; every refusal is an `ApiError`."""

    def __init__(
        self, cluster: Cluster, controller: Controller, sources: Sources, projects: Projects, live: LiveCache
    ) -> None:
        self._cluster = cluster
        self._controller = controller
        self._sources = sources
        self._live = live
        self.projects = projects

    def find(self, caller: Caller | None, name: str, project: str, *, reading: bool = False) -> Object:
        """The application, for a caller who may see it.

        Who does not name the project is told "permission denied" for a missing application: its project, and so the
        right to know of it, cannot be found out.
        """
        if caller is None:
            raise denied() if reading and not project else _no_session()
        app = self._cluster.get(application_ref(name))
        if app is None or (project and app["spec"].get("project") != project):
            raise application_not_found(name) if project else denied()
        if not caller.account.role.allows("get", str(app["spec"].get("project"))):
            raise denied()
        return app

    def create(self, caller: Caller | None, manifest: Mapping[str, Any]) -> Object:
        """A new application; the same spec again is answered with what is there."""
        caller = _required(caller)
        name, spec = _parse_application(manifest)
        if not caller.account.role.allows("create", spec["project"]):
            raise denied(_refusal(caller, "create", spec["project"], name))
        self._validate(name, spec)
        with self._cluster.locked():
            existing = self._cluster.get(application_ref(name))
            if existing is not None:
                if existing["spec"] != spec:
                    raise invalid("existing application spec is different, use upsert flag to force update")
                return existing
            metadata = {"name": name, "namespace": CONTROL_NAMESPACE}
            for key in ("labels", "annotations"):
                if manifest["metadata"].get(key):
                    metadata[key] = manifest["metadata"][key]
            kind = {"apiVersion": f"{APPLICATION_GROUP}/v1alpha1", "kind": "Application"}
            return self._cluster.create({**kind, "metadata": metadata, "spec": spec})

    def patch(self, caller: Caller | None, name: str, project: str, patch: str, kind: str) -> Object:
        """A merge patch of the application (its spec, in practice: it reaches no status subresource)."""
        app = self.find(caller, name, project)
        caller = _required(caller)
        if not caller.account.role.allows("update", app["spec"]["project"]):
            raise denied(_refusal(caller, "update", app["spec"]["project"], name))
        if kind not in {"merge", ""}:
            raise invalid(f"Patch type '{kind}' is not supported")
        try:
            _, spec = _parse_application(merge_patch(app, json.loads(patch)))
        except ValueError as error:
            raise invalid(f"error unmarshaling patch: {error}") from error
        self._validate(name, spec)

        def change(current: Object) -> None:
            current["spec"] = spec

        return self._cluster.update(application_ref(name), change)

    def _validate(self, name: str, spec: Mapping[str, Any]) -> None:
        """Refuse a spec whose manifests cannot be generated. Raises `ApiError` (code 3)."""
        prefix = f"application spec for {name} is invalid: InvalidSpecError:"
        source = spec["source"]
        if not self.projects.exists(spec["project"]):
            raise invalid(f"{prefix} application references project {spec['project']} which does not exist")
        try:
            commit = self._sources.resolve(source["repoURL"], str(source.get("targetRevision") or "HEAD"))
            self._sources.render(source, commit, name, spec["destination"].get("namespace") or "default")
        except SourceError as error:
            raise invalid(f"{prefix} Unable to generate manifests in {source.get('path', '')}: {error}") from error

    def sync(self, caller: Caller | None, name: str, project: str, request: Mapping[str, Any]) -> Object:
        """Start a sync operation; whether its revision exists shows only when it runs."""
        app = self.find(caller, name, project)
        caller = _required(caller)
        own = str(app["spec"]["project"])
        if not caller.account.role.allows("sync", own):
            raise denied(_refusal(caller, "sync", own, name))
        if not self.projects.may_sync(app, manual=True):
            raise denied("cannot sync: blocked by sync window")
        source = app["spec"]["source"]
        target = str(source.get("targetRevision") or "HEAD")
        revision = str(request.get("revision") or target)
        if automated(app) is not None and not request.get("dryRun") and revision != target:
            raise precondition(f"Cannot sync to {revision}: auto-sync currently set to {target}")
        try:
            commit = self._sources.resolve(source["repoURL"], revision)
        except SourceError as error:
            raise precondition(str(error)) from error
        sync: Object = {"revision": commit, "source": source}
        sync |= {key: True for key in ("dryRun", "prune") if request.get(key)}
        if request.get("resources"):
            sync["resources"] = request["resources"]
        operation: Object = {"sync": sync, "initiatedBy": {"username": caller.account.name}}
        if request.get("infos"):
            operation["info"] = request["infos"]
        operation["retry"] = {}

        def start(current: Object) -> None:
            if current.get("operation"):
                raise precondition("another operation is already in progress")
            request_operation(current, operation)

        return self._cluster.update(application_ref(name), start)

    def terminate(self, caller: Caller | None, name: str, project: str) -> None:
        """End the running operation; it becomes Failed a moment later."""
        app = self.find(caller, name, project)
        caller = _required(caller)
        if not caller.account.role.allows("sync", app["spec"]["project"]):
            raise denied(_refusal(caller, "sync", app["spec"]["project"], name))

        def end(current: Object) -> None:
            state = current.get("status", {}).get("operationState") or {}
            if not current.get("operation") or not state:
                raise invalid("Unable to terminate operation. No operation is in progress")
            state["phase"] = TERMINATING

        self._cluster.update(application_ref(name), end)

    def refresh(self, name: str) -> Object:
        """Compare with Git now and give the application as it is then."""
        self._controller.refresh(name)
        app = self._cluster.get(application_ref(name))
        if app is None:
            raise application_not_found(name)
        return app

    def listed(self, caller: Caller | None) -> list[Object]:
        """The applications that the caller may see, by name."""
        role = _required(caller).account.role
        apps = self._cluster.list(APPLICATION_GROUP, "Application", CONTROL_NAMESPACE)
        return [app for app in apps if role.allows("get", str(app["spec"].get("project")))]

    def presented(self, app: Mapping[str, Any]) -> Object:
        """The application as `GET` answers it, with the health of its resources as it is at this moment."""
        live = self._live.objects()
        health: dict[Key, Mapping[str, str]] = {}
        for entry in (app.get("status") or {}).get("resources") or ():
            key = (entry.get("group", ""), entry["kind"], entry.get("namespace", ""), entry["name"])
            found = {"status": "Missing"} if key not in live else resource_health(live[key])
            if found:
                health[key] = found
        return with_health(present(app), health)

    def tree(self, name: str) -> list[Object]:
        """The application's live objects and all that they own."""
        return tree_objects(self._live.objects(), name)

    def resource(self, name: str, query: Mapping[str, str]) -> tuple[Ref, Object]:
        """A live object of the application's tree. Raises `ApiError` (code 3) for anything else."""
        group, kind, wanted = query.get("group") or "", query.get("kind") or "", query.get("resourceName") or ""
        namespace = query.get("namespace") or ""
        for obj in self.tree(name):
            ref = ref_of(obj)
            if (ref.group, ref.kind, ref.namespace, ref.name) == (group, kind, namespace, wanted):
                return ref, obj
        raise invalid(f"{kind} {group} {wanted} not found as part of application {name}")


def _required(caller: Caller | None) -> Caller:
    if caller is None:
        raise _no_session()
    return caller


def _no_session() -> ApiError:
    return ApiError(Code.UNAUTHENTICATED, "no session information")


def _refusal(caller: Caller, action: str, project: str, name: str) -> str:
    issued = caller.issued_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"permission denied: applications, {action}, {project}/{name}, sub: {caller.account.name}, iat: {issued}"


def _parse_application(manifest: Mapping[str, Any]) -> tuple[str, Object]:
    """Name and spec of a posted application. Raises `ApiError` (code 3) for what the sandbox cannot work with."""
    metadata, spec = manifest.get("metadata"), manifest.get("spec")
    if not isinstance(metadata, dict) or not isinstance(spec, dict):
        raise invalid("invalid application: metadata and spec are required")
    name = str(metadata.get("name") or "")
    if not _DNS_LABEL.fullmatch(name):
        raise invalid(f"application name is not valid: {name!r}")
    source, destination = spec.get("source"), spec.get("destination")
    if not isinstance(source, dict) or not source.get("repoURL") or not isinstance(destination, dict):
        raise invalid(
            f"application spec for {name} is invalid: InvalidSpecError: spec.source.repoURL and spec.destination are required"
        )
    policy = spec.get("syncPolicy")
    auto = policy.get("automated") if isinstance(policy, dict) else None
    for part in (policy, auto, source.get("helm"), source.get("directory")):
        if part is not None and not isinstance(part, dict):
            raise invalid(f"json: cannot unmarshal a part of the spec of {name}: an object is needed")
    if isinstance(policy, dict) and auto:
        # Go leaves out what is false, and so do answers.
        spec = {**spec, "syncPolicy": {**policy, "automated": {k: v for k, v in auto.items() if v or k == "enabled"}}}
    return name, {**spec, "project": str(spec.get("project") or "default")}
