"""The example platform on the real servers: its GitOps repository, project and applications, pods, traffic, headgate.

with platform(stack, "shop", folder) as shop, shop.load():
    done = shop.headgate("start", "recommender", "--version", "1.1.0")
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from headgate.errors import ConfigError
from headgate.git import Git
from observability.events import Kind
from observability.store import open_store
from tests.live.applications import Environment, client, new_environment, tree
from tests.live.front import Front
from tests.live.objects import ingress
from tests.live.record import Row
from tests.live.router import Load, Router
from tests.live.settings import ARGOCD_NAMESPACE
from tests.live.stack import Stack
from tests.live.waiting import eventually

ROOT = Path(__file__).parents[2]
SHOP = ROOT / "examples" / "shop"
HOST = "recommender.example.com"
SERVICES = ("recommender", "catalogue")
FIRST = "1.0.0"
Object = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds:
    """How a platform differs from the example: `routed` by nginx, judged by Prometheus, synced by Argo CD itself."""

    services: tuple[str, ...] = ("recommender",)
    routed: bool = False
    prometheus: bool = False
    automated: bool = False
    replicas: int = 2
    deadline_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command ended with, and when (Unix time)."""

    code: int
    out: str
    said: str
    ended: float

    @property
    def data(self) -> Object:
        """The result, of a command with `-o json`."""
        found: Object = json.loads(self.out)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """One namespace with the example in it. Commands run as processes of their own."""

    stack: Stack
    kinds: Kinds
    namespace: str
    environment: Environment
    config: Path
    router: Router
    environ: dict[str, str]

    def app(self, service: str) -> str:
        """The name of a service's application."""
        return f"{service}-{self.namespace}"

    def begin(
        self, verb: str, service: str, *arguments: str, environ: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start `headgate release VERB SERVICE`; stdout and stderr are pipes."""
        command = ["--config", str(self.config), "release", verb, service, "--env", "prod", *arguments]
        return subprocess.Popen(
            [sys.executable, "-m", "cicd", *command],
            env={**self.environ, **(environ or {})},
            cwd=self.config.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def headgate(
        self,
        verb: str,
        service: str,
        *arguments: str,
        timeout_s: float = 240.0,
        environ: Mapping[str, str] | None = None,
    ) -> Done:
        """Run it to its end."""
        with self.begin(verb, service, *arguments, environ=environ) as process:
            try:
                out, said = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                out, said = process.communicate()
                raise AssertionError(f"not within {timeout_s:g} s: release {verb} {service}\n{said}") from None
        return Done(code=process.returncode, out=out, said=said, ended=time.time())

    @contextlib.contextmanager
    def load(self, rate: float = 40.0) -> Iterator[None]:
        """Users: of the recommender by its Ingress or Service, of the catalogue on both of its Services."""
        with contextlib.ExitStack() as stack:
            if "recommender" in self.kinds.services:
                way = {"host": HOST} if self.kinds.routed else {"service": "recommender"}
                stack.enter_context(Load(self.router, rate=rate, workers=6, **way))
            if "catalogue" in self.kinds.services:
                for colour in ("active", "preview"):
                    stack.enter_context(Load(self.router, rate=rate / 2, workers=4, service=f"catalogue-{colour}"))
            yield

    def rollout(self, service: str = "recommender") -> Object:
        return self._get("argoproj.io/v1alpha1", "Rollout", service, self.namespace)

    def application(self, service: str = "recommender") -> Object:
        return self._get("argoproj.io/v1alpha1", "Application", self.app(service), ARGOCD_NAMESPACE)

    def pods(self, service: str = "recommender") -> list[Object]:
        answer = self.stack.cluster.http.get(
            f"/api/v1/namespaces/{self.namespace}/pods", params={"labelSelector": f"app={service}"}
        )
        items: list[Object] = answer.raise_for_status().json()["items"]
        return items

    @property
    def git(self) -> Git:
        return Git(path=self.environment.bare)

    def head(self) -> str:
        return self.git.rev_parse("main")

    def messages(self) -> list[str]:
        """Messages of the commits on main, oldest first."""
        text = self.git.run("log", "--reverse", "--format=%B%x1e", "main")
        return [part.strip() for part in text.split("\x1e") if part.strip()]

    def commits(self, service: str, version: str) -> tuple[int, int]:
        """How many release commits of a version there are, and how many that turned it back."""
        messages = self.messages()
        releases = [text for text in messages if text.startswith(f"Release {service} {version} ")]
        reverts = [text for text in messages if text.startswith(f"Revert release of {service} {version} ")]
        return len(releases), len(reverts)

    def version_in_git(self, service: str = "recommender") -> str:
        values = yaml.safe_load(self.git.run("show", f"main:prod/{service}/values.yaml"))
        return str(values["image"]["tag"])

    def events(self, service: str, version: str) -> list[Kind]:
        store = open_store("sqlite:///.headgate/events.db", root=self.config.parent)
        return [
            event.kind for event in store.read() if (event.service, event.data.get("version")) == (service, version)
        ]

    def check_settled(self, service: str, version: str) -> None:
        """One version everywhere: Git, Argo CD (Synced and Healthy at the head of main), Rollout; the lock is free."""
        rollout = self.rollout(service)
        status = rollout["status"]
        image = rollout["spec"]["template"]["spec"]["containers"][0]["image"]
        assert (self.version_in_git(service), image) == (version, f"shop/{service}:{version}")
        assert (status["phase"], status["stableRS"]) == ("Healthy", status["currentPodHash"])
        assert not status.get("abort")
        assert not self.git.run("for-each-ref", "refs/headgate").strip()
        wanted = ("Synced", "Healthy", self.head())
        eventually(
            lambda: self._standing(service) == wanted, f"Argo CD: {wanted}", 20, last=lambda: self._standing(service)
        )

    def check_only(self, version: str, since: float, *, service: str | None = None, total: int = 30) -> None:
        """Every request that began after the second of `since` is answered by that version, and well; `total` at least."""
        from_second = int(since) + 1

        def enough() -> bool:
            return sum(row.total for row in self._rows(service, from_second)) >= total

        eventually(enough, f"{total} requests", 30)
        rows = self._rows(service, from_second)
        assert {row.version for row in rows} == {version}, rows
        assert sum(row.bad for row in rows) == 0, rows

    def served(self, version: str) -> int:
        """Requests of users that this version has answered."""
        found = self.router.record.count("version").get(version)
        return found.total if found else 0

    def configure(self, **analysis: object) -> None:
        """Change the analysis in headgate.yaml."""
        found = yaml.safe_load(self.config.read_text("utf-8"))
        found["analysis"]["error-ratio"] |= analysis
        self.config.write_text(yaml.safe_dump(found), "utf-8")

    def _rows(self, service: str | None, since: int) -> list[Row]:
        return [row for row in self.router.record.rows(since=since) if service in {None, row.service}]

    def _standing(self, service: str) -> tuple[str, str, str]:
        status = self.application(service)["status"]
        return status["sync"]["status"], status["health"]["status"], status["sync"].get("revision", "")

    def _get(self, api_version: str, kind: str, name: str, namespace: str) -> Object:
        found = self.stack.cluster.get(
            {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}}
        )
        assert found is not None, f"there is no {kind} {name}"
        return found


@contextlib.contextmanager
def platform(stack: Stack, namespace: str, folder: Path, kinds: Kinds = Kinds()) -> Iterator[Platform]:
    """The example up and Healthy at its first version, with the rights of its own project role. The agent must run."""
    stack.namespace(namespace)
    environment = new_environment(folder / "gitops", _files(kinds))
    stack.cluster.apply(_project(namespace, environment.url), *_read_pods(namespace))
    applications = [_application(name, namespace, environment.url) for name in kinds.services]
    stack.cluster.apply(*applications)
    with Router(stack.kubeconfig, namespace=namespace) as router, Front(router) as front:
        config = folder / "headgate.yaml"
        config.write_text(yaml.safe_dump(_configuration(stack, namespace, environment.url, kinds)), "utf-8")
        made = Platform(
            stack=stack,
            kinds=kinds,
            namespace=namespace,
            environment=environment,
            config=config,
            router=router,
            environ=_environ(stack, folder, front.url, role_token(stack, namespace)),
        )
        for name in kinds.services:
            _bring_up(made, name)
        if kinds.automated:
            policy = {"automated": {"prune": True, "selfHeal": True}}
            stack.cluster.apply(*(_application(name, namespace, environment.url, policy) for name in kinds.services))
        yield made
        for application in applications:
            stack.cluster.delete(application)  # its finalizer takes the pods along


def role_token(stack: Stack, project: str, role: str = "headgate") -> str:
    """A token of a project's role."""
    answer = httpx.post(
        f"{stack.argocd_url}/api/v1/projects/{project}/roles/{role}/token",
        json={"project": project, "role": role},
        headers={"Authorization": f"Bearer {stack.argocd_token('admin')}"},
        timeout=20,
        trust_env=False,
    )
    return str(answer.raise_for_status().json()["token"])


def _bring_up(made: Platform, service: str) -> None:
    """The first version, as somebody with all rights would sync it."""
    with client(made.stack, made.app(service), "admin", project=made.namespace) as argocd:

        def compared() -> str | None:
            # A project that was made just now is known to Argo CD a moment later.
            with contextlib.suppress(ConfigError):
                return argocd.application(refresh="normal").sync_revision
            return None

        eventually(compared, "the first comparison", 30)
        argocd.sync(revision=made.head(), nonce="first")
    if made.kinds.routed:
        _give_address(made)
    eventually(
        lambda: made._standing(service) == ("Synced", "Healthy", made.head()),
        f"{service} {FIRST} Synced and Healthy in {made.namespace}",
        60,
        last=lambda: made.application(service).get("status"),
    )


def _give_address(made: Platform) -> None:
    """What an Ingress controller does; without it Argo CD calls the application Progressing for ever."""
    path = made.stack.cluster.path(
        ingress("recommender", host=HOST) | {"metadata": _named("recommender", made.namespace)}
    )
    status = {"status": {"loadBalancer": {"ingress": [{"ip": "10.88.255.1"}]}}}
    headers = {"Content-Type": "application/merge-patch+json"}

    def given() -> bool:
        answer = made.stack.cluster.http.patch(f"{path}/status", content=json.dumps(status), headers=headers)
        return answer.status_code == 200

    eventually(given, "the Ingress", 30)


def _named(name: str, namespace: str) -> Object:
    return {"name": name, "namespace": namespace}


def _files(kinds: Kinds) -> dict[str, str | bytes]:
    """The example's GitOps repository; with traffic routing, an Ingress besides."""
    files: dict[str, str | bytes] = {name: content.decode() for name, content in tree(SHOP / "gitops").items()}
    values = "prod/recommender/values.yaml"
    files[values] = str(files[values]).replace("replicas: 4", f"replicas: {kinds.replicas}")
    colours = "prod/catalogue/templates/rollout.yaml"
    delay = "scaleDownDelaySeconds: "
    assert f"{delay}30" in str(files[colours])
    # Long enough to be still there on a machine that has other work as well.
    files[colours] = str(files[colours]).replace(f"{delay}30", f"{delay}120")
    if kinds.routed:
        rollout = "prod/recommender/templates/rollout.yaml"
        anchor = "      stableService: recommender-stable\n"
        routing = "      trafficRouting:\n        nginx:\n          stableIngress: recommender\n"
        assert anchor in str(files[rollout])
        files[rollout] = str(files[rollout]).replace(anchor, anchor + routing)
        files["prod/recommender/templates/ingress.yaml"] = yaml.safe_dump(ingress("recommender", host=HOST))
    return files


def _project(namespace: str, url: str) -> Object:
    """The example's project under another name: its repository, its namespace, its role."""
    text = (SHOP / "gitops" / "projects" / "shop.yaml").read_text("utf-8")
    project: Object = yaml.safe_load(
        text.replace("proj:shop:", f"proj:{namespace}:").replace(" shop/*", f" {namespace}/*")
    )
    project["metadata"]["name"] = namespace
    project["spec"]["sourceRepos"] = [url]
    project["spec"]["destinations"][0]["namespace"] = namespace
    return project


def _application(service: str, namespace: str, url: str, policy: Object | None = None) -> Object:
    """The example's application of a service."""
    application: Object = yaml.safe_load((SHOP / "gitops" / "apps" / f"{service}-prod.yaml").read_text("utf-8"))
    application["metadata"] |= {
        "name": f"{service}-{namespace}",
        "finalizers": ["resources-finalizer.argocd.argoproj.io"],
    }
    application["spec"]["project"] = namespace
    application["spec"]["source"]["repoURL"] = url
    application["spec"]["destination"]["namespace"] = namespace
    if policy:
        application["spec"]["syncPolicy"] = policy
    return application


def _read_pods(namespace: str) -> tuple[Object, Object]:
    """What the `openmetrics` source needs in the cluster, for the user `headgate`."""
    api = "rbac.authorization.k8s.io"
    role = {
        "apiVersion": f"{api}/v1",
        "kind": "Role",
        "metadata": _named("headgate", namespace),
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}],
    }
    binding = {
        "apiVersion": f"{api}/v1",
        "kind": "RoleBinding",
        "metadata": _named("headgate", namespace),
        "roleRef": {"apiGroup": api, "kind": "Role", "name": "headgate"},
        "subjects": [{"apiGroup": api, "kind": "User", "name": "headgate"}],
    }
    return role, binding


