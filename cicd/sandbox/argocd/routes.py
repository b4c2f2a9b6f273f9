"""The endpoints of the Argo CD API that Headgate uses."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.routing import Route

from cicd.sandbox.argocd.accounts import Accounts, Caller
from cicd.sandbox.argocd.applications import Applications
from cicd.sandbox.argocd.http import Call, route
from cicd.sandbox.argocd.sources import SourceError, Sources
from cicd.sandbox.argocd.tree import resource_tree
from cicd.sandbox.argocd.wire import ApiError, Code, denied, invalid, present, select_fields
from cicd.sandbox.kubernetes.actions import apply_action
from cicd.sandbox.kubernetes.cluster import Cluster, Object
from headgate.errors import HeadgateError

_VERSION = {
    "Version": "v3.2.11+headgate.sandbox",
    "BuildDate": "1970-01-01T00:00:00Z",
    "GoVersion": "none",
    "Compiler": "none",
    "Platform": "sandbox",
    "KustomizeVersion": "none",
    "HelmVersion": "sandbox subset",
    "JsonnetVersion": "none",
}
_RESOURCES = (
    "clusters", "projects", "applications", "applicationsets", "repositories", "write-repositories", "certificates",
    "accounts", "gpgkeys", "logs", "exec", "extensions",
)  # fmt: skip
_VERBS = ("get", "create", "update", "delete", "sync", "override", "action", "invoke")
_BOOLEANS = ("dryRun", "prune")


class Api:
    """Handlers over the application service; `actions_v2` False plays a server that knows only the older endpoint."""

    def __init__(
        self, cluster: Cluster, accounts: Accounts, apps: Applications, sources: Sources, *, actions_v2: bool
    ) -> None:
        self._cluster = cluster
        self._accounts = accounts
        self._apps = apps
        self._sources = sources
        self._actions_v2 = actions_v2

    def routes(self) -> list[Route]:
        """All routes but the stream."""
        app = "/api/v1/applications/{name}"
        routes = [
            route("GET", "/healthz", lambda _: PlainTextResponse("ok\n")),
            route("GET", "/api/version", lambda _: _VERSION),
            route("POST", "/api/v1/session", self.log_in),
            route("GET", "/api/v1/session/userinfo", self.user_info),
            route("GET", "/api/v1/account/can-i/{resource}/{action}/{subresource:path}", self.can_i),
            route("POST", "/api/v1/projects", self.create_project),
            route("GET", "/api/v1/applications", self.list_applications),
            route("POST", "/api/v1/applications", self.create_application),
            route("GET", app, self.get_application),
            route("PATCH", app, self.patch_application),
            route("POST", f"{app}/sync", self.sync),
            route("DELETE", f"{app}/operation", self.terminate),
            route("GET", f"{app}/syncwindows", self.sync_windows),
            route("GET", f"{app}/resource-tree", self.get_tree),
            route("GET", f"{app}/resource", self.get_resource),
            route("GET", f"{app}/resource/actions", self.list_actions),
            route("POST", f"{app}/resource/actions", self.run_action_v1),
            route("GET", f"{app}/revisions/{{revision:path}}/metadata", self.revision_metadata),
        ]
        if self._actions_v2:
            routes.append(route("POST", f"{app}/resource/actions/v2", self.run_action_v2))
        return routes

    def caller(self, call: Call) -> Caller | None:
        """Who asks; None without a token. Raises `ApiError` for a bad one."""
        return self._accounts.identify(call.authorization)

    # --- accounts ---------------------------------------------------------------------------------------------------

    def log_in(self, call: Call) -> Object:
        return {"token": self._accounts.log_in(call.text("username"), call.text("password"))}

    def user_info(self, call: Call) -> Object:
        caller = self.caller(call)
        if caller is None:
            return {}
        return {"loggedIn": True, "username": caller.account.name, "iss": "argocd"}

    def can_i(self, call: Call) -> Object:
        """Answers "no" for every action, also to those who may run it: the real server's quirk, kept."""
        caller = self._required(call)
        resource, action = call.path["resource"], call.path["action"]
        if resource not in _RESOURCES:
            raise invalid(f"[{' '.join(_RESOURCES)}] does not contain {resource}")
        verb = action.partition("/")[0]
        if verb not in _VERBS:
            raise invalid(f"[{' '.join(_VERBS)}] does not contain {action}")
        project = call.path["subresource"].partition("/")[0]
        allowed = resource == "applications" and verb != "action" and caller.account.role.allows(action, project)
        return {"value": "yes" if allowed else "no"}

    def create_project(self, call: Call) -> Object:
        caller = self._required(call)
        project = call.fields.get("project")
        if not isinstance(project, dict) or not isinstance(project.get("metadata"), dict):
            raise invalid("project with metadata and spec is required")
        name = str(project["metadata"].get("name") or "")
        if not name or not caller.account.role.allows("projects/create", name):
            raise denied()
        created = self._apps.projects.create(name, project.get("spec") or {})
        return {"metadata": present(created)["metadata"], "spec": created["spec"], "status": {}}

    # --- applications -----------------------------------------------------------------------------------------------

    def list_applications(self, call: Call) -> Object:
        apps = self._apps.listed(self.caller(call))
        projects = [item for item in (call.query.get("projects") or call.query.get("project") or "").split(",") if item]
        chosen = [
            self._apps.presented(app)
            for app in apps
            if (not projects or app["spec"]["project"] in projects)
            and call.query.get("name", app["metadata"]["name"]) == app["metadata"]["name"]
            and _selected(app["metadata"].get("labels") or {}, call.query.get("selector", ""))
        ]
        answer: Object = {"metadata": {"resourceVersion": str(self._cluster.resource_version)}, "items": chosen or None}
        return select_fields(answer, call.query.get("fields", ""))

    def create_application(self, call: Call) -> Object:
        return present(self._apps.create(self.caller(call), call.fields))

    def get_application(self, call: Call) -> Object:
        """`fields` is ignored here, as by the real server: it filters lists and the stream only."""
        refresh = call.query.get("refresh")
        app = self._apps.find(self.caller(call), call.path["name"], call.project, reading=True)
        if refresh in {"normal", "hard"}:
            app = self._apps.refresh(call.path["name"])
        return self._apps.presented(app)

    def patch_application(self, call: Call) -> Object:
        caller, name = self.caller(call), call.path["name"]
        return present(self._apps.patch(caller, name, call.project, call.text("patch"), call.text("patchType")))

    def sync(self, call: Call) -> Object:
        for name in _BOOLEANS:
            if call.fields.get(name) not in {None, True, False}:
                raise invalid(f"json: cannot unmarshal field {name} into a bool")
        for name in ("infos", "resources"):
            value = call.fields.get(name) or []
            if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
                raise invalid(f"json: cannot unmarshal field {name} into a list of objects")
        request = {**call.fields, "revision": call.text("revision")}
        return present(self._apps.sync(self.caller(call), call.path["name"], call.project, request))

    def terminate(self, call: Call) -> Object:
        self._apps.terminate(self.caller(call), call.path["name"], call.project)
        return {}

    def sync_windows(self, call: Call) -> Object:
        app = self._apps.find(self.caller(call), call.path["name"], call.project, reading=True)
        windows = self._apps.projects.windows(app)
        now = self._cluster.clock.now()
        answer: Object = {
            "activeWindows": [window.presented() for window in windows if window.is_open(now)],
            "assignedWindows": [window.presented() for window in windows],
            "canSync": self._apps.projects.may_sync(app, manual=True),
        }
        return {key: value for key, value in answer.items() if value != []}

    def revision_metadata(self, call: Call) -> Object:
        app = self._apps.find(self.caller(call), call.path["name"], call.project, reading=True)
        try:
            return dict(self._sources.metadata(app["spec"]["source"]["repoURL"], call.path["revision"]))
        except SourceError as error:
            raise ApiError(Code.UNKNOWN, str(error)) from error

    # --- resources --------------------------------------------------------------------------------------------------

    def get_tree(self, call: Call) -> Object:
        app = self._apps.find(self.caller(call), call.path["name"], call.project, reading=True)
        return resource_tree(self._apps.tree(app["metadata"]["name"]))

    def get_resource(self, call: Call) -> Object:
        self._apps.find(self.caller(call), call.path["name"], call.project, reading=True)
        _, obj = self._apps.resource(call.path["name"], call.query)
        return {"manifest": json.dumps(obj, separators=(",", ":"), sort_keys=True)}

    def list_actions(self, call: Call) -> Object:
        self._apps.find(self.caller(call), call.path["name"], call.project, reading=True)
        ref, obj = self._apps.resource(call.path["name"], call.query)
        return {"actions": offered_actions(obj) if ref.kind == "Rollout" else []}

    def run_action_v2(self, call: Call) -> Object:
        return self._run(call, call.fields, call.text("action"))

    def run_action_v1(self, call: Call) -> Object:
        """The older form: the resource is in the query, and the body is a JSON string."""
        if not isinstance(call.body, str):
            raise invalid("json: cannot unmarshal the body into a string")
        return self._run(call, call.query, call.body)

    def _run(self, call: Call, query: Mapping[str, Any], action: str) -> Object:
        caller = self.caller(call)
        app = self._apps.find(caller, call.path["name"], call.project)
        right = f"action/{query.get('group') or ''}/{query.get('kind') or ''}/{action}"
        if caller is None or not caller.account.role.allows(right, str(app["spec"]["project"])):
            raise denied()
        ref, _ = self._apps.resource(call.path["name"], {key: str(value) for key, value in query.items()})
        try:
            if ref.kind != "Rollout":
                raise ApiError(Code.UNKNOWN, "error getting Lua resource action: built-in script does not exist")
            apply_action(self._cluster, ref, action)
        except HeadgateError as error:
            message = "error getting Lua resource action: built-in script does not exist"
            raise ApiError(Code.UNKNOWN, message) from error
        return {}

    def _required(self, call: Call) -> Caller:
        caller = self.caller(call)
        if caller is None:
            raise ApiError(Code.UNAUTHENTICATED, "no session information")
        return caller


