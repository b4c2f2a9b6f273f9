"""A small Kubernetes client for the agent and the router: plain HTTP with the credentials of a kubeconfig.

The official client reads the kubeconfig; calls go through httpx, so that a watch can be ended from another thread.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

Object = dict[str, Any]
TIMEOUT_S = 10.0
WATCH_S = 60
"""After so many seconds the server ends a watch; it is then begun again where it was."""
PAUSE_S = 0.5
"""Wait after a failed list or watch: the API server may be on its way up."""


class Kube:
    """GET, create, merge-patch and delete by path; the errors are httpx's own."""

    def __init__(self, kubeconfig: Path) -> None:
        from kubernetes import client, config

        settings = client.Configuration()
        config.load_kube_config(config_file=str(kubeconfig), client_configuration=settings, persist_config=False)
        bearer = settings.get_api_key_with_prefix("authorization") or settings.get_api_key_with_prefix("BearerToken")
        self._http = httpx.Client(
            base_url=settings.host,
            headers={"Authorization": bearer} if bearer else {},
            verify=_tls(settings),
            timeout=TIMEOUT_S,
            trust_env=False,
        )

    def close(self) -> None:
        self._http.close()

    def get(self, path: str) -> Object | None:
        """The object; None where there is none."""
        return _object(self._http.get(path))

    def list(self, path: str, params: Mapping[str, str] | None = None) -> Object:
        """The whole list object, with the resourceVersion to watch from."""
        return _object(self._http.get(path, params=dict(params or {}))) or {"items": [], "metadata": {}}

    def create(self, path: str, obj: Mapping[str, Any]) -> bool:
        """False when it is already there."""
        response = self._http.post(path, json=dict(obj))
        if response.status_code == 409:
            return False
        response.raise_for_status()
        return True

    def merge(self, path: str, patch: Mapping[str, Any]) -> Object | None:
        """JSON merge patch (lists are replaced as a whole); None when the object is gone."""
        headers = {"Content-Type": "application/merge-patch+json"}
        return _object(self._http.patch(path, content=json.dumps(patch), headers=headers))

    def delete(self, path: str, *, uid: str | None = None, grace_s: int | None = None) -> None:
        """Delete; with `uid` only that very object. One that is gone, or another by now, is no error."""
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        response = self._http.request("DELETE", path, json=options)
        if response.status_code not in {404, 409}:
            response.raise_for_status()

    @contextlib.contextmanager
    def watch(self, path: str, params: Mapping[str, str]) -> Iterator[httpx.Response]:
        """The open stream of a watch; the caller reads its lines."""
        query = {**params, "watch": "1", "timeoutSeconds": str(WATCH_S)}
        timeout = httpx.Timeout(TIMEOUT_S, read=WATCH_S + TIMEOUT_S)
        with self._http.stream("GET", path, params=query, timeout=timeout) as response:
            response.raise_for_status()
            yield response


class Informer:
    """What a list gives, kept up to date by a watch in a thread of its own.

    `changed` is called (from that thread) after every change. A failing list or watch is tried again until `stop()`;
    meanwhile `items()` is what was seen last, as on a cluster.
    """

    def __init__(
        self, kube: Kube, path: str, params: Mapping[str, str] | None = None, changed: Callable[[], None] | None = None
    ) -> None:
        self._kube, self._path, self._params = kube, path, dict(params or {})
        self._changed = changed or (lambda: None)
        self._items: dict[tuple[str, str], Object] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._listed = threading.Event()
        self._open: httpx.Response | None = None
        self._thread = threading.Thread(target=self._run, name=f"watch {path}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the watch at once and wait for its thread."""
        self._stopping.set()
        with self._lock:
            if self._open is not None:
                _shut(self._open)
        if self._thread.is_alive():
            self._thread.join(TIMEOUT_S)

    def wait(self, timeout_s: float) -> bool:
        """Whether there has been a first list within `timeout_s`."""
        return self._listed.wait(timeout_s)

    def items(self) -> tuple[Object, ...]:
        """What is there now. The objects are shared: read them only."""
        with self._lock:
            return tuple(self._items.values())

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._follow(self._list())
            except (httpx.HTTPError, OSError, ValueError, RuntimeError):
                # RuntimeError: httpx says so of a client that was closed while it was used.
                self._stopping.wait(PAUSE_S)

    def _list(self) -> str:
        answer = self._kube.list(self._path, self._params)
        items = {_key(item): item for item in answer["items"]}
        with self._lock:
            self._items = items
        self._listed.set()
        self._changed()
        return str(answer["metadata"].get("resourceVersion", ""))

    def _follow(self, version: str) -> None:
        """Watch from `version` on, again and again, until the server says that it is too old."""
        while not self._stopping.is_set():
            with self._kube.watch(self._path, {**self._params, "resourceVersion": version}) as response:
                with self._lock:
                    self._open = response
                try:
                    if self._stopping.is_set():
                        return
                    for line in response.iter_lines():
                        event = json.loads(line)
                        if event["type"] == "ERROR":
                            return
                        version = event["object"]["metadata"]["resourceVersion"]
                        self._apply(event["type"], event["object"])
                finally:
                    with self._lock:
                        self._open = None

    def _apply(self, kind: str, obj: Object) -> None:
        with self._lock:
            if kind == "DELETED":
                self._items.pop(_key(obj), None)
            elif kind in {"ADDED", "MODIFIED"}:
                self._items[_key(obj)] = obj
        self._changed()


def _key(obj: Mapping[str, Any]) -> tuple[str, str]:
    return str(obj["metadata"].get("namespace", "")), str(obj["metadata"]["name"])


def _object(response: httpx.Response) -> Object | None:
    if response.status_code == 404:
        return None
    response.raise_for_status()
    found: Object = response.json()
    return found


def _shut(response: httpx.Response) -> None:
    """Wake the thread that reads the stream: closing a socket does not, shutting it down does."""
    stream = response.extensions.get("network_stream")
    raw = stream.get_extra_info("socket") if stream is not None else None
    if isinstance(raw, socket.socket):
        with contextlib.suppress(OSError):
            # Not SSLSocket.shutdown: that takes the TLS layer away from under the reader.
            socket.socket.shutdown(raw, socket.SHUT_RDWR)


def _tls(settings: Any) -> ssl.SSLContext | bool:
    if not settings.host.startswith("https:"):
        return True
    context = ssl.create_default_context(cafile=settings.ssl_ca_cert)
    if not settings.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.cert_file:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    return context
