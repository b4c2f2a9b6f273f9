"""What a release is asked for and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from deployments.rollouts.snapshot import Strategy
from gates.verdict import Outcome, Verdict
from headgate.exit_codes import ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRequest:
    """A version to roll out, and where it comes from (None: not known)."""

    version: str
    source_repo: str | None = None
    source_commit: str | None = None
    committed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a release is driven.

    `deadline_s` bounds the way forward, `settle_s` the way back, `max_step_s` one step. `poll_s` lies between two
    looks. `again_s` must pass before an action that shows no effect is sent again. `lock_wait_s` is how long a lock
    that is not renewed is waited for. `summary_s` is how long the delivery's own summary may lag behind at the end.
    """

    strategy: Strategy
    weights: tuple[int, ...] = ()
    soak: bool = False
    max_step_s: float = 1800.0
    deadline_s: float = 3600.0
    settle_s: float = 600.0
    poll_s: float = 2.0
    again_s: float = 20.0
    lock_wait_s: float = 90.0
    summary_s: float = 10.0


class Ending(StrEnum):
    """How a run of the engine ended."""

    PROMOTED = "promoted"
    ROLLED_BACK = "rolled back"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a release is turned back: the text, how sure we are, and the evidence if there is any."""

    text: str
    outcome: Outcome
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseResult:
    """How a release ended. `commit` and `reverted_by` are commits of the GitOps repository."""

    ending: Ending
    service: str
    environment: str
    version: str
    message: str
    release_id: str | None = None
    previous: str | None = None
    commit: str | None = None
    reverted_by: str | None = None
    verdict: Verdict | None = None

    @property
    def exit_code(self) -> ExitCode:
        """Rolled back is a verdict (1), whatever led to it; the two other endings pass."""
        return ExitCode.FAIL if self.ending is Ending.ROLLED_BACK else ExitCode.PASS
