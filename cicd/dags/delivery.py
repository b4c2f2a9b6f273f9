"""Delivering a tree: gather the facts, plan, take the lock, carry out, put the release in force.

Killed at any point, the next run completes: it finds the release that is in force and the claims of the unfinished
one, and plans from what is there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum

from cicd.dags.apply import Progress, Work, apply_changes
from cicd.dags.archive import Archive, Content
from cicd.dags.ledger import Books, Ledger
from cicd.dags.lock import Lease, LockTerms
from cicd.dags.model import Action, Change, Claims, DesiredFile, Manifest, OwnedFile, Past, Placement, StoredObject
from cicd.dags.order import kind_of_name, place_read
from cicd.dags.planning import WRITES, Rules, plan, recognise
from cicd.dags.target import Target, prefix_roots
from headgate.clock import Clock
from headgate.errors import (
    ConfigError,
    ConflictError,
    HeadgateError,
    RemoteStateError,
    TransportError,
    UnsafeActionError,
)

_LOOKS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """One project at one target, and how it is delivered.

    `keep_releases` counts past releases. `refuse_older`: an ancestor of the commit in force is refused. `settle_s`:
    see `cicd.dags.apply.Work`.
    """

    project: str
    target: Target
    lock: LockTerms
    rules: Rules = field(default_factory=Rules)
    keep_releases: int = 10
    allow_overlap: bool = False
    refuse_older: bool = False
    settle_s: float = 0.0

    @property
    def ledger(self) -> Ledger:
        return Ledger(store=self.target.store, layout=self.target.layout(self.project))


class Age(Enum):
    """How a commit stands to another."""

    OLDER = "older"
    """It is an ancestor of the other."""
    NOT_OLDER = "not older"
    UNKNOWN = "unknown"
    """The other is not in this clone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """What is to be delivered and where it comes from. `restores` is the release that a rollback brings back.

    `compare` tells how `commit` stands to another commit.
    """

    files: tuple[DesiredFile, ...]
    content: Content
    commit: str
    committed_at: datetime | None
    source: str
    restores: str | None = None
    compare: Callable[[str], Age] = lambda _: Age.NOT_OLDER


Loader = Callable[[Books], Tree]
"""Makes the tree, given the bookkeeping: hashes that are already known, releases to go back to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """The facts and the plan made from them. `changes` is empty when the bucket already holds the tree.

    `age` is how the commit stands to the one in force. `began` is what was in force at the first look.
    """

    books: Books
    tree: Tree
    actual: tuple[StoredObject, ...]
    changes: tuple[Change, ...]
    age: Age
    began: Manifest | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a delivery did: the release in force afterwards, and the changes that were made (none: nothing to do).

    `before` is the release that was in force, `commit` the one asked for (another than `manifest.commit` when both
    have the same files).
    `untidy` is what could not be cleaned up after the release was in force, None when all was; the next run does it.
    """

    manifest: Manifest
    before: Manifest | None
    commit: str
    changes: tuple[Change, ...]
    untidy: str | None = None
    age: Age = Age.NOT_OLDER


def propose(bundle: Bundle, load: Loader) -> Proposal:
    """Read the bookkeeping and the bucket, and plan. Changes nothing; raises what `plan` and the loader raise."""
    books = bundle.ledger.read()
    began = books.manifest
    for _ in range(_LOOKS):
        try:
            return _propose(bundle, load, books, began)
        except UnsafeActionError:
            # Bookkeeping and listing are two looks: what a run wrote between them is neither foreign nor by hand.
            seen, books = books, bundle.ledger.read()
            if seen == books:
                raise
    raise ConflictError(
        "other deliveries keep changing the target",
        where=bundle.ledger.layout.manifest,
        next_step="Nothing was changed. Run the command again when they have ended.",
    )


def _propose(bundle: Bundle, load: Loader, books: Books, began: Manifest | None) -> Proposal:
    tree = load(books)
    if not tree.files:
        raise ConfigError(
            "no file is left to deliver",
            where=tree.source,
            next_step="Check source, include and exclude. An empty release would delete every DAG.",
        )
    age = tree.compare(books.manifest.commit) if books.manifest else Age.NOT_OLDER
    if bundle.refuse_older:
        _refuse_older(tree, age, books.manifest)
    actual = observe(bundle.target, books)
    facts = (tree.files, actual, books.manifest)
    changes = plan(*facts, claims=books.claims, rules=bundle.rules)
    if changes:  # the order is worth reading files for only when the plan is allowed
        placements = _placements(bundle, tree, changes)
        changes = plan(*facts, claims=books.claims, placements=placements, rules=bundle.rules)
    if changes and not bundle.allow_overlap:
        bundle.ledger.refuse_overlap()
    return Proposal(books=books, tree=tree, actual=actual, changes=changes, age=age, began=began)


