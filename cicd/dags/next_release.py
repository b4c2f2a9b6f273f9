"""The documents of the release that a delivery makes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from cicd.dags.model import Action, Claims, Manifest, OwnedFile, Past, StoredObject
from cicd.dags.order import kind_of_name
from cicd.dags.planning import WRITES
from cicd.dags.proposal import Bundle, Proposal


def next_manifest(
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


def next_claims(release: str, proposal: Proposal) -> Claims:
    """What this run means to write, and what unfinished runs before it meant to."""
    earlier = proposal.books.claims.objects if proposal.books.claims else frozenset()
    mine = {(change.path, change.md5) for change in proposal.changes if change.action in WRITES and change.md5}
    return Claims(release=release, objects=earlier | mine)


def next_history(before: Manifest | None, keep: int) -> tuple[tuple[Past, ...], tuple[Past, ...]]:
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


def owned_files(
    proposal: Proposal, written: Mapping[str, StoredObject], packs: Mapping[str, str]
) -> tuple[OwnedFile, ...]:
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