def offered_actions(rollout: Mapping[str, Any]) -> list[Object]:
    """The actions of a Rollout; `disabled` is a hint for user interfaces, the server runs a disabled one all the same."""
    spec, status = rollout.get("spec") or {}, rollout.get("status") or {}
    promoted = status.get("currentPodHash") == status.get("stableRS")
    steps = ((spec.get("strategy") or {}).get("canary") or {}).get("steps") or []
    paused = bool(status.get("pauseConditions")) or bool(spec.get("paused"))
    at_a_step = not promoted and (status.get("currentStepIndex") or 0) < len(steps)
    disabled: dict[str, Callable[[], bool]] = {
        "abort": lambda: promoted or bool(status.get("abort")),
        "pause": lambda: promoted or bool(spec.get("paused")),
        "promote-full": lambda: promoted,
        "restart": lambda: False,
        "resume": lambda: not paused,
        "retry": lambda: promoted or not status.get("abort"),
        "skip-current-step": lambda: not at_a_step,
    }
    offered: list[Object] = []
    for name, is_disabled in disabled.items():
        action: Object = {"name": name}
        if name == "restart":
            action["displayName"] = "Restart Pods"
        if is_disabled():
            action["disabled"] = True
        offered.append(action)
    return offered


def _selected(labels: Mapping[str, str], selector: str) -> bool:
    """A label selector of `key=value`, `key!=value` and `key` terms."""
    for term in filter(None, (part.strip() for part in selector.split(","))):
        if "!=" in term:
            key, _, value = term.partition("!=")
            if labels.get(key) == value:
                return False
        elif "=" in term:
            key, _, value = term.replace("==", "=").partition("=")
            if labels.get(key) != value:
                return False
        elif term not in labels:
            return False
    return True
