"""What differs between a bucket and the release in force. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cicd.dags.model import Claims, Manifest, StoredObject


class DriftKind(StrEnum):
    """How an object differs from the release."""

    CHANGED = "changed"
    """Owned, but with other content: changed by hand or by another tool."""
    MISSING = "missing"
    """Owned, but gone."""
    UNFINISHED = "unfinished"
    """Written by a delivery that did not finish; pushing again or rolling back settles it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One difference. `generation` and `updated` tell which write made it; None for a missing object."""

    kind: DriftKind
    path: str
    generation: int | None
    updated: datetime | None


def find_drift(
    actual: Iterable[StoredObject], manifest: Manifest | None, claims: Claims | None = None
) -> tuple[Drift, ...]:
    """All differences, ordered by path; empty when the bucket holds the release. Foreign objects are no drift."""
    owned = {file.path: file for file in manifest.files} if manifest else {}
    claimed = claims.objects if claims else frozenset()
    there = {item.path: item for item in actual}
    found = [
        Drift(kind=DriftKind.MISSING, path=path, generation=None, updated=None) for path in owned if path not in there
    ]
    for path, item in there.items():
        if path in owned and owned[path].md5 == item.md5:
            continue
        unfinished = (path, item.md5) in claimed
        if unfinished or path in owned:
            kind = DriftKind.UNFINISHED if unfinished else DriftKind.CHANGED
            found.append(Drift(kind=kind, path=path, generation=item.generation, updated=item.updated))
    return tuple(sorted(found, key=lambda drift: drift.path))


def foreign(actual: Iterable[StoredObject], manifest: Manifest | None, claims: Claims | None = None) -> tuple[str, ...]:
    """Paths in the DAG folder that no release of this bundle owns."""
    owned = {file.path for file in manifest.files} if manifest else set()
    claimed = claims.objects if claims else frozenset()
    return tuple(item.path for item in actual if item.path not in owned and (item.path, item.md5) not in claimed)
