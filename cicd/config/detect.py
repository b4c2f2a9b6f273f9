"""A useful default for a repository without `headgate.yaml`, from what it contains.

`detect_config` is pure over a listing of paths; `detect` makes the listing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from cicd.config.model import Config, GatesConfig
from headgate.errors import ConfigError, HeadgateError
from headgate.git import Git

MAX_FILES = 50_000
_SKIPPED = frozenset({".git", ".venv", "venv", "node_modules", "__pycache__", ".headgate", ".terraform", ".tox"})
_DATA_SUFFIXES = (".parquet", ".csv", ".jsonl", ".ndjson")
_DATA_FOLDERS = ("data",)
_SCP_URL = re.compile(r"(?:[^@/\s]+@)?(?P<host>[\w.-]+):(?P<path>(?!/)[^\s]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """Where a Git remote lives: `host` is a name (with a port where there is one), `path` like `group/project`."""

    scheme: str
    host: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Detected:
    """A detected configuration and what was seen but cannot be configured from the files alone."""

    config: Config
    remarks: tuple[str, ...] = ()


def detect(root: Path) -> Config:
    """The configuration that fits the files below `root`. Raises `ConfigError` when nothing can be detected."""
    found = examine(root).config
    if found.gates == GatesConfig():
        raise ConfigError(
            "there is no headgate.yaml, and nothing to gate was found (tests/, dags/, gx/expectations/)",
            where=str(root),
            next_step="Run `headgate init` in the repository to be released, or name a file with --config.",
        )
    return found


def examine(root: Path) -> Detected:
    """What the files below `root` show, with remarks for a person; without any gate when there is nothing to gate."""
    return detect_config(list_files(root), folder=root.absolute().name, remote=origin(root))


def detect_config(files: Iterable[str], *, folder: str, remote: str | None) -> Detected:
    """The configuration for a repository with `files` (relative, `/`), in `folder`, cloned from `remote`. Pure.

    Tests under `tests/` give the unit gate; `dags/*.py` the DAG gate; each `gx/expectations/NAME.json` whose name is
    that of data files (`data/**/NAME.parquet`, `.csv`, `.jsonl`, or a folder NAME of them) a quality gate.
    """
    listing = sorted(set(files))
    quality, orphans = _quality(listing)
    gates: dict[str, Any] = {}
    if any(path.startswith("tests/") and path.endswith(".py") for path in listing):
        gates["unit"] = {"paths": ["tests"]}
    if quality:
        gates["quality"] = quality
    has_dags = any(path.startswith("dags/") and path.endswith(".py") for path in listing)
    if has_dags:
        gates["dags"] = {"path": "dags"}
    place = parse_remote(remote) if remote else None
    forge = _forge(place)
    settings: dict[str, Any] = {"version": 1, "project": place.path if place else folder or "project", "gates": gates}
    if forge:
        settings["forge"] = forge
    remarks = [
        f"{suite}: no data files are named like this suite; add it to gates.quality with its data" for suite in orphans
    ]
    if has_dags:
        remarks.append("dags/: name the bucket that Composer reads under dags.targets to deliver them")
    if any(path.endswith(".tf") for path in listing):
        remarks.append("*.tf: Terraform was found; plans are not gated yet")
    return Detected(config=Config.model_validate(settings), remarks=tuple(remarks))


def parse_remote(url: str) -> Remote | None:
    """The host and project of a Git remote URL (https, ssh, `git@host:path`); None for local paths. Credentials go."""
    if "://" in url:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            return None
        scheme = parts.scheme if parts.scheme in ("http", "https") else "ssh" if parts.scheme == "ssh" else ""
        path = parts.path.strip("/").removesuffix(".git")
        if not (scheme and host and path):
            return None
        # The port of an ssh URL says nothing about where the web interface listens.
        return Remote(scheme=scheme, host=f"{host}:{port}" if port and scheme != "ssh" else host, path=path)
    found = _SCP_URL.fullmatch(url)
    if not found:
        return None
    return Remote(scheme="ssh", host=found["host"], path=found["path"].strip("/").removesuffix(".git"))


def origin(root: Path) -> str | None:
    """URL of the remote `origin` of the repository at `root`; None when there is none (or no Git)."""
    if not (root / ".git").exists():
        return None
    try:
        done = Git(path=root, timeout_s=10).call("remote", "get-url", "origin")
    except HeadgateError:
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def list_files(root: Path) -> tuple[str, ...]:
    """Files below `root`, relative with `/`, sorted, at most `MAX_FILES`; caches and virtual environments are left out."""
    found: list[str] = []
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name not in _SKIPPED)
        base = Path(folder).relative_to(root)
        found.extend((base / name).as_posix() for name in files)
        if len(found) >= MAX_FILES:
            break
    return tuple(sorted(found[:MAX_FILES]))


def _forge(place: Remote | None) -> dict[str, Any] | None:
    """GitLab where the host's name says so; another forge cannot be told from its URL."""
    if place is None or "gitlab" not in place.host:
        return None
    scheme = "http" if place.scheme == "http" else "https"
    return {"kind": "gitlab", "url": f"{scheme}://{place.host}", "project": place.path}


def _quality(listing: list[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """Checks for suites with data of the same name, and the suites without."""
    data = [path for path in listing if path.endswith(_DATA_SUFFIXES) and PurePosixPath(path).parts[0] in _DATA_FOLDERS]
    checks: dict[str, dict[str, Any]] = {}
    orphans: list[str] = []
    for suite in listing:
        if not (suite.startswith("gx/expectations/") and suite.endswith(".json")):
            continue
        stem = PurePosixPath(suite).stem
        name = re.sub(r"[^a-z0-9._-]+", "-", stem.lower()).strip("-._")[:60].rstrip("-._")
        matching = _matching(stem, data)
        if matching and name and name not in checks:
            checks[name] = {"name": name, "suite": suite, "data": matching}
        else:
            orphans.append(suite)
    return list(checks.values()), orphans


def _matching(stem: str, data: list[str]) -> str | None:
    """The file called `stem`, or the glob of a folder called so; the deepest-built one (`curated` over `raw`) wins."""
    files = [path for path in data if PurePosixPath(path).stem == stem]
    globs = sorted(
        {
            f"{PurePosixPath(path).parent}/*{PurePosixPath(path).suffix}"
            for path in data
            if PurePosixPath(path).parent.name == stem
        }
    )
    candidates = [*files, *globs]
    return min(candidates, key=lambda path: ("/raw/" in path, not path.endswith(".parquet"), path), default=None)
