"""The object store: what etcd and the API server's write rules are to a real cluster.

Objects are plain dictionaries in the Kubernetes wire form. Every value that goes in or out is a copy, so nobody can
change the store from outside.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cicd.sandbox.kubernetes.defaults import apply_defaults
from headgate.clock import Clock
from headgate.errors import ConflictError, NotFoundError

Object = dict[str, Any]
Subscriber = Callable[[str, Object], None]

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
CLUSTER_SCOPED = frozenset({"Namespace", "Node", "SelfSubjectAccessReview", "ClusterRole", "ClusterRoleBinding"})
WITHOUT_GENERATION = frozenset({"Service", "Lease", "Namespace", "Event", "Endpoints", "EndpointSlice", "ConfigMap"})
WITHOUT_STATUS_SUBRESOURCE = frozenset({"Application"})
"""Their generation counts status changes too: the CRD declares no status subresource."""
HISTORY = 4096
"""Changes kept for watches; an older resourceVersion has expired (410)."""


class AlreadyExistsError(ConflictError):
    """An object of that name exists."""


class ExpiredError(ConflictError):
    """The resourceVersion is older than the changes that are kept."""


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """Name of one object. `group` is "" for the core group, `namespace` "" for cluster-scoped kinds."""

    group: str
    version: str
    kind: str
    namespace: str
    name: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Identity: the version is a view of the object, not part of its name."""
        return self.group, self.kind, self.namespace, self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One entry of the watch history; `type` is ADDED, MODIFIED or DELETED."""

    version: int
    type: str
    object: Object


def ref_of(obj: Mapping[str, Any]) -> Ref:
    """The reference of a manifest; a missing namespace becomes "default" for namespaced kinds.

    Raises `KeyError` when apiVersion, kind or metadata.name is missing.
    """
    group, _, version = str(obj["apiVersion"]).rpartition("/")
    metadata = obj["metadata"]
    kind = str(obj["kind"])
    namespace = "" if kind in CLUSTER_SCOPED else str(metadata.get("namespace") or "default")
    return Ref(group, version, kind, namespace, str(metadata["name"]))


def copy_json(value: Any) -> Any:
    """Deep copy of JSON-like data; several times faster than `copy.deepcopy`."""
    if isinstance(value, dict):
        return {key: copy_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [copy_json(item) for item in value]
    return value


def copy_object(obj: Mapping[str, Any]) -> Object:
    """A deep copy of one object."""
    return {key: copy_json(value) for key, value in obj.items()}


def matches(labels: Mapping[str, Any], selector: Mapping[str, str]) -> bool:
    """Whether all pairs of an equality selector are among the labels; an empty selector matches everything."""
    return all(labels.get(key) == value for key, value in selector.items())


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386: null deletes, objects merge, everything else (lists too) replaces."""
    if not isinstance(patch, dict):
        return copy_json(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def three_way_patch(original: Any, modified: Mapping[str, Any]) -> Object:
    """The merge patch of `kubectl apply`: set what is wanted now, delete what was applied before and is not any more."""
    patch: Object = {}
    previous = original if isinstance(original, dict) else {}
    for key, value in modified.items():
        patch[key] = three_way_patch(previous.get(key), value) if isinstance(value, dict) else copy_json(value)
    for key in previous.keys() - modified.keys():
        patch[key] = None
    return patch


def last_applied_text(obj: Mapping[str, Any]) -> str:
    """What kubectl writes into its annotation: compact, sorted, without status and without the annotation itself."""
    content = copy_json({key: value for key, value in obj.items() if key != "status"})
    annotations = content["metadata"].setdefault("annotations", {})
    annotations.pop(LAST_APPLIED, None)
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"


class Cluster:
    """Thread-safe store of objects with generations, resource versions, owner references and a watch history.

    Subscribers are called in the order of the changes, inside the store's lock and in the writer's thread: they should
    only put the event into a queue or set a flag. Times are whole seconds of the injected clock, as on a real cluster.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._lock = threading.RLock()
        self._objects: dict[tuple[str, str, str, str], Object] = {}
        self._version = 1
        self._history: deque[Change] = deque(maxlen=HISTORY)
        self._subscribers: list[Subscriber] = []

    @property
    def resource_version(self) -> int:
        """The version of the newest change."""
        return self._version

    def timestamp(self) -> str:
        """Now, as Kubernetes writes it: UTC, whole seconds."""
        return self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Several reads and writes as one step."""
        with self._lock:
            yield

    def get(self, ref: Ref) -> Object | None:
        """A copy of the object, or None."""
        with self._lock:
            found = self._objects.get(ref.key)
            return None if found is None else copy_object(found)

    def list(
        self, group: str, kind: str, namespace: str | None = None, selector: Mapping[str, str] | None = None
    ) -> list[Object]:
        """Copies of all objects of a kind, by namespace and name; `namespace` None means all namespaces."""
        with self._lock:
            found = [
                (key, obj)
                for key, obj in self._objects.items()
                if key[0] == group and key[1] == kind and (namespace is None or key[2] == namespace)
            ]
            return [
                copy_object(obj)
                for _, obj in sorted(found, key=lambda item: item[0])
                if not selector or matches(obj["metadata"].get("labels") or {}, selector)
            ]

    def create(self, obj: Mapping[str, Any]) -> Object:
        """Store a new object. Raises `AlreadyExistsError` when there is one of that name."""
        new = copy_object(obj)
        ref = ref_of(new)
        with self._lock:
            if ref.key in self._objects:
                raise AlreadyExistsError(
                    f'{ref.kind} "{ref.name}" already exists', next_step="Update it, or choose another name."
                )
            if ref.namespace:
                new["metadata"]["namespace"] = ref.namespace
            apply_defaults(new)
            metadata = new["metadata"]
            metadata["uid"] = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self._version}/{ref}"))
            metadata["creationTimestamp"] = self.timestamp()
            if ref.kind not in WITHOUT_GENERATION:
                metadata["generation"] = 1
            return self._store(ref, new, "ADDED")

    def apply(self, obj: Mapping[str, Any]) -> Object:
        """Create or merge, as `kubectl apply` does with the last-applied annotation.

        Keys that an earlier apply set and this one lacks are removed; keys that others set (an injected selector, a
        status) stay; lists are replaced whole. Applying the same thing again changes nothing, not even the version.
        """
        wanted = copy_json({key: value for key, value in dict(obj).items() if key != "status"})
        ref = ref_of(wanted)
        if ref.namespace:
            wanted["metadata"]["namespace"] = ref.namespace
        text = last_applied_text(wanted)
        wanted["metadata"].setdefault("annotations", {})[LAST_APPLIED] = text
        with self._lock:
            live = self._objects.get(ref.key)
            if live is None:
                return self.create(wanted)
            before = json.loads((live["metadata"].get("annotations") or {}).get(LAST_APPLIED, "{}"))
            patch = three_way_patch(before, wanted)
            return self.update(ref, lambda current: _become(current, merge_patch(current, patch)))

    def update(self, ref: Ref, change: Callable[[Object], None]) -> Object:
        """Read, let `change` edit the copy, write; all under the lock. An edit that changes nothing writes nothing.

        Raises `NotFoundError` when the object is missing; whatever `change` raises leaves the store untouched.
        """
        with self._lock:
            live = self._objects.get(ref.key)
            if live is None:
                raise NotFoundError(f'{ref.kind} "{ref.name}" not found', where=ref.namespace or None)
            new = copy_object(live)
            change(new)
            apply_defaults(new)
            for field in ("uid", "creationTimestamp", "name", "namespace", "generation", "resourceVersion"):
                if field in live["metadata"]:
                    new["metadata"][field] = live["metadata"][field]
            if new == live:
                return copy_object(live)
            if ref.kind not in WITHOUT_GENERATION and _counts(ref.kind, new) != _counts(ref.kind, live):
                new["metadata"]["generation"] = live["metadata"].get("generation", 0) + 1
            if new["metadata"].get("deletionTimestamp") and not new["metadata"].get("finalizers"):
                self._remove(ref, new)
                return copy_object(new)
            return self._store(ref, new, "MODIFIED")

    def delete(self, ref: Ref) -> Object:
        """Remove an object and everything it owns; with finalizers it is only marked until they are gone.

        Raises `NotFoundError` when it is missing.
        """
        with self._lock:
            live = self._objects.get(ref.key)
            if live is None:
                raise NotFoundError(f'{ref.kind} "{ref.name}" not found', where=ref.namespace or None)
            if live["metadata"].get("finalizers"):
                stamp = self.timestamp()
                return self.update(ref, lambda current: current["metadata"].setdefault("deletionTimestamp", stamp))
            self._remove(ref, live)
            return copy_object(live)

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """Call `callback(type, object)` for every later change; the returned function ends that (also twice)."""
        with self._lock:
            self._subscribers = [*self._subscribers, callback]

        def unsubscribe() -> None:
            with self._lock:
                self._subscribers = [item for item in self._subscribers if item is not callback]

        return unsubscribe

    def changes_since(self, version: int) -> Sequence[Change]:
        """The changes after a resource version, oldest first. Raises `ExpiredError` when some are no longer kept."""
        with self._lock:
            oldest = self._history[0].version if self._history else self._version + 1
            if version + 1 < oldest:
                raise ExpiredError(
                    f"too old resource version: {version} ({oldest})", next_step="List again and watch from there."
                )
            return [change for change in self._history if change.version > version]

    def _store(self, ref: Ref, obj: Object, event: str) -> Object:
        self._version += 1
        obj["metadata"]["resourceVersion"] = str(self._version)
        self._objects[ref.key] = obj
        self._publish(event, obj)
        return copy_object(obj)

    def _remove(self, ref: Ref, obj: Object) -> None:
        del self._objects[ref.key]
        self._version += 1
        gone = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self._version)}}
        self._publish("DELETED", gone)
        uid = obj["metadata"]["uid"]
        for owned in [item for item in self._objects.values() if _owned_by(item, uid)]:
            if ref_of(owned).key in self._objects:
                self.delete(ref_of(owned))

    def _publish(self, event: str, obj: Object) -> None:
        self._history.append(Change(version=self._version, type=event, object=obj))
        for callback in self._subscribers:
            callback(event, copy_object(obj))


def _become(current: Object, wanted: Object) -> None:
    current.clear()
    current.update(wanted)


def _counts(kind: str, obj: Object) -> Object:
    """The part of an object whose change raises its generation."""
    left_out = {"metadata"} if kind in WITHOUT_STATUS_SUBRESOURCE else {"metadata", "status"}
    return {key: value for key, value in obj.items() if key not in left_out}


def _owned_by(obj: Object, uid: str) -> bool:
    return any(owner.get("uid") == uid for owner in obj["metadata"].get("ownerReferences") or ())
