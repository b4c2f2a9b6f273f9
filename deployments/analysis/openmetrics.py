"""Counters scraped from the pods themselves: no Prometheus needed.

Only addresses that the Kubernetes API gives for pods are called, never an address from a page or a label.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from deployments.analysis.exposition import parse_exposition
from deployments.analysis.ports import Arm, Pod, PodDirectory, Reading, SeriesKey
from deployments.analysis.selector import Selector, parse_selector, render
from headgate.errors import RemoteStateError
from headgate.http import HttpClient


class OpenMetricsSource:
    """Reads `errors` and `total` (selector templates) from every pod of an arm in one scrape each.

    Series get the labels `pod` and `rollouts_pod_template_hash` besides their own, so that a selector written for
    Prometheus fits. A pod that cannot be scraped fails the whole reading: counts of some pods are not the arm's.
    `connect` makes a client for a base URL; clients are kept between scrapes.
    """

    def __init__(self, *, errors: str, total: str, pods: PodDirectory, connect: Callable[[str], HttpClient]) -> None:
        self._errors, self._total, self._pods, self._connect = errors, total, pods, connect
        self._clients: dict[str, HttpClient] = {}

    def read(self, arm: Arm) -> Reading:
        """The counters of all ready pods of the arm; no pods give an empty reading."""
        values = arm.placeholders
        wanted = (parse_selector(render(self._errors, values)), parse_selector(render(self._total, values)))
        found: tuple[dict[SeriesKey, float], dict[SeriesKey, float]] = ({}, {})
        instances: set[str] = set()
        for pod in self._pods.pods(arm.hash):
            if not pod.ready:
                continue
            instance = f"{pod.name}/{pod.restarts}"
            instances.add(pod.name)
            self._scrape(pod, arm, instance, wanted, found)
        return Reading(errors=found[0], total=found[1], instances=frozenset(instances))

    def _scrape(
        self,
        pod: Pod,
        arm: Arm,
        instance: str,
        wanted: tuple[Selector, Selector],
        found: tuple[dict[SeriesKey, float], dict[SeriesKey, float]],
    ) -> None:
        base, path = pod_url(pod)
        client = self._clients.get(base)
        if client is None:
            client = self._clients[base] = self._connect(base)
        response = client.request("GET", path, headers={"Accept": "application/openmetrics-text,text/plain"})
        extra = {"pod": pod.name, "rollouts_pod_template_hash": arm.hash}
        for sample in parse_exposition(response.text, where=f"pod {pod.name}"):
            labels = sample.labels | extra
            for selector, series in zip(wanted, found, strict=True):
                if selector.accepts(sample.name, labels):
                    own = (f"{name}={value}" for name, value in sorted(sample.labels.items()))
                    series[(instance, sample.name, *own)] = sample.value


def pod_url(pod: Pod) -> tuple[str, str]:
    """Base URL and path of a pod's metrics. Raises `RemoteStateError` where the pod gives none that may be called."""
    where = f"pod {pod.name}"
    try:
        address = ipaddress.ip_address(pod.ip)
    except ValueError as error:
        raise RemoteStateError(f"its address {pod.ip!r} is not an IP address", where=where) from error
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        raise RemoteStateError(f"its address {pod.ip} is not one that a pod can have", where=where)
    if pod.port is None or not 0 < pod.port < 65536:
        raise RemoteStateError(
            "it does not say where its metrics are", where=where, next_step="Annotate the pods with prometheus.io/port."
        )
    if not pod.path.startswith("/") or any(char.isspace() for char in pod.path):
        raise RemoteStateError(
            f"prometheus.io/path {pod.path!r} is not a path", where=where, next_step="Let it begin with /."
        )
    host = f"[{address}]" if address.version == 6 else str(address)
    return f"http://{host}:{pod.port}", pod.path
