"""One change's path: which events belong to the same change. Pure.

Events belong together when they share a change (merge request), a commit or a release. A rollback that names the
release it replaced belongs to that release's change, not to the change whose version it brought back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from observability.events import DeliveryEvent, Kind
from observability.history import canonical


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """The events of one change in event time. `key` is the change id, else the commit, else the release."""

    key: str
    events: tuple[DeliveryEvent, ...]

    @property
    def commits(self) -> tuple[str, ...]:
        """Commits in order of appearance (head of the merge request, merge commit)."""
        return tuple(dict.fromkeys(event.commit for event in self.events if event.commit))


def paths(events: Iterable[DeliveryEvent]) -> tuple[Path, ...]:
    """All paths, the one with the newest event last. Events that name no change, commit or release are on none."""
    known = [event for event in canonical(events) if _handles(event)]
    roots = _join(known)
    grouped: dict[str, list[DeliveryEvent]] = defaultdict(list)
    for event in known:
        grouped[roots[next(_handles_of(event))]].append(event)
    found = [Path(key=_key(group), events=tuple(group)) for group in grouped.values()]
    return tuple(sorted(found, key=lambda path: (path.events[-1].occurred_at, path.key)))


def find_path(found: Iterable[Path], name: str) -> Path | None:
    """The path with this key, or the newest that has it as change, commit (at least 7 characters) or release."""
    candidates = list(found)
    for path in reversed(candidates):
        if path.key == name:
            return path
    for path in reversed(candidates):
        if any(
            name in (event.change, event.release) or (len(name) >= 7 and (event.commit or "").startswith(name))
            for event in path.events
        ):
            return path
    return None


def _handles(event: DeliveryEvent) -> bool:
    return next(_handles_of(event), None) is not None


def _handles_of(event: DeliveryEvent) -> Iterator[str]:
    """What an event can be joined by, each with its own prefix."""
    replaced = event.data.get("previous_release") if event.kind is Kind.SERVICE_ROLLEDBACK else None
    if isinstance(replaced, str):
        yield f"release {replaced}"
        return
    if event.change:
        yield f"change {event.change}"
    if event.commit:
        yield f"commit {event.commit}"
    if event.release:
        yield f"release {event.release}"


def _join(events: Iterable[DeliveryEvent]) -> Mapping[str, str]:
    """Union-find over the handles: each handle to the representative of its group."""
    parent: dict[str, str] = {}

    def root(handle: str) -> str:
        parent.setdefault(handle, handle)
        while parent[handle] != handle:
            parent[handle] = parent[parent[handle]]
            handle = parent[handle]
        return handle

    for event in events:
        first, *others = _handles_of(event)
        for other in others:
            one, two = sorted((root(first), root(other)))
            parent[two] = one
        root(first)
    return {handle: root(handle) for handle in list(parent)}


def _key(events: Iterable[DeliveryEvent]) -> str:
    group = tuple(events)
    for names in (
        [event.change for event in group],
        [event.commit for event in group],
        [event.release for event in group],
    ):
        known = [name for name in names if name]
        if known:
            return known[0]
    return str(group[0].data.get("previous_release"))
