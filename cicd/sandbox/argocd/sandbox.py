"""The sandbox's Argo CD as one thing to start and stop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cicd.sandbox.argocd.accounts import ADMIN, DEFAULT_ACCOUNTS, Account, Accounts, Caller
from cicd.sandbox.argocd.applications import Applications
from cicd.sandbox.argocd.controller import Controller, Timing
from cicd.sandbox.argocd.http import application
from cicd.sandbox.argocd.livecache import LiveCache
from cicd.sandbox.argocd.projects import Projects
from cicd.sandbox.argocd.routes import Api
from cicd.sandbox.argocd.sources import Sources
from cicd.sandbox.argocd.stream import Streams
from cicd.sandbox.argocd.wire import present
from cicd.sandbox.kubernetes.cluster import Cluster, Object
from cicd.sandbox.server import AppServer
from headgate.clock import Clock

log = logging.getLogger(__name__)

_TICK_S = 0.02


class ArgoCdSandbox:
    """An Argo CD on loopback over a sandbox cluster.

    `accounts` default to admin (password "admin"), headgate (the least rights a release needs) and reader.
    `repositories` maps a repoURL to the path or URL where it really is; other URLs are used as they are.
    `timing` says how long operations and refreshes take; it may be replaced while running. `actions_v2` False plays a
    server that has only the older actions endpoint. `drive` False starts no controller thread: the caller steps it,
    for tests with a clock of their own.
    """

    def __init__(
        self,
        cluster: Cluster,
        clock: Clock | None = None,
        accounts: Iterable[Account] = DEFAULT_ACCOUNTS,
        *,
        repositories: Mapping[str, str | Path] | None = None,
        timing: Timing | None = None,
        actions_v2: bool = True,
        drive: bool = True,
        port: int = 0,
    ) -> None:
        self.cluster = cluster
        self._clock = clock or cluster.clock
        self._accounts = Accounts(accounts, self._clock)
        self._sources = Sources(repositories)
        self._live = LiveCache(cluster)
        projects = Projects(cluster)
        self._controller = Controller(cluster, self._sources, projects, self._live, timing or Timing())
        self._apps = Applications(cluster, self._controller, self._sources, projects, self._live)
        self._streams = Streams(cluster, self._accounts, self._apps)
        api = Api(cluster, self._accounts, self._apps, self._sources, actions_v2=actions_v2)
        self._server = AppServer(application([*api.routes(), self._streams.route()]), name="argocd", port=port)
        self._drive = drive
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.url = self._server.url

    @property
    def timing(self) -> Timing:
        """How long things take, in seconds of the clock."""
        return self._controller.timing

    @timing.setter
    def timing(self, value: Timing) -> None:
        self._controller.timing = value

    def start(self) -> None:
        """Serve, and reconcile in the background; a second call changes nothing."""
        self._server.start()
        if self._drive and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="sandbox-argocd-controller", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End everything; a second call changes nothing."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=10)
            self._thread = None
        self._streams.close()
        self._server.stop()
        self._live.close()
        self._sources.close()

    def step(self) -> None:
        """Do what is due now (for callers with `drive=False`)."""
        self._controller.step()

    def cut_streams(self) -> None:
        """End all watch streams, as a load balancer does; clients have to connect again."""
        self._streams.close()

    def token(self, account: str = "headgate") -> str:
        """A bearer token of the account. Raises `KeyError` when there is none of that name."""
        return self._accounts.token(account)

    def locate(self, repo_url: str, place: str | Path) -> None:
        """Read the repository `repo_url` at `place`."""
        self._sources.locate(repo_url, place)

    def create_application(self, manifest: Mapping[str, Any]) -> Object:
        """Create an application as an administrator; the answer is what the API gives. Raises `ApiError`."""
        operator = Caller(account=Account(name="admin", role=ADMIN), issued_at=self._clock.now())
        return present(self._apps.create(operator, manifest))

    def application(self, name: str) -> Object:
        """The application as `GET` answers it now. Raises `ApiError` when it does not exist."""
        operator = Caller(account=Account(name="admin", role=ADMIN), issued_at=self._clock.now())
        return self._apps.presented(self._apps.find(operator, name, "", reading=True))

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._controller.step()
            except Exception:  # an object that somebody broke by hand must not end the loop for all others
                log.exception("a pass of the sandbox's Argo CD failed")
            self._clock.sleep(_TICK_S)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
