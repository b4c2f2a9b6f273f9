"""What a story needs of the servers that it is played on: the sandbox, or real ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from headgate.clock import Clock
from tests.contract.exemptions import Exemption


@dataclass(frozen=True, slots=True, kw_only=True)
class Tempo:
    """How far times can be trusted, in seconds of the servers' clock.

    `stable_s`: a recorded state that lasted less may be missed, one that lasts less here may come in addition.
    `patience_s`: how much longer than in the recording something may take.
    `hope_s`: where time is not ours, a state at the end of a segment that was too short in the recording is waited for
    so long, and not demanded.
    """

    stable_s: float
    patience_s: float
    hope_s: float = 0.0


class Servers(Protocol):
    """Argo CD, Kubernetes with Argo Rollouts, and a Git repository that Argo CD reads.

    `commits` are the commits that were made, by recorded revision; `clock` the servers' time.
    """

    name: str
    tempo: Tempo
    exemptions: tuple[Exemption, ...]
    commits: dict[str, str]

    @property
    def clock(self) -> Clock: ...

    def push(self, repository: str, revision: str) -> None:
        """Make the recorded commit `revision`, and those before it; once each."""
        ...

    def advance(self, seconds: float, poll: Callable[[], bool] = ...) -> bool:
        """Let time pass until `poll` says stop; True when it did."""
        ...

    def send(self, method: str, path: str, headers: Mapping[str, str], body: Any, account: str) -> httpx.Response:
        """One call as the recording made it, with a real token; in the answer, names as in the recording."""
        ...

    def argocd(self, account: str) -> tuple[str, str]:
        """Where Argo CD is, and a token of the account."""
        ...

    def stream(self, path: str, account: str) -> AbstractContextManager[Iterator[str]]:
        """The lines of a stream of Argo CD, while it is open."""
        ...

    def application(self, name: str) -> dict[str, Any] | None:
        """The application as Argo CD has it now; None when there is none."""
        ...

    def rollout(self, name: str) -> dict[str, Any] | None:
        """The Rollout; None when there is none."""
        ...

    def config_map(self, name: str) -> dict[str, Any] | None:
        """The ConfigMap; None when there is none."""
        ...

    def replica_sets(self) -> list[dict[str, Any]]:
        """All ReplicaSets."""
        ...

    def create_application(self, manifest: Mapping[str, Any]) -> None:
        """Create an application as an administrator."""
        ...

    def pace(self, of: str) -> None:
        """`cold`, `slow` or `usual`: how long operations take. Real servers go at their own pace."""
        ...
