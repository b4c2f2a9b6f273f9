"""From configuration and options to waiting at one target."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from cicd.config.airflow import AirflowConfig
from cicd.dags.airflow.access import choose_access
from cicd.dags.airflow.client import AirflowClient
from cicd.dags.airflow.options import WaitOptions
from cicd.dags.airflow.protocol import Folder
from cicd.dags.airflow.release import fetch_released
from cicd.dags.airflow.values import FileResult, Outcome, WaitResult
from cicd.dags.airflow.wait import WaitTerms, wait_until_parsed
from cicd.dags.airflow.watch import folder_below, plan_watch
from cicd.dags.model import Manifest
from cicd.dags.proposal import Bundle
from cicd.dags.wiring import Destination
from gates.dags.ignore import Syntax
from headgate.clock import Clock
from headgate.errors import ConfigError, HeadgateError

_SYNC_S = {"file": 0.0, "gs": 60.0, "s3": 60.0}
_FOLDERS = {"gs": "/home/airflow/gcs/dags", "s3": "/usr/local/airflow/dags"}  # of Cloud Composer and Amazon MWAA
_CAUSES = {"failure": Outcome.FAILED, "undecided": Outcome.UNDECIDED}


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitPlan:
    """Waiting at one target. `rollback_on` are the outcomes that bring the release before back."""

    config: AirflowConfig
    terms: WaitTerms
    folder: Folder
    path: str
    rollback_on: frozenset[Outcome]


def plan_wait(destination: Destination, options: WaitOptions) -> WaitPlan | None:
    """How to wait at a destination; None when nobody asked for it. Raises `ConfigError` for what does not fit."""
    config = _with_url(destination.airflow, options.url)
    rollback = {_CAUSES[name] for name in config.rollback_on} if config else set()
    rollback |= {Outcome.FAILED} if options.rollback_on_failure else set()
    rollback |= {Outcome.FAILED, Outcome.UNDECIDED} if options.rollback_on_undecided else set()
    wanted = config is not None and config.wait if options.wait is None else options.wait
    wanted = wanted or (options.wait is None and options.url is not None)
    if not wanted:
        if options.rollback_on_failure or options.rollback_on_undecided:
            raise ConfigError("a rollback on failure needs waiting", next_step="Add --wait and --airflow-url URL.")
        return None
    if config is None:
        raise ConfigError(
            f"waiting needs the address of Airflow, and {destination.name} has none",
            next_step="Add --airflow-url URL, or `airflow: {url: ...}` to the target in headgate.yaml.",
        )
    return _planned(destination, config, options, frozenset(rollback))


def _planned(
    destination: Destination, config: AirflowConfig, options: WaitOptions, rollback: frozenset[Outcome]
) -> WaitPlan:
    parts = urlsplit(destination.url)
    wanted_s = options.sync_s if options.sync_s is not None else config.sync_s
    sync_s = _SYNC_S[parts.scheme] if wanted_s is None else wanted_s
    timeout_s = options.timeout_s if options.timeout_s is not None else config.wait_s
    if timeout_s <= sync_s:
        raise ConfigError(
            f"{destination.name}: waiting {timeout_s:g} s can never be enough, because what Airflow parses in the first"
            f" {sync_s:g} s may be the folder of before",
            next_step="Raise --wait-timeout (wait_s), or say with --sync (sync_s) how long the bucket takes to reach Airflow.",
        )
    return WaitPlan(
        config=config,
        terms=WaitTerms(timeout_s=timeout_s, poll_s=config.poll_s, sync_s=sync_s),
        folder=Folder(
            bundle=config.bundle,
            root=config.folder if config.folder is not None else _FOLDERS.get(parts.scheme, unquote(parts.path)),
        ),
        path=config.path.strip("/") if config.path is not None else folder_below(destination.url),
        rollback_on=rollback,
    )


def _with_url(config: AirflowConfig | None, url: str | None) -> AirflowConfig | None:
    if url is None:
        return config
    if not url.startswith(("http://", "https://")) or not urlsplit(url).hostname:
        raise ConfigError(f"{url!r} is not an address", where="--airflow-url", next_step="Write https://HOST[:PORT].")
    return config.model_copy(update={"url": url}) if config else AirflowConfig(url=url)


class Waiter:
    """Airflow at one target, ready to be asked."""

    def __init__(self, plan: WaitPlan, client: AirflowClient, clock: Clock) -> None:
        self.plan = plan
        self._client, self._clock = client, clock

    def look_before(self) -> frozenset[str]:
        """Files with an import error before the release. Raises `TransportError` when Airflow cannot be asked."""
        return frozenset(problem.at for problem in self._client.look()[1])

    def wait(
        self,
        bundle: Bundle,
        manifest: Manifest,
        *,
        touched: Iterable[str] = (),
        known: frozenset[str] | None = None,
        every: bool = False,
        progress: Callable[[Sequence[FileResult]], None] = lambda _: None,
    ) -> WaitResult:
        """Wait until the release is parsed; see `wait_until_parsed` and `plan_watch`.

        Raises `TransportError` and `RemoteStateError` for what the bucket does, not for what Airflow does.
        """
        released = fetch_released(bundle, manifest, touched)
        watched = plan_watch(released, syntax=self._syntax(), prefix=self.plan.path, every=every)
        return wait_until_parsed(
            self._client,
            watched,
            in_force_at=manifest.created_at,
            known=known,
            terms=self.plan.terms,
            clock=self._clock,
            progress=progress,
        )

    def _syntax(self) -> Syntax:
        """Of `.airflowignore`: Airflow 2 and 3 have different defaults."""
        try:
            return "regexp" if self._client.version == "v1" else "glob"
        except HeadgateError:
            return "glob"  # waiting will say why Airflow cannot be asked


@contextmanager
def open_waiter(plan: WaitPlan, clock: Clock, environ: Mapping[str, str] | None = None) -> Iterator[Waiter]:
    """Airflow as the plan says; nothing is asked yet. Raises `ConfigError` for credentials that are not set."""
    access = choose_access(plan.config.auth, plan.config.url, environ)
    timeout_s = min(plan.config.timeout_s, plan.terms.timeout_s)
    client = AirflowClient(plan.config.url, access, folder=plan.folder, timeout_s=timeout_s, clock=clock)
    try:
        yield Waiter(plan, client, clock)
    finally:
        client.close()
