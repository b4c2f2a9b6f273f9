"""The three kinds of bucket behind one face, for tests that deliver to each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cicd.dags.stores.gcs import GcsStore
from cicd.dags.stores.local import LocalStore
from cicd.dags.stores.port import DagStore
from cicd.dags.stores.s3 import S3Store
from cicd.sandbox.gcs import GcsSandbox
from cicd.sandbox.object_server import ObjectSandbox
from cicd.sandbox.s3 import S3Sandbox
from tests.testing.dag_stores import aws_environ, loopback_aws

KINDS = ("file", "gcs", "s3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Buckets:
    """Buckets of one kind. `server` is None for `file`; `environ` lets other processes find them."""

    kind: str
    server: ObjectSandbox | None
    environ: dict[str, str]
    make: Callable[[str], str]
    open: Callable[[str], DagStore]
    opened: list[GcsStore | S3Store] = field(default_factory=list)

    def new(self, name: str) -> tuple[str, DagStore]:
        """A new bucket: the URL of its DAG folder, and a store on it."""
        url = self.make(name)
        store = self.open(name)
        if isinstance(store, GcsStore | S3Store):
            self.opened.append(store)
        return url, store


@contextmanager
def buckets_of(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Buckets]:
    """Buckets of `kind` on this machine, found through the clients' own variables."""
    if kind == "file":

        def make(name: str) -> str:
            (folder / name).mkdir()
            return f"file://{folder}/{name}/dags"

        yield Buckets(kind=kind, server=None, environ={}, make=make, open=lambda name: LocalStore(folder / name))
        return
    sandbox: GcsSandbox | S3Sandbox = GcsSandbox() if kind == "gcs" else S3Sandbox()
    scheme = "gs" if kind == "gcs" else "s3"

    def create(name: str) -> str:
        sandbox.create_bucket(name)
        return f"{scheme}://{name}/dags"

    with sandbox:
        if kind == "gcs":
            environ = {"STORAGE_EMULATOR_HOST": sandbox.url}
            monkeypatch.setenv("STORAGE_EMULATOR_HOST", sandbox.url)
        else:
            environ = aws_environ(sandbox.url)
            loopback_aws(monkeypatch, sandbox.url)
        opener: Callable[[str], DagStore] = GcsStore if kind == "gcs" else S3Store
        found = Buckets(kind=kind, server=sandbox, environ=environ, make=create, open=opener)
        yield found
        for store in found.opened:
            store.close()
