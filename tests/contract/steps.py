"""What a story does beside its recorded calls, and what its recorder had waited for."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from cicd.sandbox.argocd.controller import Timing
from cicd.sandbox.kubernetes.cluster import Ref
from tests.contract.states import State
from tests.contract.world import REPO_URL, World

Step = Callable[[World], None]
Ready = Callable[[World], bool]


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

    def step(world: World) -> None:
        body = {"name": app, "project": "default", "namespace": "shop", "resourceName": app, "group": "argoproj.io"}
        body |= {"version": "v1alpha1", "kind": "Rollout", "action": action}
        post(world, f"/api/v1/applications/{app}/resource/actions/v2", body)

    return step


def sync(app: str, revision: str) -> Step:
    """A sync that was not recorded as a call."""

    def step(world: World) -> None:
        body = {"name": app, "project": "default", "revision": world.commits[revision]}
        post(world, f"/api/v1/applications/{app}/sync", body)

    return step


def paused_at(app: str, index: int) -> Ready:
    """Paused on the step with that number."""

    def ready(world: World) -> bool:
        status = (world.rollout(app) or {}).get("status") or {}
        conditions = {item["type"]: item["status"] for item in status.get("conditions") or ()}
        in_step = status.get("phase") == "Paused" and status.get("currentStepIndex") == index
        return in_step and conditions.get("Paused") == "True"

    return ready


def phase_is(app: str, phase: str) -> Ready:
    """In that phase, as the controller says of the spec that it has seen."""

    def ready(world: World) -> bool:
        rollout = world.rollout(app) or {}
        status = rollout.get("status") or {}
        return status.get("phase") == phase and status.get("observedGeneration") == str(
            rollout["metadata"]["generation"]
        )

    return ready


def config_map_is(value: str) -> Ready:
    """The ConfigMap of `ops` has this value."""

    def ready(world: World) -> bool:
        found = world.cluster.get(Ref("", "v1", "ConfigMap", "shop", "ops"))
        return found is not None and found["data"]["v"] == value

    return ready


def nothing(world: World) -> None:
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


def settled(app: str, phase: str, health: str) -> Ready:
    """The Rollout in that phase, and the application's lagging health has followed."""
    in_phase = phase_is(app, phase)

    def ready(world: World) -> bool:
        return in_phase(world) and bool(world.application(app)["status"]["health"].get("status") == health)

    return ready


def sync_is(app: str, status: str) -> Ready:
    """The application's sync status."""
    return lambda world: bool(world.application(app)["status"]["sync"].get("status") == status)


def compared_with(app: str, revision: str) -> Ready:
    """The application has been compared with that recorded revision."""

    def ready(world: World) -> bool:
        return bool(world.application(app)["status"]["sync"].get("revision") == world.commits.get(revision, revision))

    return ready


def cold_start(world: World) -> None:
    """The recorded controller had just been started and took a second to look at its first application."""
    world.argo.timing = Timing(first_s=1.2)


def refresh(app: str) -> Step:
    """A look at Git that was not recorded as a call: what the sync before it did."""

    def step(world: World) -> None:
        path = f"/api/v1/applications/{app}?project=default&refresh=normal"
        world.send("GET", path, {"Authorization": "Bearer <token>"}, None, "admin").raise_for_status()

    return step


def slow_operations(world: World) -> None:
    """The recorded operation waited for a hook; here operations just take long."""
    world.argo.timing = Timing(apply_s=60.0)


def usual_operations(world: World) -> None:
    world.argo.timing = Timing()


def post(world: World, path: str, body: Any) -> None:
    headers = {"Authorization": "Bearer <token>", "Content-Type": "application/json"}
    answer = world.send("POST", path, headers, body, "admin")
    if answer.status_code != 200:
        raise AssertionError(f"{path}: {answer.status_code} {answer.text}")


def both(*steps: Step) -> Step:
    def step(world: World) -> None:
        for item in steps:
            item(world)

    return step
