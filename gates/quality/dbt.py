"""What a dbt model is made from, by the manifest that dbt writes (`target/manifest.json`). Pure.

https://docs.getdbt.com/reference/artifacts/manifest-json: `nodes` by unique id, each with `original_file_path`,
`patch_path` (its YAML, as `project://path`) and `depends_on`; `macros` alike. Paths are relative to the dbt project.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headgate.errors import ConfigError

PROJECT_FILES = ("dbt_project.yml", "packages.yml", "dependencies.yml", "package-lock.yml")
"""A change of these may concern every model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A model, seed, snapshot, source or macro: its files, and the unique ids of what it is made from."""

    name: str
    files: tuple[str, ...]
    parents: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The nodes of a manifest by unique id; those of installed packages among them."""

    nodes: Mapping[str, Node] = field(default_factory=dict)


def parse_manifest(data: bytes, where: str) -> Manifest:
    """The manifest in a file. Raises `ConfigError` for what is none."""
    try:
        document = json.loads(data)
        parts = [document[part] for part in ("nodes", "macros")] + [document.get("sources") or {}]
        entries = {key: value for part in parts for key, value in part.items() if isinstance(value, dict)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(
            "this is no manifest of dbt", where=where, next_step="Write it with `dbt parse`, or correct `dbt_manifest`."
        ) from error
    return Manifest(nodes={key: _node(value) for key, value in entries.items()})


def _node(entry: Mapping[str, Any]) -> Node:
    paths = [entry.get("original_file_path"), entry.get("patch_path")]
    files = [path.partition("://")[2] or path for path in paths if isinstance(path, str) and path]
    depends = entry.get("depends_on")
    groups = [depends.get(kind) for kind in ("nodes", "macros")] if isinstance(depends, dict) else []
    parents = [name for group in groups if isinstance(group, list) for name in group if isinstance(name, str)]
    return Node(
        name=str(entry.get("name", "")),
        files=tuple(file.replace("\\", "/") for file in files),
        parents=tuple(parents),
    )


def made_from(manifest: Manifest, model: str) -> tuple[str, ...]:
    """The files that `model` (a name or a unique id) is made from: its own, and those of everything it depends on.

    () where the manifest does not say: no such model, or several of that name.
    """
    found = [key for key in manifest.nodes if key == model] or [
        key
        for key, node in manifest.nodes.items()
        if node.name == model and key.partition(".")[0] in {"model", "seed", "snapshot"}
    ]
    if len(found) != 1:
        return ()
    seen: dict[str, None] = {}
    waiting = found
    while waiting:
        key = waiting.pop()
        if key in seen or key not in manifest.nodes:
            continue
        seen[key] = None
        waiting.extend(manifest.nodes[key].parents)
    files = {file for key in seen for file in manifest.nodes[key].files}
    return tuple(sorted(files | set(PROJECT_FILES)))
