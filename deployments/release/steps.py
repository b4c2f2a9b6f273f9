"""The long waits of a release: bring to a revision, drive forward, wait for the way back. Each is a loop of
look, decide, act, look again, that may be killed at any line and begun anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from deployments.analysis.ports import Analysis, Arm, Subject
from deployments.release.model import Reason, Settings
from deployments.release.ports import Delivered, Delivery, DeliveryFailed, Lock, Target, Wanted
from deployments.rollouts.decide import (
    UNCHANGED,
    Abort,
    Done,
    Evidence,
    Plan,
    Resume,
    StepKey,
    TurnBack,
    decide,
    plan_problem,
    step_key,
)
from deployments.rollouts.snapshot import Snapshot
from gates.verdict import Outcome, Verdict
from headgate.clock import Clock
from headgate.errors import (
    AuthenticationError,
    ConflictError,
    RemoteStateError,
    RemoteTimeoutError,
    ServerFaultError,
    TransportError,
)


@dataclass(slots=True, kw_only=True)
class Driver:
    """What the loops work with. `say` gets a line of progress whenever something changed."""

    target: Target
    delivery: Delivery
    analysis: Analysis
    lock: Lock
    settings: Settings
    clock: Clock
    say: Callable[[str], None]
    _last: str = field(default="", init=False)
    _acted: dict[object, float] = field(default_factory=dict, init=False)

    def bring_to(self, wanted: Wanted, until: datetime) -> Delivered | DeliveryFailed:
        """Bring the target to a revision. Past `until` it has failed."""
        why = ""
        while True:
            self.lock.renew_if_due()
            try:
                state = self.delivery.advance(wanted)
                if isinstance(state, Delivered | DeliveryFailed):
                    return state
                why = state.why
                self._tell(f"sync: {why}")
            except AuthenticationError:
                raise
            except TransportError as error:
                why = str(error)
                self._tell(f"sync: no contact: {why}")
                if self.clock.now() >= until:
                    raise
            if self.clock.now() >= until:
                return DeliveryFailed(why=f"not in step with Git before the deadline: {why}")
            self.clock.sleep(self.settings.poll_s)

    def forward(self, plan: Plan) -> Verdict | Reason | None:
        """Drive the rollout to its end.

        Returns the last verdict that passed (None when there was no step to judge) or the reason to turn back.
        """
        evidence: Evidence | None = None
        passed: Verdict | None = None
        proven: str | None = None
        while True:
            self.lock.renew_if_due()
            snapshot = self.look(plan.deadline)
            if snapshot is None:
                continue
            now = self.clock.now()
            # All the traffic without the last step's evidence seen by this run (somebody else promoted, or an earlier
            # run was killed): it is judged where it is before it counts as promoted.
            plan = replace(plan, soak=self.settings.soak or proven != snapshot.current)
            problem = plan_problem(snapshot, plan) if snapshot.observed and snapshot.in_flight else None
            if problem and not snapshot.aborted:
                return Reason(text=f"the rollout cannot be driven: {problem}", outcome=Outcome.ERROR)
            evidence = self._evidence(snapshot, plan, evidence, now)
            action = decide(snapshot, plan, evidence, now)
            match action:
                case Done():
                    self._tell(f"done: {action.why}")
                    return evidence.verdict if evidence and evidence.verdict else passed
                case Abort() | TurnBack():
                    self._tell(f"turning back: {action.why}")
                    return Reason(
                        text=action.why, outcome=action.outcome, verdict=evidence.verdict if evidence else None
                    )
                case Resume():
                    passed = evidence.verdict if evidence and evidence.verdict else passed
                    if evidence and evidence.verdict and snapshot.at_last_gate:
                        proven = snapshot.current
                    if self._act(self.target.resume, (step_key(snapshot, plan), snapshot.step)):
                        self._tell(f"{describe(snapshot)}: passed, going on: {action.why}")
                case _:
                    self._tell(f"{describe(snapshot)}: {action.why}")
            self.clock.sleep(self.settings.poll_s)

    def give_back(self, until: datetime) -> None:
        """Abort what is in flight and wait until the stable version has all the traffic (or until the time is up).

        Nothing is sent when nothing is in flight: old controllers scaled the stable version down then. A target that
        cannot be asked is given up on: turning Git back is right all the same.
        """
        while self.clock.now() < until:
            self.lock.renew_if_due()
            try:
                snapshot = self.look(until)
            except AuthenticationError:
                raise
            except TransportError as error:
                self._tell(f"no contact, going on without an abort: {error}")
                return
            if snapshot is None:
                continue
            if snapshot.observed and (not snapshot.in_flight or (snapshot.aborted and snapshot.stable_has_all_traffic)):
                self._tell(f"{describe(snapshot)}: the stable version has all the traffic")
                return
            if snapshot.observed and not snapshot.aborted and self._act(self.target.abort, ("abort", snapshot.current)):
                self._tell(f"{describe(snapshot)}: aborting")
            self.clock.sleep(self.settings.poll_s)

    def settle(self, until: datetime) -> None:
        """Wait until the target is healthy on the version that Git asks for; a pause on the way back is skipped.

        Raises `RemoteStateError` when that does not happen in time.
        """
        while True:
            self.lock.renew_if_due()
            snapshot = self.look(until)
            if snapshot is not None:
                if snapshot.settled:
                    self._tell(f"{describe(snapshot)}: settled")
                    return
                # The version before passed once: on the way back it needs no evidence.
                if snapshot.waits_for_us and self._act(self.target.promote, ("promote", snapshot.current)):
                    self._tell(f"{describe(snapshot)}: promoting the version before")
                else:
                    self._tell(f"{describe(snapshot)}: {snapshot.message or snapshot.phase.value}")
                if self.clock.now() >= until:
                    raise RemoteStateError(
                        f"Git is turned back, but the target has not settled: {describe(snapshot)}, {snapshot.message or 'no message'}",
                        next_step="Look at its pods; `headgate release resume` continues to wait.",
                    )
                self.clock.sleep(self.settings.poll_s)

    def let_summary_follow(self) -> None:
        """Give the delivery's own summary a moment to say what the target says already; it decides nothing."""
        until = self.clock.monotonic() + self.settings.summary_s
        while self.clock.monotonic() < until:
            try:
                if self.delivery.agrees():
                    return
            except (TransportError, RemoteStateError) as error:
                self._tell(f"the summary could not be read: {error}")
                return
            self.clock.sleep(self.settings.poll_s)
        self._tell("the target is healthy; the summary of the delivery does not say so yet")

    def look(self, until: datetime) -> Snapshot | None:
        """The state now; None (after a pause) when the target cannot be asked. Raises once `until` has passed."""
        try:
            return self.target.observe()
        except AuthenticationError:
            raise
        except TransportError as error:
            if self.clock.now() >= until:
                raise
            self._tell(f"no contact: {error}")
            self.clock.sleep(self.settings.poll_s)
            return None

    def _evidence(self, snapshot: Snapshot, plan: Plan, before: Evidence | None, now: datetime) -> Evidence | None:
        """Evidence of the present step; that of another step is discarded."""
        key = step_key(snapshot, plan)
        if key is None:
            return None
        if before is None or before.key != key:
            before = Evidence(key=key, since=now)
        if before.verdict is not None or key.role == UNCHANGED:
            return before
        verdict = self.analysis.look(_subject(key, snapshot), now)
        if verdict is not None:
            self.say(f"{describe(snapshot)}: analysis {verdict.outcome.value}: {verdict.message}")
            for line in _details(verdict):
                self.say(f"  {line.strip()}")
        return Evidence(key=key, since=before.since, verdict=verdict)

    def _act(self, action: Callable[[], None], key: object) -> bool:
        """Do an action once for `key`; again only when it has shown no effect for `again_s`.

        Right before it the lock is checked. A failure that leaves open whether it was done is not an error here: the
        next look tells. Returns whether it was sent.
        """
        now = self.clock.monotonic()
        if key in self._acted and now - self._acted[key] < self.settings.again_s:
            return False
        self.lock.check()
        self._acted[key] = now
        try:
            action()
        except (RemoteTimeoutError, ServerFaultError, ConflictError) as error:
            self._tell(f"it is not known whether that was done: {error}")
        except AuthenticationError:
            raise
        except TransportError as error:
            del self._acted[key]
            self._tell(f"no contact: {error}")
            return False
        return True

    def _tell(self, line: str) -> None:
        if line != self._last:
            self._last = line
            self.say(line)


def _details(verdict: Verdict) -> Iterator[str]:
    """What the nodes of a verdict say in further lines, in order."""
    yield from verdict.details
    for child in verdict.children:
        yield from _details(child)


def describe(snapshot: Snapshot) -> str:
    """Where a rollout stands, in a few words."""
    if snapshot.aborted:
        return "aborted"
    if not snapshot.in_flight:
        return "all traffic"
    if snapshot.step is None:
        return "preview"
    weight = "?" if snapshot.weight is None else f"{snapshot.weight:g}"
    return f"step {snapshot.step} of {len(snapshot.steps)}, {weight} % of the traffic"


def _subject(key: StepKey, snapshot: Snapshot) -> Subject:
    """Which arm is judged. After a switch the old version gets no traffic, so there is nothing beside the new one."""
    stable_role = "active" if key.role == "preview" else "stable"
    baseline = Arm(hash=snapshot.stable, role=stable_role) if key.role != "active" and snapshot.stable else None
    weight = snapshot.weight if key.role == "canary" else None
    return Subject(arm=Arm(hash=key.version, role=key.role, weight=weight), baseline=baseline, step=key.step)
