"""The facts of a delivery and the plan made from them; nothing is changed here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum

from cicd.dags.archive import Content
from cicd.dags.ledger import Books, Ledger
from cicd.dags.lock import LockTerms
from cicd.dags.model import Action, Change, DesiredFile, Manifest, Placement, StoredObject
from cicd.dags.order import Sketched, glance, place_read
from cicd.dags.planning import WRITES, Rules, plan, recognise
from cicd.dags.target import Target, prefix_roots
from headgate.errors import ConfigError, ConflictError, UnsafeActionError

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


def propose(bundle: Bundle, load: Loader, *, likely: Callable[[], None] = lambda: None) -> Proposal:
    """Read the bookkeeping and the bucket, and plan. Changes nothing; raises what `plan` and the loader raise.

    `likely` is called, perhaps several times, as soon as it looks as if there is something to do.
    """
    books = bundle.ledger.read()
    began = books.manifest
    for _ in range(_LOOKS):
        try:
            return _propose(bundle, load, books, began, likely)
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


def _propose(
    bundle: Bundle, load: Loader, books: Books, began: Manifest | None, likely: Callable[[], None]
) -> Proposal:
    with ThreadPoolExecutor(2, thread_name_prefix="dags-look") as beside:
        observing = beside.submit(observe, bundle.target, books)
        tree = load(books)
        if not tree.files:
            raise ConfigError(
                "no file is left to deliver",
                where=tree.source,
                next_step="Check source, include and exclude. An empty release would delete every DAG.",
            )
        # Of the same commit nothing is to be done as a rule, so that the look is not worth its request.
        early = books.manifest is None or books.manifest.commit != tree.commit
        bundles = beside.submit(bundle.ledger.bundles) if early and not bundle.allow_overlap else None
        if early and books.manifest is not None:  # the first release of a bundle may be refused for where it goes
            likely()
        age = tree.compare(books.manifest.commit) if books.manifest else Age.NOT_OLDER
        if bundle.refuse_older:
            _refuse_older(tree, age, books.manifest)
        actual = observing.result()
    facts = (tree.files, actual, books.manifest)
    changes = plan(*facts, claims=books.claims, rules=bundle.rules)
    if changes:  # the order is worth reading files for only when the plan is allowed
        placements = _placements(bundle, tree, changes)
        changes = plan(*facts, claims=books.claims, placements=placements, rules=bundle.rules)
    if changes and not bundle.allow_overlap:
        others = bundles.result() if bundles else bundle.ledger.bundles()
        bundle.ledger.refuse_overlap(others, nested=bundle.target.nested())
    return Proposal(books=books, tree=tree, actual=actual, changes=changes, age=age, began=began)


def observe(target: Target, books: Books) -> tuple[StoredObject, ...]:
    """Everything in the DAG folder, with hashes as far as they can be known.

    What an unfinished delivery wrote where the store tells no hash is read to find out whether it did; where the store
    tells hashes that is only what was changed by hand meanwhile.
    """
    expected = (file.path for file in books.manifest.files) if books.manifest else ()
    actual = recognise(target.objects(expected), books.manifest)
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

    def read_tree(paths: Iterable[str]) -> Iterator[tuple[str, bytes | Sketched]]:
        return ((path, glance(tree.content, by_path[path])) for path in paths)

    placed = dict(place_read(arriving, read_tree, roots))
    if len(leaving) > 1:
        # What leaves is read from the bucket: a helper may have been delivered without the DAG that imports it, so
        # that the recorded kind is only what it looked like then.
        placed |= place_read(leaving, bundle.target.read_many, roots)
    return placed