def _configuration(stack: Stack, namespace: str, url: str, kinds: Kinds) -> Object:
    """The example's headgate.yaml with live addresses and short intervals.

    36 requests of one pod with 3 % of errors hold at least one, and one of less than 100 is over the limit.
    """
    config: Object = yaml.safe_load((SHOP / "platform" / "headgate.yaml").read_text("utf-8"))
    services = config["deploy"]["environments"]["prod"]["services"]
    for name, service in services.items():
        service["argocd"] |= {"url": stack.argocd_url, "app": f"{name}-{namespace}", "project": namespace}
        service["gitops"]["repo"] = url
        service["kubernetes"]["namespace"] = namespace
        service |= {"deadline_s": kinds.deadline_s, "poll_s": 0.3}
    quick = {"max_ratio": 0.01, "min_total": 12, "interval_s": 1, "count": 3, "inconclusive_limit": 60}
    config["analysis"]["error-ratio"] |= quick
    if kinds.prometheus:
        mine = f'namespace="{namespace}",rollouts_pod_template_hash="{{{{hash}}}}"'
        config["analysis"]["error-ratio"] |= {
            "source": "prometheus",
            "url": stack.prometheus_url,
            "errors": f'http_requests_total{{{mine},status=~"5.."}}',
            "total": f"http_requests_total{{{mine}}}",
            "interval_s": 2,
        }
    return config


def _environ(stack: Stack, folder: Path, proxy: str, token: str) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "HEADGATE_ARGOCD_TOKEN": token,
        "KUBECONFIG": str(stack.kubeconfig_of("headgate")),
        # The pods' addresses are real behind the router.
        "HTTP_PROXY": proxy,
        "NO_PROXY": "127.0.0.1,localhost",
    }
