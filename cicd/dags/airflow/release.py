"""The release that is in force, as waiting sees it: read from its kept contents."""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator

from cicd.dags.airflow.watch import Released, changed_between
from cicd.dags.model import Manifest, OwnedFile
from cicd.dags.proposal import Bundle
from cicd.dags.target import prefix_roots
from headgate.errors import RemoteStateError


def fetch_released(bundle: Bundle, manifest: Manifest, touched: Iterable[str] = ()) -> Released:
    """Contents of `manifest` and what it changed against the release before it; `touched` paths count as changed too.

    A zip file is looked into, as Airflow does. Raises `TransportError`, and `RemoteStateError` when a kept content is
    gone.
    """
    before = bundle.ledger.kept(manifest, manifest.previous).files if manifest.previous else ()
    changed, deleted = changed_between(_hashes(before), _hashes(manifest.files))
    changed |= frozenset(touched) & {file.path for file in manifest.files}
    sources = dict(_contents(bundle, [file for file in manifest.files if _is_read(file)]))
    for file in manifest.files:
        if file.path.endswith(".zip") and file.path in changed:
            old = dict(_contents(bundle, [known for known in before if known.path == file.path]))
            newer, gone = changed_between(old.items(), ((p, t) for p, t in sources.items() if _inside(p, file.path)))
            changed, deleted = (changed - {file.path}) | newer, deleted | gone
    return Released(
        sources=sources,
        changed=changed,
        deleted=deleted,
        roots=tuple(prefix_roots(bundle.target.prefix, manifest.source)),
    )


def _hashes(files: Iterable[OwnedFile]) -> Iterator[tuple[str, str]]:
    return ((file.path, file.md5) for file in files)


def _is_read(file: OwnedFile) -> bool:
    return file.path.endswith((".py", ".zip")) or posixpath.basename(file.path) == ".airflowignore"


def _inside(path: str, zip_path: str) -> bool:
    return path.startswith(f"{zip_path}/")


def _contents(bundle: Bundle, files: Iterable[OwnedFile]) -> Iterator[tuple[str, bytes]]:
    """Path and content; each pack is read once. Files of a zip file lie below its name."""
    by_pack: dict[str, list[OwnedFile]] = defaultdict(list)
    for file in files:
        by_pack[file.pack].append(file)
    for name, wanted in by_pack.items():
        there = bundle.target.store.read(name)
        try:
            if there is None:
                raise KeyError(name)
            with zipfile.ZipFile(io.BytesIO(there[0])) as pack:
                for file in wanted:
                    yield from _expanded(file.path, pack.read(file.md5))
        except (KeyError, zipfile.BadZipFile, EOFError, ValueError) as error:
            raise RemoteStateError(
                "the kept contents of the release cannot be read",
                where=name,
                next_step="Push the release again with `headgate dags push --repair`.",
            ) from error


def _expanded(path: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    if not path.endswith(".zip"):
        yield path, data
        return
    with zipfile.ZipFile(io.BytesIO(data)) as inner:
        for name in inner.namelist():
            if not name.endswith("/"):
                yield f"{path}/{name}", inner.read(name)
