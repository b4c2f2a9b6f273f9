"""Manifests out of Git: revisions resolved, folders and charts rendered, as Argo CD's repository server does."""

from __future__ import annotations

import tempfile
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from cicd.sandbox.argocd import helm
from cicd.sandbox.kubernetes.cluster import CLUSTER_SCOPED, Object, copy_object
from headgate.errors import HeadgateError
from headgate.git import Git, clone, is_sha

_CACHED = 256
# libyaml's messages are those of Go's YAML, which was translated from it.
_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MANIFEST_SUFFIXES = frozenset({".yaml", ".yml", ".json"})
_WORDS_OF_A_MANIFEST = ("apiVersion:", "kind:", "metadata:")


class SourceError(Exception):
    """The target state cannot be had; the text is what Argo CD puts into a ComparisonError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The manifests of one commit; `source_type` is Directory or Helm."""

    revision: str
    source_type: str
    manifests: tuple[Object, ...]


class Sources:
    """Git repositories by URL, and what was rendered from them.

    `locations` maps a repoURL to the place where it really is (a path or another URL). A local repository is read
    where it lies; others are mirrored under a temporary folder and fetched when a branch is resolved.
    """

    def __init__(self, locations: Mapping[str, str | Path] | None = None, *, timeout_s: float = 60.0) -> None:
        self._locations = dict(locations or {})
        self._timeout_s = timeout_s
        self._mirrors: dict[str, Git] = {}
        self._cache: OrderedDict[tuple[str, ...], Rendered] = OrderedDict()
        self._lock = threading.RLock()
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def close(self) -> None:
        """Remove the mirrors."""
        with self._lock:
            if self._folder is not None:
                self._folder.cleanup()
            self._folder = None
            self._mirrors.clear()

    def locate(self, url: str, place: str | Path) -> None:
        """Read the repository `url` at `place` from now on."""
        with self._lock:
            self._locations[url] = place
            self._mirrors.pop(url, None)

    def resolve(self, url: str, revision: str) -> str:
        """The commit that a branch, tag or hash names now; a full hash is passed on unread, as Argo CD does.

        Raises `SourceError`.
        """
        if is_sha(revision):
            return revision
        with self._lock:
            try:
                return self._repository(url, fetch=True).rev_parse(revision or "HEAD")
            except HeadgateError as error:
                raise SourceError(f"unable to resolve '{revision or 'HEAD'}' to a commit SHA") from error

    def metadata(self, url: str, commit: str) -> dict[str, str]:
        """Author, date and message of a commit. Raises `SourceError` when it is not there."""
        with self._lock:
            repository = self._checkout(url, commit)
            text = repository.run("show", "--no-patch", "--format=%an <%ae>%x00%ct%x00%B", "--end-of-options", commit)
        author, committed, message = text.split("\0", 2)
        date = datetime.fromtimestamp(int(committed), tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"author": author, "date": date, "message": message.strip()}

    def render(self, source: Mapping[str, Any], commit: str, app: str, namespace: str) -> Rendered:
        """The manifests of `source` at `commit`, with the destination namespace filled in. Raises `SourceError`."""
        with self._lock:
            key = (str(source), commit, app, namespace)
            if key in self._cache:
                self._cache.move_to_end(key)
            else:
                self._cache[key] = self._try_render(source, commit, app, namespace)
            while len(self._cache) > _CACHED:
                self._cache.popitem(last=False)
            found = self._cache[key]
        manifests = tuple(copy_object(item) for item in found.manifests)
        return Rendered(revision=found.revision, source_type=found.source_type, manifests=manifests)

    def _try_render(self, source: Mapping[str, Any], commit: str, app: str, namespace: str) -> Rendered:
        try:
            return self._render(source, commit, app, namespace)
        except HeadgateError as error:
            raise SourceError(_unknown(f"failed to initialize repository resources: {error}")) from error

    def _render(self, source: Mapping[str, Any], commit: str, app: str, namespace: str) -> Rendered:
        path = str(source.get("path") or ".").strip("/") or "."
        repository = self._checkout(str(source["repoURL"]), commit)
        names = _list_files(repository, commit, path)
        if not names:
            raise SourceError(_unknown(f"{path}: app path does not exist"))
        reader = _Reader(repository, commit, path)
        if "Chart.yaml" in names:
            texts = _render_chart(reader, names, source, app, namespace)
        elif {"kustomization.yaml", "kustomization.yml"} & names:
            raise SourceError(_unknown(f"{path}: the sandbox has no kustomize; use plain YAML or a small Helm chart"))
        else:
            recurse = bool((source.get("directory") or {}).get("recurse"))
            chosen = [name for name in sorted(names) if _is_manifest(name) and (recurse or "/" not in name)]
            texts = {name: reader.read(name) for name in chosen}
        manifests = tuple(
            _with_namespace(manifest, namespace) for name, text in texts.items() for manifest in _parse(text, name)
        )
        return Rendered(
            revision=commit, source_type="Helm" if "Chart.yaml" in names else "Directory", manifests=manifests
        )

    def _checkout(self, url: str, commit: str) -> Git:
        """The repository, certain to hold the commit. Raises `SourceError`."""
        try:
            repository = self._repository(url, fetch=False)
            if not _has(repository, commit):
                repository = self._repository(url, fetch=True)
        except HeadgateError as error:
            raise SourceError(_unknown(f"failed to initialize repository resources: {error}")) from error
        if not _has(repository, commit):
            raise SourceError(
                _unknown(
                    "failed to initialize repository resources: rpc error: code = Internal desc = Failed to checkout "
                    f"revision {commit}: `git fetch origin {commit} --tags --force --prune` failed exit status 128: "
                    f"fatal: git upload-pack: not our ref {commit}\nfatal: remote error: upload-pack: not our ref {commit}"
                )
            )
        return repository

    def _repository(self, url: str, *, fetch: bool) -> Git:
        place = str(self._locations.get(url, url))
        local = _local_path(place)
        if local is not None:
            return Git(path=local, timeout_s=self._timeout_s)
        mirror = self._mirrors.get(url)
        if mirror is None:
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="headgate-argocd-")
            folder = Path(self._folder.name) / f"{len(self._mirrors)}.git"
            mirror = self._mirrors[url] = clone(place, folder, options=["--mirror"], timeout_s=self._timeout_s)
        elif fetch:
            mirror.run("fetch", "--quiet", "--prune", "origin")
        return mirror


