"""Reading and writing the bookkeeping of one bundle."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cicd.dags import documents
from cicd.dags.layout import MANIFESTS, Layout, overlaps, parse_manifest_name
from cicd.dags.model import Claims, Manifest, Past
from cicd.dags.stores.port import DagStore
from headgate.errors import ConflictError, NotFoundError, UnsafeActionError


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """The bookkeeping at one moment. Generations are 0 where there is no object."""

    manifest: Manifest | None
    manifest_generation: int
    claims: Claims | None
    claims_generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The bookkeeping of one bundle in one bucket."""

    store: DagStore
    layout: Layout

    def read(self) -> Books:
        """Manifest and claims: two requests at once."""
        with ThreadPoolExecutor(1, thread_name_prefix="dags-books") as beside:
            asked = beside.submit(self.store.read, self.layout.claims)
            manifest = self.store.read(self.layout.manifest)
            claims = asked.result()
        return Books(
            manifest=documents.parse_manifest(manifest[0], self.layout.manifest) if manifest else None,
            manifest_generation=manifest[1] if manifest else 0,
            claims=documents.parse_claims(claims[0], self.layout.claims) if claims else None,
            claims_generation=claims[1] if claims else 0,
        )

    def manifest_generation(self) -> int:
        """The generation of the manifest in force, 0 when there is none."""
        there = self.store.read(self.layout.manifest)
        return there[1] if there else 0

    def write_claims(self, claims: Claims, books: Books) -> int:
        """Replace the claims that `books` saw; returns the new generation. Raises `ConflictError`."""
        data = documents.dump(claims)
        return self.store.write(self.layout.claims, data, if_generation=books.claims_generation).generation

    def drop_claims(self, generation: int) -> None:
        """Delete the claims; those that another run has taken over are left to it."""
        with suppress(ConflictError):
            self.store.delete(self.layout.claims, if_generation=generation)

    def put_in_force(self, manifest: Manifest, books: Books) -> None:
        """Put `manifest` in the place of the one that was in force, which `keep` has kept: the moment of the release.

        Raises `ConflictError` when another release was put in force since `books` were read.
        """
        try:
            data = documents.dump(manifest)
            self.store.write(self.layout.manifest, data, if_generation=books.manifest_generation)
        except ConflictError as error:
            raise ConflictError(
                "another delivery put a release in force meanwhile",
                where=self.layout.manifest,
                next_step="See `headgate dags status`, then run the command again.",
            ) from error

    def keep(self, manifest: Manifest) -> None:
        """Keep a manifest among the past releases, so that it can be rolled back to."""
        name, data = self.layout.release(manifest.release), documents.dump(manifest)
        try:
            self.store.write(name, data, if_generation=0)
        except ConflictError:  # an unfinished delivery left it
            there = self.store.read(name)
            if there is None or there[0] != data:
                self.store.write(name, data, if_generation=there[1] if there else 0)

    def kept(self, manifest: Manifest, release: str) -> Manifest:
        """The manifest of `release`: the one in force or a kept one. Raises `NotFoundError` that names what is kept."""
        if release == manifest.release:
            return manifest
        there = self.store.read(self.layout.release(release)) if release in _names(manifest.history) else None
        if there is None:
            kept = ", ".join(_names(manifest.history)) or "none"
            raise NotFoundError(
                f"no kept release {release!r} of {self.layout.project}",
                where=self.layout.manifest,
                next_step=f"Kept releases: {kept}. Older ones can be pushed again from Git with --ref.",
            )
        return documents.parse_manifest(there[0], self.layout.release(release))

    def prune(self, manifest: Manifest, dropped: Iterable[Past], *, sweep: bool) -> None:
        """Delete what only the dropped releases needed; with `sweep` everything that no kept release needs."""
        keep = {self.layout.release(past.release) for past in manifest.history}
        keep |= set(manifest.packs).union(*(past.packs for past in manifest.history))
        doomed = {name for past in dropped for name in (self.layout.release(past.release), *past.packs)} - keep
        if not doomed and not sweep:
            return
        for item in self.store.list(self.layout.state):
            folder = item.path.removeprefix(self.layout.state).partition("/")[0]
            if item.path in doomed or (sweep and folder in {"releases", "packs"} and item.path not in keep):
                self.store.delete(item.path, if_generation=item.generation)

    def bundles(self) -> tuple[Layout, ...]:
        """Every bundle that is delivered to this bucket."""
        found = (parse_manifest_name(item.path) for item in self.store.list(MANIFESTS))
        return tuple(layout for layout in found if layout)

    def refuse_overlap(self, others: Iterable[Layout], nested: Iterable[tuple[str, Path]] = ()) -> None:
        """Raise `UnsafeActionError` when one of `others` is in the same, a containing or a contained folder.

        `nested` are those, by project and folder, whose books lie elsewhere.
        """
        clashes = [o for o in others if o != self.layout and overlaps(o.prefix, self.layout.prefix)]
        named = ", ".join(
            [f"{o.project!r} at /{o.prefix}" for o in clashes]
            + [f"{project!r} at {folder}" for project, folder in nested]
        )
        if named:
            raise UnsafeActionError(
                f"the bundle {self.layout.project!r} at /{self.layout.prefix} overlaps with {named}",
                next_step="Give each bundle a folder of its own; if sharing one is meant, repeat with --allow-overlap.",
            )


def _names(history: Iterable[Past]) -> tuple[str, ...]:
    return tuple(past.release for past in history)
