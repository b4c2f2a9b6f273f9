"""The whole stack: etcd, Kubernetes, redis, Prometheus, Argo CD and Argo Rollouts on loopback, in a folder of its own.

with Stack(build(say), find(say), say) as stack:
    stack.argocd_url, stack.argocd_token("headgate"), stack.kubeconfig, stack.prometheus_url
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import yaml

from headgate import process
from headgate.errors import ConfigError
from tests.live import commands, settings
from tests.live.build import Built, Say
from tests.live.cluster import Cluster, load_yaml
from tests.live.debian import Debian
from tests.live.layout import PORTS, Layout
from tests.live.ports import PortBlock
from tests.live.processes import Supervisor

KEEP = "HEADGATE_LIVE_KEEP"
"""Set to keep the work folder with its logs."""


class Stack:
    """Running servers. `with` starts them and ends them; nothing of them is left behind, the folder included.

    `folder` (made, must be empty) is where everything is written; by default a temporary one. It is removed at the
    end unless the environment has HEADGATE_LIVE_KEEP.
    """

    def __init__(self, built: Built, debian: Debian, say: Say, *, folder: Path | None = None) -> None:
        self._built, self._debian, self._say = built, debian, say
        self._wanted_folder = folder
        self._users = settings.users()
        self._tokens: dict[str, str] = {}
        self._open = contextlib.ExitStack()

    def start(self) -> None:
        """Bring everything up; about 20 s. On an error all is ended again."""
        with contextlib.ExitStack() as opened:
            self._ports = PortBlock()
            opened.callback(self._ports.close)
            folder = self._make_folder()
            self.layout = Layout(folder=folder, ports={name: self._ports.take() for name in PORTS})
            belongings = () if os.environ.get(KEEP) else (folder,)
            if not belongings:
                self._say(f"{KEEP} is set: {folder} is kept")
            self.servers = Supervisor(folder / "logs", self._say, belongings=belongings)
            opened.callback(self.servers.stop)
            self._write_files()
            self._start_kubernetes()
            self.cluster = Cluster(self.kubernetes_url, self.layout.ca, self._users["admin"].token)
            opened.callback(self.cluster.close)
            self._furnish()
            self._start_argo()
            self._open = opened.pop_all()

    def stop(self) -> None:
        """End everything. May be called twice."""
        self._open.close()

    @property
    def folder(self) -> Path:
        """The work folder; logs are in `logs/<server>.log`."""
        return self.layout.folder

    @property
    def kubernetes_url(self) -> str:
        """The Kubernetes API (https; its certificate is checked against `layout.ca`)."""
        return self.layout.url("kube-apiserver")

    @property
    def argocd_url(self) -> str:
        """Argo CD's API (plain http)."""
        return self.layout.url("argocd-server")

    @property
    def prometheus_url(self) -> str:
        """Prometheus."""
        return self.layout.url("prometheus")

    @property
    def prometheus_targets(self) -> Path:
        """Put file_sd files (`*.json`) here."""
        return self.layout.targets

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.kubeconfig_of("admin")

    def kubeconfig_of(self, user: str) -> Path:
        """The kubeconfig of `admin`, `headgate`, `reader` or `nobody`; the last three may do what they are bound to."""
        return self.layout.kubeconfig(user)

    def kubernetes_token(self, user: str) -> str:
        """The bearer token of that user for the Kubernetes API."""
        return self._users[user].token

    def argocd_token(self, account: str) -> str:
        """A token for Argo CD: `admin`, or `headgate`, `reader`, `nobody` (see `settings.ARGOCD_POLICIES`)."""
        if account not in self._tokens:
            self._tokens[account] = self._new_argocd_token(account)
        return self._tokens[account]

    def namespace(self, name: str) -> str:
        """Make a namespace, and return its name."""
        self.cluster.apply(settings.namespace(name))
        return name

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Kill a server and leave it down until `revive(name)`."""
        self.servers.kill(name, number)

    def revive(self, name: str) -> None:
        """Start a killed server again on its old port, and wait until it answers."""
        self.servers.revive(name)

    def restart(self, name: str) -> None:
        """Stop a server in an orderly way and start it again."""
        self.servers.restart(name)

    def variables(self) -> dict[str, str]:
        """What others need to reach the stack: the HEADGATE_LIVE_* variables."""
        return {
            "HEADGATE_LIVE_FOLDER": str(self.folder),
            "HEADGATE_LIVE_KUBECONFIG": str(self.kubeconfig),
            "HEADGATE_LIVE_KUBERNETES_URL": self.kubernetes_url,
            "HEADGATE_LIVE_ARGOCD_URL": self.argocd_url,
            "HEADGATE_LIVE_ARGOCD_ADMIN_TOKEN": self.argocd_token("admin"),
            "HEADGATE_LIVE_ARGOCD_TOKEN": self.argocd_token("headgate"),
            "HEADGATE_LIVE_ARGOCD_READER_TOKEN": self.argocd_token("reader"),
            "HEADGATE_LIVE_PROMETHEUS_URL": self.prometheus_url,
            "HEADGATE_LIVE_PROMETHEUS_TARGETS": str(self.prometheus_targets),
        }

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _make_folder(self) -> Path:
        folder = self._wanted_folder
        if folder is None:
            return Path(tempfile.mkdtemp(prefix="headgate-live-"))
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigError("the work folder is not empty", where=str(folder), next_step="Name an empty or new one.")
        return folder.resolve()

    def _write_files(self) -> None:
        layout = self.layout
        for folder in layout.folders():
            folder.mkdir(parents=True)
        _make_rsa_key(layout.service_account_key)
        _write_secret(layout.tokens, settings.tokens_csv(self._users))
        for user in self._users.values():
            namespace = settings.ARGOCD_NAMESPACE if user.name == "system" else "default"
            _write_secret(layout.kubeconfig(user.name), json.dumps(settings.kubeconfig(layout, user, namespace)))
        layout.prometheus_config.write_text(yaml.safe_dump(settings.prometheus_config(layout)), "utf-8")

    def _start_kubernetes(self) -> None:
        layout, built = self.layout, self._built
        began = time.monotonic()
        self.servers.start(commands.etcd(layout, built))
        self.servers.start(
            commands.kube_apiserver(layout, built, self._users["system"].token),
            commands.redis(layout, self._debian),
            commands.prometheus(layout, self._debian),
        )
        self._say(f"etcd, kube-apiserver, redis, prometheus: up after {time.monotonic() - began:.1f} s")

    def _furnish(self) -> None:
        """Argo's resource types and settings."""
        for part in ("argo-cd", "argo-rollouts"):
            self.cluster.establish(self._built.manifests(part, "manifests/crds"))
        self.cluster.apply(settings.namespace(settings.ARGOCD_NAMESPACE))
        files = self._built.manifests("argo-cd", "manifests/base/config")
        self.cluster.apply(*settings.argocd_objects([obj for file in files for obj in load_yaml(file)]))

    def _start_argo(self) -> None:
        layout, built = self.layout, self._built
        began = time.monotonic()
        self.servers.start(
            commands.kube_controller_manager(layout, built),
            commands.kube_scheduler(layout, built),
            commands.argocd_repo_server(layout, built),
            commands.argocd_server(layout, built),
            commands.argocd_application_controller(layout, built),
            commands.argo_rollouts(layout, built),
        )
        self._say(f"Kubernetes' controllers, Argo CD and Argo Rollouts: up after {time.monotonic() - began:.1f} s more")

    def _new_argocd_token(self, account: str) -> str:
        with httpx.Client(base_url=self.argocd_url, timeout=20, trust_env=False) as http:
            if account == "admin":
                body = {"username": "admin", "password": settings.ADMIN_PASSWORD}
                answer = http.post("/api/v1/session", json=body)
            else:
                headers = {"Authorization": f"Bearer {self.argocd_token('admin')}"}
                answer = http.post(f"/api/v1/account/{account}/token", json={}, headers=headers)
            answer.raise_for_status()
            found: dict[str, Any] = answer.json()
            return str(found["token"])


def _make_rsa_key(path: Path) -> None:
    done = process.run(["openssl", "genrsa", "-out", str(path), "2048"], timeout_s=60)
    if done.returncode != 0:
        raise ConfigError(f"openssl made no key: {done.stderr.strip()}", where=str(path))
    path.chmod(0o600)


def _write_secret(path: Path, text: str) -> None:
    path.touch(0o600)
    path.write_text(text, "utf-8")
