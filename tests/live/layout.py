"""Where things of one run are: folders, ports, addresses. Values only; nothing is made here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.live.ports import HOST

PORTS = (
    "etcd",
    "etcd-peer",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "redis",
    "prometheus",
    "argocd-repo-server",
    "argocd-repo-server-metrics",
    "argocd-server",
    "argocd-server-metrics",
    "argocd-application-controller-metrics",
    "argo-rollouts-metrics",
    "argo-rollouts-health",
    "router",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The folder that a run may write to, and a port for each name in `PORTS`."""

    folder: Path
    ports: dict[str, int]

    def port(self, name: str) -> str:
        """The port, as an argument."""
        return str(self.ports[name])

    def address(self, name: str) -> str:
        """Host and port."""
        return f"{HOST}:{self.ports[name]}"

    def url(self, name: str) -> str:
        """Base URL: https for the Kubernetes servers, http for the others."""
        return f"{'https' if name.startswith('kube-') else 'http'}://{self.address(name)}"

    @property
    def ca(self) -> Path:
        """What the API server's certificate is checked against: it signs its own."""
        return self.folder / "kubernetes" / "certificates" / "apiserver.crt"

    @property
    def tokens(self) -> Path:
        """The API server's users."""
        return self.folder / "kubernetes" / "tokens.csv"

    @property
    def service_account_key(self) -> Path:
        """What service account tokens are signed with."""
        return self.folder / "kubernetes" / "service-account.key"

    @property
    def targets(self) -> Path:
        """Prometheus reads its targets from the *.json files in this folder."""
        return self.folder / "prometheus" / "targets"

    @property
    def prometheus_config(self) -> Path:
        """Prometheus' configuration."""
        return self.folder / "prometheus" / "prometheus.yml"

    def kubeconfig(self, user: str) -> Path:
        """The kubeconfig of a user of the API server; its namespace is Argo CD's for `system`."""
        return self.folder / "kubeconfigs" / f"{user}.yaml"

    def folders(self) -> tuple[Path, ...]:
        """All that must be there before the first server starts."""
        names = (
            "etcd",
            "kubernetes/certificates",
            "kubeconfigs",
            "redis",
            "prometheus/data",
            "prometheus/targets",
            "argocd/tls",
            "argocd/ssh",
            "argocd/gpg",
            "home",
            "tmp",
        )
        return tuple(self.folder / name for name in names)
