"""How each recorded story is set up and sent: accounts, commits, stand-ins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.contract.recording import Recorded
from tests.contract.servers import Servers
from tests.contract.states import State
from tests.contract.steps import (
    Ready,
    Step,
    act,
    all_of,
    annotate,
    application_manifest,
    at_rest,
    both,
    compared_with,
    config_map_is,
    deployed,
    idle,
    nothing,
    pace,
    paused_at,
    phase_is,
    post,
    push,
    refresh,
    replicas_are,
    settled,
    sync,
    sync_is,
    wait_for,
    without_analysis,
    without_analysis_and_older_pods,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class During:
    """What is done between two calls: not before `at_s` seconds after the first, and when it is `ready`."""

    at_s: float
    ready: Ready
    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One recorded file. `app` is the application (and Rollout) that was polled, `repository` its commits.

    `before` acts on the world before the call with that number (from 0), `after` right behind it; `instead` replaces a
    call that the sandbox does not offer by another one with the same effect, and its answer is not compared. `ready`
    says what the recorder had waited for before that call. `during` acts between a call and the next. `alike` maps
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
    during: Mapping[int, During] = field(default_factory=dict)
    undemanded: frozenset[int] = frozenset()
    alike: Callable[[State], State] = lambda state: state


def account_of(story: Story, call: Recorded) -> str:
    """Whose token the recording used: the notes say it, the tokens themselves were taken out."""
    note = call.note
    if note.startswith("garbage token"):
        return "not a token" if story.name.startswith("05") else "garbage"
    if "account" in note:
        return "headgate"
    return "reader" if note.startswith("reader") else "admin"


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


def _deploy(world: Servers, revision: str, action: str) -> None:
    world.push("reco", revision)
    sync("reco", revision)(world)
    world.advance(1.5)
    wait_for(world, deployed("reco", revision))
    if action:
        act("reco", action)(world)
        world.advance(2)
        wait_for(world, at_rest("reco"))


def _reco_setup(world: Servers) -> None:
    """`reco` with ten deployments behind it and the last one aborted, and an annotation that somebody added by hand."""
    world.push("reco", DEPLOYMENTS[0][0])
    world.create_application(application_manifest("reco"))
    for revision, action in DEPLOYMENTS:
        _deploy(world, revision, action)
    annotate(world)


def _reco_rest(world: Servers) -> None:
    """The same after the first two stories."""
    for revision, action in DEPLOYMENTS[8:]:
        _deploy(world, revision, action)
    annotate(world)


def _windows_setup(world: Servers) -> None:
    _reco_setup(world)
    _close_project(world)


def _close_project(world: Servers) -> None:
    """Also an application in a closed project: the first two recorded calls create what was there already."""
    world.push("reco", "e1f377db498cb686d2128247b6dfa55f282d3881")
    body = {"project": {"metadata": {"name": "closed"}, "spec": CLOSED}}
    post(world, "/api/v1/projects", body)
    world.create_application(application_manifest("win", "closed"))
    world.advance(0.5)


def _rights_setup(world: Servers) -> None:
    _reco_setup(world)
    _one_further(world)


def _one_further(world: Servers) -> None:
    """Also promoted with an eleventh deployment, and Git is one commit further."""
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
                0: both(push("reco", "699c379c97e75505c0b65240f158f21eac4c0338"), pace("cold")),
                6: push("reco", "ddcef60935b26ff5949fa4b291c91d9b5bb286a7"),
            },
            after={3: pace("usual")},
            ready={
                5: settled("reco", "Healthy", "Healthy"),
                8: settled("reco", "Paused", "Suspended"),
                16: paused_at("reco", 5),
                18: settled("reco", "Healthy", "Healthy"),
            },
        ),
        Story(
            name="02-canary-abort-and-revert",
            app="reco",
            repository="reco",
            ready={
                2: paused_at("reco", 1),
                3: settled("reco", "Degraded", "Degraded"),
                7: paused_at("reco", 1),
                9: settled("reco", "Healthy", "Healthy"),
                12: paused_at("reco", 1),
                14: phase_is("reco", "Healthy"),
                15: paused_at("reco", 1),
                16: paused_at("reco", 1),
            },
        ),
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
                3: phase_is("cat", "Paused"),
                7: phase_is("cat", "Paused"),
                8: phase_is("cat", "Healthy"),
                9: all_of(compared_with("cat", "1d2b8f06d05eb579e8a398620713653e1164dc7a"), replicas_are("cat", 2)),
                10: phase_is("cat", "Paused"),
                11: phase_is("cat", "Degraded"),
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
                2: pace("slow"),
                9: both(push("ops", "ed3b4e575a6aa86d6b6edcad664e9c3315ebd9a9"), refresh("ops")),
                11: push("ops", "c66034af94700e40c504cfc8d737d7cee37d8f88"),
            },
            after={6: pace("usual")},
            ready={
                2: sync_is("ops", "Synced"),
                **dict.fromkeys((10, 13, 17, 19, 24), idle("ops")),
                7: all_of(idle("ops"), compared_with("ops", "e1f377db498cb686d2128247b6dfa55f282d3881")),
                15: all_of(idle("ops"), compared_with("ops", "0cf5bf515124306b1dd904bd81fae97c26b1f4b6")),
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
                8: settled("web", "Degraded", "Degraded"),
                10: phase_is("web", "Healthy"),
            },
            instead={3: nothing},
            during={
                3: During(at_s=1.9, ready=paused_at("web", 1), step=act("web", "resume")),
                6: During(at_s=2.0, ready=paused_at("web", 1), step=act("web", "abort")),
                10: During(at_s=40.0, ready=paused_at("web", 1), step=act("web", "abort")),
            },
            alike=without_analysis,
        ),
    ),
    "rights": (Story(name="09-rights", app="reco", repository="reco", setup=_rights_setup),),
}


def _story(name: str, **changes: Any) -> Story:
    """A story of `CHAINS` with other things done around its calls."""
    found = next(story for chain in CHAINS.values() for story in chain if story.name == name)
    return replace(found, **changes)


LIVE_CHAINS: Mapping[str, tuple[Story, ...]] = {
    "session and errors": CHAINS["session and errors"],
    # One after the other, as they were recorded: what the sandbox is set up with is here the story before.
    "canary, windows, rights": (
        # The recorded controller had just been started: nothing was compared in the first second.
        _story("01-canary-good", undemanded=frozenset({3})),
        _story("02-canary-abort-and-revert"),
        _story("05-windows-rights-stream", setup=both(_reco_rest, _close_project)),
        _story("09-rights", setup=_one_further),
    ),
    "blue-green": CHAINS["blue-green"],
    "operations": (_story("04-operations", instead={}),),
    "progress deadline": CHAINS["progress deadline"],
    # The pods of older versions leave after 30 s: how many there are is a matter of pace.
    "traffic routing": (_story("08-canary-nginx-and-analysis", alike=without_analysis_and_older_pods),),
}
"""The same stories for real servers, where nothing has to stand in for hooks and rollbacks."""
