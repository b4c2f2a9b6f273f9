"""Which connections a configuration has."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from cicd.config.dags import DagsConfig
from cicd.config.model import Config, DeployConfig, ServiceConfig
from cicd.doctor import cluster, local, servers
from cicd.doctor.checks import Connection
from headgate.clock import Clock

_NOT_CONFIGURED = "not configured"
_GITLAB = ("gitlab", "requests")
_BUCKETS = {
    "gs": ("google.auth.transport.requests", "google.auth.compute_engine", "google.auth.impersonated_credentials"),
    "s3": ("botocore.session", "botocore.exceptions"),
}
_KUBERNETES = ("kubernetes.client", "kubernetes.config")


def plan_connections(config: Config, root: Path, *, clock: Clock, timeout_s: float) -> tuple[Connection, ...]:
    """Every connection of `config`, and one SKIPPED for each kind that it does not configure. Nothing is contacted."""
    return (
        Connection(name="config", open=partial(local.config_steps, config, root)),
        Connection(name="git", open=partial(local.git_steps, root, timeout_s)),
        Connection(
            name="event store",
            open=partial(local.store_steps, config.observability.store, root, clock, timeout_s),
        ),
        _gitlab(config, timeout_s),
        *_targets(config.dags, clock, timeout_s),
        *_deploy(config, root, clock, timeout_s),
    )


def _gitlab(config: Config, timeout_s: float) -> Connection:
    if config.forge is None:
        return _absent("gitlab", "forge", "merge requests get no note and no commit status")
    return Connection(name="gitlab", open=partial(servers.gitlab_steps, config.forge, timeout_s), clients=_GITLAB)


def _targets(dags: DagsConfig | None, clock: Clock, timeout_s: float) -> Iterator[Connection]:
    if dags is None:
        yield _absent("dag targets", "dags.targets", "no DAGs are delivered")
        return
    for name, target in dags.targets.items():
        clients = _BUCKETS.get(target.bucket.partition("://")[0], ())
        yield Connection(name=f"dags {name}", open=partial(local.target_steps, target, timeout_s), clients=clients)
        if target.airflow is not None:
            steps = partial(local.airflow_steps, target.airflow, clock, timeout_s)
            yield Connection(name=f"airflow {name}", open=steps)


def _deploy(config: Config, root: Path, clock: Clock, timeout_s: float) -> Iterator[Connection]:
    deploy = config.deploy
    if deploy is None or deploy.jenkins is None:
        yield _absent("jenkins", "deploy.jenkins", "releases run where they are started")
    else:
        steps = partial(servers.jenkins_steps, deploy.jenkins, timeout_s)
        yield Connection(name="jenkins", open=steps, clients=("requests",))
    services = tuple(_services(deploy)) if deploy else ()
    if not services:
        yield _absent("services", "deploy.environments", "no service is released")
    for key, service in services:
        name = "/".join(reversed(key))
        if service.argocd.mode == "core":
            core = partial(cluster.core_steps, service, root, clock, timeout_s)
            yield Connection(name=f"argocd {name}", open=core, clients=_KUBERNETES)
        else:
            yield Connection(name=f"argocd {name}", open=partial(servers.argocd_steps, service, timeout_s))
        yield Connection(name=f"gitops {name}", open=partial(local.gitops_steps, service.gitops, timeout_s))
        if service.lock == "lease":
            lease = partial(cluster.lease_steps, service, key, root, clock, timeout_s)
            yield Connection(name=f"lock {name}", open=lease, clients=_KUBERNETES)
        yield from _analysis(config, name, service, root, timeout_s)


def _analysis(config: Config, name: str, service: ServiceConfig, root: Path, timeout_s: float) -> Iterator[Connection]:
    """What the analyses of a service read: its pods, or a Prometheus server."""
    strategy = service.strategy.canary or service.strategy.blue_green
    wanted = (*strategy.analysis, *getattr(strategy, "soak", ())) if strategy else ()
    used = {analysis: config.analysis[analysis] for analysis in dict.fromkeys(wanted)}
    if any(settings.source == "openmetrics" for settings in used.values()):
        pods = partial(cluster.pods_steps, service.kubernetes, root, timeout_s)
        yield Connection(name=f"kubernetes {name}", open=pods, clients=_KUBERNETES)
    for analysis, settings in used.items():
        if settings.source == "prometheus":
            yield Connection(
                name=f"prometheus {name} {analysis}", open=partial(servers.prometheus_steps, settings, timeout_s)
            )


def _services(deploy: DeployConfig) -> Iterator[tuple[tuple[str, str], ServiceConfig]]:
    """(service, environment) and its settings."""
    for environment, settings in deploy.environments.items():
        for service, target in settings.services.items():
            yield (service, environment), target


def _absent(name: str, key: str, consequence: str) -> Connection:
    return Connection(name=name, absent=f"{_NOT_CONFIGURED}: {consequence}", advice=f"Set {key} in headgate.yaml.")
