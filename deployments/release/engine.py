"""One release, from the Git commit to the settled target, and back again if it is bad.

Whatever is needed to go on is in Git and in the target: killed at any line, the next run of the same command finds
out where things stand (`plan`), and continues forward or back. One release commit, at most one revert.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from deployments.analysis.ports import Analysis, Subject
from deployments.gitops.edit import check_version
from deployments.gitops.repository import Release
from deployments.gitops.trailers import ReleaseNote
from deployments.locks import LockInfo
from deployments.release import events
from deployments.release.model import Ending, Reason, ReleaseRequest, ReleaseResult, Settings
from deployments.release.plan import (
    Continue,
    Facts,
    FinishTurningBack,
    Nothing,
    Refuse,
    Start,
    Write,
    plan_resume,
    plan_start,
)
from deployments.release.ports import Delivered, Delivery, DeliveryFailed, Lock, Store, Target, Wanted
from deployments.release.steps import Driver
from deployments.rollouts.decide import Plan
from gates.verdict import Outcome, Verdict
from headgate.clock import Clock
from headgate.errors import LockHeldError, RemoteStateError, UnsafeActionError
from observability.events import DeliveryEvent, event_id

_WORKING = "release "


class Engine:
    """Releases of one service in one environment.

    `record` gets each delivery event, `say` each line of progress. `source` is the URI reference in events. `check`
    runs before anything is written and raises when a right is missing. Methods raise `HeadgateError` subclasses when
    it is not known how things stand, or when they must not go on; a bad release is a result, not an error.
    """

    def __init__(
        self,
        *,
        service: str,
        environment: str,
        store: Store,
        delivery: Delivery,
        target: Target,
        analysis: Analysis,
        lock: Lock,
        settings: Settings,
        clock: Clock,
        source: str,
        record: Callable[[DeliveryEvent], None] = lambda event: None,  # noqa: ARG005 - nobody listens
        say: Callable[[str], None] = lambda line: None,  # noqa: ARG005 - nobody listens
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.service, self.environment, self.settings = service, environment, settings
        self._store, self._delivery, self._target, self._lock = store, delivery, target, lock
        self._analysis, self._clock, self._source = analysis, clock, source
        self._record, self._say, self._check = record, say, check
        self._decided_by = "analysis"

    @property
    def name(self) -> str:
        return f"{self.service} in {self.environment}"

    def facts(self, predecessor: LockInfo | None = None) -> Facts:
        """What Git and the target say now."""
        desired = self._store.refresh()
        newest = next(iter(self._store.releases(self.service, self.environment)), None)
        purpose = predecessor.purpose if predecessor else ""
        snapshot = self._target.observe()
        in_step = self._delivery.holds(self._accepts(desired.revision, desired.version))
        return Facts(
            desired=desired,
            newest=newest,
            snapshot=snapshot,
            in_step=in_step,
            obstacle="" if in_step else self._delivery.obstacle(),
            unfinished=purpose.removeprefix(_WORKING) if purpose.startswith(_WORKING) else None,
        )

    def plan(self, request: ReleaseRequest) -> tuple[Facts, Start]:
        """What `start` would do now; changes nothing and takes no lock."""
        check_version(request.version)
        facts = self.facts()
        return facts, plan_start(facts, request.version, self._plan(facts.snapshot.stable), name=self.name)

    def start(self, request: ReleaseRequest) -> ReleaseResult:
        """Roll a version out, or continue a release of it that was interrupted."""
        check_version(request.version)
        with self._held(f"start {request.version}") as predecessor:
            facts = self.facts(predecessor)
            start = plan_start(facts, request.version, self._plan(facts.snapshot.stable), name=self.name)
            return self._perform(start, facts, request)

    def resume(self) -> ReleaseResult:
        """Continue whatever is under way."""
        with self._held("resume") as predecessor:
            facts = self.facts(predecessor)
            return self._perform(plan_resume(facts, name=self.name), facts, None)

    def promote(self, by: str) -> ReleaseResult:
        """Let the release that is under way go through on the word of a person; recorded as such."""
        self._analysis, self._decided_by = _OnTheWordOf(by), by
        return self.resume()

    def turn_back(self, reason: str, *, finished_too: bool) -> ReleaseResult:
        """Turn back the release that Git asks for now: one under way, or (`finished_too`) one that is live.

        Raises `UnsafeActionError` when there is none.
        """
        with self._held("turn back") as predecessor:
            facts = self.facts(predecessor)
            start = plan_resume(facts, name=self.name)
            if isinstance(start, FinishTurningBack):
                return self._perform(start, facts, None)
            if facts.standing is None or (isinstance(start, Nothing) and not finished_too):
                raise UnsafeActionError(
                    f"there is no release {'that could be turned back' if finished_too else 'under way'}",
                    where=self.name,
                    next_step="Look at `headgate release history`; a finished release is turned back by `rollback`.",
                )
            self._lock.describe(f"{_WORKING}{facts.standing.note.release_id}")
            self._working = True
            return self._back(facts.standing, Reason(text=reason, outcome=Outcome.FAIL))

    def abort_only(self) -> None:
        """Give the traffic back without the lock, for a release that another run drives; that run turns Git back."""
        snapshot = self._target.observe()
        if snapshot.in_flight and not snapshot.aborted:
            self._target.abort()
        elif not snapshot.in_flight:
            raise RemoteStateError(
                "nothing is in flight that could be aborted: before the sync, and when the new version has all the traffic,"
                " only the run that drives the release can turn it back",
                where=self.name,
                next_step="Stop that run (Ctrl-C), then run `headgate release abort` or `headgate release rollback`.",
            )

    def _perform(self, start: Start, facts: Facts, request: ReleaseRequest | None) -> ReleaseResult:
        match start:
            case Nothing():
                return self._result(Ending.UNCHANGED, facts.desired.version, start.why, facts.standing)
            case Refuse():
                raise start.error
            case Write():
                if request is None:
                    raise RemoteStateError("there is nothing to resume", where=self.name)
                return self._forward(self._write(start, facts, request))
            case Continue():
                self._say(f"continuing release {start.release.note.release_id}")
                self._work_on(start.release.note)
                return self._forward(start.release)
            case FinishTurningBack():
                self._say(f"continuing to turn back release {start.release.note.release_id}")
                self._work_on(start.release.note)
                text = start.release.reason or "it was being turned back when the run ended"
                return self._back(start.release, Reason(text=text, outcome=Outcome.FAIL))

    def _write(self, start: Write, facts: Facts, request: ReleaseRequest) -> Release:
        self._check()
        release_id = f"rel-{event_id(self.service, self.environment, request.version, start.base)[:12]}"
        note = ReleaseNote(
            release_id=release_id,
            service=self.service,
            environment=self.environment,
            version=request.version,
            previous=start.previous,
            baseline=facts.snapshot.stable,
            source_repo=request.source_repo,
            source_commit=request.source_commit,
            committed_at=request.committed_at,
        )
        self._work_on(note)
        release = self._store.write_release(note, self._lock)
        self._say(f"release {release_id}: {start.previous} -> {request.version} in commit {release.commit[:12]}")
        return release

    def _forward(self, release: Release) -> ReleaseResult:
        deadline = self._in(self.settings.deadline_s)
        driver = self._driver()
        note = release.note
        state = driver.bring_to(self._wanted(release.commit, note.version, f"{note.release_id}/apply"), deadline)
        if isinstance(state, DeliveryFailed):
            self._say(f"turning back: {state.why}")
            return self._back(release, Reason(text=state.why, outcome=Outcome.FAIL))
        ended = driver.forward(self._plan(note.baseline, deadline))
        if isinstance(ended, Reason):
            return self._back(release, ended)
        driver.let_summary_follow()
        self._record(
            events.upgraded(release, source=self._source, now=self._clock.now(), verdict=ended, by=self._decided_by)
        )
        message = f"version {note.version} has all the traffic and is healthy"
        return self._result(Ending.PROMOTED, note.version, message, release, verdict=ended)

    def _back(self, release: Release, reason: Reason) -> ReleaseResult:
        """Traffic to stable, Git to the version before, and wait until the target has followed."""
        driver = self._driver()
        note = release.note
        if release.reverted_by is None:
            driver.give_back(self._in(min(self.settings.settle_s, 120.0)))
        reverted_by = release.reverted_by or self._store.revert_release(release, reason.text, self._lock)
        self._say(f"Git asks for {note.previous} again: commit {reverted_by[:12]}")
        until = self._in(self.settings.settle_s)
        state = driver.bring_to(self._wanted(reverted_by, note.previous, f"{note.release_id}/revert"), until)
        if not isinstance(state, Delivered):
            raise RemoteStateError(
                f"Git is turned back (commit {reverted_by[:12]}), but the target has not followed: {state.why}",
                where=self.name,
                next_step="Look at the application in Argo CD; `headgate release resume` tries again.",
            )
        driver.settle(until)
        driver.let_summary_follow()
        self._record(
            events.rolled_back(
                release, source=self._source, now=self._clock.now(), reason=reason, reverted_by=reverted_by
            )
        )
        return self._result(
            Ending.ROLLED_BACK, note.version, reason.text, release, verdict=reason.verdict, reverted_by=reverted_by
        )

    @contextmanager
    def _held(self, purpose: str) -> Iterator[LockInfo | None]:
        """The lock around a run. A run that ends early leaves its lock expired but legible, for the next run."""
        predecessor = self._lock.acquire(purpose, wait_s=self.settings.lock_wait_s)
        unfinished = predecessor is not None and predecessor.purpose.startswith(_WORKING)
        self._working = unfinished
        try:
            yield predecessor
        except LockHeldError:
            raise
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                self._say(
                    f"interrupted; nothing is lost: `headgate release resume {self.service} --env {self.environment}`"
                    " continues, `headgate release abort` turns it back"
                )
            if self._working:
                self._lock.abandon()
            else:
                self._lock.release()
            raise
        self._lock.release()

    def _work_on(self, note: ReleaseNote) -> None:
        self._working = True
        self._lock.describe(f"{_WORKING}{note.release_id}")

    def _wanted(self, revision: str, version: str, nonce: str) -> Wanted:
        return Wanted(revision=revision, nonce=nonce, accepts=self._accepts(revision, version))

    def _accepts(self, commit: str, version: str) -> Callable[[str], bool]:
        return lambda revision: self._store.carries(revision, commit, version)

    def _plan(self, baseline: str, deadline: datetime | None = None) -> Plan:
        return Plan(
            strategy=self.settings.strategy,
            baseline=baseline,
            weights=self.settings.weights,
            soak=self.settings.soak,
            max_step_s=self.settings.max_step_s,
            deadline=deadline or self._in(self.settings.deadline_s),
        )

    def _driver(self) -> Driver:
        return Driver(
            target=self._target,
            delivery=self._delivery,
            analysis=self._analysis,
            lock=self._lock,
            settings=self.settings,
            clock=self._clock,
            say=self._say,
        )

    def _in(self, seconds: float) -> datetime:
        return self._clock.now() + timedelta(seconds=seconds)

    def _result(
        self,
        ending: Ending,
        version: str,
        message: str,
        release: Release | None,
        *,
        verdict: Verdict | None = None,
        reverted_by: str | None = None,
    ) -> ReleaseResult:
        return ReleaseResult(
            ending=ending,
            service=self.service,
            environment=self.environment,
            version=version,
            message=message,
            release_id=release.note.release_id if release else None,
            previous=release.note.previous if release else None,
            commit=release.commit if release else None,
            reverted_by=reverted_by,
            verdict=verdict,
        )


class _OnTheWordOf:
    """An analysis that passes because a person said so; the verdict says who."""

    def __init__(self, by: str) -> None:
        self._by = by

    def look(self, subject: Subject, now: datetime) -> Verdict | None:  # noqa: ARG002 - the port's signature
        return Verdict(name="analysis", outcome=Outcome.PASS, message=f"promoted on the word of {self._by}")
