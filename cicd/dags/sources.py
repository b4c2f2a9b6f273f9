"""Where a delivered tree comes from: a commit, or a kept release."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from cicd.dags.archive import Archive
from cicd.dags.git.blobs import GitBlobs
from cicd.dags.git.tree import Selection, fetch_commit, fetch_entries, fetch_tree
from cicd.dags.ledger import Books, Ledger
from cicd.dags.model import DesiredFile, Manifest
from cicd.dags.names import check_name
from cicd.dags.proposal import Age, Loader, Tree
from headgate.errors import NotFoundError
from headgate.git import Git


def from_git(git: Git, blobs: GitBlobs, selection: Selection, *, prefix: str) -> Loader:
    """Deliver the tree of a commit. Git is asked from now on, while the bookkeeping is read."""
    beside = ThreadPoolExecutor(1, thread_name_prefix="dags-git")
    resolving = beside.submit(fetch_commit, git, selection.ref)
    listing = beside.submit(lambda: fetch_entries(git, resolving.result(), selection.source))
    beside.shutdown(wait=False)

    def load(books: Books) -> Tree:
        known = {file.blob: (file.md5, file.size) for file in books.manifest.files} if books.manifest else {}
        commit, entries = resolving.result(), listing.result()
        files = fetch_tree(git, blobs, commit, selection, known=known, prefix=prefix, entries=entries)
        return Tree(
            files=files,
            content=blobs,
            commit=commit.sha,
            committed_at=commit.committed_at,
            source=selection.source,
            compare=lambda other: _compare(git, commit.sha, other),
        )

    return load


def _compare(git: Git, commit: str, other: str) -> Age:
    if commit == other:
        return Age.NOT_OLDER
    if git.call("cat-file", "-e", f"{other}^{{commit}}").returncode != 0:
        return Age.UNKNOWN
    return Age.OLDER if git.is_ancestor(commit, other) else Age.NOT_OLDER


def from_release(ledger: Ledger, release: str | None) -> Loader:
    """Deliver the files of a kept release, byte for byte; None is the release before the one in force.

    The release in force itself may be named: that takes an unfinished delivery back.
    """

    def load(books: Books) -> Tree:
        if books.manifest is None:
            raise NotFoundError(
                f"{ledger.layout.project} was never delivered here, so there is nothing to go back to",
                where=ledger.layout.manifest,
                next_step="Check --target and --project.",
            )
        wanted = ledger.kept(books.manifest, release or _before(ledger, books.manifest))
        where, prefix = ledger.layout.release(wanted.release), ledger.layout.prefix
        files = tuple(
            DesiredFile(
                path=check_name(file.path, where=where, prefix=prefix), size=file.size, md5=file.md5, blob=file.blob
            )
            for file in wanted.files
        )
        return Tree(
            files=files,
            content=Archive(ledger.store, ledger.layout).content(wanted.files),
            commit=wanted.commit,
            committed_at=wanted.committed_at,
            source=wanted.source,
            restores=wanted.restores or wanted.release,
        )

    return load


def _before(ledger: Ledger, manifest: Manifest) -> str:
    """The release before the files in force: after a rollback, the one before the release that was brought back."""
    base = ledger.kept(manifest, manifest.restores) if manifest.restores else manifest
    if base.previous is None:
        raise NotFoundError(
            f"{base.release} is the first release of {manifest.project}, so there is none before it",
            where=ledger.layout.manifest,
            next_step="Name one with --to; `headgate dags history` lists them.",
        )
    return base.previous
