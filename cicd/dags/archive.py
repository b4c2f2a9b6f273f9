"""Contents of kept releases: packs of many files, so that a release costs one more request, not one per file."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from cicd.dags.layout import Layout
from cicd.dags.model import DesiredFile, OwnedFile
from cicd.dags.store import DagStore
from headgate.errors import ConflictError, RemoteStateError

PACK_BYTES = 8 * 1024 * 1024
_EPOCH = (1980, 1, 1, 0, 0, 0)  # equal contents must give equal packs


class Content(Protocol):
    """Where the bytes of desired files come from. Thread-safe."""

    def read(self, file: DesiredFile) -> bytes:
        """The content of `file`. Raises `RemoteStateError` when it is missing or its hash is not `file.md5`."""
        ...


class Archive:
    """The packs of one bundle. Packs are named by the hash of their bytes, so that writing one twice is harmless."""

    def __init__(self, store: DagStore, layout: Layout) -> None:
        self._store = store
        self._layout = layout

    def keep(self, files: Iterable[DesiredFile], content: Content) -> Iterator[tuple[str, tuple[DesiredFile, ...]]]:
        """Write the contents of `files`; yields each pack's object name with the files in it, once it is stored."""
        batch: dict[str, tuple[DesiredFile, bytes]] = {}
        size = 0
        for file in files:
            if file.md5 in batch:
                continue
            if batch and size + file.size > PACK_BYTES:
                yield self._store_pack(batch)
                batch, size = {}, 0
            batch[file.md5] = (file, content.read(file))
            size += file.size
        if batch:
            yield self._store_pack(batch)

    def _store_pack(self, batch: Mapping[str, tuple[DesiredFile, bytes]]) -> tuple[str, tuple[DesiredFile, ...]]:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as pack:
            for digest, (_, data) in sorted(batch.items()):
                pack.writestr(zipfile.ZipInfo(digest, _EPOCH), data, zipfile.ZIP_DEFLATED)
        name = self._layout.pack(hashlib.md5(buffer.getvalue(), usedforsecurity=False).hexdigest())
        try:
            self._store.write(name, buffer.getvalue(), if_generation=0)
        except ConflictError:  # an unfinished delivery left the same pack: its name is the hash of its content
            there = self._store.read(name)
            if there is None or there[0] != buffer.getvalue():
                raise
        return name, tuple(file for file, _ in batch.values())

    def content(self, files: Iterable[OwnedFile]) -> Content:
        """The contents of the files of a kept release."""
        return _Packed(self._store, {file.md5: file.pack for file in files})


class _Packed:
    def __init__(self, store: DagStore, packs: Mapping[str, str]) -> None:
        self._store = store
        self._packs = packs
        self._opened: dict[str, bytes] = {}

    def read(self, file: DesiredFile) -> bytes:
        pack = self._packs[file.md5]
        if pack not in self._opened:
            there = self._store.read(pack)
            if there is None:
                raise _broken(file.path, pack, "the pack is gone")
            self._opened[pack] = there[0]
        try:
            with zipfile.ZipFile(io.BytesIO(self._opened[pack])) as archive:
                data = archive.read(file.md5)
        except (zipfile.BadZipFile, KeyError, EOFError, ValueError) as error:
            raise _broken(file.path, pack, f"the pack cannot be read ({error})") from error
        if hashlib.md5(data, usedforsecurity=False).hexdigest() != file.md5:
            raise _broken(file.path, pack, "the content has another hash")
        return data


def _broken(path: str, pack: str, why: str) -> RemoteStateError:
    return RemoteStateError(
        f"the kept content of {path!r} cannot be restored: {why}",
        where=pack,
        next_step="Push the commit of that release again from Git with `headgate dags push --ref COMMIT`.",
    )
