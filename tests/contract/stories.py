"""How each recorded story is set up and sent: accounts, commits, stand-ins. Also the list of deliberate exemptions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from cicd.sandbox.argocd.controller import Timing
from cicd.sandbox.kubernetes.cluster import Ref
from tests.contract.recording import Recorded
from tests.contract.states import State
from tests.contract.world import REPO_URL, World

Step = Callable[[World], None]
Ready = Callable[[World], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One recorded file. `app` is the application (and Rollout) that was polled, `repository` its commits.

    `before` acts on the world before the call with that number (from 0), `after` right behind it; `instead` replaces a
    call that the sandbox does not offer by another one with the same effect, and its answer is not compared. `ready`
    says what the recorder had waited for before that call. `during` acts so many seconds after a call. `alike` maps
    states, of either side, to what is the same for this story.
    """

    name: str
    app: str = ""
    repository: str = ""
    setup: Step = lambda world: None
    ready: Mapping[int, Ready] = field(default_factory=dict)
    before: Mapping[int, Step] = field(default_factory=dict)
    after: Mapping[int, Step] = field(default_factory=dict)
    instead: Mapping[int, Step] = field(default_factory=dict)
    during: Mapping[int, tuple[float, Step]] = field(default_factory=dict)
    alike: Callable[[State], State] = lambda state: state


def account_of(story: Story, call: Recorded) -> str:
    """Whose token the recording used: the notes say it, the tokens themselves were taken out."""
    note = call.note
    if note.startswith("garbage token"):
        return "not a token" if story.name.startswith("05") else "garbage"
    if "account" in note:
        return "headgate"
    return "reader" if note.startswith("reader") else "admin"


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
        _post(world, f"/api/v1/applications/{app}/resource/actions/v2", body)

    return step


def sync(app: str, revision: str) -> Step:
    """A sync that was not recorded as a call."""

    def step(world: World) -> None:
        body = {"name": app, "project": "default", "revision": world.commits[revision]}
        _post(world, f"/api/v1/applications/{app}/sync", body)

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


def _post(world: World, path: str, body: Any) -> None:
    headers = {"Authorization": "Bearer <token>", "Content-Type": "application/json"}
    answer = world.send("POST", path, headers, body, "admin")
    if answer.status_code != 200:
        raise AssertionError(f"{path}: {answer.status_code} {answer.text}")


def _both(*steps: Step) -> Step:
    def step(world: World) -> None:
        for item in steps:
            item(world)

    return step


# The deployments of `reco` before the last two stories, with the action that ended each of them.
DEPLOYMENTS = (
    ("699c379c97e75505c0b65240f158f21eac4c0338", ""),
    ("ddcef60935b26ff5949fa4b291c91d9b5bb286a7", "promote-full"),
    ("d3afe5ae4617fab8a571874784375d5dfad3a270", "abort"),
    ("d3afe5ae4617fab8a571874784375d5dfad3a270", ""),
    ("f2ede08bcb745568fa59d2a22d970b189b1a2047", ""),
    ("56a0d725b366f116b63c7f05f88c519c985c3585", "promote-full"),
    ("6718939da3e825a65f52cdc020eb0800b1a36992", ""),
    ("1d2b8f06d05eb579e8a398620713653e1164dc7a", "promote-full"),
    ("163cb6d8f9177eb15e5b54afd0aef1a3e0563cb0", "abort"),
    ("9060342f33a6ed3578659f50dc4022a7862ed8b0", ""),
)
CLOSED = {
    "sourceRepos": ["*"],
    "destinations": [{"namespace": "*", "server": "*"}],
    "syncWindows": [
        {"kind": "deny", "schedule": "* * * * *", "duration": "24h", "applications": ["*"], "manualSync": False}
    ],
}


def _deploy(world: World, revision: str, action: str) -> None:
    world.push("reco", revision)
    sync("reco", revision)(world)
    world.advance(1.5)
    if action:
        act("reco", action)(world)
        world.advance(2)


