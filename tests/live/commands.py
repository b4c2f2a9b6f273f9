"""The command line, environment and sign of life of each server."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.live.build import Built
from tests.live.debian import Debian
from tests.live.layout import Layout
from tests.live.ports import HOST
from tests.live.processes import Server

RECONCILE_S = 10
"""How often Argo CD compares unasked; three minutes by default."""


def etcd(layout: Layout, built: Built) -> Server:
    url, peer = layout.url("etcd"), layout.url("etcd-peer")
    return Server(
        name="etcd",
        argv=(
            str(built.program("etcd")),
            "--name=live",
            f"--data-dir={layout.folder / 'etcd'}",
            f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=live={peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ),
        env=environment(layout, built),
        ready=answers(f"{url}/health"),
    )


def kube_apiserver(layout: Layout, built: Built, token: str) -> Server:
    key = layout.service_account_key
    return Server(
        name="kube-apiserver",
        argv=(
            str(built.program("kube-apiserver")),
            f"--etcd-servers={layout.url('etcd')}",
            f"--bind-address={HOST}",
            f"--secure-port={layout.port('kube-apiserver')}",
            f"--cert-dir={layout.folder / 'kubernetes' / 'certificates'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={key}",
            f"--service-account-key-file={key}",
            f"--token-auth-file={layout.tokens}",
            "--authorization-mode=RBAC",
            # Endpoints refuse 127.0.0.0/8, so the API server can't list itself.
            "--endpoint-reconciler-type=none",
            # Pods run without a service account token.
            "--disable-admission-plugins=ServiceAccount",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--profiling=false",
        ),
        env=environment(layout, built),
        ready=answers(f"{layout.url('kube-apiserver')}/readyz", ca=layout.ca, token=token),
        patience_s=120,
    )


def kube_controller_manager(layout: Layout, built: Built) -> Server:
    return Server(
        name="kube-controller-manager",
        argv=(
            str(built.program("kube-controller-manager")),
            *_kubernetes_component(layout, "kube-controller-manager"),
            f"--service-account-private-key-file={layout.service_account_key}",
            f"--root-ca-file={layout.ca}",
        ),
        env=environment(layout, built),
        ready=answers(f"{layout.url('kube-controller-manager')}/healthz", verify=False),
    )


def kube_scheduler(layout: Layout, built: Built) -> Server:
    return Server(
        name="kube-scheduler",
        argv=(str(built.program("kube-scheduler")), *_kubernetes_component(layout, "kube-scheduler")),
        env=environment(layout, built),
        ready=answers(f"{layout.url('kube-scheduler')}/healthz", verify=False),
    )


def _kubernetes_component(layout: Layout, name: str) -> tuple[str, ...]:
    return (
        f"--kubeconfig={layout.kubeconfig('system')}",
        "--leader-elect=false",
        f"--bind-address={HOST}",
        f"--secure-port={layout.port(name)}",
        f"--cert-dir={layout.folder / 'kubernetes' / name}",
        "--authentication-skip-lookup=true",
        "--profiling=false",
    )


def redis(layout: Layout, debian: Debian) -> Server:
    return Server(
        name="redis",
        argv=(
            str(debian.redis),
            *("--bind", HOST),
            *("--port", layout.port("redis")),
            *("--dir", str(layout.folder / "redis")),
            *("--save", ""),
            *("--appendonly", "no"),
        ),
        env={**_base(layout, os.environ.get("PATH", "")), **debian.env},
        ready=_pongs(layout.ports["redis"]),
    )


def prometheus(layout: Layout, debian: Debian) -> Server:
    return Server(
        name="prometheus",
        argv=(
            str(debian.prometheus),
            f"--config.file={layout.prometheus_config}",
            f"--storage.tsdb.path={layout.folder / 'prometheus' / 'data'}",
            f"--web.listen-address={layout.address('prometheus')}",
            "--log.level=warn",
        ),
        env={**_base(layout, os.environ.get("PATH", "")), **debian.env},
        ready=answers(f"{layout.url('prometheus')}/-/ready"),
    )


def argocd_repo_server(layout: Layout, built: Built) -> Server:
    return Server(
        name="argocd-repo-server",
        argv=(
            str(built.program("argocd-repo-server")),
            f"--address={HOST}",
            f"--port={layout.port('argocd-repo-server')}",
            f"--metrics-address={HOST}",
            f"--metrics-port={layout.port('argocd-repo-server-metrics')}",
            f"--redis={layout.address('redis')}",
            "--disable-tls",
        ),
        env=argocd_environment(layout, built),
        ready=answers(f"{layout.url('argocd-repo-server-metrics')}/healthz?full=true"),
    )


def argocd_server(layout: Layout, built: Built) -> Server:
    return Server(
        name="argocd-server",
        argv=(
            str(built.program("argocd-server")),
            f"--address={HOST}",
            f"--port={layout.port('argocd-server')}",
            f"--metrics-address={HOST}",
            f"--metrics-port={layout.port('argocd-server-metrics')}",
            f"--redis={layout.address('redis')}",
            f"--repo-server={layout.address('argocd-repo-server')}",
            "--repo-server-plaintext",
            "--insecure",
        ),
        env=argocd_environment(layout, built),
        ready=answers(f"{layout.url('argocd-server')}/healthz?full=true"),
    )


def argocd_application_controller(layout: Layout, built: Built) -> Server:
    return Server(
        name="argocd-application-controller",
        argv=(
            str(built.program("argocd-application-controller")),
            f"--metrics-port={layout.port('argocd-application-controller-metrics')}",
            f"--redis={layout.address('redis')}",
            f"--repo-server={layout.address('argocd-repo-server')}",
            "--repo-server-plaintext",
        ),
        env=argocd_environment(layout, built),
        ready=answers(f"{layout.url('argocd-application-controller-metrics')}/healthz"),
    )


def argo_rollouts(layout: Layout, built: Built) -> Server:
    return Server(
        name="argo-rollouts",
        argv=(
            str(built.program("argo-rollouts")),
            f"--kubeconfig={layout.kubeconfig('system')}",
            "--leader-elect=false",
            f"--metricsPort={layout.port('argo-rollouts-metrics')}",
            f"--healthzPort={layout.port('argo-rollouts-health')}",
        ),
        env=environment(layout, built),
        ready=answers(f"{layout.url('argo-rollouts-health')}/healthz"),
    )


def environment(layout: Layout, built: Built) -> dict[str, str]:
    """What a server of ours sees: nothing of the caller's but PATH, and a home of its own."""
    return _base(layout, f"{built.program('helm').parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}")


