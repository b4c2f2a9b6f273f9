"""`headgate dora import https://...`: a project's past into the log, a page at a time, resumable."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cicd.gitlab.api import GitLabApi
from cicd.gitlab.history import Resource, read_history
from cicd.gitlab.history_facts import Source
from headgate.clock import format_timestamp, parse_timestamp
from observability.events import masked
from observability.store import EventStore


@dataclass(slots=True)
class Progress:
    """How far an import has come: for each resource the last change that is in the log. Kept in a file.

    Losing the file costs time only: what is imported again is known and adds nothing.
    """

    path: Path
    reached: dict[Resource, datetime] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path, *key: str) -> Progress:
        """The progress of the import that `key` names; none for a file that is not there or not readable."""
        path = folder / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:20]}.json"
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            reached = {Resource(name): parse_timestamp(text) for name, text in said.items()}
        except (OSError, ValueError, AttributeError, TypeError, OverflowError):
            reached = {}
        return cls(path=path, reached=reached)

    def note(self, resource: Resource, moment: datetime) -> None:
        """Remember; the file is whole at every moment."""
        self.reached[resource] = moment
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({name.value: format_timestamp(at) for name, at in self.reached.items()})
        descriptor, beside = tempfile.mkstemp(dir=self.path.parent, prefix=".progress-")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(beside).replace(self.path)


@dataclass(slots=True, kw_only=True)
class Counted:
    """What was seen of one resource, and the events that it gave."""

    seen: int = 0
    read: int = 0
    new: int = 0


def import_history(
    api: GitLabApi,
    source: Source,
    store: EventStore,
    progress: Progress,
    *,
    since: datetime | None,
    resources: Iterable[Resource] = Resource,
    say: Callable[[Resource, Counted], object] = lambda *_: None,
) -> dict[Resource, Counted]:
    """Read and store page after page. `since` begins there; None goes on where the last import came to.

    Raises `HeadgateError`; what was stored before stays, and the next import goes on there.
    """
    results: dict[Resource, Counted] = {}
    for resource in resources:
        counted = results.setdefault(resource, Counted())
        after = since if since is not None else progress.reached.get(resource)
        for page in read_history(api, source, resource, after=after):
            counted.seen += page.seen
            counted.read += len(page.events)
            counted.new += store.append(map(masked, page.events))
            if page.until is not None:  # after the events: what is noted is in the log
                progress.note(resource, max(page.until, progress.reached.get(resource, page.until)))
            say(resource, counted)
    return results
