"""Wiring of what a release acts on: the application and the Rollout, over Argo CD's server or the cluster; the lock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from cicd.config.model import ArgoCdConfig, KubernetesConfig, ServiceConfig
from deployments.argocd.client import ArgoCd
from deployments.argocd.core import CoreArgoCd
from deployments.argocd.delivery import ArgoDelivery
from deployments.argocd.sansio import AppRef, ResourceRef
from deployments.cluster.api import ClusterApi
from deployments.cluster.lease import LeaseLock, lease_name
from deployments.cluster.rights import Right, missing_rights
from deployments.gitops.lock import GitLock
from deployments.release.ports import Delivery, Target
from deployments.rollouts.core import ClusterRollout
from deployments.rollouts.target import RolloutTarget
from headgate.clock import Clock
from headgate.errors import AuthenticationError, ConfigError
from headgate.git import Git
from headgate.http import HttpClient, RetryPolicy
from headgate.secrets import Secret, read_secret

_CLUSTER_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """What a release acts on. `check` raises `AuthenticationError` naming every right that is missing; where Argo CD's
    server is asked, `RemoteStateError` while a sync window is closed, too.
    """

    delivery: Delivery
    target: Target
    check: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """Core mode: the application and the Rollout as objects of one cluster."""

    cluster: ClusterApi
    argocd: CoreArgoCd
    rollout: ClusterRollout

    @property
    def rights(self) -> tuple[Right, ...]:
        return (*self.argocd.rights, *self.rollout.rights)


def build_acting(
    settings: ServiceConfig, root: Path, clock: Clock, stack: ExitStack, environ: Mapping[str, str] | None
) -> Acting:
    """The adapters of `argocd.mode`. Connections are closed with `stack`."""
    if settings.argocd.mode == "core":
        cluster = build_cluster(settings.kubernetes, root, clock, purpose="argocd.mode: core")
        stack.callback(cluster.close)
        core = build_core(settings, cluster, clock)
        return Acting(
            delivery=ArgoDelivery(core.argocd), target=core.rollout, check=lambda: require(core.cluster, core.rights)
        )
    argocd = build_argocd(settings.argocd, clock, environ)
    stack.callback(argocd.close)
    target = RolloutTarget(
        argocd, ResourceRef(namespace=settings.kubernetes.namespace, name=settings.kubernetes.rollout)
    )

    def check() -> None:
        target.check_rights()
        argocd.check_windows()

    return Acting(delivery=ArgoDelivery(argocd), target=target, check=check)


def build_lock(
    settings: ServiceConfig, name: tuple[str, str], git: Git, root: Path, clock: Clock, stack: ExitStack
) -> GitLock | LeaseLock:
    """The lock of a service in an environment (`name`), kept where `lock` says."""
    if settings.lock == "git":
        return GitLock(git, "/".join(name), clock=clock)
    cluster = build_cluster(settings.kubernetes, root, clock, purpose="lock: lease")
    stack.callback(cluster.close)
    return build_lease(settings, name, cluster, clock)


def build_lease(settings: ServiceConfig, name: tuple[str, str], cluster: ClusterApi, clock: Clock) -> LeaseLock:
    """The Lease of a service in an environment."""
    return LeaseLock(cluster, namespace=settings.kubernetes.namespace, name=lease_name(*name), clock=clock)


def build_core(settings: ServiceConfig, cluster: ClusterApi, clock: Clock) -> Core:
    """The application and the Rollout in the cluster."""
    config = settings.argocd
    app = AppRef(name=config.app, project=config.project, namespace=config.namespace)
    return Core(
        cluster=cluster,
        argocd=CoreArgoCd(cluster, app, clock=clock, timeout_s=config.timeout_s),
        rollout=ClusterRollout(cluster, namespace=settings.kubernetes.namespace, name=settings.kubernetes.rollout),
    )


def build_cluster(
    config: KubernetesConfig,
    root: Path,
    clock: Clock,
    *,
    purpose: str,
    timeout_s: float = _CLUSTER_TIMEOUT_S,
    retry: RetryPolicy | None = None,
) -> ClusterApi:
    """The cluster of `kubernetes`; a relative kubeconfig counts from the folder of headgate.yaml."""
    return ClusterApi(
        kubeconfig=str(root / config.kubeconfig) if config.kubeconfig else None,
        context=config.context,
        timeout_s=timeout_s,
        clock=clock,
        retry=retry,
        purpose=purpose,
    )


def build_argocd(config: ArgoCdConfig, clock: Clock, environ: Mapping[str, str] | None = None) -> ArgoCd:
    """The client of an application. Raises `AuthenticationError` when there is no token."""
    if config.url is None:
        raise ConfigError("there is no url of an Argo CD server", where="argocd", next_step="Set argocd.url.")
    token = read_secret("HEADGATE_ARGOCD_TOKEN", environ)
    if token is None:
        raise AuthenticationError(
            "HEADGATE_ARGOCD_TOKEN is not set",
            where=config.url,
            next_step="Set it to a token of an Argo CD account or project role (or HEADGATE_ARGOCD_TOKEN_FILE to its file).",
        )
    http = HttpClient(
        config.url,
        timeout_s=config.timeout_s,
        headers={"Authorization": Secret(f"Bearer {token.reveal()}"), "Accept": "application/json"},
        clock=clock,
    )
    return ArgoCd(http, AppRef(name=config.app, project=config.project, namespace=config.namespace))


def require(cluster: ClusterApi, rights: tuple[Right, ...]) -> None:
    """Raise `AuthenticationError` naming every right of the list that the account has not."""
    missing = cluster.missing(rights)
    if missing:
        raise missing_rights(missing, cluster.where)
