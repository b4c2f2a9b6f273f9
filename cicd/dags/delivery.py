"""Delivering a tree: gather the facts, plan, take the lock, carry out, put the release in force.

Killed at any point, the next run completes: it finds the release that is in force and the claims of the unfinished
one, and plans from what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace

from cicd.dags.apply import Progress, Work, apply_changes
from cicd.dags.archive import Archive
from cicd.dags.ledger import Ledger
from cicd.dags.lock import Lease
from cicd.dags.model import Change, Manifest, Past, StoredObject
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
    begin: Callable[[Proposal], None] = lambda _: None,
    in_force: Callable[[Manifest], None] = lambda _: None,
) -> Outcome:
    """Bring the bucket to the tree that `load` makes and put it in force as a release.

    `begin` is called when it turns out that there is something to do, before anything is written; `in_force` when the
    release is in force. Should the process die in that, the next delivery calls it again for the same release.

    Raises `LockHeldError` when another run delivers, `UnsafeActionError` for refused plans, `ConflictError` when
    somebody changes objects meanwhile, and `TransportError`. After an error nothing is lost: the release before stays
    the one in force until the last step, and running the command again completes the new one.
    """
    lease = Lease(bundle.target.store, bundle.ledger.layout.lock, clock, bundle.lock)
    with ThreadPoolExecutor(1, thread_name_prefix="dags-lock") as beside:
        locking = _Locking(lease, beside)
        try:
            proposal = propose(bundle, load, likely=locking.ask)
            if not proposal.changes and proposal.books.claims is None and proposal.books.manifest is not None:
                return replace(_unchanged(proposal, proposal.books.manifest), untidy=locking.give_back())
            begin(proposal)
            locking.take()
            claimed = _claim(bundle, load, proposal)
            return _carry_out(bundle, claimed, lease, _Means(clock=clock, progress=progress, in_force=in_force))
        except BaseException:
            locking.give_back()
            raise


class _Locking:
    """The lock, which may be asked for while the bucket is listed: to wait for one after the other takes longer."""

    def __init__(self, lease: Lease, beside: Executor) -> None:
        self._lease = lease
        self._beside = beside
        self._asked: Future[None] | None = None

    def ask(self) -> None:
        if self._asked is None:
            self._asked = self._beside.submit(self._lease.acquire)

    def take(self) -> None:
        """Wait until it is held. Raises what `Lease.acquire` raises."""
        self.ask()
        if self._asked is not None:
            self._asked.result()

    def give_back(self) -> str | None:
        """Give it back if it was got; the reason when that fails."""
        held = self._asked is not None and self._asked.exception() is None
        return _give_back(self._lease) if held else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claimed:
    """What is to be done, and the generation of the claims on it; 0 when there is nothing to claim."""

    proposal: Proposal
    release: str
    claims_generation: int


def _claim(bundle: Bundle, load: Loader, proposal: Proposal) -> _Claimed:
    """Look again, under the lock, and claim meanwhile what is to be written.

    The claims are right unless another run was at work between our look and our lock; then everything is proposed anew.
    """
    _refuse_overtaken(bundle, proposal)
    ledger, claims_generation = bundle.ledger, 0
    if proposal.changes:
        with ThreadPoolExecutor(1, thread_name_prefix="dags-claim") as beside:
            claiming = beside.submit(_write_claims, ledger, proposal)
            unchanged = ledger.manifest_generation() == proposal.books.manifest_generation
            with suppress(ConflictError):  # there are claims of another run
                claims_generation = claiming.result()
        unchanged = unchanged and claims_generation > 0
    else:
        unchanged = ledger.read() == proposal.books
    if not unchanged:
        earlier = proposal.books.claims
        try:
            proposal = replace(propose(bundle, load), began=proposal.began)
            _refuse_overtaken(bundle, proposal)
        except HeadgateError:
            # What an unfinished run claimed is in ours and has to stay.
            if claims_generation and earlier is None:
                ledger.drop_claims(claims_generation)
            raise
        claims_generation = _write_claims(ledger, proposal) if proposal.changes else 0
    return _Claimed(proposal=proposal, release=_name(proposal), claims_generation=claims_generation)


def _write_claims(ledger: Ledger, proposal: Proposal) -> int:
    return ledger.write_claims(next_claims(_name(proposal), proposal), proposal.books)


def _name(proposal: Proposal) -> str:
    before = proposal.books.manifest
    return f"r{before.number + 1 if before else 1}-{proposal.tree.commit[:8]}"


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


def _carry_out(bundle: Bundle, claimed: _Claimed, lease: Lease, means: _Means) -> Outcome:
    """Do what is claimed, put it in force, tidy up and give the lock back."""
    ledger, proposal, before = bundle.ledger, claimed.proposal, claimed.proposal.books.manifest
    if not proposal.changes and before is not None:
        means.in_force(before)
        untidy = _tidy(ledger, before, (), proposal.books.claims_generation, sweep=True)
        return replace(_unchanged(proposal, before), untidy=untidy or _give_back(lease))
    history, dropped = next_history(before, bundle.keep_releases)
    try:
        written, packs = _write_contents(bundle, proposal, lease, means)
        manifest = next_manifest(
            bundle, proposal, claimed.release, history, owned_files(proposal, written, packs), means.clock.now()
        )
        lease.ensure()
        ledger.put_in_force(manifest, proposal.books)
    except (TransportError, RemoteStateError) as error:
        error.next_step = " ".join(filter(None, (error.next_step, _unfinished(claimed.release, before))))
        raise
    means.in_force(manifest)  # before the claims go: while they are there, the next delivery looks after this release
    sweep = proposal.books.claims is not None
    untidy = _clean_up(ledger, manifest, dropped, claimed.claims_generation, lease, sweep=sweep)
    return Outcome(
        manifest=manifest,
        before=before,
        commit=manifest.commit,
        changes=proposal.changes,
        untidy=untidy,
        age=proposal.age,
    )


def _write_contents(
    bundle: Bundle, proposal: Proposal, lease: Lease, means: _Means
) -> tuple[dict[str, StoredObject], dict[str, str]]:
    """Bring the files into the bucket, and keep their contents and the manifest in force for a way back.

    Returns the written objects by path and the packs by hash.
    """
    ledger, before = bundle.ledger, proposal.books.manifest
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
    return written, packs


def _clean_up(
    ledger: Ledger, manifest: Manifest, dropped: Sequence[Past], claims_generation: int, lease: Lease, *, sweep: bool
) -> str | None:
    """Tidy up and give the lock back: one after the other where old releases are deleted, else at once.

    At once, because whoever takes the lock meanwhile finds the claims spent or gone, and either is right.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="dags-unlock") as beside:
        early = None if dropped or sweep else beside.submit(_give_back, lease)
        untidy = _tidy(ledger, manifest, dropped, claims_generation, sweep=sweep)
        locked = early.result() if early else _give_back(lease)
    return untidy or locked


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