@dataclass(frozen=True, slots=True)
class _Reader:
    """Files of one folder at one commit."""

    repository: Git
    commit: str
    folder: str

    def read(self, name: str) -> str:
        path = str(PurePosixPath(self.folder) / name)
        try:
            return self.repository.read_file(self.commit, path).decode("utf-8")
        except HeadgateError as error:
            raise SourceError(_unknown(f"{path}: no such file or directory")) from error


def _local_path(place: str) -> Path | None:
    """The folder a place names, if it is on this machine."""
    parts = urlsplit(place)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    if parts.scheme or (":" in place and not place.startswith("/")):
        return None
    return Path(place)


def _has(repository: Git, commit: str) -> bool:
    return repository.call("cat-file", "-e", f"{commit}^{{commit}}").returncode == 0


def _list_files(repository: Git, commit: str, path: str) -> frozenset[str]:
    """Names below the folder, relative to it; empty when the folder does not exist."""
    if ".." in PurePosixPath(path).parts:
        raise SourceError(_unknown(f"{path}: app path is outside repository root"))
    tree = commit if path == "." else f"{commit}:{path}"
    done = repository.call("ls-tree", "-r", "-z", "--name-only", "--full-tree", tree)
    return frozenset(name for name in done.stdout.split("\0") if name) if done.returncode == 0 else frozenset()


def _is_manifest(name: str) -> bool:
    return PurePosixPath(name).suffix in _MANIFEST_SUFFIXES


def _render_chart(
    reader: _Reader, names: frozenset[str], source: Mapping[str, Any], app: str, namespace: str
) -> dict[str, str]:
    """The rendered templates of a chart by file name."""
    options = source.get("helm") or {}
    try:
        chart = helm.parse_values(reader.read("Chart.yaml"), "Chart.yaml")
        files = ["values.yaml"] if "values.yaml" in names else []
        layers = [helm.parse_values(reader.read(name), name) for name in [*files, *(options.get("valueFiles") or ())]]
        values = helm.merge_values(*layers, options.get("valuesObject") or {})
        context = helm.release_values(chart, values, str(options.get("releaseName") or app), namespace)
        templates = [
            name
            for name in sorted(names)
            if name.startswith("templates/") and _is_manifest(name) and not PurePosixPath(name).name.startswith("_")
        ]
        return {name: helm.render(reader.read(name), context, name) for name in templates}
    except helm.HelmError as error:
        raise SourceError(_unknown(f"Manifest generation error: {error}")) from error


def _parse(text: str, name: str) -> list[Object]:
    """The documents of one file; lists are unfolded. Raises `SourceError`.

    A file that is not YAML and does not look like a manifest either is passed over, as Argo CD does.
    """
    documents: list[Any] = []
    try:
        documents += (item for item in yaml.load_all(text, Loader=_LOADER) if item is not None)
    except yaml.YAMLError as error:
        if not documents and not _looks_like_a_manifest(text):
            return []
        raise SourceError(
            _precondition(
                f'Failed to unmarshal "{name}": failed to unmarshal manifest: error converting YAML to JSON: '
                f"yaml: {_line(error)}{getattr(error, 'problem', None) or 'cannot be read'}"
            )
        ) from error
    unfolded = [
        inner
        for item in documents
        for inner in (item["items"] if isinstance(item, dict) and str(item.get("kind")).endswith("List") else [item])
    ]
    for number, item in enumerate(unfolded):
        if not _is_object(item):
            if number == 0 and not _looks_like_a_manifest(text):
                return []
            raise SourceError(
                _precondition(f"Failed to unmarshal \"{name}\": Object 'Kind' or 'metadata.name' is missing")
            )
    return unfolded


def _looks_like_a_manifest(text: str) -> bool:
    return all(word in text for word in _WORDS_OF_A_MANIFEST)


def _line(error: yaml.YAMLError) -> str:
    """Where the error is, as Go's YAML package counts: from 0 unless the scanner found it, and nothing for line 0."""
    marks = (getattr(error, "context_mark", None), getattr(error, "problem_mark", None))
    line = next((mark.line for mark in marks if mark is not None and mark.line), 0)
    return f"line {line + isinstance(error, yaml.scanner.ScannerError)}: " if line else ""


def _is_object(item: object) -> bool:
    if not isinstance(item, dict) or not isinstance(item.get("metadata"), dict):
        return False
    return all(
        isinstance(text, str) and text
        for text in (item.get("apiVersion"), item.get("kind"), item["metadata"].get("name"))
    )


def _with_namespace(manifest: Object, namespace: str) -> Object:
    metadata = {**manifest["metadata"]}
    if manifest["kind"] in CLUSTER_SCOPED:
        metadata.pop("namespace", None)
    else:
        metadata["namespace"] = metadata.get("namespace") or namespace
    return {**manifest, "metadata": metadata}


def _unknown(text: str) -> str:
    return f"rpc error: code = Unknown desc = {text}"


def _precondition(text: str) -> str:
    return f"rpc error: code = FailedPrecondition desc = {text}"