def _reco_setup(world: World) -> None:
    """`reco` with ten deployments behind it and the last one aborted, and an annotation that somebody added by hand."""
    world.push("reco", DEPLOYMENTS[0][0])
    world.argo.create_application(application_manifest("reco"))
    for revision, action in DEPLOYMENTS:
        _deploy(world, revision, action)

    def annotate(rollout: dict[str, Any]) -> None:
        rollout["metadata"]["annotations"]["headgate.dev/note"] = "x"

    world.cluster.update(Ref("argoproj.io", "v1alpha1", "Rollout", "shop", "reco"), annotate)


def _windows_setup(world: World) -> None:
    """Also an application in a closed project: the first two recorded calls create what was there already."""
    _reco_setup(world)
    world.push("reco", "e1f377db498cb686d2128247b6dfa55f282d3881")
    body = {"project": {"metadata": {"name": "closed"}, "spec": CLOSED}}
    _post(world, "/api/v1/projects", body)
    world.argo.create_application(application_manifest("win", "closed"))
    world.advance(0.5)


def _rights_setup(world: World) -> None:
    """Also promoted with an eleventh deployment, and Git is one commit further."""
    _reco_setup(world)
    _deploy(world, "ba65ed6e27e6493fbd8cfc3572422c9cf4b15a46", "promote-full")
    world.push("reco", "0f710e29e8dbf31627c1fb8466e6459fa9ad68c7")
    refresh("reco")(world)


