"""Delivering a tree: gather the facts, plan, take the lock, carry out, put the release in force.

Killed at any point, the next run completes: it finds the release that is in force and the claims of the unfinished
one, and plans from what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from cicd.dags.apply import Progress, Work, apply_changes
from cicd.dags.archive import Archive
from cicd.dags.ledger import Ledger
from cicd.dags.lock import Lease
from cicd.dags.model import Change, Manifest, Past
from cicd.dags.next_release import next_claims, next_history, next_manifest, owned_files
from cicd.dags.proposal import Age, Bundle, Loader, Proposal, propose
from headgate.clock import Clock
from headgate.errors import ConflictError, HeadgateError, RemoteStateError, TransportError


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Means:
    """What a delivery is given; see `deliver`."""

    clock: Clock
    progress: Progress
    in_force: Callable[[Manifest], None]


def deliver(
    bundle: Bundle,
    load: Loader,
    *,
    clock: Clock,
    progress: Progress,
    begin: Callable[[], None] = lambda: None,
    in_force: Callable[[Manifest], None] = lambda _: None,
) -> Outcome:
    """Bring the bucket to the tree that `load` makes and put it in force as a release.

    `begin` is called when it turns out that there is something to do, before anything is written; `in_force` when the
    release is in force. Should the process die in that, the next delivery calls it again for the same release.

    Raises `LockHeldError` when another run delivers, `UnsafeActionError` for refused plans, `ConflictError` when
    somebody changes objects meanwhile, and `TransportError`. After an error nothing is lost: the release before stays
    the one in force until the last step, and running the command again completes the new one.
    """
    proposal = propose(bundle, load)
    if not proposal.changes and proposal.books.claims is None and proposal.books.manifest is not None:
        return _unchanged(proposal, proposal.books.manifest)
    begin()
    lease = Lease(bundle.target.store, bundle.ledger.layout.lock, clock, bundle.lock)
    lease.acquire()
    try:
        if bundle.ledger.read() != proposal.books:  # another run was at work between our look and our lock
            proposal = replace(propose(bundle, load), began=proposal.began)
        _refuse_overtaken(bundle, proposal)
        outcome = _carry_out(bundle, proposal, lease, _Means(clock=clock, progress=progress, in_force=in_force))
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


def _carry_out(bundle: Bundle, proposal: Proposal, lease: Lease, means: _Means) -> Outcome:
    ledger, before = bundle.ledger, proposal.books.manifest
    if not proposal.changes and before is not None:
        claims_generation = proposal.books.claims_generation
        means.in_force(before)
        untidy = _tidy(ledger, before, (), claims_generation, sweep=True)
        return replace(_unchanged(proposal, before), untidy=untidy)
    release = f"r{before.number + 1 if before else 1}-{proposal.tree.commit[:8]}"
    claims_generation = ledger.write_claims(next_claims(release, proposal), proposal.books)
    history, dropped = next_history(before, bundle.keep_releases)
    try:
        work = Work(
            target=bundle.target,
            content=proposal.tree.content,
            lease=lease,
            progress=means.progress,
            clock=means.clock,
            settle_s=bundle.settle_s,
        )
        with ThreadPoolExecutor(2, thread_name_prefix="dags-keep") as beside:
            kept = [beside.submit(ledger.keep, before)] if before else []
            archived = beside.submit(_keep_contents, ledger, proposal, lease)
            written = apply_changes(proposal.changes, {file.path: file for file in proposal.tree.files}, work)
            packs = archived.result()
            for done in kept:
                done.result()
        manifest = next_manifest(
            bundle, proposal, release, history, owned_files(proposal, written, packs), means.clock.now()
        )
        lease.ensure()
        ledger.put_in_force(manifest, proposal.books)
    except (TransportError, RemoteStateError) as error:
        error.next_step = " ".join(filter(None, (error.next_step, _unfinished(release, before))))
        raise
    means.in_force(manifest)  # before the claims go: while they are there, the next delivery looks after this release
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
