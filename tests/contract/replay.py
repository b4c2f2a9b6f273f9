"""Replays a recorded story against the sandbox or real servers: the same calls in the same order, answers and states compared."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from typing import Any

import httpx

from tests.contract.exemptions import Exemption
from tests.contract.normalise import Names, differences, normal
from tests.contract.recording import Recorded, Seen, Segment, load
from tests.contract.servers import Servers
from tests.contract.states import (
    Lasting,
    State,
    agree_part_by_part,
    application_state,
    describe,
    is_in_flight,
    lasting,
    missing_in_order,
    rollout_state,
)
from tests.contract.steps import idle
from tests.contract.stories import CHAINS, Story, account_of

KINDS = ("application", "rollout")
SLACK_S = 0.5
UNPOLLED = (("shop/reco:1.6", "68bc484588"),)
"""Pods of a version that was deployed while nobody recorded."""
WORDS = frozenset({"operation", "sync", "health", "rollout health", "phase", "message", "pauses", "abort"})
"""The parts of a state with a fixed language. Numbers (generations, steps, replicas) pass through every value between
two stable states here, while polling saw only some of them; their order is held by the stable states."""
UNSEEN = frozenset({"waiting for all steps to complete", "old replicas are pending termination"})
"""Messages of the real controller (`rolloututil.go`) that last less than a tenth of a second: polling missed them."""


@dataclass(slots=True)
class Report:
    """What a replay found. `problems` is empty when the sandbox keeps the contract."""

    answers: int = 0
    states: int = 0
    exempt: int = 0
    problems: list[str] = field(default_factory=list)
    used: set[Exemption] = field(default_factory=set)

    def add(self, other: Report) -> None:
        """What another part of the same chain found."""
        self.answers += other.answers
        self.states += other.states
        self.exempt += other.exempt
        self.problems += other.problems
        self.used |= other.used


class Replay:
    """One story on one world. The names of the world's commits and pods are learnt on the way."""

    def __init__(self, world: Servers, story: Story, report: Report, segments: Sequence[Segment] | None = None) -> None:
        self._world = world
        self._tempo = world.tempo
        self._story = story
        self._report = report
        self._segments = load(story.name) if segments is None else list(segments)
        self._recorded_names, self._names = recorded_names(), Names()
        self._recorded_spans = {kind: self._spans(kind) for kind in KINDS}

    def run(self) -> None:
        """The whole story."""
        self._story.setup(self._world)
        for number, segment in enumerate(self._segments):
            call_number = number if self._segments[0].call is not None else number - 1
            self._play(segment, call_number)

    def _play(self, segment: Segment, number: int) -> None:
        story, call = self._story, segment.call
        if call is not None:
            if number in story.ready:
                ready = story.ready[number]
                if not ready(self._world) and not self._world.advance(
                    self._tempo.patience_s, lambda: ready(self._world)
                ):
                    self._problem(f"what the recorder waited for before {call.note!r} did not come")
            if number in story.before:
                story.before[number](self._world)
            revision = call.body.get("revision") if isinstance(call.body, dict) else None
            if revision and story.repository:
                self._push(str(revision))
            self._learn_commits()
            if call.path.endswith("/sync") and call.status == HTTPStatus.OK:
                self._wait_until_idle(call)
            before = {kind: self._state(kind) for kind in KINDS}
            if number in story.instead:
                story.instead[number](self._world)
            else:
                self._compare(number, call, self._send(call))
            if number in story.after:
                story.after[number](self._world)
        else:
            before = {kind: self._state(kind) for kind in KINDS}
        self._follow(segment, before, number)

    def _wait_until_idle(self, call: Recorded) -> None:
        """A sync that was accepted found no operation running."""
        ready = idle(call.path.split("/")[4])
        if not ready(self._world) and not self._world.advance(self._tempo.patience_s, lambda: ready(self._world)):
            self._problem(f"the operation before {call.note!r} did not end")

    # --- answers ----------------------------------------------------------------------------------------------------

    def _push(self, revision: str) -> None:
        from tests.contract.manifests import COMMITS

        if any(revision == recorded for recorded, _, _ in COMMITS[self._story.repository]):
            self._world.push(self._story.repository, revision)

    def _learn_commits(self) -> None:
        self._names.commits = {real: recorded for recorded, real in self._world.commits.items()}

    def _send(self, call: Recorded) -> httpx.Response:
        def real(text: str) -> str:
            for recorded, commit in self._world.commits.items():
                text = text.replace(recorded, commit)
            return text

        body = json.loads(real(json.dumps(call.body)))
        account = account_of(self._story, call)
        return self._world.send(call.method, real(call.path), call.headers, body, account)

    def _compare(self, number: int, call: Recorded, answer: httpx.Response) -> None:
        self._report.answers += 1
        is_json = call.content_type.startswith("application/json")
        found: list[str] = []
        if answer.status_code != call.status:
            found.append(f"status: recorded {call.status} but {answer.status_code} {answer.text[:200]}")
        if answer.headers.get("content-type", "").partition(";")[0] != call.content_type.partition(";")[0]:
            found.append(f"content type: recorded {call.content_type} but {answer.headers.get('content-type')}")
        actual = json.loads(answer.text) if is_json and not found else answer.text
        self._learn_pods()
        if not found:
            found = list(differences(normal(call.answer, self._recorded_names), normal(actual, self._names)))
        for difference in found:
            if not self._is_exempt(call, difference):
                self._problem(f"call {number}, {call.note or 'no note'}: {call.method} {call.path}: {difference}")

    def _learn_pods(self) -> None:
        for item in self._world.replica_sets():
            self._names.learn(image_of(item), item["metadata"]["labels"]["rollouts-pod-template-hash"])

    def _is_exempt(self, call: Recorded, difference: str) -> bool:
        for exemption in self._world.exemptions:
            if exemption.covers(self._story.name, call, difference):
                self._report.used.add(exemption)
                self._report.exempt += 1
                return True
        return False

    # --- states -----------------------------------------------------------------------------------------------------

    def _follow(self, segment: Segment, before: Mapping[str, State | None], number: int) -> None:
        """Let time pass until what was recorded has come, and at least as long as it took then."""
        during = self._story.during.get(number)
        is_demanded = number not in self._story.undemanded
        wanted = {kind: self._required(segment, kind) if is_demanded else [] for kind in KINDS}
        hoped = self._hoped(segment)
        start = self._world.clock.monotonic()
        duration = segment.until - segment.start
        points: dict[str, list[tuple[float, State]]] = {
            kind: [(start, state)] if state is not None else [] for kind, state in before.items()
        }

        pending = [during] if during else []

        def note() -> bool:
            elapsed = self._world.clock.monotonic() - start
            is_due = bool(pending) and elapsed >= pending[0].at_s and pending[0].ready(self._world)
            for kind in KINDS:
                state = self._state(kind)
                if state is not None and (not points[kind] or points[kind][-1][1] != state):
                    points[kind].append((self._world.clock.monotonic(), state))
            if is_due:
                pending.pop().step(self._world)
            if pending or elapsed < duration - 1e-6:
                return False
            came = [state for _, state in points["rollout"]][-1:] == [hoped]
            if hoped is not None and not came and elapsed < duration + self._tempo.hope_s:
                return False
            return all(missing_in_order(wanted[kind], [state for _, state in points[kind]]) is None for kind in KINDS)

        if not note():
            self._world.advance(duration + self._tempo.patience_s, note)
        end = self._world.clock.monotonic()
        if self._tempo.hope_s and hoped not in wanted["rollout"] and hoped in [state for _, state in points["rollout"]]:
            self._report.states += 1
        for kind in KINDS:
            if segment.seen or wanted[kind]:
                self._judge(segment, kind, wanted[kind], lasting(points[kind], end))

    def _judge(self, segment: Segment, kind: str, wanted: list[State], found: list[Lasting]) -> None:
        self._report.states += len(wanted)
        where = f"after {segment.call.note or segment.call.path!r}" if segment.call else "at the start"
        missing = missing_in_order(wanted, [item.state for item in found])
        came = "\n      ".join(f"{item.until - item.at:5.2f} s {describe(item.state)}" for item in found)
        if missing is not None:
            self._problem(f"{kind} {where}: this did not come in order: {describe(missing)}\n    came:\n      {came}")
            return
        recorded = [span.state for span in self._recorded_spans[kind] if _overlaps(span, segment)]
        stable = [item.state for item in found if item.lasts(self._tempo.stable_s)]
        # Where time is not ours, states in between may last: there they must only speak the recorded language.
        extra = None if self._tempo.hope_s else missing_in_order(stable, recorded)
        if (
            extra is not None
            and not agree_part_by_part(stable, recorded)
            and not self._is_tail(segment, extra, wanted, stable)
        ):
            known = "\n      ".join(describe(state) for state in recorded)
            self._problem(f"{kind} {where}: not recorded here: {describe(extra)}\n    recorded:\n      {known}")
        for item in found:
            for name, value in item.state:
                is_known = value is None or value in UNSEEN or generic(value) in vocabulary().get(name, ())
                if name in WORDS and not is_known:
                    self._problem(f"{kind} {where}: never recorded: {name} {value}")

    def _is_tail(self, segment: Segment, extra: State, wanted: list[State], stable: list[State]) -> bool:
        """At the end of the story, when all that was recorded has come: what follows was not watched any more."""
        last = wanted[-1:]
        return segment is self._segments[-1] and bool(last) and extra in stable and extra not in last

    def _required(self, segment: Segment, kind: str) -> list[State]:
        """The recorded states that must come in this segment: those that lasted, and what the recorder waited for."""
        spans = [span for span in self._recorded_spans[kind] if segment.start <= span.at < segment.until]
        last = spans[-1:] if kind == "rollout" and not self._tempo.hope_s else []
        demanded = [span.state for span in spans if span.lasts(self._tempo.stable_s) or span in last]
        # While an operation runs, the parts of an application's state change in an order that is a matter of pace.
        return [state for state in demanded if not (self._tempo.hope_s and is_in_flight(state))]

    def _hoped(self, segment: Segment) -> State | None:
        """What the recorder waited for, where it is too short to be demanded."""
        spans = [span for span in self._recorded_spans["rollout"] if segment.start <= span.at < segment.until]
        return spans[-1].state if spans else None

    def _state(self, kind: str) -> State | None:
        """The sandbox's state now; None for a story without an application."""
        if not self._story.app:
            return None
        world = self._world
        if kind == "rollout":
            rollout = world.rollout(self._story.app)
            if rollout is None:
                return None
            if (rollout.get("status") or {}).get("currentPodHash") not in self._names.pods:
                self._learn_pods()
            value = {
                "generation": rollout["metadata"]["generation"],
                "image": image_of(rollout),
                "status": rollout.get("status"),
            }
            return self._story.alike(rollout_state(value, self._names))
        app = world.application(self._story.app)
        if app is None:
            return None
        status = app.get("status") or {}
        value = {key: status.get(key) for key in ("sync", "health", "operationState", "resources", "history")}
        return self._story.alike(application_state({**value, "operation": app.get("operation")}, self._names))

    def _spans(self, kind: str) -> list[Lasting]:
        """The recorded states of one kind over the whole story."""
        every = (seen for segment in self._segments for seen in segment.seen if seen.kind == kind)
        points = [(seen.at, self._recorded_state(seen)) for seen in every]
        return lasting(points, self._segments[-1].until) if points else []

    def _recorded_state(self, seen: Seen) -> State:
        if seen.kind == "application":
            return self._story.alike(application_state(seen.value, self._recorded_names))
        return self._story.alike(rollout_state(seen.value, self._recorded_names))

    def _problem(self, text: str) -> None:
        self._report.problems.append(f"{self._story.name}: {text}")