def observe(target: Target, books: Books) -> tuple[StoredObject, ...]:
    """Everything in the DAG folder, with hashes as far as they can be known.

    What an unfinished delivery wrote where the store tells no hash is read to find out whether it did; where the store
    tells hashes that is only what was changed by hand meanwhile.
    """
    actual = recognise(target.objects(), books.manifest)
    if books.claims is None:
        return actual
    owned = {file.path: file.md5 for file in books.manifest.files} if books.manifest else {}
    claimed = {path for path, _ in books.claims.objects}
    unsure = [
        item.path
        for item in actual
        if item.path in claimed
        and (item.path, item.md5) not in books.claims.objects
        and owned.get(item.path, "") != item.md5
    ]
    read = {path: hashlib.md5(data, usedforsecurity=False).hexdigest() for path, data in target.read_many(unsure)}
    return tuple(replace(item, md5=read.get(item.path, item.md5)) for item in actual)


def _refuse_older(tree: Tree, age: Age, manifest: Manifest | None) -> None:
    if manifest is None or age is Age.NOT_OLDER:
        return
    if age is Age.UNKNOWN:
        raise UnsafeActionError(
            f"commit {manifest.commit[:12]}, which is in force, is not in this clone, so that nobody can tell whether"
            f" {tree.commit[:12]} is older",
            next_step="Fetch the history (GitLab: GIT_DEPTH: 0), or push without refuse_older.",
        )
    raise UnsafeActionError(
        f"commit {tree.commit[:12]} is older than {manifest.commit[:12]}, which is in force as {manifest.release}",
        next_step="Use `headgate dags rollback` to go back, or push without refuse_older.",
    )


