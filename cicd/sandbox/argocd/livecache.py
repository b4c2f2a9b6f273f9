"""What Argo CD knows of the cluster: a copy of all objects, kept up to date by a watch."""

from __future__ import annotations

import threading

from cicd.sandbox.argocd.compare import Key, owner_app
from cicd.sandbox.kubernetes.cluster import Cluster, Object, ref_of


class LiveCache:
    """All objects of the cluster by key, and the applications whose own resources changed since last asked."""

    def __init__(self, cluster: Cluster) -> None:
        self._lock = threading.Lock()
        self._objects: dict[Key, Object] = {}
        self._changed: set[str] = set()
        with cluster.locked():
            for change in cluster.changes_since(1):
                self._receive(change.type, change.object)
            self._unsubscribe = cluster.subscribe(self._receive)

    def close(self) -> None:
        """Stop watching."""
        self._unsubscribe()

    def objects(self) -> dict[Key, Object]:
        """All objects by key. They are shared: read them only."""
        with self._lock:
            return dict(self._objects)

    def take_changed(self) -> frozenset[str]:
        """The applications with changed resources; they are forgotten by this call."""
        with self._lock:
            changed, self._changed = frozenset(self._changed), set()
        return changed

    def _receive(self, event: str, obj: Object) -> None:
        key = ref_of(obj).key
        with self._lock:
            if event == "DELETED":
                self._objects.pop(key, None)
            else:
                self._objects[key] = obj
            app = owner_app(obj)
            if app:
                self._changed.add(app)
