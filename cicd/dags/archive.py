"""Contents of kept releases: packs of many files, so that a release costs one more request, not one per file."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

from cicd.dags.git.pack import MAGIC, GitPack
from cicd.dags.layout import Layout
from cicd.dags.model import DesiredFile, OwnedFile
from cicd.dags.stores.port import DagStore
from headgate.errors import ConflictError, RemoteStateError

PACK_BYTES = 8 * 1024 * 1024
_GIT_BYTES = 32 * 1024 * 1024  # of contents, which Git has compressed already
_WORTH = 1024 * 1024  # contents for which to start Git
_EPOCH = (1980, 1, 1, 0, 0, 0)  # equal contents must give equal packs


class Content(Protocol):
    """Where the bytes of desired files come from. Thread-safe."""

    def read(self, file: DesiredFile) -> bytes:
        """The content of `file`. Raises `RemoteStateError` when it is missing or its hash is not `file.md5`."""
        ...


@runtime_checkable
class PackedContent(Content, Protocol):
    """Contents that Git has compressed."""

    def pack(self, files: Sequence[DesiredFile]) -> bytes | None:
        """A Git pack with the contents of `files`; None when Git makes none."""
        ...


class Archive:
    """The packs of one bundle: zip files, or Git's own packs, which cost no compressing.

    Packs are named by the hash of their bytes, so that writing one twice is harmless.
    """

    def __init__(self, store: DagStore, layout: Layout) -> None:
        self._store = store
        self._layout = layout

    def keep(self, files: Iterable[DesiredFile], content: Content) -> Iterator[tuple[str, tuple[DesiredFile, ...]]]:
        """Write the contents of `files`; yields each pack's object name with the files in it, once it is stored."""
        files = list({file.md5: file for file in files}.values())
        if isinstance(content, PackedContent) and sum(file.size for file in files) > _WORTH:
            for batch in _batches(files, _GIT_BYTES):
                data = content.pack(batch)
                if data is None:
                    yield from self._keep_zipped(batch, content)
                else:
                    yield self._store_pack(data), batch
        else:
            yield from self._keep_zipped(files, content)

    def _keep_zipped(
        self, files: Iterable[DesiredFile], content: Content
    ) -> Iterator[tuple[str, tuple[DesiredFile, ...]]]:
        for batch in _batches(files, PACK_BYTES):
            yield self._store_pack(_zipped(batch, content)), batch

    def _store_pack(self, data: bytes) -> str:
        name = self._layout.pack(hashlib.md5(data, usedforsecurity=False).hexdigest())
        try:
            self._store.write(name, data, if_generation=0)
        except ConflictError:  # an unfinished delivery left the same pack: its name is the hash of its content
            there = self._store.read(name)
            if there is None or there[0] != data:
                raise
        return name

    def content(self, files: Iterable[OwnedFile]) -> Content:
        """The contents of the files of a kept release."""
        return _Packed(self._store, {file.md5: file.pack for file in files})


class _Pack(Protocol):
    def read(self, md5: str) -> bytes: ...


class _Packed:
    def __init__(self, store: DagStore, packs: Mapping[str, str]) -> None:
        self._store = store
        self._packs = packs
        self._mutex = threading.Lock()
        self._opened: dict[str, _Pack] = {}

    def read(self, file: DesiredFile) -> bytes:
        pack = self._packs[file.md5]
        try:
            with self._mutex:
                data = self._open(file, pack).read(file.md5)
        except (ValueError, KeyError, EOFError) as error:
            raise _broken(file.path, pack, f"the pack cannot be read ({error})") from error
        if hashlib.md5(data, usedforsecurity=False).hexdigest() != file.md5:
            raise _broken(file.path, pack, "the content has another hash")
        return data

    def _open(self, file: DesiredFile, pack: str) -> _Pack:
        if pack not in self._opened:
            there = self._store.read(pack)
            if there is None:
                raise _broken(file.path, pack, "the pack is gone")
            self._opened[pack] = GitPack(there[0]) if there[0].startswith(MAGIC) else _Zip(there[0])
        return self._opened[pack]


class _Zip:
    """Raises `ValueError` for what cannot be read."""

    def __init__(self, data: bytes) -> None:
        import zipfile

        try:
            self._archive = zipfile.ZipFile(io.BytesIO(data))
        except zipfile.BadZipFile as error:
            raise ValueError(str(error)) from error

    def read(self, md5: str) -> bytes:
        import zipfile
        import zlib

        try:
            return self._archive.read(md5)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error) as error:
            raise ValueError(str(error)) from error


def _batches(files: Iterable[DesiredFile], most: int) -> Iterator[tuple[DesiredFile, ...]]:
    """Files in their order, each batch with at most so many bytes, or one file."""
    batch: list[DesiredFile] = []
    size = 0
    for file in files:
        if batch and size + file.size > most:
            yield tuple(batch)
            batch, size = [], 0
        batch.append(file)
        size += file.size
    if batch:
        yield tuple(batch)


def _zipped(files: Iterable[DesiredFile], content: Content) -> bytes:
    import zipfile  # takes long to load, and a large push from Git needs none

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as pack:
        for file in sorted(files, key=lambda file: file.md5):
            pack.writestr(zipfile.ZipInfo(file.md5, _EPOCH), content.read(file), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _broken(path: str, pack: str, why: str) -> RemoteStateError:
    return RemoteStateError(
        f"the kept content of {path!r} cannot be restored: {why}",
        where=pack,
        next_step="Push the commit of that release again from Git with `headgate dags push --ref COMMIT`.",
    )