def _placements(bundle: Bundle, tree: Tree, changes: Iterable[Change]) -> Mapping[str, Placement]:
    """Where the changed files stand: what arrives among itself, and what goes among itself."""
    roots = prefix_roots(bundle.target.prefix, tree.source)
    by_path = {file.path: file for file in tree.files}
    arriving, leaving = [], []
    for change in changes:
        if change.action in WRITES:
            arriving.append(change.path)
        elif change.action is Action.DELETE:
            leaving.append(change.path)

    def read_tree(paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        return ((path, tree.content.read(by_path[path])) for path in paths)

    placed = dict(place_read(arriving, read_tree, roots))
    if len(leaving) > 1:
        # What leaves is read from the bucket: a helper may have been delivered without the DAG that imports it, so
        # that the recorded kind is only what it looked like then.
        placed |= place_read(leaving, bundle.target.read_many, roots)
    return placed


def deliver(bundle: Bundle, load: Loader, *, clock: Clock, progress: Progress) -> Outcome:
    """Bring the bucket to the tree that `load` makes and put it in force as a release.

    Raises `LockHeldError` when another run delivers, `UnsafeActionError` for refused plans, `ConflictError` when
    somebody changes objects meanwhile, and `TransportError`. After an error nothing is lost: the release before stays
    the one in force until the last step, and running the command again completes the new one.
    """
    proposal = propose(bundle, load)
    if not proposal.changes and proposal.books.claims is None and proposal.books.manifest is not None:
        return _unchanged(proposal, proposal.books.manifest)
    lease = Lease(bundle.target.store, bundle.ledger.layout.lock, clock, bundle.lock)
    lease.acquire()
    try:
        if bundle.ledger.read() != proposal.books:  # another run was at work between our look and our lock
            proposal = replace(propose(bundle, load), began=proposal.began)
        _refuse_overtaken(bundle, proposal)
        outcome = _carry_out(bundle, proposal, lease, clock, progress)
    except BaseException:
        _give_back(lease)
        raise
    untidy = _give_back(lease)
    return replace(outcome, untidy=outcome.untidy or untidy)


def _refuse_overtaken(bundle: Bundle, proposal: Proposal) -> None:
    """Of two runs that race the newer commit wins, whichever was faster."""
    now, began = proposal.books.manifest, proposal.began
    if now is None or (began is not None and now.release == began.release) or proposal.age is Age.NOT_OLDER:
        return
    which = "newer" if proposal.age is Age.OLDER else "not in this clone and perhaps newer"
    raise ConflictError(
        f"another delivery put {now.release} in force meanwhile; its commit {now.commit[:12]} is {which}",
        where=bundle.ledger.layout.manifest,
        next_step="Nothing was changed. Run the command again if the older commit is meant to replace it.",
    )


def _unchanged(proposal: Proposal, manifest: Manifest) -> Outcome:
    return Outcome(manifest=manifest, before=manifest, commit=proposal.tree.commit, changes=(), age=proposal.age)


def _give_back(lease: Lease) -> str | None:
    """Release the lock; when that fails it expires by itself, and the reason is returned."""
    try:
        lease.release()
    except HeadgateError as error:
        return f"the lock could not be released and will expire by itself: {error}"
    return None


def _carry_out(bundle: Bundle, proposal: Proposal, lease: Lease, clock: Clock, progress: Progress) -> Outcome:
    ledger, before = bundle.ledger, proposal.books.manifest
    if not proposal.changes and before is not None:
        claims_generation = proposal.books.claims_generation
        untidy = _tidy(ledger, before, (), claims_generation, sweep=True)
        return replace(_unchanged(proposal, before), untidy=untidy)
    release = f"r{before.number + 1 if before else 1}-{proposal.tree.commit[:8]}"
    claims_generation = ledger.write_claims(_claims(release, proposal), proposal.books)
    history, dropped = _history(before, bundle.keep_releases)
    try:
        packs = _keep_contents(ledger, proposal, lease)
        work = Work(
            target=bundle.target,
            content=proposal.tree.content,
            lease=lease,
            progress=progress,
            clock=clock,
            settle_s=bundle.settle_s,
        )
        written = apply_changes(proposal.changes, {file.path: file for file in proposal.tree.files}, work)
        manifest = _manifest(bundle, proposal, release, history, _owned(proposal, written, packs), clock.now())
        lease.ensure()
        ledger.put_in_force(manifest, proposal.books)
    except (TransportError, RemoteStateError) as error:
        error.next_step = " ".join(filter(None, (error.next_step, _unfinished(release, before))))
        raise
    sweep = proposal.books.claims is not None
    untidy = _tidy(ledger, manifest, dropped, claims_generation, sweep=sweep)
    return Outcome(
        manifest=manifest,
        before=before,
        commit=manifest.commit,
        changes=proposal.changes,
        untidy=untidy,
        age=proposal.age,
    )


def _unfinished(release: str, before: Manifest | None) -> str:
    if before is None:
        return f"{release} is unfinished: the same command completes it."
    return (
        f"{before.release} is still the release in force, {release} is unfinished: the same command completes it,"
        f" `headgate dags rollback --to {before.release}` takes it back."
    )


def _tidy(
    ledger: Ledger, manifest: Manifest, dropped: Iterable[Past], claims_generation: int, *, sweep: bool
) -> str | None:
    """Delete what no kept release needs, then the claims: while those exist, the next run tidies up again."""
    try:
        ledger.prune(manifest, dropped, sweep=sweep)
        if claims_generation:
            ledger.drop_claims(claims_generation)
    except HeadgateError as error:
        return f"old releases could not be tidied up; the next run does it: {error}"
    return None


def _keep_contents(ledger: Ledger, proposal: Proposal, lease: Lease) -> dict[str, str]:
    """Archive what the release in force has not archived yet; returns the pack of every hash."""
    before, tree = proposal.books.manifest, proposal.tree
    packs = {file.md5: file.pack for file in before.files} if before else {}
    fresh = [file for file in tree.files if file.md5 not in packs]
    for pack, files in Archive(ledger.store, ledger.layout).keep(fresh, tree.content):
        packs |= {file.md5: pack for file in files}
        lease.ensure()
    return packs


def _manifest(
    bundle: Bundle,
    proposal: Proposal,
    release: str,
    history: tuple[Past, ...],
    files: tuple[OwnedFile, ...],
    now: datetime,
) -> Manifest:
    before, tree = proposal.books.manifest, proposal.tree
    return Manifest(
        release=release,
        number=before.number + 1 if before else 1,
        project=bundle.project,
        source=tree.source,
        commit=tree.commit,
        committed_at=tree.committed_at,
        created_at=now,
        previous=before.release if before else None,
        previous_commit=before.commit if before else None,
        restores=tree.restores,
        files=files,
        history=history,
    )


def _claims(release: str, proposal: Proposal) -> Claims:
    """What this run means to write, and what unfinished runs before it meant to."""
    earlier = proposal.books.claims.objects if proposal.books.claims else frozenset()
    mine = {(change.path, change.md5) for change in proposal.changes if change.action in WRITES and change.md5}
    return Claims(release=release, objects=earlier | mine)


def _history(before: Manifest | None, keep: int) -> tuple[tuple[Past, ...], tuple[Past, ...]]:
    """Past releases to keep and those to drop, newest first."""
    if before is None:
        return (), ()
    newest = Past(
        release=before.release,
        commit=before.commit,
        created_at=before.created_at,
        restores=before.restores,
        packs=tuple(sorted(before.packs)),
    )
    past = (newest, *before.history)
    return past[:keep], past[keep:]


def _owned(proposal: Proposal, written: Mapping[str, StoredObject], packs: Mapping[str, str]) -> tuple[OwnedFile, ...]:
    there = {item.path: item.generation for item in proposal.actual}
    there |= {path: item.generation for path, item in written.items()}
    before = proposal.books.manifest
    kinds = {file.path: file.kind for file in before.files} if before else {}
    kinds |= {change.path: change.kind for change in proposal.changes if change.action is not Action.FORGET}
    return tuple(
        OwnedFile(
            path=file.path,
            size=file.size,
            md5=file.md5,
            blob=file.blob,
            generation=there[file.path],
            kind=kinds.get(file.path) or kind_of_name(file.path),
            pack=packs[file.md5],
        )
        for file in proposal.tree.files
    )
