"""Checks of a cluster: core mode, the Lease lock, and the pods that are scraped. Rights are asked for by access review,
which touches nothing; each that is missing is named.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cicd.config.model import KubernetesConfig, ServiceConfig
from cicd.doctor.checks import Step
from headgate.clock import Clock
from headgate.http import RetryPolicy

_ONCE = RetryPolicy(attempts=2)


def core_steps(config: ServiceConfig, root: Path, clock: Clock, timeout_s: float) -> Iterator[Step]:
    """The cluster answers, and the account may do what a release in core mode does; the Application and the Rollout
    are there.
    """
    from cicd.release_target import build_cluster, build_core, require

    cluster = build_cluster(
        config.kubernetes, root, clock, purpose="argocd.mode: core", timeout_s=timeout_s, retry=_ONCE
    )
    core = build_core(config, cluster, clock)

    def rights() -> str:
        require(cluster, core.rights)
        return f"may {', '.join(str(right) for right in core.rights)}"

    def application() -> str:
        found = core.argocd.application()
        return f"{config.argocd.app} is {found.sync_status} and {found.health}"

    def rollout() -> str:
        return f"Rollout {config.kubernetes.rollout} is {core.rollout.observe().phase.value}"

    try:
        yield Step(name="version", ask=lambda: f"Kubernetes {cluster.version()}")
        yield Step(name="rights", ask=rights)
        yield Step(name="application", ask=application)
        yield Step(name="rollout", ask=rollout)
    finally:
        cluster.close()


def lease_steps(
    config: ServiceConfig, name: tuple[str, str], root: Path, clock: Clock, timeout_s: float
) -> Iterator[Step]:
    """The account may keep the Lease of the service in the environment (`name`); it is neither made nor taken."""
    from cicd.release_target import build_cluster, build_lease, require

    cluster = build_cluster(config.kubernetes, root, clock, purpose="lock: lease", timeout_s=timeout_s, retry=_ONCE)
    lock = build_lease(config, name, cluster, clock)

    def rights() -> str:
        require(cluster, lock.rights)
        return f"may {', '.join(str(right) for right in lock.rights)}"

    def holder() -> str:
        found = lock.read()
        return f"{lock.where} is {f'held by {found.holder}' if found else 'free'}"

    try:
        yield Step(name="rights", ask=rights)
        yield Step(name="lease", ask=holder)
    finally:
        cluster.close()


def pods_steps(config: KubernetesConfig, root: Path, timeout_s: float) -> Iterator[Step]:
    """Pods of the namespace may be listed: the `openmetrics` source finds what to scrape this way."""
    from deployments.kubernetes import KubernetesPods

    pods = KubernetesPods(
        namespace=config.namespace,
        kubeconfig=str(root / config.kubeconfig) if config.kubeconfig else None,
        context=config.context,
        timeout_s=timeout_s,
    )

    def listed() -> str:
        pods.pods("headgate-doctor")  # a version that no pod has: the right is asked for, nothing is fetched
        return f"may list pods in {config.namespace}"

    try:
        yield Step(name="list pods", ask=listed)
    finally:
        pods.close()