def image_of(workload: Mapping[str, Any]) -> str:
    """The image of a Rollout's or ReplicaSet's only container."""
    return str(workload["spec"]["template"]["spec"]["containers"][0]["image"])


@cache
def recorded_names() -> Names:
    """The pod hashes of all stories: one cluster was recorded."""
    names = Names()
    for story in (story for chain in CHAINS.values() for story in chain):
        for seen in (seen for segment in load(story.name) for seen in segment.seen if seen.kind == "rollout"):
            status = seen.value["status"] or {}
            if status.get("observedGeneration") == str(seen.value["generation"]) and "InvalidSpec" not in str(status):
                names.learn(seen.value["image"], status["currentPodHash"])
    for image, pod_hash in UNPOLLED:
        names.learn(image, pod_hash)
    return names


def _overlaps(span: Lasting, segment: Segment) -> bool:
    """Whether the state was there during the segment, give or take what polling may miss."""
    return span.at < segment.until + SLACK_S and span.until >= segment.start - SLACK_S


@cache
def vocabulary() -> Mapping[str, frozenset[Any]]:
    """Every value that a part of a state ever had in any story: short states, too, must speak the recorded language."""
    words: dict[str, set[Any]] = {}
    for story in (story for chain in CHAINS.values() for story in chain):
        for seen in (seen for segment in load(story.name) for seen in segment.seen):
            names = Names()
            state = (
                application_state(seen.value, names) if seen.kind == "application" else rollout_state(seen.value, names)
            )
            for name, value in state:
                words.setdefault(name, set()).add(generic(value))
    return {name: frozenset(values) for name, values in words.items()}


def generic(value: Any) -> Any:
    """A value without what is particular to one story: names in quotes and revision numbers."""
    return re.sub(r'"[^"]*"|revision \d+', "…", value) if isinstance(value, str) else value
