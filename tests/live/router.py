"""The router: what ingress-nginx and kube-proxy would do with requests, and a load generator that makes them.

It follows Ingresses, Services and Pods by watch, so a weight that Argo Rollouts writes holds for the next request.
"""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.live.kube import Informer, Kube
from tests.live.record import Record
from tests.live.routing import Backend, Rule, find_backends, find_pods, find_rule, parse_rules, pick_service

TRIES = 3
"""Pods tried for one request: nginx goes on to the next one when it gets no answer."""
TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a client gets, and who gave it (`backend` None: nobody; the status is then 404 or 503)."""

    status: int
    service: str = ""
    backend: Backend | None = None
    content_type: str = "text/plain"
    body: bytes = b""


class Router:
    """Routes the requests of one namespace and keeps the `record` of them. Use as a context or with start and stop."""

    def __init__(self, kubeconfig: Path, *, namespace: str) -> None:
        self.namespace, self.record = namespace, Record()
        self._kube = Kube(kubeconfig)
        self._lock, self._refreshing = threading.Lock(), threading.Lock()
        self._numbers: dict[str, Iterator[int]] = defaultdict(itertools.count)
        self._turns: dict[str, Iterator[int]] = defaultdict(itertools.count)
        self._rules: tuple[Rule, ...] = ()
        self._backends: dict[str, tuple[Backend, ...]] = {}
        self._by_address: dict[str, Backend] = {}
        core, networking = f"/api/v1/namespaces/{namespace}", f"/apis/networking.k8s.io/v1/namespaces/{namespace}"
        self._pods = Informer(self._kube, f"{core}/pods", changed=self._refresh)
        self._services = Informer(self._kube, f"{core}/services", changed=self._refresh)
        self._ingresses = Informer(self._kube, f"{networking}/ingresses", changed=self._refresh)

    def start(self) -> None:
        for informer in self._informers:
            informer.start()

    def wait(self, timeout_s: float) -> bool:
        """Whether everything has been seen once within `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        return all(informer.wait(max(deadline - time.monotonic(), 0.0)) for informer in self._informers)

    def stop(self) -> None:
        for informer in self._informers:
            informer.stop()
        self._kube.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _informers(self) -> tuple[Informer, ...]:
        return self._pods, self._services, self._ingresses

    def weights(self) -> dict[str, int]:
        """The canary weight by host, of the rules that have a canary; for waiting in tests."""
        with self._lock:
            return {rule.host: rule.canary.weight for rule in self._rules if rule.canary is not None}

    def backends(self, service: str) -> tuple[Backend, ...]:
        """The pods that would have requests now."""
        with self._lock:
            return self._backends.get(service, ())

    def send(self, host: str, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """One GET by way of the Ingress for `host`; recorded."""
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        with self._lock:
            rule = find_rule(self._rules, host, path.partition("?")[0])
            service = ""
            if rule is not None:
                number = next(self._numbers[f"{rule.host}{rule.path}"]) if rule.canary is not None else 0
                service = pick_service(rule, sent, number)
        if not service:
            return self._recorded(Answer(status=404, body=f"no Ingress has {host}{path}\n".encode()))
        return self.send_to(service, path, headers)

    def send_to(self, service: str, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """One GET to a ready pod of a Service, in turn; recorded. A pod that gives no answer is passed over."""
        with self._lock:
            ready = self._backends.get(service, ())
            turn = next(self._turns[service])
        for attempt in range(min(TRIES, len(ready))):
            backend = ready[(turn + attempt) % len(ready)]
            answer = _ask(backend, service, path, headers or {})
            if answer is not None:
                return self._recorded(answer)
        return self._recorded(Answer(status=503, service=service, body=f"no pod of {service} answers\n".encode()))

    def send_to_pod(self, ip: str, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """One GET to the pod of that (made-up) address, ready or not; not recorded: it is no user's request."""
        with self._lock:
            backend = self._by_address.get(ip)
        answer = _ask(backend, "", path, headers or {}) if backend is not None else None
        return answer or Answer(status=502, body=f"no pod answers at {ip}\n".encode())

    def _recorded(self, answer: Answer) -> Answer:
        self.record.add(
            moment=time.time(),
            service=answer.service,
            hash=answer.backend.hash if answer.backend else "",
            version=answer.backend.version if answer.backend else "",
            bad=answer.status >= 500 or answer.backend is None,
        )
        return answer

    def _refresh(self) -> None:
        """Work everything out again: it happens with changes, not with requests."""
        # One at a time: of two that overlap, the one that has seen less could be the last to write.
        with self._refreshing:
            pods, namespace = self._pods.items(), self.namespace
            backends = {
                item["metadata"]["name"]: find_backends(item, pods, namespace) for item in self._services.items()
            }
            rules = parse_rules(self._ingresses.items())
            with self._lock:
                self._rules, self._backends, self._by_address = rules, backends, find_pods(pods)


def _ask(backend: Backend, service: str, path: str, headers: Mapping[str, str]) -> Answer | None:
    """The pod's answer; None when there was none."""
    connection = http.client.HTTPConnection(backend.host, backend.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path, headers=dict(headers))
        response = connection.getresponse()
        return Answer(
            status=response.status,
            service=service,
            backend=backend,
            content_type=response.getheader("Content-Type", "text/plain"),
            body=response.read(),
        )
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


class Load:
    """Requests at a steady `rate` (per second) to a `host` (by its Ingress) or to a `service`, until stopped.

    `path` may contain `{number}`. `workers` bounds how many requests are under way; a machine that cannot keep up
    sends fewer, it does not make up for them in a burst.
    """

    def __init__(
        self,
        router: Router,
        *,
        rate: float,
        host: str = "",
        service: str = "",
        path: str = "/recommend?user={number}",
        workers: int = 32,
    ) -> None:
        if bool(host) == bool(service):
            raise ValueError("give either a host or a service")
        self._router, self._host, self._service, self._path = router, host, service, path
        self._pace = Pace(rate)
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, name=f"load {n}", daemon=True) for n in range(workers)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """No request is under way any more when it returns."""
        self._stopping.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(2 * TIMEOUT_S)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        while True:
            number, wait_s = self._pace.next(time.monotonic())
            if self._stopping.wait(wait_s):
                return
            path = self._path.format(number=number)
            if self._host:
                self._router.send(self._host, path)
            else:
                self._router.send_to(self._service, path)


class Pace:
    """Hands out numbered moments, `rate` in a second. Those that lie more than a second back are left out."""

    def __init__(self, rate: float) -> None:
        if not rate > 0:
            raise ValueError(f"a rate of {rate} requests a second is none")
        self._step_s = 1 / rate
        self._number = 0
        self._due: float | None = None
        self._lock = threading.Lock()

    def next(self, now: float) -> tuple[int, float]:
        """The next request's number, and how long to wait for its moment."""
        with self._lock:
            due = now if self._due is None or self._due < now - 1 else self._due
            number, self._number = self._number, self._number + 1
            self._due = due + self._step_s
            return number, max(due - now, 0.0)
