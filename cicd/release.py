"""Wiring of releases: from `headgate.yaml` and the environment to an engine."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from cicd.cli.context import App, say
from cicd.config.model import Config, ServiceConfig
from cicd.evidence_store import EvidenceFolder
from cicd.release_analysis import build_analysis, build_pods, soak_names, step_names
from cicd.release_target import Acting, build_acting, build_lock
from deployments.analysis.run import AnalysisByRole
from deployments.cluster.lease import LeaseLock
from deployments.gitops.edit import parse_key
from deployments.gitops.lock import GitLock
from deployments.gitops.repository import GitOpsRepository, open_repository
from deployments.release.engine import Engine
from deployments.release.model import ReleaseRequest, Settings
from deployments.release.status import Standing, Status, describe_facts
from deployments.rollouts.snapshot import Strategy
from headgate.clock import Clock, parse_timestamp
from headgate.errors import ConfigError, HeadgateError
from headgate.exit_codes import ExitCode
from headgate.git import Git, is_sha
from observability.events import DeliveryEvent, Kind

_SCP_LIKE = re.compile(r"[^/:\s]+:(?!//).+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """An engine with what it stands on."""

    engine: Engine
    store: GitOpsRepository
    lock: GitLock | LeaseLock


def find_service(config: Config, service: str, environment: str) -> ServiceConfig:
    """The settings of a service. Raises `ConfigError` naming what there is."""
    environments = config.deploy.environments if config.deploy else {}
    if environment not in environments:
        raise ConfigError(
            f"there is no environment {environment!r}; there are: {', '.join(sorted(environments)) or 'none'}",
            where="deploy.environments",
            next_step="Correct --env, or add it to headgate.yaml.",
        )
    services = environments[environment].services
    if service not in services:
        raise ConfigError(
            f"there is no service {service!r} in {environment}; there are: {', '.join(sorted(services)) or 'none'}",
            where=f"deploy.environments.{environment}.services",
            next_step="Correct the name, or add it to headgate.yaml.",
        )
    return services[service]


@contextmanager
def connect(
    app: App, service: str, environment: str, *, environ: Mapping[str, str] | None = None
) -> Iterator[Connected]:
    """The engine of a service, over a clone of the GitOps repository that is removed at the end.

    Raises `ConfigError` and `AuthenticationError` before anything is contacted, `RemoteStateError` when the GitOps
    repository cannot be cloned.
    """
    settings = find_service(app.config, service, environment)
    parse_key(settings.gitops.key)
    with ExitStack() as stack:
        yield _connect(app, service, environment, settings, stack, environ)


def _connect(
    app: App,
    service: str,
    environment: str,
    settings: ServiceConfig,
    stack: ExitStack,
    environ: Mapping[str, str] | None,
) -> Connected:
    evidence = EvidenceFolder(root=app.root, service=service, environment=environment, clock=app.clock, say=say)
    analysis = build_analysis(app, settings, stack, evidence.keep)
    acting = build_acting(settings, app.root, app.clock, stack, environ)
    store = stack.enter_context(open_store(app, service, environment))
    lock = build_lock(settings, (service, environment), store.git, app.root, app.clock, stack)
    engine = Engine(
        service=service,
        environment=environment,
        store=store,
        delivery=acting.delivery,
        target=acting.target,
        analysis=analysis,
        lock=lock,
        settings=build_settings(settings),
        clock=app.clock,
        source=f"headgate://{app.config.project}/release",
        record=_recorder(app, evidence, analysis),
        say=say,
        check=partial(_check, acting, app, settings),
    )
    return Connected(engine=engine, store=store, lock=lock)


def _check(acting: Acting, app: App, settings: ServiceConfig) -> None:
    """What must be allowed before anything is written: acting, and reading the evidence."""
    acting.check()
    names = {*step_names(settings), *soak_names(settings)}
    if any(app.config.analysis[name].source == "openmetrics" for name in names):
        with closing(build_pods(settings, app.root)) as pods:
            pods.pods("headgate-probe")  # a version that no pod has: the right is asked for, nothing is fetched


@contextmanager
def open_store(app: App, service: str, environment: str) -> Iterator[GitOpsRepository]:
    """The GitOps repository of a service, in a clone that is removed at the end."""
    config = find_service(app.config, service, environment).gitops
    with tempfile.TemporaryDirectory(prefix="headgate-release-", ignore_cleanup_errors=True) as folder:
        url = repository_url(config.repo, app.root)
        store = open_repository(
            url, Path(folder) / "gitops", branch=config.branch, file=config.file, key=config.key, clock=app.clock
        )
        yield store


def build_settings(config: ServiceConfig) -> Settings:
    """How the service is driven."""
    canary, blue_green = config.strategy.canary, config.strategy.blue_green
    if canary is not None:
        return Settings(
            strategy=Strategy.CANARY,
            weights=tuple(weight for weight in canary.steps if 0 < weight < 100),
            max_step_s=canary.max_step_s,
            deadline_s=config.deadline_s,
            poll_s=config.poll_s,
        )
    if blue_green is None:
        raise ConfigError("no strategy is given", next_step="Give canary or blue_green.")
    return Settings(
        strategy=Strategy.BLUE_GREEN,
        soak=bool(blue_green.soak),
        max_step_s=blue_green.max_step_s,
        deadline_s=config.deadline_s,
        poll_s=config.poll_s,
    )


def repository_url(repo: str, root: Path) -> str:
    """`repo` as Git takes it: a URL as it is, a path counted from the folder of `headgate.yaml`."""
    return repo if "://" in repo or _SCP_LIKE.fullmatch(repo) else str(root / repo)


def build_request(
    version: str, source_repo: str | None, source_commit: str | None, *, root: Path, project: str
) -> ReleaseRequest:
    """What is asked for. Without a source commit nothing about the source is claimed; its time is read from Git.

    Raises `ConfigError` for a commit that is not a full hash.
    """
    if source_commit is None:
        return ReleaseRequest(version=version, source_repo=source_repo)
    if not is_sha(source_commit):
        raise ConfigError(
            f"{source_commit!r} is not a full commit hash", where="--source-commit", next_step="Give all 40 characters."
        )
    return ReleaseRequest(
        version=version,
        source_repo=source_repo or project,
        source_commit=source_commit,
        committed_at=_commit_time(root, source_commit),
    )


def _commit_time(root: Path, commit: str) -> datetime | None:
    """Committer time of a commit if the repository around `root` has it, else None."""
    try:
        done = Git(path=root, timeout_s=20.0).call("show", "--no-patch", "--format=%cI", commit)
    except HeadgateError:
        return None
    return parse_timestamp(done.stdout.strip()) if done.returncode == 0 and done.stdout.strip() else None


def _recorder(app: App, evidence: EvidenceFolder, analysis: AnalysisByRole) -> Callable[[DeliveryEvent], None]:
    from cicd.record import record
    from cicd.release_note import post_note
    from cicd.release_remote import record_in_forge

    def store(event: DeliveryEvent) -> None:
        if event.kind is Kind.SERVICE_ROLLEDBACK:
            evidence.keep_undecided(analysis.undecided())
        record(app, [evidence.attach(event)])
        record_in_forge(app, event)
        post_note(app, event, evidence)

    return store


def read_status(connected: Connected, clock: Clock) -> Status:
    """What Git asks for, what runs, and who drives it."""
    engine = connected.engine
    return describe_facts(
        engine.facts(), connected.lock.read(), service=engine.service, environment=engine.environment, now=clock.now()
    )


def watch(
    connected: Connected, clock: Clock, *, timeout_s: float, say: Callable[[str], None]
) -> tuple[Status, ExitCode]:
    """Follow until it has settled and nobody drives it: PASS, or FAIL when the newest release was turned back."""
    started, last = clock.monotonic(), ""
    while True:
        status = read_status(connected, clock)
        line = f"{status.version}: {status.standing.value}, {status.phase}, {status.place}"
        if line != last:
            say(line)
            last = line
        if status.standing is Standing.LIVE and status.held_by is None:
            newest = next(iter(connected.store.releases(status.service, status.environment)), None)
            return status, ExitCode.FAIL if newest is not None and newest.reverted_by else ExitCode.PASS
        if clock.monotonic() - started >= timeout_s:
            return status, ExitCode.UNDECIDED
        clock.sleep(connected.engine.settings.poll_s)
