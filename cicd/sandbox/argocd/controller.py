"""The application controller: compares Git with the cluster and runs operations, in small visible steps.

Its timing is what clients trip over on a real server: an operation is Running for a while, and the application's
status follows an operation or a change in the cluster only after a moment.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cicd.sandbox.argocd.autosync import decide_auto_sync
from cicd.sandbox.argocd.compare import Pair, application_health, pair_up, status_entry, sync_status, tracked
from cicd.sandbox.argocd.livecache import LiveCache
from cicd.sandbox.argocd.operations import TARGET_STATE, perform_sync
from cicd.sandbox.argocd.projects import Projects
from cicd.sandbox.argocd.sources import SourceError, Sources
from cicd.sandbox.argocd.tree import tree_objects, tree_summary
from cicd.sandbox.argocd.wire import APPLICATION_GROUP, CONTROL_NAMESPACE, REFRESH
from cicd.sandbox.kubernetes.cluster import Cluster, Object, Ref

HISTORY = 10
TERMINATING = "Terminating"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds of the injected clock.

    `first_s`: from creation to the first look at Git. `start_s`: from an accepted operation to Running. `apply_s`: from
    Running to the end. `refresh_s`: from a change to the application's status. `reconcile_s`: between two looks at Git
    that nobody asked for. `self_heal_s`: least time between an operation and the next self-heal.
    """

    first_s: float = 0.1
    start_s: float = 0.03
    apply_s: float = 0.15
    refresh_s: float = 0.08
    reconcile_s: float = 30.0
    self_heal_s: float = 1.0


@dataclass(slots=True)
class _Schedule:
    """What is due for one application, on the monotonic clock."""

    operation_at: float | None = None
    refresh_at: float | None = None
    ask_git: bool = True
    reconciled_at: float | None = None
    spec: Object | None = None
    commit: str = ""


def application_ref(name: str) -> Ref:
    """Where an application is kept."""
    return Ref(APPLICATION_GROUP, "v1alpha1", "Application", CONTROL_NAMESPACE, name)


