"""The decision: which objects change, in which order, and which changes are refused. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from cicd.dags.model import (
    Action,
    Change,
    Claims,
    DesiredFile,
    Kind,
    Manifest,
    OwnedFile,
    Placement,
    StoredObject,
)
from cicd.dags.order import kind_of_name
from headgate.errors import UnsafeActionError

WRITES = frozenset({Action.ADD, Action.UPDATE})
_FEW = 5  # so many files may be renamed and edited at once without being asked about
_NAMED = 5  # paths named in a refusal; the rest is counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a plan may do.

    `adopt`: foreign objects at wanted paths are taken over. `repair`: objects that were changed by hand since the
    release are overwritten or deleted. `max_delete_ratio`: largest share (0 to 1) of the owned files that may be
    deleted, unless `allow_mass_delete`; moved files do not count.
    """

    adopt: bool = False
    repair: bool = False
    max_delete_ratio: float = 0.5
    allow_mass_delete: bool = False


def recognise(actual: Iterable[StoredObject], manifest: Manifest | None) -> tuple[StoredObject, ...]:
    """The same objects; what is of the generation that the manifest recorded has the hash that it recorded.

    Some stores do not know the hash of an object, or call something else a hash (S3 with KMS encryption).
    """
    owned = {file.path: file for file in manifest.files} if manifest else {}
    return tuple(
        replace(item, md5=owned[item.path].md5)
        if item.path in owned and owned[item.path].generation == item.generation
        else item
        for item in actual
    )


def plan(
    desired: Sequence[DesiredFile],
    actual: Sequence[StoredObject],
    manifest: Manifest | None,
    *,
    claims: Claims | None = None,
    placements: Mapping[str, Placement] | None = None,
    rules: Rules = Rules(),
) -> tuple[Change, ...]:
    """The changes that turn `actual` into `desired`, in the order of delivery; empty when there is nothing to do.

    Content is compared by hash, never by time. Only objects that the manifest owns, or that an unfinished delivery
    wrote (`claims`), are overwritten or deleted. `placements` orders the changed files, those to be delivered among
    themselves and those to be deleted among themselves; a file without one is placed by its name or its recorded kind.
    Raises `UnsafeActionError` that names the objects when the plan would touch foreign objects, undo a
    change made by hand, or delete more than the rules allow.
    """
    context = _Context(actual, manifest, claims, placements or {})
    wanted = {file.path: file for file in desired}
    _refuse_shadowing(wanted, context)
    changes = [change for file in desired if (change := context.deliver(file, rules)) is not None]
    gone = [change for path in context.ours() if path not in wanted and (change := context.remove(path, rules))]
    context.refuse()
    _refuse_mass_delete(changes, gone, manifest, rules)
    return _ordered([*changes, *gone], wanted)


class _Context:
    """Facts by path, and the refusals collected on the way."""

    def __init__(
        self,
        actual: Iterable[StoredObject],
        manifest: Manifest | None,
        claims: Claims | None,
        placements: Mapping[str, Placement],
    ) -> None:
        self.actual = {item.path: item for item in actual}
        self.owned: dict[str, OwnedFile] = {file.path: file for file in manifest.files} if manifest else {}
        self.release = manifest.release if manifest else None
        self.claimed = claims.objects if claims else frozenset()
        self.placements = placements
        self.foreign: list[str] = []
        self.drifted: list[str] = []

    def ours(self) -> list[str]:
        """Paths that the manifest or an unfinished delivery names."""
        return sorted(set(self.owned) | {path for path, _ in self.claimed})

    def deliver(self, file: DesiredFile, rules: Rules) -> Change | None:
        """The change that brings `file` into the bucket and the manifest; None when both have it."""
        there, owned = self.actual.get(file.path), self.owned.get(file.path)
        if there is None:
            action = Action.ADD
        elif there.md5 == file.md5:
            if owned is not None and owned.md5 == file.md5:
                return None
            action = Action.ADOPT
        else:
            action = Action.UPDATE
            self._check(there, rules)
        placement = self.placements.get(file.path)
        kind = placement.kind if placement else owned.kind if owned else kind_of_name(file.path)
        level = placement.level if placement else 0
        return Change(
            action=action,
            path=file.path,
            wave=level,
            kind=kind,
            if_generation=there.generation if there else 0,
            size=file.size,
            md5=file.md5,
        )

    def remove(self, path: str, rules: Rules) -> Change | None:
        """The change that takes an unwanted path out; None when it is not ours (any more)."""
        there, owned = self.actual.get(path), self.owned.get(path)
        placement = self.placements.get(path)
        kind = placement.kind if placement else owned.kind if owned else kind_of_name(path)
        level = placement.level if placement else 0
        if there is None:
            return Change(action=Action.FORGET, path=path, wave=0, kind=kind, if_generation=0) if owned else None
        if owned is None and not self._is_ours(there):
            return None
        self._check(there, rules)
        return Change(action=Action.DELETE, path=path, wave=level, kind=kind, if_generation=there.generation)

    def _is_ours(self, there: StoredObject) -> bool:
        owned = self.owned.get(there.path)
        return (owned is not None and owned.md5 == there.md5) or (there.path, there.md5) in self.claimed

    def _check(self, there: StoredObject, rules: Rules) -> None:
        if self._is_ours(there):
            return
        if there.path in self.owned:
            if not rules.repair:
                self.drifted.append(there.path)
        elif not rules.adopt:
            self.foreign.append(there.path)

    def refuse(self) -> None:
        if self.foreign:
            raise UnsafeActionError(
                f"{_name(self.foreign)} in the bucket with other content, and no release owns it",
                next_step="Rename the file, remove the object by hand, or take it over with --adopt.",
            )
        if self.drifted:
            raise UnsafeActionError(
                f"{_name(self.drifted)} changed by hand since release {self.release}",
                next_step="Look at it with `headgate dags drift`; put it into Git, or overwrite it with --repair.",
            )


