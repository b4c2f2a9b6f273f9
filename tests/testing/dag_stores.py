"""Fakes and helpers for DAG delivery: stores that die or are watched, trees from plain mappings."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import TypeVar

import pytest

from cicd.dags.ledger import Books
from cicd.dags.lock import LockTerms
from cicd.dags.model import DesiredFile, StoredObject
from cicd.dags.planning import Rules
from cicd.dags.proposal import Age, Bundle, Loader, Tree
from cicd.dags.stores.port import DagStore
from cicd.dags.target import Target

_Value = TypeVar("_Value")


class Killed(BaseException):
    """The process ended here: nothing of it runs any more, not even clean-up."""


class MortalStore:
    """A store whose process is killed at the n-th call (from 0), just before or just after it took effect.

    After that every call raises `Killed`, as a dead process does nothing more.
    """

    def __init__(self, store: DagStore, *, at: int | None = None, after: bool = False) -> None:
        self._store = store
        self._at = at
        self._after = after
        self._mutex = threading.Lock()
        self.calls = 0

    def _enter(self) -> bool:
        """Whether this is the call that is killed after its effect. Raises `Killed` where it is killed before."""
        with self._mutex:
            number = self.calls
            self.calls += 1
        if self._at is not None and (number > self._at or (number == self._at and not self._after)):
            raise Killed
        return number == self._at

    def list(self, prefix: str, *, expected: Collection[str] = ()) -> tuple[StoredObject, ...]:
        last = self._enter()
        found = self._store.list(prefix, expected=expected)
        return _alive(found, last)

    def read(self, path: str) -> tuple[bytes, int] | None:
        last = self._enter()
        return _alive(self._store.read(path), last)

    def write(self, path: str, data: bytes, *, if_generation: int) -> StoredObject:
        last = self._enter()
        return _alive(self._store.write(path, data, if_generation=if_generation), last)

    def delete(self, path: str, *, if_generation: int) -> None:
        last = self._enter()
        self._store.delete(path, if_generation=if_generation)
        _alive(None, last)


def _alive(value: _Value, last: bool) -> _Value:
    if last:
        raise Killed
    return value


class WatchedStore:
    """Calls `before_write` with the object's name and None or its data ahead of every write and delete."""

    def __init__(self, store: DagStore, before_write: Callable[[str, bytes | None], None]) -> None:
        self._store = store
        self._before = before_write

    def list(self, prefix: str, *, expected: Collection[str] = ()) -> tuple[StoredObject, ...]:
        return self._store.list(prefix, expected=expected)

    def read(self, path: str) -> tuple[bytes, int] | None:
        return self._store.read(path)

    def write(self, path: str, data: bytes, *, if_generation: int) -> StoredObject:
        self._before(path, data)
        return self._store.write(path, data, if_generation=if_generation)

    def delete(self, path: str, *, if_generation: int) -> None:
        self._before(path, None)
        self._store.delete(path, if_generation=if_generation)


class PlainContent:
    """Contents by hash."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._by_md5 = {md5(data): data for data in files.values()}

    def read(self, file: DesiredFile) -> bytes:
        return self._by_md5[file.md5]


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def desired(files: Mapping[str, bytes]) -> tuple[DesiredFile, ...]:
    return tuple(
        DesiredFile(path=path, size=len(data), md5=md5(data), blob=md5(data)) for path, data in sorted(files.items())
    )


def commit_of(files: Mapping[str, bytes]) -> str:
    """A commit id that depends on the files alone."""
    return hashlib.sha1(repr(sorted(files.items())).encode(), usedforsecurity=False).hexdigest()


def loader(files: Mapping[str, bytes], *, compare: Callable[[str], Age] = lambda _: Age.NOT_OLDER) -> Loader:
    """Delivers `files` as if they were a commit."""

    def load(books: Books) -> Tree:
        return Tree(
            files=desired(files),
            content=PlainContent(files),
            commit=commit_of(files),
            committed_at=datetime(2026, 11, 20, tzinfo=UTC),
            source="dags",
            compare=compare,
        )

    return load


def bundle(
    store: DagStore,
    *,
    run: str = "one",
    rules: Rules | None = None,
    keep_releases: int = 10,
    project: str = "dags",
    prefix: str = "dags/",
    allow_overlap: bool = False,
    workers: int = 1,
    process: str | None = None,
    refuse_older: bool = False,
    settle_s: float = 0.0,
) -> Bundle:
    """The bundle `project` below `prefix` of the bucket; `run` names the lock's holder. One write at a time."""
    return Bundle(
        project=project,
        target=Target(url=f"file:///bucket/{prefix}", store=store, prefix=prefix, workers=workers),
        lock=LockTerms(holder=run, token=run, process=process),
        rules=rules or Rules(),
        keep_releases=keep_releases,
        allow_overlap=allow_overlap,
        refuse_older=refuse_older,
        settle_s=settle_s,
    )


def contents(store: DagStore, prefix: str = "dags/") -> dict[str, bytes]:
    """What a reader of the DAG folder sees."""
    found = {}
    for item in store.list(prefix):
        there = store.read(item.path)
        assert there is not None
        found[item.path.removeprefix(prefix)] = there[0]
    return found


def quiet(done: int, total: int, path: str) -> None:
    """No progress display."""


def loopback_aws(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """S3 is at `url`; nothing of this machine's own AWS settings is used."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in aws_environ(url).items():
        monkeypatch.setenv(name, value)


def aws_environ(url: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
