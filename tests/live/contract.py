"""The real servers as `tests.contract` wants them: one namespace and one Git repository for each chain of stories."""

from __future__ import annotations

import contextlib
import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from headgate.clock import SystemClock
from tests.contract.exemptions import LIVE_EXEMPTIONS
from tests.contract.manifests import Files
from tests.contract.repository import Repository
from tests.contract.servers import Tempo
from tests.contract.steps import REPO_URL
from tests.contract.world import GARBAGE
from tests.live import settings
from tests.live.stack import Stack
from tests.live.waiting import eventually

RECORDED_NAMESPACE = "shop"
POLL_S = 0.25
HOOK = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {
        "name": "wait",
        "annotations": {
            "argocd.argoproj.io/hook": "PreSync",
            "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation",
        },
    },
    "spec": {
        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "wait", "image": "x"}]}},
    },
}
ADDED: Mapping[str, Files] = {
    # "ops with a hook": the sandbox runs no hooks, so the common manifests have none.
    "e1f377db498cb686d2128247b6dfa55f282d3881": {"ops/hook.yaml": json.dumps(HOOK)},
    "ed3b4e575a6aa86d6b6edcad664e9c3315ebd9a9": {"ops/hook.yaml": ""},
}


class LiveServers:
    """Argo CD, Kubernetes and a repository of a chain's own, in `folder`.

    `namespace` stands for the recorded one: calls are sent with it and answers come back without it.
    """

    name = "real servers"
    exemptions = LIVE_EXEMPTIONS
    tempo = Tempo(stable_s=1.0, patience_s=60.0, hope_s=4.0)

    def __init__(self, stack: Stack, folder: Path, namespace: str) -> None:
        self.clock = SystemClock()
        self._stack, self._namespace = stack, namespace
        self._repository = Repository(folder / "env", ADDED)
        self.commits = self._repository.commits
        self._url = f"file://{self._repository.path}"
        self._argocd = httpx.Client(base_url=stack.argocd_url, timeout=30, trust_env=False)
        self._kubernetes = httpx.Client(
            base_url=stack.kubernetes_url,
            verify=ssl.create_default_context(cafile=str(stack.layout.ca)),
            timeout=30,
            trust_env=False,
        )

    def push(self, repository: str, revision: str) -> None:
        self._repository.push(repository, revision)

    def advance(self, seconds: float, poll: Callable[[], bool] = lambda: False) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(max(0.0, min(POLL_S, end - time.monotonic())))
            if poll():
                return True
        return False

    def send(self, method: str, path: str, headers: Mapping[str, str], body: Any, account: str) -> httpx.Response:
        kubernetes = path.startswith(("/apis/", "/api/v1/namespaces/"))
        sent = {key: value for key, value in headers.items() if key != "Authorization"}
        if "Authorization" in headers:
            sent["Authorization"] = f"Bearer {self._token(account, kubernetes=kubernetes)}"
        content = None if body is None else self._ours(body if isinstance(body, str) else json.dumps(body))
        http = self._kubernetes if kubernetes else self._argocd
        answer = http.request(method, self._place(path), headers=sent, content=content)
        told = {"content-type": answer.headers["content-type"]} if "content-type" in answer.headers else {}
        text = self._theirs(answer.text)
        return httpx.Response(answer.status_code, headers=told, content=text.encode(), request=answer.request)

    def argocd(self, account: str) -> tuple[str, str]:
        return self._stack.argocd_url, self._token(account, kubernetes=False)

    @contextlib.contextmanager
    def stream(self, path: str, account: str) -> Iterator[Iterator[str]]:
        headers = {"Authorization": f"Bearer {self._token(account, kubernetes=False)}"}
        with self._argocd.stream("GET", path, headers=headers) as response:
            response.raise_for_status()
            yield (self._theirs(line) for line in response.iter_lines())

    def application(self, name: str) -> dict[str, Any] | None:
        return self._get(f"/api/v1/applications/{name}?project=default")

    def rollout(self, name: str) -> dict[str, Any] | None:
        return self._get(f"/apis/argoproj.io/v1alpha1/namespaces/{RECORDED_NAMESPACE}/rollouts/{name}")

    def config_map(self, name: str) -> dict[str, Any] | None:
        return self._get(f"/api/v1/namespaces/{RECORDED_NAMESPACE}/configmaps/{name}")

    def replica_sets(self) -> list[dict[str, Any]]:
        found = self._get(f"/apis/apps/v1/namespaces/{RECORDED_NAMESPACE}/replicasets")
        return list((found or {})["items"])

    def create_application(self, manifest: Mapping[str, Any]) -> None:
        """A project that was made just now is known to Argo CD a moment later."""
        headers = {"Authorization": "Bearer <token>", "Content-Type": "application/json"}

        def created() -> bool:
            return self.send("POST", "/api/v1/applications", headers, manifest, "admin").status_code == HTTPStatus.OK

        eventually(created, f"the application {manifest['metadata']['name']} is made", self.tempo.patience_s)

    def pace(self, of: str) -> None:
        """Real servers go at their own pace; a hook makes an operation slow."""

    def _get(self, path: str) -> dict[str, Any] | None:
        answer = self.send("GET", path, {"Authorization": "Bearer <token>"}, None, "admin")
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def _token(self, account: str, *, kubernetes: bool) -> str:
        if kubernetes:
            return "garbage" if account == "garbage" else self._stack.kubernetes_token("admin")
        return {"garbage": GARBAGE, "not a token": "garbage"}.get(account) or self._stack.argocd_token(account)

    def _place(self, path: str) -> str:
        theirs, ours = RECORDED_NAMESPACE, self._namespace
        path = path.replace(f"/namespaces/{theirs}/", f"/namespaces/{ours}/")
        return path.replace(f"namespace={theirs}&", f"namespace={ours}&")

    def _ours(self, text: str) -> str:
        return text.replace(f'"{RECORDED_NAMESPACE}"', f'"{self._namespace}"').replace(REPO_URL, self._url)

    def _theirs(self, text: str) -> str:
        return text.replace(self._url, REPO_URL).replace(self._namespace, RECORDED_NAMESPACE)

    def close(self) -> None:
        """Close the connections."""
        for http in (self._argocd, self._kubernetes):
            http.close()

    def __enter__(self) -> Self:
        self._stack.namespace(self._namespace)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def remove(stack: Stack, namespace: str) -> None:
    """Take away the applications that deploy to `namespace`, without a finalizer, and then the namespace itself."""
    applications = f"/apis/argoproj.io/v1alpha1/namespaces/{settings.ARGOCD_NAMESPACE}/applications"
    http = stack.cluster.http
    for item in http.get(applications).raise_for_status().json()["items"]:
        if item["spec"]["destination"].get("namespace") == namespace:
            http.delete(f"{applications}/{item['metadata']['name']}").raise_for_status()
    stack.cluster.delete(settings.namespace(namespace))