class Controller:
    """Reconciles every Application object of the cluster. Call `step` often; it does whatever is due and returns."""

    def __init__(self, cluster: Cluster, sources: Sources, projects: Projects, live: LiveCache, timing: Timing) -> None:
        self.timing = timing
        self._cluster = cluster
        self._clock = cluster.clock
        self._sources = sources
        self._projects = projects
        self._live = live
        self._lock = threading.RLock()
        self._schedules: dict[str, _Schedule] = {}

    def step(self) -> None:
        """Do what is due now for every application."""
        with self._lock:
            now = self._clock.monotonic()
            for name in self._live.take_changed() & self._schedules.keys():
                self._plan_refresh(name, now, ask_git=False)
            apps = self._cluster.list(APPLICATION_GROUP, "Application", CONTROL_NAMESPACE)
            for name in self._schedules.keys() - {app["metadata"]["name"] for app in apps}:
                del self._schedules[name]
            for app in apps:
                self._step_operation(app, now)
                self._step_refresh(app, now)

    def refresh(self, name: str) -> None:
        """Compare with the newest commit now. The application must exist."""
        with self._lock:
            self._schedule(name).refresh_at = None
            self._reconcile(name, ask_git=True)

    def _schedule(self, name: str) -> _Schedule:
        return self._schedules.setdefault(name, _Schedule())

    def _plan_refresh(self, name: str, now: float, *, ask_git: bool) -> None:
        schedule = self._schedule(name)
        if schedule.refresh_at is None:
            schedule.refresh_at, schedule.ask_git = now + self.timing.refresh_s, ask_git
        schedule.ask_git = schedule.ask_git or ask_git

    def _step_refresh(self, app: Object, now: float) -> None:
        name = app["metadata"]["name"]
        schedule = self._schedule(name)
        asked = REFRESH in (app["metadata"].get("annotations") or {})
        if schedule.reconciled_at is None and schedule.refresh_at is None:
            schedule.refresh_at, schedule.ask_git = now + self.timing.first_s, True
        elif schedule.reconciled_at is not None and schedule.spec != app["spec"]:
            self._plan_refresh(name, now, ask_git=True)
        schedule.spec = app["spec"]
        if schedule.reconciled_at is not None and now - schedule.reconciled_at >= self.timing.reconcile_s:
            asked = True
        if asked or (schedule.refresh_at is not None and now >= schedule.refresh_at):
            ask_git = asked or schedule.ask_git
            schedule.refresh_at = None
            self._reconcile(name, ask_git=ask_git)

    # --- operations -------------------------------------------------------------------------------------------------

    def _step_operation(self, app: Object, now: float) -> None:
        """Accepted, then Running, then done; a restarted controller takes up a running one where it finds it."""
        name = app["metadata"]["name"]
        schedule = self._schedule(name)
        if not app.get("operation"):
            schedule.operation_at = None
            return
        state = app.get("status", {}).get("operationState") or {}
        if state.get("phase") == TERMINATING and not self._waits_for_window(app):
            self._finish(app, "Failed", "Operation terminated", None, now)
        elif not state:
            if schedule.operation_at is None:
                schedule.operation_at = now + self.timing.start_s
            elif now >= schedule.operation_at:
                self._begin(app)
                schedule.operation_at = now + self.timing.apply_s
        elif schedule.operation_at is None or (now >= schedule.operation_at and self._waits_for_window(app)):
            schedule.operation_at = now + self.timing.apply_s
        elif now >= schedule.operation_at:
            outcome = perform_sync(self._cluster, self._sources, self._live.objects(), app)
            self._finish(app, outcome.phase, outcome.message, outcome.sync_result, now)

    def _waits_for_window(self, app: Object) -> bool:
        """An operation that was put into the object (the server would have refused it) waits, and says so."""
        automated = bool((app["operation"].get("initiatedBy") or {}).get("automated"))
        if self._projects.may_sync(app, manual=not automated):
            return False
        state = app["status"]["operationState"]
        if state["phase"] == "Running":
            message = {"message": "Sync operation blocked by sync window"}
            self._write(app["metadata"]["name"], {"operationState": state | message})
        return True

    def _begin(self, app: Object) -> None:
        state = {"operation": app["operation"], "phase": "Running", "startedAt": self._cluster.timestamp()}
        self._write(app["metadata"]["name"], {"operationState": state})

    def _finish(self, app: Object, phase: str, message: str, result: Object | None, now: float) -> None:
        name = app["metadata"]["name"]
        sync = app["operation"].get("sync") or {}
        begun = app["status"]["operationState"]
        ended = self._cluster.timestamp()
        revision = sync.get("revision") or app["spec"]["source"].get("targetRevision") or "HEAD"
        fallback = {"revision": revision, "source": sync.get("source") or app["spec"]["source"]}
        state = {
            "operation": app["operation"],
            "phase": phase,
            "message": message,
            "syncResult": result or fallback,
            "startedAt": begun["startedAt"],
            "finishedAt": ended,
        }
        # A dry run and a partial sync (self-heal) are not deployments: they leave no history.
        recorded = phase == "Succeeded" and not sync.get("dryRun") and not sync.get("resources")

        def end(current: Object) -> None:
            current.pop("operation", None)
            status = current.setdefault("status", {})
            status["operationState"] = state
            if recorded:
                status["history"] = _extended(status.get("history") or [], state, ended)

        self._cluster.update(application_ref(name), end)
        self._schedule(name).operation_at = None
        self._plan_refresh(name, now, ask_git=True)

    # --- comparison -------------------------------------------------------------------------------------------------

    def _reconcile(self, name: str, *, ask_git: bool) -> None:
        app = self._cluster.get(application_ref(name))
        if app is None:
            return
        schedule = self._schedule(name)
        if ask_git:
            schedule.reconciled_at = self._clock.monotonic()
        source, destination = app["spec"]["source"], app["spec"]["destination"]
        target = str(source.get("targetRevision") or "HEAD")
        problem: str | None = None
        pairs: list[Pair] = []
        source_type = ""
        live = self._live.objects()
        try:
            if ask_git or not schedule.commit:
                schedule.commit = ""
                schedule.commit = self._sources.resolve(source["repoURL"], target)
            rendered = self._sources.render(source, schedule.commit, name, destination.get("namespace") or "default")
            pairs = pair_up((tracked(item, name) for item in rendered.manifests), live, name)
            source_type = rendered.source_type
        except SourceError as error:
            problem = f"{TARGET_STATE}{error}"
            pairs = pair_up((), live, name)
        entries = [_stored_entry(pair, unknown=problem is not None) for pair in pairs]
        sync: Object = {"status": "Unknown" if problem else sync_status(pairs)}
        sync["comparedTo"] = {"source": source, "destination": destination}
        sync["revision"] = target if problem else schedule.commit
        summary = tree_summary(tree_objects(live, name))
        changes: Object = {
            "resources": entries or None,
            "sync": sync,
            "sourceType": source_type or None,
            "summary": summary,
            "resourceHealthSource": "appTree",
            "controllerNamespace": CONTROL_NAMESPACE,
        }
        if ask_git:
            # Only a look at Git counts as a reconciliation; following the cluster does not move this time.
            changes["reconciledAt"] = self._cluster.timestamp()
        self._write(name, changes, health=application_health(pairs), problem=problem)
        if sync["status"] == "OutOfSync":
            self._auto_sync(name, schedule.commit)

    def _auto_sync(self, name: str, commit: str) -> None:
        app = self._cluster.get(application_ref(name))
        if app is None or not self._projects.may_sync(app, manual=False):
            return
        resources = app["status"].get("resources") or []
        operation = decide_auto_sync(app, commit, resources, self._clock.now(), self.timing.self_heal_s)
        if operation is not None:
            self._cluster.update(application_ref(name), lambda current: request_operation(current, operation))

    def _write(self, name: str, changes: Mapping[str, Any], *, health: str = "", problem: str | None = None) -> None:
        """Merge into the status; None removes. `health` moves its transition time only when it is another one."""
        stamp = self._cluster.timestamp()

        def change(current: Object) -> None:
            status = current.setdefault("status", {})
            if health and (status.get("health") or {}).get("status") != health:
                status["health"] = {"status": health, "lastTransitionTime": stamp}
            if health:
                (current["metadata"].get("annotations") or {}).pop(REFRESH, None)
                _set_condition(status, problem, stamp)
            for key, value in changes.items():
                if value is None:
                    status.pop(key, None)
                else:
                    status[key] = value

        self._cluster.update(application_ref(name), change)


