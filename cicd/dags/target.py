"""`gs://bucket/prefix`, `s3://bucket/prefix` and `file:///folder` as targets."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from cicd.dags.layout import Layout
from cicd.dags.model import StoredObject
from cicd.dags.names import RESERVED, name_problem
from cicd.dags.stores.port import DagStore
from headgate.clock import Clock
from headgate.errors import ConfigError, UnsafeActionError

if TYPE_CHECKING:
    from cicd.dags.stores.gcs import GcsStore
    from cicd.dags.stores.s3 import S3Store


def _nothing() -> None:
    """Nothing to close."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A DAG folder in a bucket: `prefix` is empty (the bucket's root) or ends with `/`; `workers` write at once.

    `close` gives connections back; the target is not used afterwards. `nested` finds project and folder of bundles that
    contain this folder, or lie in it, and keep their books elsewhere.
    """

    url: str
    store: DagStore
    prefix: str
    workers: int
    close: Callable[[], None] = _nothing
    nested: Callable[[], tuple[tuple[str, Path], ...]] = tuple

    def layout(self, project: str) -> Layout:
        return Layout(prefix=self.prefix, project=project)

    def objects(self, expected: Iterable[str] = ()) -> tuple[StoredObject, ...]:
        """Everything in the DAG folder by path relative to it; bookkeeping and folder placeholders left out.

        `expected` are paths that are probably there, for speed.
        """
        size = len(self.prefix)
        return tuple(
            StoredObject(
                path=item.path[size:],
                size=item.size,
                md5=item.md5,
                generation=item.generation,
                updated=item.updated,
                encoding=item.encoding,
            )
            for item in self.store.list(self.prefix, expected=[self.prefix + path for path in expected])
            if not item.path.endswith("/") and not item.path[size:].startswith(f"{RESERVED}/")
        )

    def read_many(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Content of objects of the DAG folder by path relative to it, some at once; those that are gone left out."""
        rest = iter(paths)
        with ThreadPoolExecutor(max_workers=self.workers, thread_name_prefix="dags-read") as pool:
            while batch := list(islice(rest, self.workers)):
                for path, there in zip(batch, pool.map(self._read, batch), strict=True):
                    if there is not None:
                        yield path, there[0]

    def _read(self, path: str) -> tuple[bytes, int] | None:
        return self.store.read(self.prefix + path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whom to act as, beyond the credentials of the job: each target may be another project's or account's.

    `impersonate` (a service account) and `quota_project` are for `gs://`, `profile` (of the AWS configuration) is for
    `s3://`; None leaves it to the environment.
    """

    impersonate: str | None = None
    quota_project: str | None = None
    profile: str | None = None


def open_target(
    url: str,
    *,
    timeout_s: float = 30.0,
    allow_root: bool = False,
    clock: Clock | None = None,
    identity: Identity = Identity(),
) -> Target:
    """The target that `url` names; nothing is contacted yet.

    Raises `ConfigError` for a malformed URL and `UnsafeActionError` for a bucket's root without `allow_root`.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:  # half an IPv6 address
        raise _malformed(url) from error
    if parts.query or parts.fragment or parts.scheme not in {"gs", "s3", "file"}:
        raise _malformed(url)
    if parts.scheme == "file":
        return _open_folder(url, unquote(parts.path), parts.netloc)
    prefix = parts.path.strip("/")
    if not parts.netloc or (prefix and name_problem(prefix)):
        raise _malformed(url)
    if not prefix and not allow_root:
        raise UnsafeActionError(
            "the target is the root of a bucket, which also holds plugins, data and logs of Composer",
            where=url,
            next_step=f"Name the DAG folder ({parts.scheme}://BUCKET/dags), or repeat with --allow-root if the bucket holds only DAGs.",
        )
    store = _open_bucket(parts.scheme, parts.netloc, timeout_s, clock, identity)
    full = f"{prefix}/" if prefix else ""
    return Target(url=url.rstrip("/"), store=store, prefix=full, workers=64, close=store.close)


def _open_bucket(
    scheme: str, name: str, timeout_s: float, clock: Clock | None, identity: Identity
) -> GcsStore | S3Store:
    if scheme == "s3":
        from cicd.dags.stores.s3 import S3Store

        return S3Store(name, timeout_s=timeout_s, clock=clock, profile=identity.profile)
    from cicd.dags.stores.gcs import GcsStore
    from cicd.dags.stores.gcs_auth import default_credentials

    credentials = default_credentials(
        anonymous=bool(os.environ.get("STORAGE_EMULATOR_HOST")),
        impersonate=identity.impersonate,
        quota_project=identity.quota_project,
    )
    return GcsStore(name, timeout_s=timeout_s, clock=clock, credentials=credentials)


def _open_folder(url: str, path: str, host: str) -> Target:
    if host not in {"", "localhost"} or not path.startswith("/") or "\0" in path:
        raise _malformed(url)
    folder = Path(path).resolve()  # a linked DAG folder: bookkeeping belongs beside the real one
    if folder == folder.parent:
        raise UnsafeActionError("the target is the root of the file system", where=url, next_step="Name a folder.")
    if folder.name == RESERVED:
        raise UnsafeActionError(
            f"{RESERVED!r} is reserved for bookkeeping", where=url, next_step="Name another folder."
        )
    from cicd.dags.nested import find_nested
    from cicd.dags.stores.local import LocalStore

    return Target(
        url=url.rstrip("/"),
        store=LocalStore(folder.parent),
        prefix=f"{folder.name}/",
        workers=4,
        nested=partial(find_nested, folder),
    )


def _malformed(url: str) -> ConfigError:
    return ConfigError(
        f"{url!r} is not a target", next_step="Write gs://BUCKET/dags, s3://BUCKET/dags or file:///absolute/folder."
    )


def prefix_roots(prefix: str, source: str) -> Sequence[str]:
    """Package names under which files of the DAG folder may import each other besides the plain ones."""
    roots = []
    for text in (prefix, source):
        parts = [part for part in text.split("/") if part not in {"", "."}]
        roots += [".".join(parts[start:]) for start in range(len(parts))]
    return tuple(dict.fromkeys(roots))