def _refuse_shadowing(wanted: Mapping[str, DesiredFile], context: _Context) -> None:
    """A file and a folder of one name: buckets allow it, the file systems that Composer syncs to do not."""
    ours = set(context.ours())
    kept = [path for path in context.actual if path not in wanted and path not in ours]
    folders = {parent for path in wanted for parent in _parents(path)}
    clashes = [path for path in kept if path in folders]
    clashes += [path for path in kept for parent in _parents(path) if parent in wanted]
    if clashes:
        raise UnsafeActionError(
            f"{_name(sorted(set(clashes)))} in the bucket and not ours, and it would be both a file and a folder",
            next_step="Rename the file, or have the owner of the object remove it.",
        )


def _refuse_mass_delete(
    changes: Sequence[Change], gone: Sequence[Change], manifest: Manifest | None, rules: Rules
) -> None:
    """What is added elsewhere with the same content has moved, and so have a few files for which as many arrive."""
    owned = {file.path: file.md5 for file in manifest.files} if manifest else {}
    added = [change for change in changes if change.action is Action.ADD]
    arrived = {change.md5 for change in added}
    leaving = [change.path for change in gone if change.action is Action.DELETE and change.path in owned]
    deletes = sum(owned[path] not in arrived for path in leaving)
    if not deletes or rules.allow_mass_delete or len(leaving) <= min(_FEW, len(added)):
        return
    if deletes > rules.max_delete_ratio * len(owned):
        share = deletes / len(owned)
        raise UnsafeActionError(
            f"the plan deletes {deletes} of {len(owned)} owned files, {share:.0%} > {rules.max_delete_ratio:.0%}",
            next_step="Check source, ref and exclude; if it is meant, repeat with --allow-mass-delete.",
        )


def _ordered(changes: Sequence[Change], wanted: Mapping[str, DesiredFile]) -> tuple[Change, ...]:
    """Sort by rank and number the waves from 0."""
    folders = {parent for path in wanted for parent in _parents(path)}
    ranked = sorted(((_rank(change, wanted, folders), change) for change in changes), key=lambda r: (r[0], r[1].path))
    waves = {rank: number for number, rank in enumerate(dict.fromkeys(rank for rank, _ in ranked))}
    return tuple(replace(change, wave=waves[rank]) for rank, change in ranked)


def _rank(change: Change, wanted: Mapping[str, DesiredFile], folders: set[str]) -> tuple[int, int]:
    """Modules and data by level, DAG files by level, deletes (users before what they use), `.airflowignore`.

    Deletes go the other way round: DAG files, then modules from the highest level down, then data.
    """
    if change.action in {Action.ADOPT, Action.FORGET}:
        return (9, 0)
    if change.action is Action.DELETE:
        if change.path in folders or any(parent in wanted for parent in _parents(change.path)):
            return (0, 0)  # a file becomes a folder or the other way round: it has to make room first
        rank = {Kind.DAG: 3, Kind.MODULE: 4, Kind.DATA: 5, Kind.IGNORE: 6}[change.kind]
        return (rank, -change.wave if change.kind is Kind.MODULE else 0)
    if change.kind is Kind.IGNORE:
        return (7, 0)
    return (2 if change.kind is Kind.DAG else 1, change.wave)


def _parents(path: str) -> list[str]:
    """The folders that hold `path`, from the inside out."""
    parents = []
    while (end := path.rfind("/")) > 0:
        path = path[:end]
        parents.append(path)
    return parents


def _name(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(repr(path) for path in paths[:_NAMED]) + more + (" is" if len(paths) == 1 else " are")
