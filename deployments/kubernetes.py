"""Pods of a version, through the official Kubernetes client (imported when first used)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from deployments.analysis.ports import Pod
from deployments.cluster.credentials import load_configuration
from headgate.errors import (
    AuthenticationError,
    HeadgateError,
    NotFoundError,
    RemoteStateError,
    RemoteTimeoutError,
    ServerFaultError,
    UnreachableError,
)
from headgate.secrets import mask

HASH_LABEL = "rollouts-pod-template-hash"


class KubernetesPods:
    """The pods of one namespace. Implements `deployments.analysis.ports.PodDirectory`.

    `kubeconfig` None means $KUBECONFIG, then ~/.kube/config, then the service account of the pod this runs in.
    """

    def __init__(
        self, *, namespace: str, kubeconfig: str | None = None, context: str | None = None, timeout_s: float = 10.0
    ) -> None:
        self._namespace, self._kubeconfig, self._context, self._timeout_s = namespace, kubeconfig, context, timeout_s
        self._api: Any = None

    def pods(self, version: str) -> tuple[Pod, ...]:
        """Running pods with the label `rollouts-pod-template-hash=version`; those being deleted are left out."""
        where = f"pods of {self._namespace} with {HASH_LABEL}={version}"
        try:
            answer = self._connect().list_namespaced_pod(
                self._namespace,
                label_selector=f"{HASH_LABEL}={version}",
                _request_timeout=self._timeout_s,
                _preload_content=False,
            )
            items = json.loads(answer.data)["items"]
            answer.release_conn()
        except HeadgateError:
            raise
        except Exception as error:
            raise map_error(error, where) from error
        return tuple(sorted((pod for pod in map(parse_pod, items) if pod is not None), key=lambda pod: pod.name))

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        api, self._api = self._api, None
        if api is not None:
            api.api_client.close()
            api.api_client.rest_client.pool_manager.clear()

    def _connect(self) -> Any:
        if self._api is None:
            settings = load_configuration(self._kubeconfig, self._context, purpose="the openmetrics source")
            from kubernetes import client

            settings.retries = 2
            self._api = client.CoreV1Api(client.ApiClient(settings))
        return self._api


def parse_pod(raw: Mapping[str, Any]) -> Pod | None:
    """A pod of the API, None when it has no address yet or is being deleted. Foreign fields are not trusted."""
    metadata, status = _mapping(raw, "metadata"), _mapping(raw, "status")
    ip = status.get("podIP")
    if not ip or metadata.get("deletionTimestamp") or status.get("phase") not in {None, "Running"}:
        return None
    annotations = _mapping(metadata, "annotations")
    port = str(annotations.get("prometheus.io/port", ""))
    conditions = status.get("conditions") or ()
    containers = status.get("containerStatuses") or ()
    return Pod(
        name=str(metadata.get("name", "")),
        ip=str(ip),
        ready=any(item.get("type") == "Ready" and item.get("status") == "True" for item in conditions),
        port=int(port) if port.isdigit() else None,
        path=str(annotations.get("prometheus.io/path", "/metrics")),
        restarts=sum(int(item.get("restartCount") or 0) for item in containers),
    )


def map_error(error: Exception, where: str) -> HeadgateError:
    """The error for what the Kubernetes client raised: by HTTP status, else by the kind of transport failure."""
    status = getattr(error, "status", None)
    said = _message(getattr(error, "body", None)) or f"{type(error).__name__}: {str(error)[:300]}"
    text = mask(f"the Kubernetes API could not be asked: {said}")
    if status == 401:
        return AuthenticationError(text, where=where, next_step="Check the credentials in the kubeconfig.")
    if status == 403:
        return AuthenticationError(text, where=where, next_step="Give the account the right to list pods there.")
    if status == 404:
        return NotFoundError(text, where=where, next_step="Check kubernetes.namespace in headgate.yaml.")
    if isinstance(status, int) and status >= 500:
        return ServerFaultError(text, where=where, next_step="Look at the API server; then run the command again.")
    if isinstance(status, int) and status > 0:
        return RemoteStateError(text, where=where, next_step="Look at the message of the API server.")
    if "Timeout" in type(error).__name__ or "timed out" in str(error):
        return RemoteTimeoutError(text, where=where, next_step="Check the network; then run the command again.")
    return UnreachableError(text, where=where, next_step="Check the address in the kubeconfig and the network.")


def _message(body: object) -> str:
    """The message of a `Status` answer; empty when it is none."""
    try:
        status = json.loads(body) if isinstance(body, str | bytes) else None
    except ValueError:
        return ""
    return str(status.get("message") or "") if isinstance(status, dict) else ""


def _mapping(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = raw.get(key)
    return value if isinstance(value, Mapping) else {}