def request_operation(app: Object, operation: Object) -> None:
    """Put an operation into the application; the state of the one before is forgotten at once."""
    app["operation"] = operation
    app.setdefault("status", {}).pop("operationState", None)


def _stored_entry(pair: Pair, *, unknown: bool) -> Object:
    """A line of `status.resources` as it is stored: without health, which the server adds when it is read."""
    entry = status_entry(pair)
    entry.pop("health", None)
    return {**entry, "status": "Unknown"} if unknown else entry


def _set_condition(status: Object, problem: str | None, stamp: str) -> None:
    before = {item["type"]: item for item in status.get("conditions") or ()}
    old = before.pop("ComparisonError", None)
    conditions = list(before.values())
    if problem is not None:
        since = old["lastTransitionTime"] if old and old["message"] == problem else stamp
        conditions.append({"type": "ComparisonError", "message": problem, "lastTransitionTime": since})
    if conditions:
        status["conditions"] = conditions
    else:
        status.pop("conditions", None)


def _extended(history: list[Object], state: Mapping[str, Any], ended: str) -> list[Object]:
    """The history with this deployment; only the last ten are kept, numbered on."""
    entry = {
        "revision": state["syncResult"]["revision"],
        "deployedAt": ended,
        "id": history[-1]["id"] + 1 if history else 0,
        "source": state["syncResult"]["source"],
        "deployStartedAt": state["startedAt"],
        "initiatedBy": state["operation"].get("initiatedBy") or {},
    }
    return [*history, entry][-HISTORY:]
