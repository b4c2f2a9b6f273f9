"""Values of DAG delivery: what is wanted, what is there, what is owned, and the changes between them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """What a file is to Airflow; decides its place in the order of delivery."""

    DATA = "data"
    MODULE = "module"
    DAG = "dag"
    IGNORE = "ignore"
    """`.airflowignore`: last, so that it never hides a DAG which is still the live one."""


class Action(StrEnum):
    """What is done to one path."""

    ADD = "add"
    UPDATE = "update"
    DELETE = "delete"
    ADOPT = "adopt"
    """The object already has the wanted content; only the manifest learns that it is ours now."""
    FORGET = "forget"
    """An owned object that is no longer wanted is already gone; only the manifest changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """One object as a listing reports it.

    `path` is relative to what was listed from. `md5` is lower-case hex; None when the store does not know it
    (composite objects), which never counts as equal. `generation` is positive and changes with every write.
    `updated` is the time of that write, None when not told. `encoding` is the Content-Encoding, None when there is none
    or it is not told.
    """

    path: str
    size: int
    md5: str | None
    generation: int
    updated: datetime | None = None
    encoding: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredFile:
    """One file of the tree to be delivered: `path` relative to the DAG folder, `blob` its Git object id."""

    path: str
    size: int
    md5: str
    blob: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedFile:
    """One file of a release as the manifest records it; `pack` names the archive object that keeps its content."""

    path: str
    size: int
    md5: str
    blob: str
    generation: int
    kind: Kind
    pack: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A release that can be rolled back to; `packs` are the archive objects which its files need."""

    release: str
    commit: str
    created_at: datetime
    restores: str | None
    packs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The release that is in force.

    `number` counts the releases of this bundle at this target from 1. `restores` is the release whose files a
    rollback brought back, None for a push. `previous` and `previous_commit` are None for the first release.
    `history` holds the kept past releases, newest first.
    """

    release: str
    number: int
    project: str
    source: str
    commit: str
    committed_at: datetime | None
    created_at: datetime
    previous: str | None
    previous_commit: str | None
    restores: str | None
    files: tuple[OwnedFile, ...]
    history: tuple[Past, ...]

    @property
    def packs(self) -> frozenset[str]:
        """Archive objects that keep the content of this release."""
        return frozenset(file.pack for file in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What an unfinished delivery meant to write: (path, md5) pairs. Such objects are ours though no manifest says so.

    `release` is the release that was being made; when it equals the release in force, the claims are spent.
    """

    release: str
    objects: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One step of a plan.

    `wave` orders the steps: a wave starts when the one before is complete. `if_generation` is the precondition of the
    write or delete; 0 means that no object may be there. `md5` and `size` are those of the wanted content, None for
    deletes.
    """

    action: Action
    path: str
    wave: int
    kind: Kind
    if_generation: int
    size: int | None = None
    md5: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a changed file stands in the order: `level` 0 needs no other changed file, level n+1 needs one of n."""

    kind: Kind
    level: int
