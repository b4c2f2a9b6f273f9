"""Zip mode: the whole tree as one zip file, so that a release is the swap of one object and no reader sees a mix."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from cicd.dags.archive import Content
from cicd.dags.ledger import Books
from cicd.dags.model import DesiredFile, Kind
from cicd.dags.order import place_read
from cicd.dags.proposal import Loader, Tree
from headgate.errors import RemoteStateError, UnsafeActionError

_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _One:
    """The content of the only file."""

    md5: str
    data: bytes

    def read(self, file: DesiredFile) -> bytes:
        if file.md5 != self.md5:
            raise RemoteStateError(f"the zip file of this run is not {file.path!r}", next_step="Run the command again.")
        return self.data


def zipped(load: Loader, name: str) -> Loader:
    """The tree of `load` as the one file `name`. The zip file is held in memory as a whole.

    Raises `UnsafeActionError` for DAG files in folders and `.airflowignore` files: in a zip file Airflow parses only
    what lies at its root, and reads no ignore file.
    """

    def load_zipped(books: Books) -> Tree:
        tree = load(books)
        if not tree.files:
            return tree
        _refuse_unseen(tree, name)
        data = make_zip(tree.files, tree.content)
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        file = DesiredFile(path=name, size=len(data), md5=md5, blob=f"zip-{md5}")
        return replace(tree, files=(file,), content=_One(md5=md5, data=data))

    return load_zipped


def make_zip(files: Iterable[DesiredFile], content: Content) -> bytes:
    """The same bytes for the same files on every machine: ordered, not compressed, no times, fixed permissions."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(files, key=lambda file: file.path):
            entry = zipfile.ZipInfo(file.path, _EPOCH)
            entry.create_system = _UNIX
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content.read(file), zipfile.ZIP_STORED)
    return buffer.getvalue()


def _refuse_unseen(tree: Tree, name: str) -> None:
    by_path = {file.path: file for file in tree.files}

    def read(paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        return ((path, tree.content.read(by_path[path])) for path in paths)

    placed = place_read(by_path, read)
    unseen = sorted(path for path, item in placed.items() if item.kind is Kind.DAG and "/" in path)
    unseen += sorted(path for path, item in placed.items() if item.kind is Kind.IGNORE or path.endswith(".zip"))
    if unseen:
        more = f" and {len(unseen) - _NAMED} more" if len(unseen) > _NAMED else ""
        raise UnsafeActionError(
            f"Airflow would not see {', '.join(map(repr, unseen[:_NAMED]))}{more} in {name!r}: of a zip file it parses"
            " only Python files at the root",
            where=tree.source,
            next_step="Move DAG files to the root of the folder, leave others out with dags.exclude, or push without zip.",
        )
