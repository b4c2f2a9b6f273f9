"""Delivering a tree: gather the facts, plan, take the lock, carry out, put the release in force.

Killed at any point, the next run completes: it finds the release that is in force and the claims of the unfinished
one, and plans from what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from cicd.dags.apply import Progress, Work, apply_changes
from cicd.dags.archive import Archive, Content
from cicd.dags.ledger import Books, Ledger
from cicd.dags.lock import Lease, LockTerms
from cicd.dags.model import Action, Change, Claims, DesiredFile, Manifest, OwnedFile, Past, StoredObject
from cicd.dags.order import kind_of_name, place
from cicd.dags.planning import WRITES, Rules, differing, plan
from cicd.dags.target import Target, prefix_roots
from headgate.clock import Clock
from headgate.errors import ConfigError, HeadgateError, RemoteStateError, TransportError


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """One project at one target, and how it is delivered. `keep_releases` counts past releases."""

    project: str
    target: Target
    lock: LockTerms
    rules: Rules = field(default_factory=Rules)
    keep_releases: int = 10
    allow_overlap: bool = False

    @property
    def ledger(self) -> Ledger:
        return Ledger(store=self.target.store, layout=self.target.layout(self.project))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """What is to be delivered and where it comes from. `restores` is the release that a rollback brings back."""

    files: tuple[DesiredFile, ...]
    content: Content
    commit: str
    committed_at: datetime | None
    source: str
    restores: str | None = None


Loader = Callable[[Books], Tree]
"""Makes the tree, given the bookkeeping: hashes that are already known, releases to go back to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """The facts and the plan made from them. `changes` is empty when the bucket already holds the tree."""

    books: Books
    tree: Tree
    actual: tuple[StoredObject, ...]
    changes: tuple[Change, ...]


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


def propose(bundle: Bundle, load: Loader) -> Proposal:
    """Read the bookkeeping and the bucket, and plan. Changes nothing; raises what `plan` and the loader raise."""
    books = bundle.ledger.read()
    tree = load(books)
    if not tree.files:
        raise ConfigError(
            "no file is left to deliver",
            where=tree.source,
            next_step="Check source, include and exclude. An empty release would delete every DAG.",
        )
    actual = bundle.target.objects()
    sources = {
        file.path: tree.content.read(file) if file.path.endswith(".py") else b""
        for file in differing(tree.files, actual)
    }
    changes = plan(
        tree.files,
        actual,
        books.manifest,
        claims=books.claims,
        placements=place(sources, prefix_roots(bundle.target.prefix, tree.source)),
        rules=bundle.rules,
    )
    if changes and not bundle.allow_overlap:
        bundle.ledger.refuse_overlap()
    return Proposal(books=books, tree=tree, actual=actual, changes=changes)


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
        if bundle.ledger.read() != proposal.books:  # another run finished between our look and our lock
            proposal = propose(bundle, load)
        outcome = _carry_out(bundle, proposal, lease, clock, progress)
    except BaseException:
        _give_back(lease)
        raise
    untidy = _give_back(lease)
    return replace(outcome, untidy=outcome.untidy or untidy)


def _unchanged(proposal: Proposal, manifest: Manifest) -> Outcome:
    return Outcome(manifest=manifest, before=manifest, commit=proposal.tree.commit, changes=())


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
        work = Work(target=bundle.target, content=proposal.tree.content, lease=lease, progress=progress)
        written = apply_changes(proposal.changes, {file.path: file for file in proposal.tree.files}, work)
        manifest = _manifest(bundle, proposal, release, history, _owned(proposal, written, packs), clock.now())
        lease.ensure()
        ledger.put_in_force(manifest, proposal.books)
    except (TransportError, RemoteStateError) as error:
        error.next_step = " ".join(filter(None, (error.next_step, _unfinished(release, before))))
        raise
    sweep = proposal.books.claims is not None
    untidy = _tidy(ledger, manifest, dropped, claims_generation, sweep=sweep)
    return Outcome(manifest=manifest, before=before, commit=manifest.commit, changes=proposal.changes, untidy=untidy)


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
