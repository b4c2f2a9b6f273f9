"""Filling in the ranges that deployments lack: one comparison each, kept in the log as soon as it is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from cicd.ranges.port import Comparer
from cicd.ranges.repository import open_checkout, open_mirror
from headgate.errors import ConfigError, HeadgateError
from observability.ranges import Gap, range_event
from observability.store import EventStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What became of one gap: the number of commits, or why it stays open."""

    gap: Gap
    commits: int | None = None
    reason: str | None = None


def fill_gaps(
    gaps: Sequence[Gap],
    comparer_of: Callable[[str], Comparer | None],
    store: EventStore,
    done: Callable[[Filled], object] = lambda _: None,
) -> tuple[Filled, ...]:
    """Compare what is open and append each answer; what cannot be compared stays open and is said.

    Interrupted, it goes on where it was: what is known is in the log.
    """
    results = []
    for gap in gaps:
        filled = _fill(gap, comparer_of, store)
        results.append(filled)
        done(filled)
    return tuple(results)


def _fill(gap: Gap, comparer_of: Callable[[str], Comparer | None], store: EventStore) -> Filled:
    try:
        comparer = comparer_of(gap.service)
        if comparer is None:
            return Filled(gap=gap, reason="no repository is named for this service")
        commits = comparer.between(gap.since, gap.until)
    except HeadgateError as error:
        return Filled(gap=gap, reason=str(error))
    store.append([range_event(gap, commits, by=comparer.name)])
    return Filled(gap=gap, commits=len(commits))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the commits of services are: `services` is a name or a pattern, `at` a URL or a folder."""

    services: str
    at: str


def parse_place(text: str) -> Place:
    """`URL`, `FOLDER`, or either with `SERVICE=` before it. Raises `ConfigError` for an empty part."""
    name, equals, rest = text.partition("=")
    if not equals or "://" in name or name.startswith((".", "/", "~")) or "@" in name:
        name, rest = "*", text
    if not name or not rest.strip():
        raise ConfigError(
            f"{text!r} names no repository", where="--repository", next_step="Write URL, FOLDER or SERVICE=URL."
        )
    return Place(services=name, at=rest)


class Repositories:
    """Comparers by service: the first place whose pattern fits, opened when first needed, each once."""

    def __init__(self, places: Iterable[Place], mirrors: Path) -> None:
        self._places = tuple(places)
        self._mirrors = mirrors
        self._opened: dict[str, Comparer | HeadgateError] = {}

    def of(self, service: str) -> Comparer | None:
        """The repository of a service; None when none is named. Raises what opening it raised, each time."""
        place = next((p for p in self._places if fnmatchcase(service, p.services)), None)
        if place is None:
            return None
        if place.at not in self._opened:
            self._opened[place.at] = self._open(place.at)
        opened = self._opened[place.at]
        if isinstance(opened, HeadgateError):
            raise opened
        return opened

    def _open(self, at: str) -> Comparer | HeadgateError:
        try:
            folder = Path(at).expanduser()
            return open_checkout(folder) if folder.is_dir() else open_mirror(at, self._mirrors)
        except HeadgateError as error:
            return error
