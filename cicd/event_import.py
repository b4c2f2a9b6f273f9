"""Importing a file of events: everything is checked before the first event is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from observability.event_files import Line, read_events
from observability.events import DeliveryEvent
from observability.short_records import Defaults

if TYPE_CHECKING:
    from observability.store import EventStore

_BATCH = 1000
_KEPT = 100_000  # so many lines are kept in memory; larger files are read twice


@dataclass(slots=True)
class Imported:
    """What an import did: `lines` with something in them, events `read`, those that were `new`, reasons for skipping."""

    lines: int = 0
    read: int = 0
    new: int = 0
    skipped: list[str] = field(default_factory=list)


def import_file(
    file: BinaryIO, open_store: Callable[[], EventStore], defaults: Defaults, *, record_type: str | None = None
) -> Imported:
    """Store the events of a file. The store is opened only when the whole file is right.

    A file named `.csv` or `.tsv` is CSV, others are JSON. `record_type` is that of rows that name none.
    Raises `ConfigError` with file and line.
    """
    name = getattr(file, "name", "<stdin>")
    read = _reader(name, defaults, record_type)
    source = read(file)
    kept = list(islice(source, _KEPT))
    more = next(source, None)
    if more is not None and file.seekable():
        for _ in source:  # checked, not kept
            pass
        file.seek(0)
        kept = []
        rest: Iterable[Line] = read(file)
    else:
        rest = [] if more is None else [more, *source]
    store, found, batch = open_store(), Imported(), list[DeliveryEvent]()
    for part in (kept, rest):
        for line in part:
            found.lines += 1
            found.read += len(line.events)
            if line.skipped is not None:
                found.skipped.append(line.skipped)
            batch.extend(line.events)
            if len(batch) >= _BATCH:
                found.new += store.append(batch)
                batch = []
    found.new += store.append(batch)
    return found


def _reader(name: str, defaults: Defaults, record_type: str | None) -> Callable[[Iterable[bytes]], Iterator[Line]]:
    if Path(name).suffix.lower() in (".csv", ".tsv"):
        from observability.csv_records import read_csv

        return lambda lines: read_csv(lines, name, defaults, record_type=record_type)
    return lambda lines: read_events(lines, name, defaults)
