"""What a story does beside its recorded calls, and what its recorder had waited for."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.contract.servers import Servers
from tests.contract.states import State

REPO_URL = "https://git.example.com/shop/env.git"
"""The repository as the recording names it."""

Step = Callable[[Servers], None]
Ready = Callable[[Servers], bool]


def application_manifest(name: str, project: str = "default") -> dict[str, Any]:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": {
            "project": project,
            "source": {"repoURL": REPO_URL, "path": name, "targetRevision": "main"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
        },
    }


def push(repository: str, revision: str) -> Step:
    return lambda world: world.push(repository, revision)


def act(app: str, action: str) -> Step:
    """A resource action that was not recorded: what an analysis did there."""

    def step(world: Servers) -> None:
        body = {"name": app, "project": "default", "namespace": "shop", "resourceName": app, "group": "argoproj.io"}
        body |= {"version": "v1alpha1", "kind": "Rollout", "action": action}
        post(world, f"/api/v1/applications/{app}/resource/actions/v2", body)

    return step


def sync(app: str, revision: str) -> Step:
    """A sync that was not recorded as a call."""

    def step(world: Servers) -> None:
        body = {"name": app, "project": "default", "revision": world.commits[revision]}
        post(world, f"/api/v1/applications/{app}/sync", body)

    return step


def paused_at(app: str, index: int) -> Ready:
    """Paused on the step with that number."""

    def ready(world: Servers) -> bool:
        status = (world.rollout(app) or {}).get("status") or {}
        conditions = {item["type"]: item["status"] for item in status.get("conditions") or ()}
        in_step = status.get("phase") == "Paused" and status.get("currentStepIndex") == index
        return in_step and conditions.get("Paused") == "True"

    return ready


def phase_is(app: str, phase: str) -> Ready:
    """In that phase, as the controller says of the spec that it has seen."""

    def ready(world: Servers) -> bool:
        rollout = world.rollout(app) or {}
        status = rollout.get("status") or {}
        return status.get("phase") == phase and status.get("observedGeneration") == str(
            rollout["metadata"]["generation"]
        )

    return ready


def deployed(app: str, revision: str) -> Ready:
    """That recorded revision is synced, and the Rollout has come to a rest with it."""

    def ready(world: Servers) -> bool:
        operation = status_of(world, app).get("operationState") or {}
        done = operation.get("phase") == "Succeeded"
        same = (operation.get("syncResult") or {}).get("revision") == world.commits[revision]
        return done and same and any(phase_is(app, phase)(world) for phase in ("Paused", "Healthy", "Degraded"))

    return ready


def wait_for(world: Servers, ready: Ready) -> None:
    """Let time pass until then. Raises `AssertionError` when it does not come."""
    if not ready(world) and not world.advance(world.tempo.patience_s, lambda: ready(world)):
        raise AssertionError("what the story needs before it begins did not come")


def annotate(world: Servers) -> None:
    """An annotation that somebody adds to `reco` by hand."""
    headers = {"Authorization": "Bearer <token>", "Content-Type": "application/merge-patch+json"}
    body = {"metadata": {"annotations": {"headgate.dev/note": "x"}}}
    path = "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/reco"
    world.send("PATCH", path, headers, body, "admin").raise_for_status()


def replicas_are(app: str, number: int) -> Ready:
    """So many pods, those of older versions included."""
    return lambda world: ((world.rollout(app) or {}).get("status") or {}).get("replicas") == number


def all_of(*conditions: Ready) -> Ready:
    return lambda world: all(condition(world) for condition in conditions)


def config_map_is(value: str) -> Ready:
    """The ConfigMap of `ops` has this value."""

    def ready(world: Servers) -> bool:
        found = world.config_map("ops")
        return found is not None and found["data"]["v"] == value

    return ready


def nothing(world: Servers) -> None:
    """A call that is left out."""


def without_analysis(state: State) -> State:
    """The sandbox pauses where the recorded Rollout analysed, and is aborted by hand where an analysis did it."""
    facts = dict(state)
    if isinstance(facts.get("message"), str):
        facts["message"] = re.sub(r"(aborted update to revision \d+).*", r"\1", facts["message"], flags=re.DOTALL)
    if facts.get("currentStepIndex") == 1 and facts["phase"] == "Paused":
        facts |= {"phase": "Progressing", "message": "more replicas need to be updated"}
    if facts.get("currentStepIndex") == 1:
        facts |= {"controllerPause": None, "pauses": ()}
    if facts.get("rollout health") == "Suspended":
        facts["rollout health"] = "Progressing"
    return tuple(facts.items())


def without_analysis_and_older_pods(state: State) -> State:
    return tuple((name, value) for name, value in without_analysis(state) if name != "replicas")


def at_rest(app: str) -> Ready:
    """Nothing in flight any more, and the application's lagging health has followed."""
    return lambda world: any(settled(app, phase, phase)(world) for phase in ("Healthy", "Degraded"))


def settled(app: str, phase: str, health: str) -> Ready:
    """The Rollout in that phase, and the application's lagging health has followed."""
    in_phase = phase_is(app, phase)

    def ready(world: Servers) -> bool:
        return in_phase(world) and bool(status_of(world, app)["health"].get("status") == health)

    return ready


def status_of(world: Servers, app: str) -> dict[str, Any]:
    """The application's status, with empty parts where it has none yet."""
    found = (world.application(app) or {}).get("status") or {}
    return {"sync": {}, "health": {}} | found


def sync_is(app: str, status: str) -> Ready:
    """The application's sync status."""
    return lambda world: bool(status_of(world, app)["sync"].get("status") == status)


def idle(app: str) -> Ready:
    """No operation is asked for or running."""

    def ready(world: Servers) -> bool:
        found = world.application(app) or {}
        state = (found.get("status") or {}).get("operationState") or {}
        return "operation" not in found and state.get("phase") != "Running"

    return ready


def compared_with(app: str, revision: str) -> Ready:
    """The application has been compared with that recorded revision."""

    def ready(world: Servers) -> bool:
        return bool(status_of(world, app)["sync"].get("revision") == world.commits.get(revision, revision))

    return ready


def refresh(app: str) -> Step:
    """A look at Git that was not recorded as a call: what the sync before it did."""

    def step(world: Servers) -> None:
        path = f"/api/v1/applications/{app}?project=default&refresh=normal"
        world.send("GET", path, {"Authorization": "Bearer <token>"}, None, "admin").raise_for_status()

    return step


def pace(of: str) -> Step:
    """How long operations take from now on: `cold`, `slow` or `usual`."""
    return lambda world: world.pace(of)


def post(world: Servers, path: str, body: Any) -> None:
    headers = {"Authorization": "Bearer <token>", "Content-Type": "application/json"}
    answer = world.send("POST", path, headers, body, "admin")
    if answer.status_code != 200:
        raise AssertionError(f"{path}: {answer.status_code} {answer.text}")


def both(*steps: Step) -> Step:
    def step(world: Servers) -> None:
        for item in steps:
            item(world)

    return step
