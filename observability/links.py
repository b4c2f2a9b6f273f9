"""Which services can be judged alone: the names that their events share with those of others. Pure.

The rules that join events (`history`, `failures`, `lead_time`) follow names: commits, releases, artifacts, incidents,
and changes that name no service. A service none of whose names occurs elsewhere is the only one whose events matter to
it; all others, and all events that name no service, are judged together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from observability.commits import CHANGES, COMMITS, SQUASH, decode_commits, decode_names
from observability.events import DeliveryEvent, Kind, Scalar
from observability.ranges import range_ends

_NAMED: Mapping[str, str] = {
    "previous_release": "release",
    "retry_of": "release",
    "rollback_of": "release",
    "artifact": "artifact",
    SQUASH: "commit",
}
"""What the further facts of an event name."""
_ARTIFACTS = frozenset({Kind.ARTIFACT_PACKAGED, Kind.ARTIFACT_PUBLISHED})
_INCIDENTS = frozenset({Kind.INCIDENT_DETECTED, Kind.INCIDENT_REPORTED, Kind.INCIDENT_RESOLVED})


def names(event: DeliveryEvent) -> Iterator[str]:
    """The names under which other events may refer to this one, or it to them."""
    if event.commit:
        yield f"commit {event.commit}"
    if event.release:
        yield f"release {event.release}"
    if event.kind in _INCIDENTS:
        yield f"incident {event.source} {event.subject}"
    elif event.kind in _ARTIFACTS:
        yield f"artifact {event.subject}"
    elif event.kind is Kind.COMMITS_COMPARED and (ends := range_ends(event)) is not None:
        yield f"commit {ends[1]}"  # the other end needs no mention: a range is looked for by both
    if event.data:
        yield from _named_in_data(event.data)


def _named_in_data(data: Mapping[str, Scalar]) -> Iterator[str]:
    for key, kind in _NAMED.items():
        if (named := data.get(key)) is not None:
            yield f"{kind} {named}"
    for commit in decode_commits(data.get(COMMITS)):
        for sha in (commit.sha, commit.original, commit.reverts):
            if sha:
                yield f"commit {sha}"


def changes(event: DeliveryEvent) -> Iterator[str]:
    """The changes (merge requests) that an event names; such ids are those of the service's own project."""
    if event.change:
        yield event.change
    if event.data:
        yield from decode_names(event.data.get(CHANGES))


def key(name: str) -> int:
    """A name as 64 bits. Two names of one key would only make services wait for each other."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), signed=True)