CHAINS: Mapping[str, tuple[Story, ...]] = {
    "session and errors": (Story(name="00-session-and-errors"),),
    "canary": (
        Story(
            name="01-canary-good",
            app="reco",
            repository="reco",
            before={
                0: _both(push("reco", "699c379c97e75505c0b65240f158f21eac4c0338"), cold_start),
                6: push("reco", "ddcef60935b26ff5949fa4b291c91d9b5bb286a7"),
            },
            after={3: usual_operations},
            ready={16: paused_at("reco", 5), 18: phase_is("reco", "Healthy")},
        ),
        Story(name="02-canary-abort-and-revert", app="reco", repository="reco"),
    ),
    "blue-green": (
        Story(
            name="03-blue-green",
            app="cat",
            repository="cat",
            before={0: push("cat", "f4731ea7697664ebf98f93136deae00fd6d8c52b")},
            after={7: push("cat", "1d2b8f06d05eb579e8a398620713653e1164dc7a")},
            ready={
                1: compared_with("cat", "f4731ea7697664ebf98f93136deae00fd6d8c52b"),
                2: settled("cat", "Healthy", "Healthy"),
                7: phase_is("cat", "Paused"),
                9: compared_with("cat", "1d2b8f06d05eb579e8a398620713653e1164dc7a"),
                10: phase_is("cat", "Paused"),
                14: phase_is("cat", "Paused"),
                15: settled("cat", "Healthy", "Healthy"),
            },
        ),
    ),
    "operations": (
        Story(
            name="04-operations",
            app="ops",
            repository="ops",
            before={
                0: push("ops", "93ad58304b32f5e9ab292b7ec2f110f8a214f35c"),
                2: slow_operations,
                9: _both(push("ops", "ed3b4e575a6aa86d6b6edcad664e9c3315ebd9a9"), refresh("ops")),
                11: push("ops", "c66034af94700e40c504cfc8d737d7cee37d8f88"),
            },
            after={6: usual_operations},
            ready={
                2: sync_is("ops", "Synced"),
                15: compared_with("ops", "0cf5bf515124306b1dd904bd81fae97c26b1f4b6"),
                26: config_map_is("5"),
            },
            instead={18: sync("ops", "93ad58304b32f5e9ab292b7ec2f110f8a214f35c")},
        ),
    ),
    "windows, rights and the stream": (
        Story(name="05-windows-rights-stream", app="reco", repository="reco", setup=_windows_setup),
    ),
    "progress deadline": (
        Story(
            name="07-progress-deadline",
            app="late",
            repository="late",
            before={0: push("late", "5f4007bb967d3de88d4424f4b84bc132dc364769")},
            ready={
                2: phase_is("late", "Healthy"),
                6: settled("late", "Healthy", "Healthy"),
                9: settled("late", "Healthy", "Healthy"),
            },
        ),
    ),
    "traffic routing": (
        Story(
            name="08-canary-nginx-and-analysis",
            app="web",
            repository="web",
            before={0: push("web", "3cf6a2b635c6e0ee333d9526055f96b7790f7485")},
            ready={
                2: phase_is("web", "Healthy"),
                4: paused_at("web", 3),
                6: phase_is("web", "Healthy"),
                10: phase_is("web", "Healthy"),
            },
            instead={3: nothing},
            during={3: (1.9, act("web", "resume")), 6: (2.0, act("web", "abort")), 10: (40.0, act("web", "abort"))},
            alike=without_analysis,
        ),
    ),
    "rights": (Story(name="09-rights", app="reco", repository="reco", setup=_rights_setup),),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemption:
    """A difference that is meant: where (globs over story, request path, note and place), and why."""

    place: str
    reason: str
    story: str = "*"
    request: str = "*"
    note: str = "*"

    def covers(self, story: str, call: Recorded, difference: str) -> bool:
        place = difference.partition(": ")[0]
        return (
            fnmatchcase(story, self.story)
            and fnmatchcase(call.path, self.request)
            and fnmatchcase(call.note, self.note)
            and fnmatchcase(place, self.place.replace("[", "[[]"))
        )


EXEMPTIONS: tuple[Exemption, ...] = (
    Exemption(
        place="$.status.summary.images",
        request="*/sync",
        story="03-*",
        reason="pods that were ending just then; here they have ended",
    ),
    Exemption(
        place="$.hosts",
        request="*/resource-tree*",
        reason="capacity and versions of the nodes; no client of ours reads them",
    ),
    Exemption(
        place="$.nodes[Pod *].info[Node].value",
        request="*/resource-tree*",
        reason="the name of the machine",
    ),
    Exemption(
        place="$.status.health.status",
        request="*/sync",
        story="0[27]-*",
        reason="the answer repeats a health that lags by a tenth of a second, a race in the recording",
    ),
    Exemption(
        place="$.metadata.annotations.kubectl.kubernetes.io/last-applied-configuration",
        story="08-*",
        reason="the sandbox's Rollouts run no analyses: a pause stands in for the analysis step",
    ),
    Exemption(
        place="$.spec.strategy.canary.steps[1].*",
        story="08-*",
        reason="the sandbox's Rollouts run no analyses: a pause stands in for the analysis step",
    ),
    Exemption(
        place="$.status.conditions[Paused].*",
        story="08-*",
        reason="the sandbox's Rollouts run no analyses: a pause stands in for the analysis step",
    ),
    Exemption(
        place="*message",
        story="08-*",
        note="a*",
        reason="the sandbox's Rollouts run no analyses: an abort stands in, without the metric in its message",
    ),
    Exemption(
        place="$.status.summary.images",
        story="04-*",
        note="operation running",
        reason="the image of the hook's pod; the sandbox runs no hooks",
    ),
    Exemption(
        place="$.status.operationState.operation.sync.resources",
        story="04-*",
        note="after self-heal",
        reason="names the Job that a hook left behind; the sandbox runs no hooks",
    ),
    Exemption(
        place="$.status.operationState.operation.sync.syncStrategy",
        story="04-*",
        reason="says that it was a rollback by history number; a sync to the same revision stands in",
    ),
    Exemption(
        place="$.metadata.generation",
        request="/api/v1/applications*",
        reason="counts the controller's own writes of the status; no client reads it",
    ),
)
