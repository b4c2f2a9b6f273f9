"""Bundles at `file://` whose folder contains ours or lies in it, and whose books therefore lie elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cicd.dags.layout import Layout, parse_manifest_name
from cicd.dags.names import RESERVED


def find_nested(folder: Path) -> tuple[tuple[str, Path], ...]:
    """Project and folder of every such bundle; folders that cannot be read are passed over."""
    above = [bundle for root in folder.parent.parents for bundle in _bundles(root)]
    below = [bundle for books in folder.glob(f"**/{RESERVED}") for bundle in _bundles(books.parent)]
    found = [(project, place) for project, place in above if folder == place or place in folder.parents]
    return tuple(sorted({*found, *below}))


def _bundles(root: Path) -> Iterator[tuple[str, Path]]:
    with suppress(OSError):
        for path in (root / RESERVED / "manifests").glob("*/*.json"):
            layout: Layout | None = parse_manifest_name(path.relative_to(root).as_posix())
            if layout is not None:
                yield layout.project, root / layout.prefix.rstrip("/")