def argocd_environment(layout: Layout, built: Built) -> dict[str, str]:
    """For Argo CD, which is made for pods: where it finds what a pod would mount."""
    folder = layout.folder / "argocd"
    return {
        **environment(layout, built),
        "KUBECONFIG": str(layout.kubeconfig("system")),
        "ARGOCD_FAKE_IN_CLUSTER": "true",
        "ARGOCD_TLS_DATA_PATH": str(folder / "tls"),
        "ARGOCD_SSH_DATA_PATH": str(folder / "ssh"),
        "ARGOCD_GNUPGHOME": str(folder / "gpg"),
        "ARGOCD_GPG_ENABLED": "false",
        # As the Deployments of Argo CD pass on `timeout.reconciliation` of argocd-cm.
        "ARGOCD_RECONCILIATION_TIMEOUT": f"{RECONCILE_S}s",
        "ARGOCD_RECONCILIATION_JITTER": "0s",
    }


def _base(layout: Layout, path: str) -> dict[str, str]:
    return {
        "PATH": path,
        "HOME": str(layout.folder / "home"),
        "TMPDIR": str(layout.folder / "tmp"),
        "LC_ALL": "C.UTF-8",
    }


def answers(url: str, *, ca: Path | None = None, token: str = "", verify: bool = True) -> Callable[[], bool]:
    """Whether `url` answers 200; `ca` may appear later than the server."""

    def ready() -> bool:
        if ca is not None and not ca.exists():
            return False
        headers: Mapping[str, str] = {"Authorization": f"Bearer {token}"} if token else {}
        context = ssl.create_default_context(cafile=str(ca) if ca else None)
        if not verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(urllib.request.Request(url, headers=dict(headers)), timeout=5) as response:
                return bool(response.status == 200)
        except urllib.error.HTTPError as error:
            error.close()
            return False
        except http.client.HTTPException:  # it ended in the middle of an answer
            return False

    return ready


def _pongs(port: int) -> Callable[[], bool]:
    def ready() -> bool:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")

    return ready
