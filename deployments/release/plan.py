"""What has to be done for a release, from what Git and the target say now. Pure: this is also the dry run.

Nothing is remembered between two runs but what is in Git (release and revert commits), in the target, and in the
message of a lock that a killed run left behind. The same facts always give the same plan.
"""

from __future__ import annotations

from dataclasses import dataclass

from deployments.gitops.repository import Desired, Release
from deployments.rollouts.decide import Plan, plan_problem
from deployments.rollouts.snapshot import Snapshot
from headgate.errors import ConfigError, HeadgateError, RemoteStateError, UnsafeActionError


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known at the start.

    `newest` is the last release of this service in this environment, whether it stands or was turned back.
    `in_step` says that the target is in step with what Git asks for. `unfinished` is the id of the release that a
    killed or interrupted run was working on. `obstacle` is what somebody else is doing to the target (empty: nothing).
    """

    desired: Desired
    newest: Release | None
    snapshot: Snapshot
    in_step: bool
    unfinished: str | None = None
    obstacle: str = ""

    @property
    def standing(self) -> Release | None:
        """The release that made Git ask for what it asks for, None when something else did."""
        newest = self.newest
        if newest is None or newest.reverted_by or newest.note.version != self.desired.version:
            return None
        return newest

    @property
    def turned_back(self) -> Release | None:
        """The newest release, if it was turned back and nothing came after it."""
        newest = self.newest
        if newest is None or not newest.reverted_by or newest.note.previous != self.desired.version:
            return None
        return newest

    @property
    def live(self) -> bool:
        """Whether what Git asks for has all the traffic and is healthy."""
        return self.in_step and self.snapshot.settled


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """The version is live and healthy."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """Write the version into Git, then drive it."""

    previous: str
    base: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Continue:
    """A release commit is there: bring the target to it and drive it."""

    release: Release


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishTurningBack:
    """A release was being turned back: bring the target to the revert and wait until it has settled."""

    release: Release


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """It must not be done now."""

    error: HeadgateError


Start = Nothing | Write | Continue | FinishTurningBack | Refuse


def plan_start(facts: Facts, version: str, plan: Plan, *, name: str) -> Start:
    """What `release start` of `version` has to do. `name` is the service and environment, for messages."""
    if facts.obstacle and facts.unfinished is None:
        return Refuse(error=_held_up(facts, name))
    back = facts.turned_back
    if back is not None and _half_way_back(facts, back):
        return _only_for(version, back, FinishTurningBack(release=back), name)
    standing = facts.standing
    if standing is not None and (not facts.live or facts.unfinished == standing.note.release_id):
        if standing.note.version != version and _ended(facts, standing):
            return Refuse(error=_not_live(facts, name))
        return _only_for(version, standing, Continue(release=standing), name)
    if facts.desired.version == version:
        if facts.live:
            return Nothing(why=f"version {version} is live and healthy")
        return Refuse(
            error=UnsafeActionError(
                f"Git asks for version {version} already, but not by a release: there is nothing to turn back to",
                where=name,
                next_step="Turn that commit back, or sync it by hand; then start the release.",
            )
        )
    if not facts.live:
        return Refuse(error=_not_live(facts, name))
    problem = plan_problem(facts.snapshot, plan)
    if problem:
        return Refuse(error=ConfigError(f"the rollout cannot be driven: {problem}", where=name, next_step=_SPEC))
    return Write(previous=facts.desired.version, base=facts.desired.revision)


def plan_resume(facts: Facts, *, name: str) -> Start:
    """What `release resume` has to do: the same as starting the version that is under way again."""
    if facts.obstacle and facts.unfinished is None:
        return Refuse(error=_held_up(facts, name))
    if facts.turned_back is not None and _half_way_back(facts, facts.turned_back):
        return FinishTurningBack(release=facts.turned_back)
    standing = facts.standing
    if standing is not None and (not facts.live or facts.unfinished == standing.note.release_id):
        return Continue(release=standing)
    if facts.live:
        return Nothing(why=f"version {facts.desired.version} is live and healthy; nothing is under way")
    return Refuse(error=_not_live(facts, name))


_SPEC = "Correct the strategy of the Rollout in the GitOps repository, or the one in headgate.yaml."


def _ended(facts: Facts, release: Release) -> bool:
    """Whether the release has ended and only something else in Git is not synced yet: its workload is the settled one."""
    settled = facts.snapshot.settled and facts.snapshot.current != release.note.baseline
    return settled and facts.unfinished is None


def _half_way_back(facts: Facts, release: Release) -> bool:
    return not facts.live or facts.unfinished == release.note.release_id


def _only_for(version: str, release: Release, start: Start, name: str) -> Start:
    if release.note.version == version:
        return start
    doing = "being turned back" if isinstance(start, FinishTurningBack) else "in progress"
    return Refuse(
        error=RemoteStateError(
            f"release {release.note.release_id} of version {release.note.version} is {doing}",
            where=name,
            next_step="Finish it with `headgate release resume`, or turn it back with `headgate release abort`.",
        )
    )


def _held_up(facts: Facts, name: str) -> RemoteStateError:
    """Before anything is begun; a run that was interrupted waits for the operation instead."""
    return RemoteStateError(
        f"somebody else is at work there: {facts.obstacle}",
        where=name,
        next_step="Wait until it has ended, or end it in Argo CD (`argocd app terminate-op`); then run the command again.",
    )


def _not_live(facts: Facts, name: str) -> RemoteStateError:
    snapshot = facts.snapshot
    seen = f"{snapshot.phase.value}{f' ({snapshot.message})' if snapshot.message else ''}"
    step = "in step with Git" if facts.in_step else "not in step with Git"
    return RemoteStateError(
        f"version {facts.desired.version} has not settled: it is {seen} and {step}",
        where=name,
        next_step="A release needs a healthy version to turn back to: mend or sync the present one first.",
    )
