"""Events as rows of the log and back. Pure but for the masking of secrets that this process knows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from headgate.errors import ConfigError
from headgate.secrets import mask
from observability.columns import from_microseconds, to_microseconds
from observability.events import DeliveryEvent, Kind, masked

NATURAL_KEY = "natural_key"
"""Entry of `data` with the natural key of an event; see `observability.store`."""

_KINDS = {kind.value: kind for kind in Kind}
_EMPTY: MappingProxyType[str, Any] = MappingProxyType({})

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An event with its place in the log: `sequence` counts up in order of arrival, `received_at` is UTC."""

    sequence: int
    received_at: datetime
    event: DeliveryEvent


def to_rows(batch: Sequence[DeliveryEvent], received_us: int) -> list[Row]:
    """Rows in the order of `schema.COLUMNS`, secrets masked.

    Raises `ValueError` for a naive time and `ConfigError` for texts that not every database can keep.
    """
    # One look at all texts together: a batch almost never holds a secret, and looking at each text costs far more.
    # No pattern of `mask` matches less when texts are joined by line ends.
    joined = "\n".join(chain.from_iterable(map(_texts, batch)))
    if "\0" in joined or not _encodable(joined):
        _refuse(batch)
    if mask(joined) != joined:
        batch = [masked(event) for event in batch]
    return [_to_row(event, received_us) for event in batch]


def _texts(event: DeliveryEvent) -> list[str]:
    found = [event.id, event.source, event.subject, event.outcome, event.service or "", event.environment or ""]
    found += (event.commit or "", event.change or "", event.release or "", event.url or "")
    if event.data:
        found += event.data
        found += [scalar for scalar in event.data.values() if isinstance(scalar, str)]
    return found


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse(batch: Iterable[DeliveryEvent]) -> None:
    for event in batch:
        joined = "\n".join(_texts(event))
        if "\0" in joined or not _encodable(joined):
            raise ConfigError(
                "an event has a text with a NUL character or half a surrogate pair",
                where=repr(f"{event.source} {event.id}"),
                next_step="Correct the emitter; nothing of this batch was recorded.",
            )


_FIELDS = attrgetter(
    "source", "id", "kind", "subject", "service", "environment", "commit", "committed_at", "outcome", "change", "release",
    "url", "data", "occurred_at",
)  # fmt: skip
_ENCODE = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode  # made once: making it takes as long as encoding


def _to_row(event: DeliveryEvent, received_us: int) -> Row:
    source, id_, kind, subject, service, environment, commit, committed, *more, data, occurred = _FIELDS(event)
    natural = data.get(NATURAL_KEY) if data else None
    return (
        source, id_, kind.value, subject, service, environment, commit,
        None if committed is None else to_microseconds(committed),
        *more,
        _ENCODE(dict(data)) if data else "{}",
        to_microseconds(occurred),
        received_us,
        natural if isinstance(natural, str) and natural else None,
    )  # fmt: skip


def from_row(row: Sequence[Any], where: str) -> Recorded:
    """A row of all columns, `seq` first. Raises `ConfigError` for one that this version does not understand."""
    return Recorded(sequence=row[0], received_at=from_microseconds(row[-2]), event=to_event(row, where))


def to_event(row: Sequence[Any], where: str) -> DeliveryEvent:
    """The event of a row, without its place in the log; as `from_row`."""
    (
        _seq, source, id_, kind_text, subject, service, environment, commit, committed_us, outcome, change, release,
        url, data_text, occurred_us, _received_us, _natural,
    ) = row  # fmt: skip
    try:
        kind = _KINDS.get(kind_text) or Kind(kind_text)
        data = _EMPTY if data_text == "{}" else MappingProxyType(json.loads(data_text))
    except ValueError as error:
        raise ConfigError(
            f"event {id_!r} from {source!r} cannot be read: {error}",
            where=where,
            next_step="Read this log with the version of Headgate that wrote it.",
        ) from error
    return DeliveryEvent(
        kind=kind,
        source=source,
        id=id_,
        occurred_at=from_microseconds(occurred_us),
        subject=subject,
        service=service,
        environment=environment,
        commit=commit,
        committed_at=None if committed_us is None else from_microseconds(committed_us),
        outcome=outcome,
        change=change,
        release=release,
        url=url,
        data=data,
    )
